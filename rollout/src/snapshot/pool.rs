//! What the planner knows of a pool.

use crate::membership::Selector;
use crate::names::{ConfigName, PoolName};
use jiff::Timestamp;
use std::sync::Arc;

/// A MachineConfigPool.
#[derive(Clone, Debug)]
pub struct PoolView {
    /// Its name.
    pub name: PoolName,
    /// `spec.nodeSelector`, read; or what is wrong with it.
    pub selector: Selector,
    /// Its labels: RolloutPolicies select by them.
    pub labels: Arc<std::collections::BTreeMap<String, String>>,
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// Whether it is being deleted: its nodes are left as they are.
    pub deleting: bool,
    /// The target: `spec.configuration.name`; `None` until the first has been rendered.
    pub target: Option<ConfigName>,
    /// `spec.configuration.source`: the machine configs that the target was made of.
    pub source: Vec<Arc<str>>,
    /// `status.configuration.name`: what all nodes had last.
    pub reached: Option<ConfigName>,
    /// Names in `status.configuration.source`.
    pub reached_source: Vec<Arc<str>>,
    /// `spec.maxUnavailable`.
    pub max_unavailable: MaxUnavailable,
    /// `spec.paused`.
    pub paused: bool,
    /// `status.conditions` as they stand.
    pub conditions: Vec<PoolCondition>,
    /// The config that the annotation `windlass.dev/approve-first` approves; see [`crate::hold::Hold::AwaitingFirstApproval`].
    pub approved_first: Option<ConfigName>,
    /// The config whose stopped rollout the annotation `windlass.dev/approve-config` lets go on.
    pub approved_config: Option<ConfigName>,
}

impl PoolView {
    /// A pool of this name without anything in it.
    pub fn new(name: impl Into<PoolName>) -> Self {
        Self {
            name: name.into(),
            selector: Selector::nothing(),
            labels: Arc::default(),
            generation: None,
            deleting: false,
            target: None,
            source: Vec::new(),
            reached: None,
            reached_source: Vec::new(),
            max_unavailable: MaxUnavailable::Unset,
            paused: false,
            conditions: Vec::new(),
            approved_first: None,
            approved_config: None,
        }
    }

    /// The condition of this type.
    pub fn condition(&self, kind: &str) -> Option<&PoolCondition> {
        self.conditions
            .iter()
            .find(|condition| condition.kind == kind)
    }
}

/// `spec.maxUnavailable` as it was written; see [`crate::budget::max_unavailable`] for what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MaxUnavailable {
    /// Not set: 1.
    #[default]
    Unset,
    /// So many nodes.
    Number(i64),
    /// A percentage of the pool's nodes, `40%`; any other text is an error.
    Text(Arc<str>),
}

/// One condition of a pool's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolCondition {
    /// Its type, as `Updated`.
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub message: String,
    /// Since when the status is what it is.
    pub since: Option<Timestamp>,
}

impl PoolCondition {
    /// Whether its status is `True`.
    pub fn is_true(&self) -> bool {
        self.status == "True"
    }
}
