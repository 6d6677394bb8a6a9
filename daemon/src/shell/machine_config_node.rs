//! The daemon's part of the MachineConfigNode: conditions and versions, in status only and without force.
//!
//! A view for people: where it and the Node's annotations differ, the annotations decide, so nothing waits for it.

use super::cluster::Cluster;
use crate::core::Condition;
use jiff::Timestamp;
use kube::Error;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the daemon has to say there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) conditions: Vec<Condition>,
    pub(super) desired: Option<String>,
    pub(super) current: Option<String>,
}

/// What is there, as far as writing it needs: since when each condition has its status, and the generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    generation: Option<i64>,
    since: BTreeMap<String, (String, String)>,
}

/// How a write ended.
#[derive(Debug)]
pub(super) enum Written {
    /// It is there.
    Yes(Known),
    /// There is no such object, yet.
    NoObject,
    /// Somebody else owns a field of ours; asking again changes nothing.
    Conflict(Known, Error),
    /// Worth another try.
    Failed(Error),
}

/// Writes `status`, looking first where nothing is known.
pub(super) async fn write(
    cluster: Cluster,
    status: Status,
    known: Option<Known>,
    now: Timestamp,
) -> Written {
    let known = match known {
        Some(known) => known,
        None => match cluster.machine_config_node().await {
            Ok(Some(object)) => Known::of(&object),
            Ok(None) => return Written::NoObject,
            Err(error) => return Written::Failed(error),
        },
    };
    match cluster.apply_status(known.body(&status, now)).await {
        Ok(object) => Written::Yes(Known::of(&object)),
        Err(Error::Api(answer)) if answer.code == 404 => Written::NoObject,
        Err(Error::Api(answer)) if answer.code == 409 => {
            Written::Conflict(known, Error::Api(answer))
        }
        Err(error) => Written::Failed(error),
    }
}

impl Known {
    fn of(object: &DynamicObject) -> Self {
        let conditions = object
            .data
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let text = |condition: &Value, field: &str| {
            let value = condition.get(field).and_then(Value::as_str);
            value.map(str::to_owned)
        };
        let since = conditions
            .into_iter()
            .flatten()
            .filter_map(|condition| {
                let kind = text(condition, "type")?;
                let status = text(condition, "status")?;
                Some((kind, (status, text(condition, "lastTransitionTime")?)))
            })
            .collect();
        Self {
            generation: object.metadata.generation,
            since,
        }
    }

    fn body(&self, status: &Status, now: Timestamp) -> Value {
        let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let conditions: Vec<Value> = status
            .conditions
            .iter()
            .map(|condition| {
                let word = condition.status.as_str();
                let since = match self.since.get(condition.kind) {
                    Some((before, since)) if before == word => since,
                    _ => &now,
                };
                json!({
                    "type": condition.kind,
                    "status": word,
                    "reason": condition.reason,
                    "message": condition.message,
                    "lastTransitionTime": since,
                })
            })
            .collect();
        let mut body = json!({"conditions": conditions});
        if let Some(generation) = self.generation {
            body["observedGeneration"] = generation.into();
        }
        if let Some(desired) = &status.desired {
            body["configVersion"] = json!({"desired": desired});
            if let Some(current) = &status.current {
                body["configVersion"]["current"] = current.clone().into();
            }
        }
        body
    }
}
