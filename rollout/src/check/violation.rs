//! What a plan can do wrong, by promise.

use crate::names::{ConfigName, Intent, NodeName, PoolName};
use std::fmt;

/// The promises that a plan can break (`docs/promises.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// 1: never more away than the budget says; slots are neither lost nor taken twice.
    Budget,
    /// 2: a node only goes forward.
    Forward,
    /// 4: a node that we broke is repaired.
    Repair,
    /// 5: no kubelet ahead of its API.
    KubeletAndApi,
    /// 7: every wait has a name, and the name is true.
    EveryWaitNamed,
    /// 8: nothing outside what the owner allowed.
    OwnersLimits,
    /// 9: who may go is let go.
    Liveness,
}

impl Promise {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Budget,
        Self::Forward,
        Self::Repair,
        Self::KubeletAndApi,
        Self::EveryWaitNamed,
        Self::OwnersLimits,
        Self::Liveness,
    ];

    /// The stable name: metric label, and what `demo -o json` prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Budget => "Budget",
            Self::Forward => "Forward",
            Self::Repair => "Repair",
            Self::KubeletAndApi => "KubeletAndApi",
            Self::EveryWaitNamed => "EveryWaitNamed",
            Self::OwnersLimits => "OwnersLimits",
            Self::Liveness => "Liveness",
        }
    }
}

/// One promise that a plan would break, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {subject}: {breach}", .promise.name())]
pub struct Violation {
    /// The promise.
    pub promise: Promise,
    /// The node, pool or ledger that it is about.
    pub subject: String,
    /// What is wrong.
    pub breach: Breach,
}

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// More nodes of the pool would be away than may be.
    OverBudget {
        /// How many would be away.
        away: usize,
        /// How many may be.
        max: i64,
    },
    /// More control-plane nodes would be away than may be.
    ControlPlane {
        /// How many would be away.
        away: usize,
        /// How many may be.
        allowed: usize,
    },
    /// A slot is granted though nobody knows who holds the others.
    LedgerUnread,
    /// The next ledger has more holders than fit.
    LedgerOverflow,
    /// The next ledger differs from the one that was read, and the plan says that it does not.
    LedgerNotSwapped,
    /// The node is assigned a config, and the next ledger does not say so.
    NoSlot,
    /// The assignment claims a slot that the node does not hold.
    SlotNotHeld,
    /// The node holds a slot, and the next ledger has forgotten it.
    SlotLost,
    /// The slot is given back though the node is not through.
    ReturnedTooEarly,
    /// The plan records a holder that is none.
    Invented,

    /// The new intent is not higher than the one that the node has.
    IntentNotRaised {
        /// The node's.
        from: Intent,
        /// The assignment's.
        to: Intent,
    },
    /// One intent would stand for two configs.
    IntentReused(ConfigName),
    /// The step assumes what the Node does not say.
    WrongAssumption,
    /// A config is put back that the node was not assigned.
    NotPutBack(ConfigName),

    /// The node is down on our account, and a corrected config is kept from it.
    RepairMissed(ConfigName),
    /// The config's kubelet part needs more than the API serves.
    GateAhead(ConfigName),

    /// The node has no answer.
    NoAnswer,
    /// The answer and the steps of the node do not agree.
    AnswerWithoutStep,
    /// The node is done two things to at once.
    TwoSteps,
    /// The named reason does not hold.
    FalseHold(&'static str),
    /// The hold ends at a moment at which nobody would look.
    NoWake(&'static str),

    /// The owner has not allowed it.
    Forbidden(Forbidden),
    /// A slot is free and the node could go.
    LeftIdle(PoolName),
    /// A newer config goes to others while a node that waited for its kubelet in a slot still waits.
    HoldersNotFirst(NodeName),
}

/// Why a node may not be given a config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The pool is paused.
    Paused,
    /// The pool's first config is not approved.
    NotApproved,
    /// Its policies conflict or cannot be read, or its budget cannot.
    PolicyUnclear,
    /// The pool is being deleted, has no target, or the node is not in it.
    NotItsPool,
    /// The config is neither the target, nor that with the kubelet part that the node has, nor what it has already.
    NotTheTarget,
    /// The config is tried alone first.
    FirstAlone,
    /// Too many nodes failed on the config.
    Stopped,
    /// Somebody else is taking the node away.
    TakenAway,
    /// The node is not Ready, or cordoned by somebody else.
    NotReady,
    /// Its host cannot apply the config.
    Unsupported,
    /// Other control-plane nodes go before the one that the controller runs on.
    LeaderLast,
}

impl Breach {
    /// Whether carrying the plan out would do harm. A node that is left idle, or a word that is not so, is a mistake of ours
    /// too; but to stand still for it would mend nothing, and keep every other node from going on.
    pub const fn does_harm(&self) -> bool {
        !matches!(
            self,
            Self::LeftIdle(_) | Self::NoWake(_) | Self::FalseHold(_) | Self::RepairMissed(_)
        )
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverBudget { away, max } => write!(f, "{away} nodes would be away, {max} may be"),
            Self::ControlPlane { away, allowed } => {
                write!(
                    f,
                    "{away} control-plane nodes would be away, {allowed} may be"
                )
            }
            Self::LedgerUnread => f.write_str("a slot is granted though the ledger was not read"),
            Self::LedgerOverflow => f.write_str(
                "the next ledger has more holders than may be granted a slot, or than fit",
            ),
            Self::LedgerNotSwapped => {
                f.write_str("the next ledger differs, and is not to be swapped")
            }
            Self::NoSlot => f.write_str("it is assigned without a slot"),
            Self::SlotNotHeld => f.write_str("it is assigned under a slot that it does not hold"),
            Self::SlotLost => f.write_str("its slot is lost"),
            Self::ReturnedTooEarly => f.write_str("its slot is given back before it is through"),
            Self::Invented => f.write_str("it is recorded as a holder and is none"),
            Self::IntentNotRaised { from, to } => {
                write!(f, "its intent would go from {from} to {to}")
            }
            Self::IntentReused(config) => write!(f, "its intent stands for {config} already"),
            Self::WrongAssumption => f.write_str("the step assumes what the Node does not say"),
            Self::NotPutBack(config) => {
                write!(f, "{config} is put back, which it was not assigned")
            }
            Self::RepairMissed(config) => {
                write!(f, "{config} would repair it, and is kept from it")
            }
            Self::GateAhead(config) => write!(f, "{config} needs a newer API than is served"),
            Self::NoAnswer => f.write_str("it has no answer"),
            Self::AnswerWithoutStep => f.write_str("its answer and its steps do not agree"),
            Self::TwoSteps => f.write_str("two things are done to it at once"),
            Self::FalseHold(reason) => write!(f, "it is held as {reason}, which is not so"),
            Self::NoWake(reason) => write!(f, "nobody looks again when {reason} ends"),
            Self::Forbidden(why) => write!(f, "{why}"),
            Self::LeftIdle(pool) => write!(f, "pool {pool} has a free slot, and it could go"),
            Self::HoldersNotFirst(holder) => {
                write!(f, "it goes before {holder}, which waits in a slot")
            }
        }
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paused => "its pool is paused",
            Self::NotApproved => "its pool's first config is not approved",
            Self::PolicyUnclear => "its pool's policy or budget is unclear",
            Self::NotItsPool => "its pool does not want it",
            Self::NotTheTarget => "the config is not its pool's target",
            Self::FirstAlone => "the config is tried alone first",
            Self::Stopped => "the rollout of the config is stopped",
            Self::TakenAway => "somebody else is taking it away",
            Self::NotReady => "it is not Ready, or cordoned by somebody else",
            Self::Unsupported => "its host cannot apply the config",
            Self::LeaderLast => "the controller runs on it, and others go first",
        })
    }
}

/// Where violations are gathered.
pub(super) type Violations = Vec<Violation>;

/// Notes one.
pub(super) fn note(
    violations: &mut Violations,
    promise: Promise,
    subject: &(impl ToString + ?Sized),
    breach: Breach,
) {
    violations.push(Violation {
        promise,
        subject: subject.to_string(),
        breach,
    });
}
