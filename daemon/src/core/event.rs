//! What the core is told, and what it asks for.

use super::failure::Failure;
use super::state::{Action, Order};
use jiff::Timestamp;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The Node, as the API server last showed it.
    NodeSeen(NodeView),
    /// The API server cannot be reached, or the Node is not there: what is known of it is old.
    NodeLost,
    /// [`Effect::Prepare`] came to an end.
    Prepared {
        /// The intent that it was for.
        intent: u64,
        /// What the config would do to this machine, or why it cannot.
        proposal: Result<Proposal, Failure>,
        /// Whether the kubelet of this machine answers.
        kubelet_answers: bool,
    },
    /// [`Effect::Apply`] came to an end, with the machine's words where it failed.
    Applied(Result<(), String>),
    /// [`Effect::Act`] came to an end, with the machine's words where it failed.
    Acted(Result<(), String>),
    /// [`Effect::Reboot`] was refused by the machine.
    RebootRefused(String),
    /// [`Effect::Prove`] came to an end: what differs.
    Proved(Vec<String>),
    /// The moment of [`super::Daemon::poll_timeout`] has come.
    TimeoutReached,
    /// [`Effect::ProbeKubelet`] came to an end.
    KubeletProbed {
        /// Whether it answered.
        answers: bool,
    },
}

impl Event {
    /// The event's stable name, for logs and tests.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NodeSeen(_) => "NodeSeen",
            Self::NodeLost => "NodeLost",
            Self::Prepared { .. } => "Prepared",
            Self::Applied(_) => "Applied",
            Self::Acted(_) => "Acted",
            Self::RebootRefused(_) => "RebootRefused",
            Self::Proved(_) => "Proved",
            Self::TimeoutReached => "TimeoutReached",
            Self::KubeletProbed { .. } => "KubeletProbed",
        }
    }
}

/// What the core asks the shell to do, in this order.
///
/// At most one of the lasting ones (all but `Store` and `Announce`) is under way at a time; a new one takes the
/// place of the old, which happens only where the old one has touched nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write the journal; what follows waits until it is on the disk.
    Store,
    /// Read the config and weigh it against the machine; answered by [`Event::Prepared`].
    Prepare {
        /// What is wanted.
        order: Order,
        /// The config that the disk was last proven to be.
        on_disk: Option<String>,
        /// Whether everything has to come from the disk: the way back asks no API server.
        offline: bool,
    },
    /// Make the disk what the config says, or what it was before any config; answered by
    /// [`Event::Applied`].
    Apply {
        /// The config, by name.
        config: Option<String>,
        /// The exact kubelet to have, where the way back knows it.
        kubelet: Option<String>,
    },
    /// Carry the actions out, in order; answered by [`Event::Acted`].
    Act {
        /// What to do; never [`Action::Reboot`].
        actions: Vec<Action>,
    },
    /// Reboot; answered by the next start, or by [`Event::RebootRefused`].
    Reboot,
    /// Compare the machine with the config; answered by [`Event::Proved`].
    Prove {
        /// The config, by name.
        config: String,
    },
    /// Ask the kubelet whether it lives; answered by [`Event::KubeletProbed`].
    ProbeKubelet,
    /// Tell people: a Kubernetes Event on the Node.
    Announce(Announcement),
}

/// Something that people may want to know, told once, when it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Whether it needs anybody's eye.
    pub warning: bool,
    /// The stable CamelCase name (reference/machine-config.md 2.14 where it has one).
    pub reason: &'static str,
    /// The sentence.
    pub note: String,
}

/// What a config would do to this machine: the answer of [`crate::decide`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proposal {
    /// What has to follow, in order.
    pub actions: Vec<Action>,
    /// Whether pods have to leave first.
    pub drain: bool,
    /// Whether image or kubelet part change.
    pub on_trial: bool,
    /// Whether the config withholds a kubelet part.
    pub withholds: bool,
    /// The kubelet that is installed now, where it is a package.
    pub kubelet: Option<String>,
}

/// The Node, as far as the daemon reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeView {
    /// What the controller assigned; `None` while there is no config or no intent.
    pub order: Option<Order>,
    /// `desiredConfig` as it stands, with or without an intent.
    pub desired_config: Option<String>,
    /// The intent that this Node's report last named: the floor where the journal was lost.
    pub acted_intent: Option<u64>,
    /// The drain request that was last carried out.
    pub last_applied_drain: Option<String>,
    /// The intent that it was carried out for.
    pub drained_intent: Option<u64>,
    /// Whether the node bears our cordon.
    pub cordoned: bool,
    /// Whether the node is the only one of its control plane, which is neither cordoned nor drained.
    pub single_control_plane: bool,
    /// The Ready condition.
    pub ready: Ready,
    /// `status.nodeInfo.bootID`: the boot that the kubelet reports from.
    pub boot_id: String,
}

/// The Ready condition of a Node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ready {
    /// `True`, with the time of its last heartbeat.
    True {
        /// `lastHeartbeatTime`, in whole seconds.
        heartbeat: Option<Timestamp>,
    },
    /// `False`: the kubelet answers and says no.
    False,
    /// `Unknown`, or no condition: the kubelet has stopped answering, or has never begun.
    #[default]
    Unknown,
}

/// An event that has no meaning in the present state; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} has no meaning while the daemon is {state}; it is left aside")]
pub struct Refused {
    /// The state's name.
    pub state: &'static str,
    /// The event's name.
    pub event: &'static str,
}
