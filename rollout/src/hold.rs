//! Why a node is left as it is.
//!
//! # Guarantees
//! Each "no" is one value with the facts that explain it. [`Hold::reason`] is its stable identifier
//! (condition reason, event reason, metric label); `Display` is the only place of its sentence. Facts stay
//! small: counts, and at most [`NAMES_SHOWN`] names, because a hold stands on thousands of objects.
//! # Not here
//! When a hold applies: [`mod@crate::plan`].

mod display;

use crate::names::{ConfigName, PolicyName, PoolName};
use crate::snapshot::{AtFirst, DrainView, TakenAway};
use crate::version::Version;
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;

/// How many names a hold carries: enough to know where to look, and small on every node.
pub const NAMES_SHOWN: usize = 3;

/// Why a node is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It has its pool's target, holds no slot, and nothing is to be done.
    UpToDate,
    /// It belongs to no pool.
    NoPool,
    /// It would belong to several pools at once, and so belongs to none.
    SeveralPools(Names),
    /// A pool's selector cannot be read, so nobody knows whose the node is.
    InvalidSelector {
        /// The pool.
        pool: PoolName,
        /// What is wrong with it.
        error: Arc<str>,
    },
    /// The pool is being deleted; its nodes stay as they are.
    PoolDeleted,
    /// The pool has no rendered config yet.
    NoTarget,
    /// The pool's machine configs do not render, and no rendered config was made before.
    RenderDegraded,
    /// More than one RolloutPolicy selects the pool.
    ConflictingPolicies(Names),
    /// The RolloutPolicy of the pool cannot be read.
    InvalidPolicy {
        /// The policy.
        policy: PolicyName,
        /// The field, and what is wrong with it.
        error: Arc<str>,
    },
    /// `spec.maxUnavailable` is neither a number nor a percentage.
    InvalidBudget {
        /// What it says.
        value: Arc<str>,
    },
    /// The pool is paused.
    Paused {
        /// Since when, if known.
        since: Option<Timestamp>,
        /// How many nodes of the pool wait for the target.
        pending: usize,
    },
    /// `spec.maxUnavailable` allows no node to be taken.
    BudgetZero,
    /// The pool's first rendered config waits for a person's approval.
    AwaitingFirstApproval {
        /// The config.
        config: ConfigName,
        /// How many living nodes would get it.
        nodes: usize,
        /// How many at a time.
        slots: usize,
        /// What it does to each at most, as far as that is known.
        each: Option<AtFirst>,
        /// What the pool's annotation says instead, cut at [`REASON_SHOWN`] characters.
        approved: Option<Arc<str>>,
    },
    /// The ledger cannot be read, and the Nodes were not listed consistently yet.
    LedgerUnread,
    /// The ledger is full: [`api::windlass::HOLDERS_LIMIT`] nodes hold a slot.
    LedgerFull,

    /// All slots of the pool are taken.
    NoFreeSlot {
        /// How many there are.
        max: usize,
        /// Who takes them: holders of a slot, and nodes that are down for another reason.
        taken: Names,
    },
    /// A config is tried on few nodes first.
    FirstAlone {
        /// The config.
        config: ConfigName,
        /// The nodes that try it.
        nodes: Names,
    },
    /// Slot holders that waited for their kubelet go first.
    AfterSlotHolders(Names),
    /// Too many nodes failed on the config.
    RolloutStopped {
        /// The config.
        config: ConfigName,
        /// How many failures stop it.
        max: usize,
        /// The nodes that failed.
        failed: Names,
    },
    /// As many control-plane nodes are away as may be.
    ControlPlaneQuorum {
        /// How many may be away.
        allowed: usize,
        /// How many there are.
        members: usize,
        /// Those that are away, for any cause.
        away: Names,
    },
    /// Of two control-plane nodes none can go without etcd losing its quorum.
    TwoControlPlaneNodes,
    /// The controller runs on it, so it is the last of the control plane.
    LeaderLast {
        /// The control-plane nodes before it.
        before: Names,
    },

    /// It was assigned a config and is on its way.
    InFlight {
        /// The config.
        config: ConfigName,
        /// How far it is.
        phase: Phase,
    },
    /// Its drain waits for pods that refuse to go.
    DrainBlocked(DrainView),
    /// Its visit is over, and its kubelet has not yet been heard from since, or is not Ready.
    AwaitingFreshReady {
        /// The config.
        config: ConfigName,
        /// When the daemon reported.
        since: Option<Timestamp>,
    },
    /// Its visit is over, and its own API server or etcd pods are not Ready yet.
    OwnPodsNotReady(Names),
    /// Its daemon reports that the config failed.
    Failed {
        /// The config.
        config: ConfigName,
        /// The daemon's words, cut at [`REASON_SHOWN`] characters.
        reason: Arc<str>,
    },
    /// It is not Ready, on no account of ours.
    NotReady,
    /// It was never Ready; it does not count against the budget.
    NeverReady,
    /// Somebody else cordoned it.
    Cordoned,
    /// Somebody else is taking it away.
    TakenAway(TakenAway),
    /// Its host cannot apply the config.
    UnsupportedChange {
        /// The config.
        config: ConfigName,
        /// What it cannot do.
        reason: Arc<str>,
    },
    /// The config, or the one that it has, is not there to be looked at.
    ConfigUnknown {
        /// The config.
        config: ConfigName,
    },

    /// The kubelet part of the target waits for the API to be upgraded.
    KubeletWithheld(Withheld),
    /// Its kubelet part is newer than an API server: nothing that needs it is assigned.
    KubeletAhead {
        /// What its kubelet part needs.
        kubelet: Version,
        /// The instance that serves less.
        instance: Arc<str>,
        /// What that one serves.
        serves: Version,
    },
    /// The config that is the target without its kubelet part is being made.
    AwaitingComposition {
        /// The target.
        target: ConfigName,
    },
}

/// The facts of the kubelet gate: what is needed, and what is missing for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The version that the target's kubelet part needs.
    pub kubelet: Version,
    /// The machine's own API packages, where they are too old or unknown and must not be.
    pub machine: Option<MachinePackagesFact>,
    /// What is missing in the cluster.
    pub cluster: Option<ClusterFact>,
    /// Whether the node is Ready with what it was given meanwhile.
    pub ready: bool,
}

impl Withheld {
    /// The stable identifier of what is missing in the cluster.
    pub const fn cluster_reason(&self) -> &'static str {
        match &self.cluster {
            None => Self::API_READY,
            Some(ClusterFact::NoInstance) => "NoApiServer",
            Some(ClusterFact::Behind { .. }) => "ApiServerBehind",
            Some(ClusterFact::Silent { .. }) => "ApiServerSilent",
            Some(ClusterFact::TooFew { .. }) => "TooFewApiServers",
            Some(ClusterFact::NotSteady { .. }) => "ApiServersNotSteady",
            Some(ClusterFact::Reported(_)) => "Reported",
        }
    }

    /// What [`Withheld::cluster_reason`] says where nothing is missing in the cluster.
    pub const API_READY: &'static str = "ApiReady";

    /// What is missing in the cluster, in words.
    pub fn cluster_words(&self) -> String {
        match &self.cluster {
            Some(fact) => fact.to_string(),
            None => "the cluster's API is ready".to_owned(),
        }
    }
}

/// Fact (a) of design.md 5, where it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachinePackagesFact {
    /// They are of this version.
    Old(Version),
    /// Nobody says of which version they are.
    Unknown,
}

/// Fact (b) of design.md 5, where it is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterFact {
    /// No instance is known.
    NoInstance,
    /// An instance serves an older version.
    Behind {
        /// The instance; the oldest, of several.
        instance: Arc<str>,
        /// What it serves.
        serves: Version,
        /// How many instances serve an older version.
        count: usize,
    },
    /// An instance does not answer.
    Silent {
        /// The instance.
        instance: Arc<str>,
    },
    /// Fewer instances answer than there should be.
    TooFew {
        /// How many answer.
        answer: usize,
        /// How many should.
        expected: usize,
    },
    /// All serve it, but not for long enough yet.
    NotSteady {
        /// When they will have.
        until: Timestamp,
    },
    /// What somebody else found, in their words: who cannot ask the API servers repeats who could. No plan makes it.
    Reported(Arc<str>),
}

/// How far a node in flight is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The slot is taken; the assignment is still to be written.
    Unwritten,
    /// Assigned; the daemon has not begun.
    Assigned,
    /// The daemon asked for a drain.
    Draining,
    /// The daemon works.
    Working,
    /// The machine reboots.
    Rebooting,
    /// The visit is over; the former cordon is being restored.
    Uncordoning,
    /// All is over; what was assigned is being recorded.
    Recording,
}

impl Phase {
    /// What the node is doing, as part of a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unwritten => "it holds a slot and is about to be assigned",
            Self::Assigned => "its daemon has not begun yet",
            Self::Draining => "it is being drained",
            Self::Working => "its daemon is working",
            Self::Rebooting => "it is rebooting",
            Self::Uncordoning => "it is being uncordoned",
            Self::Recording => "its assignment is being recorded",
        }
    }
}

/// A few names, and how many there are in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    first: Vec<Arc<str>>,
    count: usize,
}

impl Names {
    /// The first [`NAMES_SHOWN`] of these, and their number.
    pub fn of<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut all = Self::default();
        for name in names {
            if all.first.len() < NAMES_SHOWN {
                all.first.push(name.as_ref().into());
            }
            all.count += 1;
        }
        all
    }

    /// The names that are shown.
    pub fn shown(&self) -> &[Arc<str>] {
        &self.first
    }

    /// How many there are in all.
    pub fn count(&self) -> usize {
        self.count
    }
}

impl fmt::Display for Names {
    /// `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`; `nobody` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = self.count.saturating_sub(self.first.len());
        match (self.first.split_last(), more) {
            (None, _) => f.write_str("nobody"),
            (Some(_), 1..) => write!(f, "{} and {more} more", self.first.join(", ")),
            (Some((last, [])), 0) => f.write_str(last),
            (Some((last, rest)), 0) => write!(f, "{} and {last}", rest.join(", ")),
        }
    }
}

/// How many characters of somebody else's words a hold repeats; the object that they stand on has the rest.
pub const REASON_SHOWN: usize = 200;

/// The first [`REASON_SHOWN`] characters of a text, and a sign that there are more.
pub(crate) fn shown(text: &Arc<str>) -> Arc<str> {
    match text.char_indices().nth(REASON_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.clone(),
    }
}

impl Hold {
    /// The stable identifier: condition reason, event reason and metric label.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::UpToDate => "UpToDate",
            Self::NoPool => "NoPool",
            Self::SeveralPools(_) => "SeveralPools",
            Self::InvalidSelector { .. } => "InvalidSelector",
            Self::PoolDeleted => "PoolDeleted",
            Self::NoTarget => "NoTarget",
            Self::RenderDegraded => "RenderDegraded",
            Self::ConflictingPolicies(_) => "ConflictingPolicies",
            Self::InvalidPolicy { .. } => "InvalidPolicy",
            Self::InvalidBudget { .. } => "InvalidBudget",
            Self::Paused { .. } => "Paused",
            Self::BudgetZero => "BudgetZero",
            Self::AwaitingFirstApproval { .. } => "AwaitingFirstApproval",
            Self::LedgerUnread => "LedgerUnread",
            Self::LedgerFull => "LedgerFull",
            Self::NoFreeSlot { .. } => "NoFreeSlot",
            Self::FirstAlone { .. } => "FirstAlone",
            Self::AfterSlotHolders(_) => "AfterSlotHolders",
            Self::RolloutStopped { .. } => "RolloutStopped",
            Self::ControlPlaneQuorum { .. } => "ControlPlaneQuorum",
            Self::TwoControlPlaneNodes => "TwoControlPlaneNodes",
            Self::LeaderLast { .. } => "LeaderLast",
            Self::InFlight { .. } => "InFlight",
            Self::DrainBlocked(_) => "DrainBlocked",
            Self::AwaitingFreshReady { .. } => "AwaitingFreshReady",
            Self::OwnPodsNotReady(_) => "OwnPodsNotReady",
            Self::Failed { .. } => "Failed",
            Self::NotReady => "NotReady",
            Self::NeverReady => "NeverReady",
            Self::Cordoned => "Cordoned",
            Self::TakenAway(_) => "TakenAway",
            Self::UnsupportedChange { .. } => "UnsupportedChange",
            Self::ConfigUnknown { .. } => "ConfigUnknown",
            Self::KubeletWithheld(_) => "KubeletWithheld",
            Self::KubeletAhead { .. } => "KubeletAhead",
            Self::AwaitingComposition { .. } => "AwaitingComposition",
        }
    }

    /// Whether the node waits for something. One that is up to date, or in nobody's hands, does not.
    pub const fn is_wait(&self) -> bool {
        !matches!(self, Self::UpToDate | Self::NoPool)
    }

    /// The moment at which the hold may end without any new observation, where it is known.
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::KubeletWithheld(Withheld {
                cluster: Some(ClusterFact::NotSteady { until }),
                ..
            }) => Some(*until),
            _ => None,
        }
    }
}
