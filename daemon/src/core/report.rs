//! What the node says of itself: a function of the state, so that a report can be repeated at any time
//! and none can be forgotten.
//!
//! Rules: reference/machine-config.md 2.1 (annotations) and 2.15 (conditions); design.md 3 says who writes what.

use super::state::{State, Verdict};
use super::{Daemon, visit};
use jiff::Timestamp;

/// `reason` is cut here, as the reference does: annotations have a common limit of 256 KiB, and a
/// person reads the first lines.
pub const REASON_CHARS_MAX: usize = 2000;

/// The daemon's part of the node contract. A field that is `None` is absent on the Node, except
/// `desired_drain`: `None` there leaves the last request as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The config that the disk was last proven to be.
    pub current_config: Option<String>,
    /// `state`; `None` before the first config.
    pub state: Option<NodeState>,
    /// `reason`, empty while all is well.
    pub reason: String,
    /// The drain or uncordon that is asked for.
    pub desired_drain: Option<String>,
    /// The highest intent whose visit has ended.
    pub acted_intent: Option<u64>,
    /// When it ended.
    pub reported_at: Option<Timestamp>,
    /// The boot that this is said from.
    pub boot_id: String,
    /// `post-config-action`: what is under way after the disk was changed.
    pub post_config_action: &'static str,
}

/// The values of `state` (reference/machine-config.md 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// The machine is what it should be.
    Done,
    /// A visit is under way.
    Working,
    /// A visit failed.
    Degraded,
    /// A visit failed, and would fail again.
    Unreconcilable,
}

impl NodeState {
    /// The annotation's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "Done",
            Self::Working => "Working",
            Self::Degraded => "Degraded",
            Self::Unreconcilable => "Unreconcilable",
        }
    }
}

/// One condition of the MachineConfigNode, without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The type, as reference/machine-config.md 2.15 lists them.
    pub kind: &'static str,
    /// Whether it holds; [`ConditionStatus::Unknown`] means that it is under way.
    pub status: ConditionStatus,
    /// The CamelCase reason.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
}

/// A condition's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is under way.
    Unknown,
}

impl ConditionStatus {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// The conditions that tell how far a visit is, in the order in which they come true.
const PHASES: [&str; 7] = [
    "UpdatePrepared",
    "AppliedFilesAndOS",
    "UpdateExecuted",
    "RebootedNode",
    "UpdatePostActionComplete",
    "Resumed",
    "UpdateComplete",
];

impl Daemon {
    /// What the Node shall say.
    pub fn report(&self) -> Report {
        let memory = &self.memory;
        let outcome = memory.state.outcome();
        let (state, reason) = match (&memory.state, outcome.map(|outcome| &outcome.verdict)) {
            (_, Some(Verdict::Done)) => (Some(NodeState::Done), self.remark()),
            (_, Some(Verdict::Failed { failure })) => {
                let state = if failure.is_unreconcilable() {
                    NodeState::Unreconcilable
                } else {
                    NodeState::Degraded
                };
                let text = format!("{}: {failure}", failure.reason());
                (Some(state), text)
            }
            (State::Idle { outcome: None }, None) => (None, String::new()),
            (_, None) => (Some(NodeState::Working), String::new()),
        };
        let rebooting = matches!(memory.state, State::Rebooting { .. });
        Report {
            current_config: memory.on_disk.clone(),
            state,
            reason: reason.chars().take(REASON_CHARS_MAX).collect(),
            desired_drain: visit::drain_wish(&memory.state),
            acted_intent: self.reported_intent(),
            reported_at: outcome.map(|outcome| outcome.at),
            boot_id: self.boot.clone(),
            post_config_action: if rebooting { "Rebooting" } else { "" },
        }
    }

    /// While a visit is under way its intent has no outcome yet: the Node keeps what it said last.
    fn reported_intent(&self) -> Option<u64> {
        match self.memory.state.outcome() {
            Some(outcome) if outcome.intent.is_some() => outcome.intent,
            _ => self.node.as_ref().and_then(|node| node.acted_intent),
        }
    }

    fn remark(&self) -> String {
        self.ignored_config().map_or_else(String::new, |config| {
            format!("DesiredConfigIgnored: {config} was set without a higher intent")
        })
    }

    /// The conditions that the daemon owns on its MachineConfigNode.
    pub fn conditions(&self) -> Vec<Condition> {
        let (reached, under_way) = self.progress();
        let mut conditions: Vec<Condition> = PHASES
            .iter()
            .enumerate()
            .map(|(index, kind)| self.phase(kind, index, reached, under_way))
            .collect();
        conditions.push(self.degraded());
        conditions
    }

    /// How many of [`PHASES`] are behind us, and whether the next is under way.
    fn progress(&self) -> (usize, bool) {
        match &self.memory.state {
            // At rest nothing is under way, and `Updated`, which the controller writes, says the rest.
            State::Idle { .. } => (0, false),
            State::Preparing { .. } => (0, true),
            State::Draining { .. } => (1, false),
            State::Applying { .. } | State::Undoing { .. } => (1, true),
            State::Acting { .. } | State::Rebooting { .. } => (3, true),
            State::Proving { .. } => (5, true),
            State::Uncordoning { outcome, .. } => match outcome.verdict {
                Verdict::Done => (6, true),
                Verdict::Failed { .. } => (0, false),
            },
        }
    }

    fn phase(
        &self,
        kind: &'static str,
        index: usize,
        reached: usize,
        under_way: bool,
    ) -> Condition {
        let reboots = match &self.memory.state {
            State::Rebooting { .. } => true,
            State::Proving { plan, .. } | State::Acting { plan, .. } => plan.reboots(),
            _ => false,
        };
        let config = match &self.memory.state {
            State::Uncordoning { config, .. } => config.as_str(),
            state => state
                .visit()
                .map_or("", |visit| visit.order.config.as_str()),
        };
        // Without a reboot there is none to come or to be behind us.
        let skipped = kind == "RebootedNode" && !reboots;
        let status = if skipped {
            ConditionStatus::False
        } else if index < reached {
            ConditionStatus::True
        } else if under_way && self.is_current(kind, index, reached, reboots) {
            ConditionStatus::Unknown
        } else {
            ConditionStatus::False
        };
        let (reason, message) = match status {
            ConditionStatus::True => (kind, format!("done for {config}")),
            ConditionStatus::Unknown => ("InProgress", format!("under way for {config}")),
            ConditionStatus::False if skipped && index < reached => {
                ("NotNeeded", format!("{config} needs no reboot"))
            }
            ConditionStatus::False => ("NotYetOccurred", String::new()),
        };
        Condition {
            kind,
            status,
            reason,
            message,
        }
    }

    /// Whether the phase at `index` is the one under way: parents are so together with their children.
    fn is_current(&self, kind: &str, index: usize, reached: usize, reboots: bool) -> bool {
        match &self.memory.state {
            State::Applying { .. } | State::Undoing { .. } => {
                matches!(kind, "AppliedFilesAndOS" | "UpdateExecuted")
            }
            State::Acting { .. } => kind == "UpdatePostActionComplete",
            State::Rebooting { .. } => {
                reboots && matches!(kind, "RebootedNode" | "UpdatePostActionComplete")
            }
            _ => index == reached,
        }
    }

    fn degraded(&self) -> Condition {
        let verdict = self.memory.state.outcome().map(|outcome| &outcome.verdict);
        match verdict {
            Some(Verdict::Failed { failure }) => Condition {
                kind: "NodeDegraded",
                status: ConditionStatus::True,
                reason: failure.reason(),
                message: failure.to_string().chars().take(REASON_CHARS_MAX).collect(),
            },
            _ => Condition {
                kind: "NodeDegraded",
                status: ConditionStatus::False,
                reason: "AsExpected",
                message: String::new(),
            },
        }
    }
}
