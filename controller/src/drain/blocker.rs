//! Why a pod is still on a node that is being drained: one value, from which condition, event and log speak.

use super::pod::PodName;
use jiff::Timestamp;
use std::fmt;

/// What keeps a pod where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blocker {
    /// A PodDisruptionBudget refuses the eviction.
    Budget {
        /// The pod.
        pod: PodName,
        /// The budgets that govern it.
        budgets: Vec<String>,
    },
    /// Two budgets govern the pod: the eviction API answers that with an error, for ever.
    TwoBudgets {
        /// The pod.
        pod: PodName,
        /// The budgets that govern it.
        budgets: Vec<String>,
    },
    /// No controller would make another one: evicting it would delete it for good.
    Unmanaged {
        /// The pod.
        pod: PodName,
    },
    /// It asks not to be disturbed.
    DoNotDisturb {
        /// The pod.
        pod: PodName,
        /// The annotation by which it asks.
        annotation: &'static str,
    },
    /// It keeps data in an emptyDir, and the policy does not let that go.
    EmptyDir {
        /// The pod.
        pod: PodName,
    },
    /// It mounts a volume that exists on this node only.
    LocalVolume {
        /// The pod.
        pod: PodName,
        /// The claim that is bound to the volume.
        claim: String,
    },
    /// It was to be gone by now, and finalizers keep it.
    Finalizers {
        /// The pod.
        pod: PodName,
        /// Their names.
        finalizers: Vec<String>,
    },
    /// It was to be gone by now, and its kubelet has not said so.
    Overdue {
        /// The pod.
        pod: PodName,
        /// When it was to be gone.
        gone_by: Timestamp,
    },
    /// The eviction API answers with an error.
    Error {
        /// The pod.
        pod: PodName,
        /// What it said.
        message: String,
    },
}

impl Blocker {
    /// Stable identifier: condition reason, event reason and metric label.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Budget { .. } => "BlockedByPodDisruptionBudget",
            Self::TwoBudgets { .. } => "TwoPodDisruptionBudgets",
            Self::Unmanaged { .. } => "UnmanagedPod",
            Self::DoNotDisturb { .. } => "PodAsksNotToBeDisturbed",
            Self::EmptyDir { .. } => "PodHasEmptyDir",
            Self::LocalVolume { .. } => "PodHasLocalVolume",
            Self::Finalizers { .. } => "PodKeptByFinalizers",
            Self::Overdue { .. } => "PodDoesNotStop",
            Self::Error { .. } => "EvictionFails",
        }
    }

    /// The pod that is blocked.
    pub const fn pod(&self) -> &PodName {
        match self {
            Self::Budget { pod, .. }
            | Self::TwoBudgets { pod, .. }
            | Self::Unmanaged { pod }
            | Self::DoNotDisturb { pod, .. }
            | Self::EmptyDir { pod }
            | Self::LocalVolume { pod, .. }
            | Self::Finalizers { pod, .. }
            | Self::Overdue { pod, .. }
            | Self::Error { pod, .. } => pod,
        }
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget { pod, budgets } if budgets.is_empty() => {
                write!(f, "a PodDisruptionBudget keeps pod {pod}")
            }
            Self::Budget { pod, budgets } => {
                write!(
                    f,
                    "PodDisruptionBudget {} keeps pod {pod}",
                    budgets.join(", ")
                )
            }
            Self::TwoBudgets { pod, budgets } => write!(
                f,
                "pod {pod} has {} PodDisruptionBudgets ({}), with which the eviction API cannot deal: \
                 make one of them not select it",
                budgets.len(),
                budgets.join(", ")
            ),
            Self::Unmanaged { pod } => write!(
                f,
                "pod {pod} has no controller that would make another one: delete it, or let the \
                 policy's drain settings allow it"
            ),
            Self::DoNotDisturb { pod, annotation } => {
                write!(f, "pod {pod} asks not to be disturbed ({annotation})")
            }
            Self::EmptyDir { pod } => write!(
                f,
                "pod {pod} keeps data in an emptyDir, which would be lost: the policy's drain settings keep it"
            ),
            Self::LocalVolume { pod, claim } => {
                write!(f, "pod {pod} uses a volume of this node (claim {claim})")
            }
            Self::Finalizers { pod, finalizers } => {
                write!(f, "finalizers keep pod {pod}: {}", finalizers.join(", "))
            }
            Self::Overdue { pod, gone_by } => {
                write!(
                    f,
                    "pod {pod} was to be gone by {gone_by} and is still there"
                )
            }
            Self::Error { pod, message } => write!(f, "evicting pod {pod} fails: {message}"),
        }
    }
}

/// At most so many blockers are named in a message; the rest is counted. A person mends them one by one.
const NAMED_MAX: usize = 3;

/// One sentence for all that blocks a drain.
pub fn summary(blockers: &[Blocker]) -> String {
    let named: Vec<String> = blockers
        .iter()
        .take(NAMED_MAX)
        .map(Blocker::to_string)
        .collect();
    let more = blockers.len().saturating_sub(NAMED_MAX);
    if more == 0 {
        named.join("; ")
    } else {
        format!("{}; and {more} more", named.join("; "))
    }
}
