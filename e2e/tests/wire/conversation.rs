//! A conversation on a Node: how it is recorded, and what a part of it looks like.

use std::collections::BTreeMap;

use api::names::{node as contract, ours};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::stage::{Stage, is_back};

/// What stands for the n-th rendered config.
pub(crate) const CONFIGS: [&str; 2] = ["<config-1>", "<config-2>"];
/// What stands for a time, and for a boot's id.
pub(crate) const TIME: &str = "<time>";
pub(crate) const BOOT: &str = "<boot>";

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Side {
    Controller,
    Daemon,
}

/// One change of the Node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) by: Side,
    /// What it wrote; null: what it took off.
    pub(crate) annotations: BTreeMap<String, Option<String>>,
    /// The cordon, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unschedulable: Option<bool>,
}

/// From an empty Node to one that is back in service on its second config.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Conversation {
    pub(crate) steps: Vec<Step>,
    /// The specs of the two rendered configs.
    pub(crate) configs: Vec<Value>,
    /// The daemon's own files while it waited for the drain.
    pub(crate) disk: BTreeMap<String, String>,
}

/// Who writes an annotation; nobody's are those of kubelets and people.
fn speaker(key: &str) -> Option<Side> {
    let of_daemon = contract::OF_DAEMON.iter().chain(&ours::OF_DAEMON);
    let of_controller = contract::ACTED_BY
        .iter()
        .chain(&ours::ACTED_BY)
        .chain(&ours::REMEMBERED);
    if of_daemon.into_iter().any(|known| *known == key) {
        Some(Side::Daemon)
    } else if of_controller.into_iter().any(|known| *known == key) {
        Some(Side::Controller)
    } else {
        None
    }
}

/// What changed between two states of the Node, by who says it.
pub(crate) fn steps(before: &Value, after: &Value) -> Vec<Step> {
    let notes = |node: &Value| -> BTreeMap<String, String> {
        let notes = node["metadata"]["annotations"].as_object();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let notes = notes.into_iter().flatten();
        notes
            .map(|(key, value)| (key.clone(), text(value)))
            .collect()
    };
    let (old, new) = (notes(before), notes(after));
    let cordon = |node: &Value| node["spec"]["unschedulable"].as_bool().unwrap_or_default();
    let mut all = Vec::new();
    for by in [Side::Controller, Side::Daemon] {
        let own = |key: &&String| speaker(key) == Some(by);
        let keys = old.keys().chain(new.keys()).filter(own);
        let annotations: BTreeMap<String, Option<String>> = keys
            .filter(|key| old.get(*key) != new.get(*key))
            .map(|key| (key.clone(), new.get(key).cloned()))
            .collect();
        let cordoned = cordon(before) != cordon(after) && by == Side::Controller;
        if !annotations.is_empty() || cordoned {
            all.push(Step {
                by,
                annotations,
                unschedulable: cordoned.then(|| cordon(after)),
            });
        }
    }
    all
}

/// Today's controller and daemon, listened to.
pub(crate) async fn record() -> Conversation {
    let mut stage = Stage::new().await;
    let mut seen = stage.changes();
    stage.switch_on(|_| {}).await;
    stage.start_controller();
    let first = stage.apply_first().await;
    stage.name(1, &first);
    stage.until_on(&first).await;
    stage.keep_the_drain_waiting().await;
    let second = stage.apply_second(&first).await;
    stage.name(2, &second);
    let asks = format!("drain-{second}");
    stage
        .until("it asks for the drain", |node| {
            node["metadata"]["annotations"][contract::DESIRED_DRAIN] == asks.as_str()
        })
        .await;
    let disk = stage.disk();
    stage.let_the_drain_go().await;
    stage.until_on(&second).await;
    stage.until("it is back in service", is_back).await;
    stage.until_no_slot_is_held().await;

    let mut all = Vec::new();
    for (_, event) in seen.drain().unwrap() {
        let before = event.previous.as_deref().cloned().unwrap_or_default();
        all.extend(steps(&before, &event.object));
    }
    let steps = all.into_iter().map(|step| stage.open(step)).collect();
    let configs = [&first, &second].map(|name| stage.spec(name)).to_vec();
    let disk = disk
        .into_iter()
        .map(|(path, text)| (stage.opened(&path), stage.opened(&text)))
        .collect();
    Conversation {
        steps,
        configs,
        disk,
    }
}

impl Conversation {
    /// Whether a side writes this.
    pub(crate) fn has(&self, by: Side, key: &str) -> bool {
        let mut own = self.steps.iter().filter(|step| step.by == by);
        own.any(|step| step.annotations.contains_key(key))
    }

    /// The name that the n-th config has where configs are made by hand.
    #[expect(clippy::unused_self, reason = "it is the conversation's config")]
    pub(crate) fn config(&self, number: usize) -> String {
        format!("rendered-worker-{}", number.to_string().repeat(32))
    }

    fn drain(&self) -> usize {
        let asks = format!("drain-{}", CONFIGS[1]);
        let asked = |step: &Step| {
            step.annotations.get(contract::DESIRED_DRAIN) == Some(&Some(asks.clone()))
        };
        self.steps
            .iter()
            .position(asked)
            .expect("the second config drains")
            + 1
    }

    /// All until the daemon asked for the drain.
    pub(crate) fn until_the_drain(&self) -> Vec<Step> {
        self.steps[..self.drain()].to_vec()
    }

    /// All after that.
    pub(crate) fn after_the_drain(&self) -> Vec<Step> {
        self.steps[self.drain()..].to_vec()
    }
}
