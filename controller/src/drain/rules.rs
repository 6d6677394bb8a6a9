//! What the owner's policy says about pods that should not simply be evicted.

use super::blocker::Blocker;
use super::pod::{BudgetView, PodView};
use rollout::policy::DrainPolicy;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Claims (namespace, name) that are bound to a volume of one node only.
pub type LocalClaims = BTreeSet<(String, String)>;

/// What the owner's policy says about pods that should not simply be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
pub struct Rules {
    /// Evict pods that no controller would make again.
    pub evict_unmanaged: bool,
    /// Evict pods that ask not to be disturbed.
    pub disturb: bool,
    /// Evict pods with emptyDir volumes; their data goes with them.
    pub evict_empty_dirs: bool,
    /// Evict pods that use a volume of this node.
    pub evict_local_volumes: bool,
    /// Wait for pods that finalizers alone keep.
    pub wait_for_finalizers: bool,
    /// Leave pods that two budgets select where they are.
    pub leave_two_budgets: bool,
}

impl Rules {
    /// Whether a pod has to leave the node at all. Pods of a DaemonSet would be made again at once, and a mirror
    /// pod is only the picture of one.
    pub fn lets_stay(self, pod: &PodView, budgets: &[Arc<BudgetView>]) -> bool {
        let controller = pod.controller.as_ref();
        let governing = budgets.iter().filter(|budget| budget.governs(pod));
        controller.is_some_and(|controller| controller.0 == "DaemonSet")
            || pod.mirror
            || (self.leave_two_budgets && !pod.finished && governing.count() > 1)
    }

    /// The owner's settings.
    pub const fn of(policy: &DrainPolicy) -> Self {
        let DrainPolicy {
            timeout: _,
            on_timeout: _,
            delete_unmanaged_pods,
            delete_empty_dir_data,
            delete_local_volumes,
            respect_do_not_disrupt,
            wait_for_finalizers,
            leave_pods_with_two_budgets,
        } = policy;
        Self {
            evict_unmanaged: *delete_unmanaged_pods,
            disturb: !*respect_do_not_disrupt,
            evict_empty_dirs: *delete_empty_dir_data,
            evict_local_volumes: *delete_local_volumes,
            wait_for_finalizers: *wait_for_finalizers,
            leave_two_budgets: *leave_pods_with_two_budgets,
        }
    }

    /// What keeps a pod whatever budgets say.
    pub fn keeps(self, pod: &PodView, local: &LocalClaims) -> Option<Blocker> {
        let Self {
            evict_unmanaged,
            disturb,
            evict_empty_dirs,
            evict_local_volumes,
            wait_for_finalizers: _,
            leave_two_budgets: _,
        } = self;
        if pod.finished {
            return None;
        }
        if let (Some(annotation), false) = (pod.undisturbed_by, disturb) {
            return Some(Blocker::DoNotDisturb {
                pod: pod.pod.clone(),
                annotation,
            });
        }
        if pod.controller.is_none() && !evict_unmanaged {
            return Some(Blocker::Unmanaged {
                pod: pod.pod.clone(),
            });
        }
        if pod.empty_dir && !evict_empty_dirs {
            return Some(Blocker::EmptyDir {
                pod: pod.pod.clone(),
            });
        }
        let on_this_node =
            |claim: &&String| local.contains(&(pod.pod.namespace.to_string(), (*claim).clone()));
        match pod.claims.iter().find(on_this_node) {
            Some(claim) if !evict_local_volumes => Some(Blocker::LocalVolume {
                pod: pod.pod.clone(),
                claim: claim.clone(),
            }),
            _ => None,
        }
    }
}
