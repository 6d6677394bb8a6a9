//! Kubernetes objects, read into domain types.
//!
//! # Guarantees
//! Reading never fails: what cannot be read is absent, or is kept as an error in the field that decides on it
//! (selectors). So one odd Node cannot keep the others from being planned.
//! # Not here
//! Facts that stand on other objects: the fields that [`NodeView::from_node`] leaves empty.

use super::{
    ApiServers, AssignRequest, Heard, Holder, Ledger, MaxUnavailable, NodeCondition,
    NodeConditionKind, NodeState, NodeView, PoolCondition, PoolView, TakenAway, Truth,
};
use crate::membership::Selector;
use crate::names::{BootId, ConfigName, Intent};
use crate::version::Version;
use api::names::{foreign, node_state, ours, pool as pool_names, taint};
use api::{MachineConfigPool, SlotLedger, SlotLedgerSpec};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition as WireNodeCondition};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;
use std::sync::Arc;

impl NodeView {
    /// What a Node says by itself. Left to the caller: `assigned`, `lease_renewed_at`, `drain`,
    /// `drain_released_at`, `api_pods`, `cannot_apply`.
    pub fn from_node(node: &Node) -> Self {
        let meta = &node.metadata;
        let empty = BTreeMap::new();
        let notes = Annotations(meta.annotations.as_ref().unwrap_or(&empty));
        let spec = node.spec.as_ref();
        let status = node.status.as_ref();
        let info = status.and_then(|status| status.node_info.as_ref());
        let taints = spec
            .and_then(|spec| spec.taints.as_deref())
            .unwrap_or_default();
        let has_taint = |key: &str| taints.iter().any(|taint| taint.key == key);
        let taken_away = if meta.deletion_timestamp.is_some() {
            Some(TakenAway::Deleted)
        } else if has_taint(foreign::AUTOSCALER_DELETING) {
            Some(TakenAway::ClusterAutoscaler)
        } else if has_taint(foreign::KARPENTER_DISRUPTED) {
            Some(TakenAway::Karpenter)
        } else if has_taint(foreign::MEDIK8S_DRAIN) {
            Some(TakenAway::Medik8s)
        } else {
            None
        };
        let mut view = Self::new(
            meta.name.as_deref().unwrap_or_default(),
            meta.uid.as_deref().unwrap_or_default(),
        );
        view.created = meta.creation_timestamp.as_ref().map(|time| time.0);
        view.labels = Arc::new(meta.labels.clone().unwrap_or_default());
        view.unschedulable = spec.and_then(|spec| spec.unschedulable).unwrap_or(false);
        let conditions = status
            .and_then(|status| status.conditions.as_deref())
            .unwrap_or_default();
        view.conditions = conditions.iter().filter_map(condition).collect();
        view.taken_away = taken_away;
        view.update_taint = has_taint(taint::UPDATE_IN_PROGRESS);
        view.boot_id = info
            .map(|info| info.boot_id.as_str())
            .filter(|id| !id.is_empty())
            .map(BootId::from);
        view.kubelet = info.and_then(|info| info.kubelet_version.parse().ok());
        view.read_contract(notes);
        view.read_ours(notes);
        view
    }

    /// The reference's annotations.
    fn read_contract(&mut self, notes: Annotations<'_>) {
        use api::names::node as names;
        self.current = notes.word(names::CURRENT_CONFIG).map(ConfigName::from);
        self.desired = notes.word(names::DESIRED_CONFIG).map(ConfigName::from);
        self.current_image = notes.get(names::CURRENT_IMAGE).map(Arc::from);
        self.desired_image = notes.get(names::DESIRED_IMAGE).map(Arc::from);
        self.state = notes.word(names::STATE).map(|word| match word {
            node_state::DONE => NodeState::Done,
            node_state::WORKING => NodeState::Working,
            node_state::DEGRADED => NodeState::Degraded,
            node_state::UNRECONCILABLE => NodeState::Unreconcilable,
            _ => NodeState::Other,
        });
        self.reason = notes.get(names::REASON).unwrap_or_default().into();
        self.post_config_action = notes.word(names::POST_CONFIG_ACTION).map(Arc::from);
        self.desired_drain = notes.word(names::DESIRED_DRAIN).map(Arc::from);
        self.last_applied_drain = notes.word(names::LAST_APPLIED_DRAIN).map(Arc::from);
    }

    /// Our own annotations.
    fn read_ours(&mut self, notes: Annotations<'_>) {
        self.intent = notes.intent(ours::INTENT).unwrap_or_default();
        self.acted_intent = notes.intent(ours::ACTED_INTENT).unwrap_or_default();
        self.drained_intent = notes.intent(ours::DRAINED_INTENT);
        self.cordoned_by_us = notes.get(ours::CORDONED).is_some();
        self.keep_cordoned = notes
            .get(ours::KEEP_CORDONED)
            .is_some_and(|value| value != "false");
        self.on_request = notes.get(ours::ASSIGNED_ON_REQUEST).is_some();
        self.request = notes.word(ours::ASSIGN_REQUEST).and_then(|text| {
            let request: api::requests::AssignRequest = serde_json::from_str(text).ok()?;
            Some(AssignRequest {
                config: request.config.into(),
                reason: request.reason.into(),
            })
        });
        self.reported_boot_id = notes.word(ours::BOOT_ID).map(BootId::from);
        self.reported_at = notes
            .word(ours::REPORTED_AT)
            .and_then(|text| text.parse().ok());
        self.package_mode = notes.get(ours::PACKAGE_MODE) == Some("true");
        self.os_id = notes.word(ours::OS_ID).map(Arc::from);
        self.api_packages = notes
            .word(ours::PACKAGE_VERSIONS)
            .and_then(oldest_package)
            .or_else(|| {
                notes
                    .word(ours::API_VERSION)
                    .and_then(|text| text.parse().ok())
            });
    }
}

/// The oldest of a machine's own API packages: all of them must be upgraded. `None` if none is installed, or if one
/// cannot be read.
fn oldest_package(text: &str) -> Option<Version> {
    let packages: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
    let versions: Option<Vec<Version>> = packages
        .values()
        .map(|version| package_version(version))
        .collect();
    versions?.into_iter().reduce(|oldest, version| {
        if version.satisfies(&oldest) {
            oldest
        } else {
            version
        }
    })
}

/// A package's version as package managers write it: an epoch (`1:1.34.2-1.el9`) is dropped.
fn package_version(text: &str) -> Option<Version> {
    text.split_once(':')
        .map_or(text, |(_epoch, rest)| rest)
        .parse()
        .ok()
}

fn condition(condition: &WireNodeCondition) -> Option<NodeCondition> {
    let kind = match condition.type_.as_str() {
        "Ready" => NodeConditionKind::Ready,
        "DiskPressure" => NodeConditionKind::DiskPressure,
        "NetworkUnavailable" => NodeConditionKind::NetworkUnavailable,
        _ => return None,
    };
    let status = match condition.status.as_str() {
        "True" => Truth::True,
        "False" => Truth::False,
        _ => Truth::Unknown,
    };
    Some(NodeCondition {
        kind,
        status,
        since: condition.last_transition_time.as_ref().map(|time| time.0),
        heartbeat: condition.last_heartbeat_time.as_ref().map(|time| time.0),
    })
}

/// Annotations of an object.
#[derive(Clone, Copy)]
struct Annotations<'a>(&'a BTreeMap<String, String>);

impl<'a> Annotations<'a> {
    fn get(self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(String::as_str)
    }

    /// A value that says something: an empty one is as good as none.
    fn word(self, key: &str) -> Option<&'a str> {
        self.get(key).filter(|value| !value.is_empty())
    }

    fn intent(self, key: &str) -> Option<Intent> {
        self.word(key)?.parse().ok().map(Intent)
    }
}

impl PoolView {
    /// What a MachineConfigPool says.
    pub fn from_pool(pool: &MachineConfigPool) -> Self {
        let meta = &pool.metadata;
        let empty = BTreeMap::new();
        let notes = Annotations(meta.annotations.as_ref().unwrap_or(&empty));
        let spec = &pool.spec;
        let status = pool.status.as_ref();
        let mut view = Self::new(meta.name.as_deref().unwrap_or_default());
        view.selector = Selector::read(spec.node_selector.as_ref());
        view.labels = Arc::new(meta.labels.clone().unwrap_or_default());
        view.generation = meta.generation;
        view.deleting = meta.deletion_timestamp.is_some();
        view.target = config_name(&spec.configuration.name);
        view.source = source_names(&spec.configuration);
        view.reached = status.and_then(|status| config_name(&status.configuration.name));
        view.reached_source = status
            .map(|status| source_names(&status.configuration))
            .unwrap_or_default();
        view.max_unavailable = match &spec.max_unavailable {
            None => MaxUnavailable::Unset,
            Some(IntOrString::Int(number)) => MaxUnavailable::Number(i64::from(*number)),
            Some(IntOrString::String(text)) => MaxUnavailable::Text(text.as_str().into()),
        };
        view.paused = spec.paused;
        let conditions = status
            .map(|status| status.conditions.as_slice())
            .unwrap_or_default();
        view.conditions = conditions
            .iter()
            .map(|condition| PoolCondition {
                kind: condition.type_.clone(),
                status: condition.status.clone(),
                reason: condition.reason.clone(),
                message: condition.message.clone(),
                since: condition.last_transition_time.as_ref().map(|time| time.0),
            })
            .collect();
        view.approved_first = notes.word(pool_names::APPROVE_FIRST).map(ConfigName::from);
        view.approved_config = notes.word(pool_names::APPROVE_CONFIG).map(ConfigName::from);
        view
    }
}

fn config_name(name: &str) -> Option<ConfigName> {
    (!name.is_empty()).then(|| name.into())
}

fn source_names(configuration: &api::machineconfiguration::PoolConfiguration) -> Vec<Arc<str>> {
    let names = configuration
        .source
        .iter()
        .filter_map(|source| source.name.as_deref());
    names.map(Arc::from).collect()
}

impl Ledger {
    /// What a SlotLedger says. Two entries of one node, which only a foreign hand can have written, count as the one
    /// of the higher intent.
    pub fn from_object(ledger: &SlotLedger) -> Self {
        let mut read = Self::default();
        for holder in &ledger.spec.holders {
            let holder = Holder {
                node: holder.node.as_str().into(),
                uid: holder.uid.as_str().into(),
                pool: holder.pool.as_str().into(),
                intent: Intent(u64::try_from(holder.intent).unwrap_or_default()),
                config: holder.config.as_str().into(),
            };
            let known = read.holders.get(&holder.node).map(|known| known.intent);
            if known.is_none_or(|known| known < holder.intent) {
                read.holders.insert(holder.node.clone(), holder);
            }
        }
        read
    }

    /// What is written: the holders in the order of their names.
    pub fn to_spec(&self) -> SlotLedgerSpec {
        let holders = self.holders.values().map(|holder| api::Holder {
            node: holder.node.to_string(),
            uid: holder.uid.to_string(),
            pool: holder.pool.to_string(),
            intent: i64::try_from(holder.intent.0).unwrap_or(i64::MAX),
            config: holder.config.to_string(),
        });
        SlotLedgerSpec {
            holders: holders.collect(),
        }
    }
}

impl ApiServers {
    /// Instances by address, with what `/version` said (`gitVersion`) and since when; `None` for silence. An answer that is no
    /// version counts as silence.
    pub fn from_answers<'a>(
        answers: impl IntoIterator<Item = (&'a str, Option<&'a str>, Timestamp)>,
    ) -> Self {
        let heard = |(instance, answer, since): (&'a str, Option<&'a str>, Timestamp)| {
            let serves = answer.and_then(|version| version.parse().ok());
            (Arc::from(instance), Heard { serves, since })
        };
        Self {
            instances: answers.into_iter().map(heard).collect(),
        }
    }
}
