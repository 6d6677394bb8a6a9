//! What the owner's policy says about pods that should not simply be evicted.

use super::blocker::Blocker;
use super::pod::PodView;
use rollout::policy::DrainPolicy;
use std::collections::BTreeSet;

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
}

impl Rules {
    /// The owner's settings.
    pub const fn of(policy: &DrainPolicy) -> Self {
        let DrainPolicy {
            timeout: _,
            on_timeout: _,
            delete_unmanaged_pods,
            delete_empty_dir_data,
            delete_local_volumes,
            respect_do_not_disrupt,
        } = policy;
        Self {
            evict_unmanaged: *delete_unmanaged_pods,
            disturb: !*respect_do_not_disrupt,
            evict_empty_dirs: *delete_empty_dir_data,
            evict_local_volumes: *delete_local_volumes,
        }
    }

    /// What keeps a pod whatever budgets say.
    pub fn keeps(self, pod: &PodView, local: &LocalClaims) -> Option<Blocker> {
        let Self {
            evict_unmanaged,
            disturb,
            evict_empty_dirs,
            evict_local_volumes,
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
            |claim: &&String| local.contains(&(pod.pod.namespace.clone(), (*claim).clone()));
        match pod.claims.iter().find(on_this_node) {
            Some(claim) if !evict_local_volumes => Some(Blocker::LocalVolume {
                pod: pod.pod.clone(),
                claim: claim.clone(),
            }),
            _ => None,
        }
    }
}
