//! The Node as the core reads it, and the core's report as annotations.

use crate::core::{NodeView, Order, Ready, Report};
use crate::host::HostFacts;
use api::names::{node, ours};
use k8s_openapi::api::core::v1::Node;
use std::collections::BTreeMap;

/// What the last look at the Node showed, as far as writing it needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen {
    pub(super) uid: String,
    /// `None` where the server's versions are no numbers: then every event counts as newer.
    pub(super) version: Option<u64>,
    pub(super) annotations: BTreeMap<String, String>,
}

impl Seen {
    pub(super) fn of(node: &Node) -> Self {
        let version = node.metadata.resource_version.as_deref();
        Self {
            uid: node.metadata.uid.clone().unwrap_or_default(),
            version: version.and_then(|version| version.parse().ok()),
            annotations: node.metadata.annotations.clone().unwrap_or_default(),
        }
    }

    /// Whether `self` shows an older state of the same Node than `other`: a watch lags behind the answers to our own
    /// writes.
    pub(super) fn is_older_than(&self, other: &Self) -> bool {
        self.uid == other.uid
            && matches!((self.version, other.version), (Some(this), Some(that)) if this < that)
    }
}

/// The Node as the core reads it.
pub(super) fn view(node: &Node) -> NodeView {
    let empty = BTreeMap::new();
    let annotations = node.metadata.annotations.as_ref().unwrap_or(&empty);
    let text = |key: &str| {
        annotations
            .get(key)
            .filter(|value| !value.is_empty())
            .cloned()
    };
    let number = |key: &str| text(key).and_then(|value| value.parse::<u64>().ok());
    let desired_config = text(node::DESIRED_CONFIG);
    let order = match (number(ours::INTENT), &desired_config) {
        (Some(intent), Some(config)) => Some(Order {
            intent,
            config: config.clone(),
        }),
        _ => None,
    };
    let topology = annotations.get(node::CONTROL_PLANE_TOPOLOGY);
    let info = node
        .status
        .as_ref()
        .and_then(|status| status.node_info.as_ref());
    NodeView {
        order,
        desired_config,
        acted_intent: number(ours::ACTED_INTENT),
        last_applied_drain: text(node::LAST_APPLIED_DRAIN),
        drained_intent: number(ours::DRAINED_INTENT),
        cordoned: annotations.contains_key(ours::CORDONED),
        single_control_plane: topology.is_some_and(|it| it == node::TOPOLOGY_SINGLE_REPLICA),
        ready: ready(node),
        boot_id: info.map(|info| info.boot_id.clone()).unwrap_or_default(),
    }
}

fn ready(node: &Node) -> Ready {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.type_ == "Ready");
    match ready.map(|condition| (condition.status.as_str(), &condition.last_heartbeat_time)) {
        Some(("True", heartbeat)) => Ready::True {
            heartbeat: heartbeat.as_ref().map(|time| time.0),
        },
        Some(("False", _)) => Ready::False,
        _ => Ready::Unknown,
    }
}

/// The annotations that have to change so that the Node says `report` and `facts`; `None` removes one.
pub(super) fn changes(
    report: &Report,
    facts: Option<&HostFacts>,
    seen: &Seen,
) -> BTreeMap<&'static str, Option<String>> {
    let mut wanted = wanted(report);
    if let Some(facts) = facts {
        wanted.extend(told_by_host(facts));
    }
    wanted.retain(|key, value| {
        let there = seen.annotations.get(*key).map(String::as_str);
        // An empty value says no more than an absent one.
        there.unwrap_or_default() != value.as_deref().unwrap_or_default()
    });
    wanted
}

fn wanted(report: &Report) -> BTreeMap<&'static str, Option<String>> {
    let state = report.state.map(|state| state.as_str().to_owned());
    let mut wanted = BTreeMap::from([
        (node::CURRENT_CONFIG, report.current_config.clone()),
        (node::STATE, state),
        (node::REASON, Some(report.reason.clone())),
        (
            node::POST_CONFIG_ACTION,
            Some(report.post_config_action.to_owned()),
        ),
        (ours::BOOT_ID, Some(report.boot_id.clone())),
    ]);
    // What is not said now stays as it was said last.
    let kept = [
        (node::DESIRED_DRAIN, report.desired_drain.clone()),
        (
            ours::ACTED_INTENT,
            report.acted_intent.map(|intent| intent.to_string()),
        ),
        (
            ours::REPORTED_AT,
            report.reported_at.map(|at| at.to_string()),
        ),
    ];
    wanted.extend(kept.into_iter().filter(|(_, value)| value.is_some()));
    wanted
}

fn told_by_host(facts: &HostFacts) -> [(&'static str, Option<String>); 4] {
    let versions = serde_json::to_string(&facts.package_versions).unwrap_or_default();
    [
        (ours::OS_ID, Some(facts.os_id.clone())),
        (ours::PACKAGE_MODE, Some(facts.package_mode.to_string())),
        (ours::PACKAGE_VERSIONS, Some(versions)),
        (
            ours::CAPABILITIES,
            Some(facts.capabilities.names().join(",")),
        ),
    ]
}
