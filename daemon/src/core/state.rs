//! What the daemon knows across restarts: the persisted half of the state machine.
//!
//! Each state carries exactly the facts that it needs; nothing is "set in state X" by convention. The
//! format is the journal's: see [`crate::journal`] for its version and how it is kept.

use super::failure::Failure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The whole persisted memory of a node's daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// The highest intent that was ever acted on, with its config; only a higher one is acted on
    /// (promise 2). `None` until the first.
    pub acted: Option<Order>,
    /// The config that the disk was last proven to be, by name; `None` until the first.
    pub on_disk: Option<String>,
    /// What is being done.
    pub state: State,
    /// Set from the first touch of a config until the node has been Ready since: while it is, a node
    /// that is not Ready is so on our account.
    pub awaiting_ready: Option<AwaitingReady>,
    /// Whether a drain has been asked for that no uncordon has answered yet.
    pub cordon_asked: bool,
    /// Actions that are due for what is already on the disk, because a visit failed between writing
    /// and acting.
    pub unsettled: Vec<Action>,
}

/// One assignment by the controller (design.md 3, *Intent*).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Raised by one at each assignment.
    pub intent: u64,
    /// The rendered config to reach, by name.
    pub config: String,
}

/// What is being done; one state a moment, each with the data it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "camelCase")]
pub enum State {
    /// Nothing is open. `outcome` is how the last visit ended, `None` before the first.
    Idle {
        /// How the last visit ended.
        outcome: Option<Outcome>,
    },
    /// The config is read and weighed against the machine. Nothing is touched.
    Preparing {
        /// What for.
        visit: Visit,
    },
    /// A drain is asked for. Nothing is touched.
    Draining {
        /// What for.
        visit: Visit,
        /// What will be done once the drain is acknowledged.
        plan: Plan,
    },
    /// The disk is being changed.
    Applying {
        /// What for.
        visit: Visit,
        /// What is being done.
        plan: Plan,
    },
    /// The disk could not be changed as a whole, and is being put back.
    Undoing {
        /// What for.
        visit: Visit,
        /// What was being done.
        plan: Plan,
        /// Why it is being undone.
        failure: Failure,
    },
    /// Services are told of what is on the disk.
    Acting {
        /// What for.
        visit: Visit,
        /// What is being done.
        plan: Plan,
    },
    /// The machine is going down.
    Rebooting {
        /// What for.
        visit: Visit,
        /// What is being done.
        plan: Plan,
        /// The boot that is being left: as long as this one runs, the reboot has not happened.
        leaving: String,
    },
    /// What is on the machine is compared with what should be.
    Proving {
        /// What for.
        visit: Visit,
        /// What was done.
        plan: Plan,
    },
    /// The visit is over; the node's former cordon is asked for.
    Uncordoning {
        /// The config that the drain was asked for.
        config: String,
        /// How the visit ended.
        outcome: Outcome,
    },
}

impl Memory {
    /// Every config that this memory names, so that it has to stay on the disk.
    pub fn configs(&self) -> impl Iterator<Item = &str> {
        let acted = self.acted.iter().map(|order| order.config.as_str());
        let visit = self.state.visit().into_iter();
        let fallback = self
            .awaiting_ready
            .iter()
            .flat_map(|awaiting| &awaiting.fallback);
        acted
            .chain(self.on_disk.as_deref())
            .chain(visit.map(|visit| visit.order.config.as_str()))
            .chain(fallback.map(|fallback| fallback.last_good.as_str()))
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Idle { outcome: None }
    }
}

impl State {
    /// The state's stable name, for logs and tests.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Idle { .. } => "Idle",
            Self::Preparing { .. } => "Preparing",
            Self::Draining { .. } => "Draining",
            Self::Applying { .. } => "Applying",
            Self::Undoing { .. } => "Undoing",
            Self::Acting { .. } => "Acting",
            Self::Rebooting { .. } => "Rebooting",
            Self::Proving { .. } => "Proving",
            Self::Uncordoning { .. } => "Uncordoning",
        }
    }

    /// The visit under way, if there is one.
    pub fn visit(&self) -> Option<&Visit> {
        match self {
            Self::Idle { .. } | Self::Uncordoning { .. } => None,
            Self::Preparing { visit }
            | Self::Draining { visit, .. }
            | Self::Applying { visit, .. }
            | Self::Undoing { visit, .. }
            | Self::Acting { visit, .. }
            | Self::Rebooting { visit, .. }
            | Self::Proving { visit, .. } => Some(visit),
        }
    }

    /// How the last visit ended, while no other is under way.
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Idle { outcome } => outcome.as_ref(),
            Self::Uncordoning { outcome, .. } => Some(outcome),
            _ => None,
        }
    }
}

/// One way from a config to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// The intent that is acted on, and the config to reach. On the way back the config is the last
    /// good one and the intent the one that failed: going back raises no intent.
    pub order: Order,
    /// On whose account.
    pub purpose: Purpose,
}

/// On whose account a visit happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Purpose {
    /// The controller assigned it.
    Assigned,
    /// The way back (promise 2): `from` never made the node Ready.
    WayBack {
        /// The config that is left.
        from: String,
        /// The kubelet that was installed with the config that is taken.
        kubelet: Option<String>,
    },
}

/// What a visit does to the machine, decided before anything is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What follows the change of the disk, in order; [`Action::Reboot`] stands alone.
    pub actions: Vec<Action>,
    /// The part of `actions` that an earlier visit left undone.
    pub inherited: Vec<Action>,
    /// Whether pods have to leave the node first.
    pub drain: bool,
    /// Whether image or kubelet part change, so that the way back is open until the node is Ready.
    pub on_trial: bool,
    /// Whether the config withholds a kubelet part, so that NotReady is its expected course.
    pub withholds: bool,
    /// The kubelet that is installed before anything is touched, where it is a package.
    pub kubelet: Option<String>,
}

impl Plan {
    /// Whether the machine reboots.
    pub fn reboots(&self) -> bool {
        self.actions.contains(&Action::Reboot)
    }
}

/// What is done after the disk was changed (reference/machine-config.md 2.13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Action {
    /// The service manager reads its units again.
    DaemonReload,
    /// A service reads its configuration again.
    Reload {
        /// The unit.
        service: String,
    },
    /// A service is stopped and started.
    Restart {
        /// The unit.
        service: String,
    },
    /// The machine reboots.
    Reboot,
}

/// How a visit ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The intent that was acted on; `None` where that is no longer known.
    pub intent: Option<u64>,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub verdict: Verdict,
}

impl Outcome {
    /// Whether the machine was left as its config says, whatever somebody else did to it later.
    pub fn left_whole(&self) -> bool {
        match &self.verdict {
            Verdict::Done => true,
            Verdict::Failed { failure } => matches!(failure, Failure::Drifted { .. }),
        }
    }
}

/// How a visit ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "camelCase")]
pub enum Verdict {
    /// The machine is what it should be.
    Done,
    /// It is not, and only a higher intent changes that.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// The node has been changed and has not been Ready since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AwaitingReady {
    /// When the change ended: in the boot that it happened in, only a later heartbeat counts.
    pub since: Timestamp,
    /// The boot that the change happened in: a Ready of a later boot is new whatever its time.
    pub boot: String,
    /// Where the way back leads, while it is open.
    pub fallback: Option<Fallback>,
}

/// The way back: open once, until the node is Ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// The last config with which the node was Ready.
    pub last_good: String,
    /// The kubelet that was installed with it, where it is a package.
    pub kubelet: Option<String>,
    /// When it is taken, unless the node is Ready by then or a visit is under way.
    pub deadline: Timestamp,
}
