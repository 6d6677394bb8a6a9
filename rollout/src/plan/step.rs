//! What a plan consists of: the effects, and what each assumed.

use crate::hold::Hold;
use crate::names::{ConfigName, Intent, NodeName, PoolName, Uid};
use crate::snapshot::{Holder, Ledger};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The answer to a snapshot.
///
/// Order of execution: the swap of [`Plan::ledger`] first (if it differs), then [`Plan::steps`] in any order.
/// A swap that is lost makes the whole plan void.
#[must_use = "a plan does nothing until it is executed"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The effects on nodes, in the order in which nodes were chosen.
    pub steps: Vec<Step>,
    /// For every node of the snapshot: that something is done with it, or why not.
    pub answers: BTreeMap<NodeName, Answer>,
    /// For every pool: its budget and who uses it.
    pub pools: BTreeMap<PoolName, PoolReport>,
    /// The next ledger: all grants, returns and rebuilt records of this round in one swap.
    pub ledger: LedgerChange,
    /// Configs that have to be made before the nodes that wait for them can go on.
    pub compositions: Vec<Compose>,
    /// When planning again could give another answer with no new observation, and why.
    pub wake_at: Option<(Timestamp, &'static str)>,
}

/// What a plan says of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is given a config: see the [`Step::Assign`] of that node.
    Assigned(ConfigName),
    /// A config that somebody else wrote is replaced by the one that it was assigned.
    PutBack(ConfigName),
    /// It is left as it is.
    Held(Hold),
}

impl Answer {
    /// Why the node is left as it is, if it is.
    pub fn hold(&self) -> Option<&Hold> {
        match self {
            Self::Held(hold) => Some(hold),
            Self::Assigned(_) | Self::PutBack(_) => None,
        }
    }
}

/// One effect on one Node: safe to attempt twice, and refused by the executor once what it assumed is not so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write a config with a new intent, in one JSON patch with a `test` on uid and on what is expected. The
    /// patch also takes away `desiredImage`, the taint `UpdateInProgress` if the step says so, and the request
    /// annotation if the step carries one out. MachineConfigNode `spec.configVersion.desired` follows it.
    Assign(Assign),
    /// Put the assigned config in the place of one that somebody else wrote. The intent stays: the daemon has not acted
    /// on that one.
    PutBack {
        /// The node.
        node: NodeName,
        /// Its uid.
        uid: Uid,
        /// What it was assigned.
        config: ConfigName,
        /// What the Node says now.
        expects: Expects,
    },
    /// Put the taint `UpdateInProgress:PreferNoSchedule` on the node; off the critical path.
    SetTaint {
        /// The node.
        node: NodeName,
        /// Its uid.
        uid: Uid,
    },
    /// Take that taint away.
    RemoveTaint {
        /// The node.
        node: NodeName,
        /// Its uid.
        uid: Uid,
    },
}

impl Step {
    /// The node that the step is about.
    pub fn node(&self) -> &NodeName {
        match self {
            Self::Assign(assign) => &assign.node,
            Self::PutBack { node, .. }
            | Self::SetTaint { node, .. }
            | Self::RemoveTaint { node, .. } => node,
        }
    }
}

/// An assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assign {
    /// The node.
    pub node: NodeName,
    /// Its uid.
    pub uid: Uid,
    /// The pool whose slot it is done under.
    pub pool: PoolName,
    /// The config.
    pub config: ConfigName,
    /// The new intent.
    pub intent: Intent,
    /// What the Node says now.
    pub expects: Expects,
    /// Under which slot.
    pub slot: Slot,
    /// A person's request that this carries out; the annotation is removed in the same patch.
    pub request: Option<Arc<str>>,
    /// Whether the pool's taint `UpdateInProgress` comes off in the same patch.
    pub removes_taint: bool,
}

/// What a patch of a Node tests before it writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expects {
    /// `desiredConfig`; `None`: absent.
    pub desired: Option<ConfigName>,
    /// `windlass.dev/intent`; [`Intent::NONE`]: absent.
    pub intent: Intent,
}

/// Under which slot an assignment is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// One that this plan's ledger takes for it.
    Granted,
    /// One that the node holds: a newer config, or the assignment that was never written.
    Held,
    /// One that the node holds because it is down on our account.
    Repair,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Granted => "a new slot",
            Self::Held => "the slot that it holds",
            Self::Repair => "the slot that it holds, as a repair",
        })
    }
}

/// The next ledger, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerChange {
    /// What is to be written.
    pub next: Ledger,
    /// Whether it differs from what was read, so that a swap is needed before any step.
    pub differs: bool,
    /// Slots taken, with the assignments that they are for.
    pub granted: Vec<NodeName>,
    /// Slots given back.
    pub returned: Vec<(Holder, Returned)>,
    /// Holders that the ledger did not name, rebuilt from their Nodes; also above the limit.
    pub recorded: Vec<NodeName>,
}

/// Why a slot is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// The node has what it was assigned, is uncordoned and freshly Ready.
    Settled,
    /// The node is gone, or another one bears its name.
    NodeGone,
}

/// A config to be made: the kubelet part of one, the rest of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Compose {
    /// The pool that it is for; its name is part of the config's.
    pub pool: PoolName,
    /// The config whose kubelet part is kept.
    pub kubelet_part_of: ConfigName,
    /// The config that all the rest comes from: the target.
    pub rest_of: ConfigName,
}

/// The budget of one pool, and who uses it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolReport {
    /// Nodes of the pool.
    pub members: Vec<NodeName>,
    /// Nodes that may be unavailable at a time (2.3); negative means none, too. `None`: it cannot be read.
    pub max_unavailable: Option<i64>,
    /// Nodes that use the budget up: holders of a slot, and those that are down for another reason.
    pub unavailable: Vec<NodeName>,
    /// Nodes that want another config and could take it.
    pub candidates: Vec<NodeName>,
    /// How many of them could begin now.
    pub capacity: usize,
    /// The node left out because the controller runs on it.
    pub deferred: Option<NodeName>,
    /// Whether there were more candidates than capacity, so that order decided.
    pub ordered: bool,
    /// Nodes that have the target and whose kubelet is newer than an API server: nothing is done with them, but it is told.
    pub ahead: BTreeMap<NodeName, Hold>,
    /// How many nodes of the pool wait, by [`Hold::reason`].
    pub waiting: BTreeMap<&'static str, usize>,
}
