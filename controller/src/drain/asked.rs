//! What came of asking the eviction API for a pod, and what it rested on.

use super::blocker::Blocker;
use super::pod::{BudgetState, BudgetView, PodView};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// After so long a refused eviction is asked again even if nothing was seen to change: a watch may
/// have lost the change, and one request a minute costs nothing.
pub const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// What came of asking for a pod's eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When it was asked.
    pub at: Timestamp,
    /// The answer.
    pub answer: Answer,
}

/// The eviction API's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The pod is going.
    Granted,
    /// A budget refuses; what the budgets and the pod looked like then.
    Refused {
        /// Named for people.
        blocker: Blocker,
        /// A change of this is a reason to ask again.
        seen: Seen,
    },
    /// Something else went wrong; not before this instant again.
    Failed {
        /// Named for people.
        blocker: Blocker,
        /// When to ask again.
        again_at: Timestamp,
    },
}

/// What a refusal rested on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    ready: bool,
    budgets: Vec<(String, BudgetState)>,
}

impl Seen {
    /// What decides this pod's eviction now.
    pub fn of(pod: &PodView, budgets: &[Arc<BudgetView>]) -> Self {
        let governing = budgets.iter().filter(|budget| budget.governs(pod));
        let budgets = governing
            .map(|budget| (budget.name.clone(), budget.state))
            .collect();
        Self {
            ready: pod.ready,
            budgets,
        }
    }

    /// The names of the budgets.
    pub fn names(&self) -> Vec<String> {
        self.budgets.iter().map(|(name, _)| name.clone()).collect()
    }
}
