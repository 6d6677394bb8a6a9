//! What the observer reads from stored objects: its own reading, shared with nobody.

use crate::version::Version;
use api::names::{label, node as contract, ours};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// A Node, as far as a promise is about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct NodeFacts {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) desired: String,
    pub(super) current: String,
    pub(super) state: String,
    pub(super) intent: u64,
    pub(super) acted: u64,
    /// The cordon bears our mark.
    pub(super) our_cordon: bool,
    pub(super) unschedulable: bool,
    /// The status of the condition Ready; empty where there is none.
    pub(super) ready: String,
    pub(super) ready_heartbeat: Option<Timestamp>,
    pub(super) boot: String,
    /// The boot that the daemon reported from.
    pub(super) reported_boot: String,
    pub(super) reported_at: Option<Timestamp>,
    pub(super) kubelet: Option<Version>,
}

impl NodeFacts {
    pub(super) fn read(object: &Value) -> Self {
        let annotation = |name: &str| {
            text(
                object
                    .pointer("/metadata/annotations")
                    .and_then(|all| all.get(name)),
            )
        };
        let number = |name: &str| annotation(name).parse().unwrap_or_default();
        let conditions = object
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let ready =
            conditions.and_then(|all| all.iter().find(|one| text(one.get("type")) == "Ready"));
        let of_ready = |field: &str| text(ready.and_then(|ready| ready.get(field)));
        Self {
            labels: strings(object.pointer("/metadata/labels")),
            desired: annotation(contract::DESIRED_CONFIG),
            current: annotation(contract::CURRENT_CONFIG),
            state: annotation(contract::STATE),
            intent: number(ours::INTENT),
            acted: number(ours::ACTED_INTENT),
            our_cordon: !annotation(ours::CORDONED).is_empty(),
            unschedulable: object
                .pointer("/spec/unschedulable")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            ready: of_ready("status"),
            ready_heartbeat: of_ready("lastHeartbeatTime").parse().ok(),
            boot: text(object.pointer("/status/nodeInfo/bootID")),
            reported_boot: annotation(ours::BOOT_ID),
            reported_at: annotation(ours::REPORTED_AT).parse().ok(),
            kubelet: Version::parse(&text(object.pointer("/status/nodeInfo/kubeletVersion"))),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready == "True"
    }

    /// The daemon says that it has carried out the newest assignment.
    pub(super) fn is_done(&self) -> bool {
        self.state == "Done" && self.current == self.desired && self.acted >= self.intent
    }

    pub(super) fn is_control_plane(&self) -> bool {
        label::CONTROL_PLANE
            .iter()
            .any(|role| self.labels.contains_key(*role))
    }
}

/// What a selector demands of one label.
#[derive(Clone, Debug, PartialEq)]
enum Demand {
    /// There, with one of these values.
    In(String, Vec<String>),
    /// Not there, or with another value.
    NotIn(String, Vec<String>),
    Exists(String),
    DoesNotExist(String),
    /// No operator that there is: no node can meet it.
    Unreadable,
}

impl Demand {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Exists(key) => labels.contains_key(key),
            Self::DoesNotExist(key) => !labels.contains_key(key),
            Self::Unreadable => false,
        }
    }
}

/// All that a label selector demands.
fn demands(selector: Option<&Value>) -> Vec<Demand> {
    let part = |name: &str| selector.and_then(|selector| selector.get(name));
    let labels = strings(part("matchLabels")).into_iter();
    let labels = labels.map(|(key, value)| Demand::In(key, vec![value]));
    let expressions = part("matchExpressions").and_then(Value::as_array);
    let expressions = expressions.into_iter().flatten().map(|expression| {
        let key = text(expression.get("key"));
        let values = expression.get("values").and_then(Value::as_array);
        let values = || {
            values
                .into_iter()
                .flatten()
                .map(|one| text(Some(one)))
                .collect()
        };
        match text(expression.get("operator")).as_str() {
            "In" => Demand::In(key, values()),
            "NotIn" => Demand::NotIn(key, values()),
            "Exists" => Demand::Exists(key),
            "DoesNotExist" => Demand::DoesNotExist(key),
            _ => Demand::Unreadable,
        }
    });
    labels.chain(expressions).collect()
}

/// A MachineConfigPool, as far as a promise is about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PoolFacts {
    selector: Vec<Demand>,
    max_unavailable: Option<Value>,
    /// The rendered config that its nodes shall have.
    pub(super) target: String,
    /// The rendered config that all its nodes have.
    pub(super) reached: String,
    pub(super) paused: bool,
    /// The counts of its status, by name.
    pub(super) counts: BTreeMap<String, i64>,
}

impl PoolFacts {
    pub(super) fn read(object: &Value) -> Self {
        let counts = [
            "machineCount",
            "updatedMachineCount",
            "readyMachineCount",
            "unavailableMachineCount",
        ];
        Self {
            selector: demands(object.pointer("/spec/nodeSelector")),
            max_unavailable: object.pointer("/spec/maxUnavailable").cloned(),
            target: text(object.pointer("/spec/configuration/name")),
            reached: text(object.pointer("/status/configuration/name")),
            paused: object
                .pointer("/spec/paused")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            counts: counts
                .iter()
                .filter_map(|name| {
                    Some((
                        (*name).to_owned(),
                        object.pointer(&format!("/status/{name}"))?.as_i64()?,
                    ))
                })
                .collect(),
        }
    }

    /// Whether its selector matches a node with `labels`; an empty selector matches nothing.
    pub(super) fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.selector.is_empty() && self.selector.iter().all(|demand| demand.holds(labels))
    }

    /// How many of `nodes` nodes may be away. Zero, and zero percent, mean none; a positive percentage is at least one.
    pub(super) fn most_away(&self, nodes: usize) -> usize {
        let Some(value) = &self.max_unavailable else {
            return 1;
        };
        if let Some(count) = value.as_u64() {
            return usize::try_from(count).unwrap_or(usize::MAX);
        }
        let percent = value
            .as_str()
            .and_then(|text| text.strip_suffix('%')?.parse::<usize>().ok());
        match percent {
            Some(percent) if percent > 0 => (nodes * percent / 100).max(1),
            // What is no number lets nobody go, as zero does.
            Some(_) | None => 0,
        }
    }
}

/// The pool that counts a node with `labels`: a custom one before `master` before `worker`; none where two custom ones
/// want it, or none does.
pub(super) fn primary_pool<'a>(
    pools: &'a BTreeMap<String, PoolFacts>,
    labels: &BTreeMap<String, String>,
) -> Option<&'a str> {
    let matching: Vec<&str> = pools
        .iter()
        .filter(|(_, pool)| pool.selects(labels))
        .map(|(name, _)| name.as_str())
        .collect();
    let custom: Vec<&str> = matching
        .iter()
        .copied()
        .filter(|name| !["master", "worker"].contains(name))
        .collect();
    match (matching.contains(&"master"), custom.as_slice()) {
        (true, _) => Some("master"),
        (false, [one]) => Some(one),
        (false, []) => matching.first().copied(),
        (false, _) => None,
    }
}

/// The text at `value`; empty where there is none.
pub(super) fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn strings(value: Option<&Value>) -> BTreeMap<String, String> {
    let entries = value.and_then(Value::as_object);
    entries
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), text(Some(value))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_positive_percentage_is_at_least_one_and_zero_is_zero() {
        let away = |value: Value| {
            PoolFacts::read(&json!({ "spec": { "maxUnavailable": value } })).most_away(4)
        };

        assert_eq!(
            [
                away(json!("10%")),
                away(json!("0%")),
                away(json!(0)),
                away(json!("60%"))
            ],
            [1, 0, 0, 2]
        );
    }

    #[test]
    fn a_custom_pool_counts_the_node_that_worker_selects_too() {
        let pool = |role: &str| {
            let selector =
                json!({ "matchLabels": { format!("node-role.kubernetes.io/{role}"): "" } });
            (
                role.to_owned(),
                PoolFacts::read(&json!({ "spec": { "nodeSelector": selector } })),
            )
        };
        let pools = [pool("worker"), pool("gpu")].into();
        let labels = ["worker", "gpu"]
            .map(|role| (format!("node-role.kubernetes.io/{role}"), String::new()))
            .into();

        assert_eq!(primary_pool(&pools, &labels), Some("gpu"));
    }

    #[test]
    fn a_pool_selects_by_each_kind_of_expression() {
        let nodes = [
            ("zone a", json!({"zone": "a"})),
            ("zone b", json!({"zone": "b"})),
            ("nowhere", json!({"old": ""})),
        ];
        let selected = |expression: Value| -> Vec<&str> {
            let selector = json!({ "matchExpressions": [expression] });
            let pool = PoolFacts::read(&json!({ "spec": { "nodeSelector": selector } }));
            let nodes = nodes.iter();
            nodes
                .filter(|(_, labels)| pool.selects(&strings(Some(labels))))
                .map(|(name, _)| *name)
                .collect()
        };

        let answers = [
            selected(json!({"key": "zone", "operator": "In", "values": ["a", "c"]})),
            selected(json!({"key": "zone", "operator": "NotIn", "values": ["a"]})),
            selected(json!({"key": "zone", "operator": "Exists"})),
            selected(json!({"key": "zone", "operator": "DoesNotExist"})),
            selected(json!({"key": "zone", "operator": "Near", "values": ["a"]})),
        ];

        assert_eq!(
            answers,
            [
                vec!["zone a"],
                vec!["zone b", "nowhere"],
                vec!["zone a", "zone b"],
                vec!["nowhere"],
                vec![]
            ]
        );
    }

    #[test]
    fn a_pool_selects_what_meets_labels_and_expressions() {
        let pool = PoolFacts::read(&json!({ "spec": { "nodeSelector": {
            "matchLabels": {"role": "gpu"},
            "matchExpressions": [{"key": "zone", "operator": "Exists"}],
        }}}));
        let selects = |labels: Value| pool.selects(&strings(Some(&labels)));

        assert!(selects(json!({"role": "gpu", "zone": "a"})));
        assert!(!selects(json!({"role": "gpu"})));
        assert!(!selects(json!({"zone": "a"})));
    }
}
