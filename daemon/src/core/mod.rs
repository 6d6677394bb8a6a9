//! The daemon's decisions: a pure state machine over what it remembers and what it is told.
//!
//! Guarantees:
//! - **Forward** (promise 2): only an intent above the highest one acted on starts a visit; the way back is
//!   taken at most once for a change of image or kubelet part, and only while the node has not been
//!   Ready since.
//! - **Nothing is lost** (promise 6): before anything is touched, [`Effect::Store`] comes first; from any
//!   stored state [`Daemon::start`] goes on to the end.
//! - A visit that has touched nothing gives way to a higher intent at once; one that has is finished
//!   first, and the higher intent follows before the node is uncordoned (one visit).
//! - Pods are asked to leave before a plan that drains touches anything, except where nobody could answer
//!   (promise 4): see [`Daemon::on`].
//!
//! Assumes that effects are carried out in order, and that time does not run backwards far enough to matter
//! (deadlines are the only use of it). No clock, no I/O, no chance is in here; `tests` holds the whole table of
//! states and events.

mod event;
mod failure;
mod report;
mod state;
mod transition;
mod visit;

#[cfg(test)]
mod tests;

pub use event::{Announcement, Effect, Event, NodeView, Proposal, Ready, Refused};
pub use failure::Failure;
pub use report::{Condition, ConditionStatus, NodeState, REASON_CHARS_MAX, Report};
pub use state::{
    Action, AwaitingReady, Fallback, Memory, Order, Outcome, Plan, Purpose, State, Verdict, Visit,
};

use jiff::{SignedDuration, Timestamp};

/// How long a node may take to become Ready with a new image or kubelet part before the way back is
/// taken: twice the slowest boots of large bare-metal machines (reference/machine-config.md 6.2).
pub const WAY_BACK_AFTER: SignedDuration = SignedDuration::from_mins(20);

/// What an owner may set of the daemon's decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// See [`WAY_BACK_AFTER`].
    pub way_back_after: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            way_back_after: WAY_BACK_AFTER,
        }
    }
}

/// The state machine: what is remembered, and what is known only while this process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    memory: Memory,
    settings: Settings,
    /// The running boot.
    boot: String,
    /// The Node as last seen.
    node: Option<NodeView>,
    /// Whether `node` is kept up to date at present.
    connected: bool,
    /// Whether the kubelet is being asked, so that the deadline is not asked about again.
    probing: bool,
}

impl Daemon {
    /// Takes up what was remembered, in the boot `boot`, and says how to go on.
    pub fn start(memory: Memory, boot: String, settings: Settings) -> (Self, Vec<Effect>) {
        let daemon = Self {
            memory,
            settings,
            boot,
            node: None,
            connected: false,
            probing: false,
        };
        daemon.resume()
    }

    /// What has to be on the disk before the effects after [`Effect::Store`] are carried out.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Takes note of `event` and answers with the next state and what has to be done, in order.
    ///
    /// A drain that the plan needs is asked for and waited for, except
    /// - on the single node of a control plane,
    /// - where the node is not Ready on our account (changed, and not Ready since), and
    /// - where its kubelet no longer answers: nothing could end the pods, and no pod is force-deleted.
    ///
    /// # Errors
    ///
    /// [`Refused`] where the event has no meaning in this state. Nothing has changed then.
    pub fn on(&self, event: Event, now: Timestamp) -> Result<(Self, Vec<Effect>), Refused> {
        transition::on(self.clone(), event, now)
    }

    /// The next moment at which [`Event::TimeoutReached`] has a meaning, and why.
    pub fn poll_timeout(&self) -> Option<(Timestamp, &'static str)> {
        if self.probing || self.memory.state.visit().is_some() {
            return None;
        }
        let fallback = self.memory.awaiting_ready.as_ref()?.fallback.as_ref()?;
        Some((
            fallback.deadline,
            "the node has to be Ready by then, or goes back to its last good config",
        ))
    }

    /// The desired config that somebody set without raising the intent: reported, not acted on.
    pub fn ignored_config(&self) -> Option<&str> {
        let node = self.node.as_ref()?;
        let desired = node.desired_config.as_deref()?;
        let acted = self.memory.acted.as_ref()?;
        let intent = node.order.as_ref().map_or(0, |order| order.intent);
        (intent <= acted.intent && desired != acted.config).then_some(desired)
    }

    /// The config that the Node shows as desired, whoever wrote it.
    pub fn desired_config(&self) -> Option<&str> {
        self.node.as_ref()?.desired_config.as_deref()
    }

    /// The order that is due: assigned, and above everything that was acted on.
    fn due(&self) -> Option<&Order> {
        let node = self.node.as_ref()?;
        let order = node.order.as_ref()?;
        let floor = match &self.memory.acted {
            Some(acted) => acted.intent,
            // A journal that is gone has not forgotten what the Node's own report still says.
            None => node.acted_intent.unwrap_or(0),
        };
        (order.intent > floor).then_some(order)
    }

    /// Whether the Node shows a Ready that is newer than the last change (design.md 3).
    fn is_freshly_ready(&self, awaiting: &AwaitingReady) -> bool {
        let Some(node) = &self.node else {
            return false;
        };
        let Ready::True { heartbeat } = node.ready else {
            return false;
        };
        if node.boot_id != self.boot {
            return false;
        }
        // Heartbeats are in whole seconds: one of the change's own second may be older than it.
        self.boot != awaiting.boot
            || heartbeat.is_some_and(|beat| beat.as_second() > awaiting.since.as_second())
    }

    /// Whether nobody could end this node's pods, so that no drain is waited for (promise 4).
    fn is_beyond_draining(&self, kubelet_answers: bool) -> bool {
        let ours = self.memory.awaiting_ready.is_some();
        match self.node.as_ref().map(|node| node.ready) {
            // Until the node lifecycle's grace is over, a kubelet that we broke still shows as Ready.
            Some(Ready::True { .. }) => ours && !kubelet_answers,
            Some(Ready::False) => ours || !kubelet_answers,
            Some(Ready::Unknown) | None => true,
        }
    }

    /// Whether the drain that `order` asked for is acknowledged.
    fn is_drained(&self, order: &Order) -> bool {
        self.node.as_ref().is_some_and(|node| {
            node.last_applied_drain.as_deref() == Some(drain_request(&order.config).as_str())
                && node.drained_intent == Some(order.intent)
        })
    }
}

/// The request that the node's pods leave, for `config` (reference/machine-config.md 2.1).
pub fn drain_request(config: &str) -> String {
    format!("drain-{config}")
}

/// The request that the node's former cordon is restored, after `config`.
pub fn uncordon_request(config: &str) -> String {
    format!("uncordon-{config}")
}
