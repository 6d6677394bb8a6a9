//! Which nodes were held for which reason, and for how long, from their MachineConfigNodes.

use super::facts::text;
use api::conditions::node::HELD;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One reason, and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HoldSummary {
    /// The stable identifier of the hold.
    pub reason: String,
    /// How many nodes were ever held for it.
    pub nodes: usize,
    /// For how long in all, over those nodes.
    pub seconds: f64,
}

/// Holds of a run.
#[derive(Debug, Default)]
pub(super) struct Holds {
    /// The present hold of each node, and since when.
    present: BTreeMap<String, (String, Timestamp)>,
    /// Nodes and seconds by reason, for holds that are over.
    past: BTreeMap<String, (BTreeSet<String>, f64)>,
}

impl Holds {
    /// Takes in the MachineConfigNode of node `name`.
    pub(super) fn node(&mut self, name: &str, object: &Value, gone: bool, now: Timestamp) {
        let reason = if gone { None } else { hold(object) };
        let present = self.present.get(name).map(|(reason, _)| reason.clone());
        if present == reason {
            return;
        }
        self.end(name, now);
        if let Some(reason) = reason {
            self.present.insert(name.to_owned(), (reason, now));
        }
    }

    /// All reasons so far, as of `now`.
    pub(super) fn summary(&self, now: Timestamp) -> Vec<HoldSummary> {
        let mut all = self.past.clone();
        for (name, (reason, since)) in &self.present {
            let entry = all.entry(reason.clone()).or_default();
            entry.0.insert(name.clone());
            entry.1 += now.duration_since(*since).as_secs_f64();
        }
        all.into_iter()
            .map(|(reason, (nodes, seconds))| HoldSummary {
                reason,
                nodes: nodes.len(),
                seconds,
            })
            .collect()
    }

    fn end(&mut self, name: &str, now: Timestamp) {
        if let Some((reason, since)) = self.present.remove(name) {
            let entry = self.past.entry(reason).or_default();
            entry.0.insert(name.to_owned());
            entry.1 += now.duration_since(since).as_secs_f64();
        }
    }
}

/// The reason for which a MachineConfigNode says that it is held.
fn hold(object: &Value) -> Option<String> {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array)?;
    let held = conditions
        .iter()
        .find(|one| text(one.get("type")) == HELD)?;
    (text(held.get("status")) == "True").then(|| text(held.get("reason")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn held(reason: &str) -> Value {
        json!({ "status": { "conditions": [{ "type": HELD, "status": "True", "reason": reason }] } })
    }

    #[test]
    fn a_hold_costs_the_time_until_another_takes_its_place() {
        let mut holds = Holds::default();
        let at = |second| Timestamp::from_second(second).unwrap();

        holds.node("a", &held("Paused"), false, at(0));
        holds.node("a", &held("NoFreeSlot"), false, at(10));

        let summary = holds.summary(at(15));
        let told: Vec<(&str, usize, f64)> = summary
            .iter()
            .map(|hold| (hold.reason.as_str(), hold.nodes, hold.seconds))
            .collect();
        assert_eq!(told, [("NoFreeSlot", 1, 5.0), ("Paused", 1, 10.0)]);
    }
}
