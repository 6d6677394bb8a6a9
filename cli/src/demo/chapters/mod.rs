//! The story. Each chapter stands alone: it begins on a fleet that has its base config, and leaves a converged one.

mod broken_kubelet;
mod controller_dies;
mod drain_and_reboot;
mod kubelet_gate;
mod without_reboot;

use anyhow::Result;
use futures::future::BoxFuture;

use super::stage::Stage;

/// One chapter.
pub(crate) struct Chapter {
    /// Its stable name.
    pub(crate) name: &'static str,
    /// What it tells.
    pub(crate) title: &'static str,
    /// Tells it; an error says what did not happen.
    pub(crate) tell: for<'a> fn(&'a Stage) -> BoxFuture<'a, Result<()>>,
}

/// All chapters, in their order.
pub(crate) const CHAPTERS: [Chapter; 5] = [
    Chapter {
        name: "without-reboot",
        title: "a change without a reboot: time servers, SSH keys, a registry mirror",
        tell: |stage| Box::pin(without_reboot::tell(stage)),
    },
    Chapter {
        name: "drain-and-reboot",
        title: "drains and reboots, and a PodDisruptionBudget that allows nothing",
        tell: |stage| Box::pin(drain_and_reboot::tell(stage)),
    },
    Chapter {
        name: "kubelet-gate",
        title: "RHEL workers keep their kubelet until the API is upgraded",
        tell: |stage| Box::pin(kubelet_gate::tell(stage)),
    },
    Chapter {
        name: "broken-kubelet",
        title: "a config that kills the kubelet hits one node, and is repaired",
        tell: |stage| Box::pin(broken_kubelet::tell(stage)),
    },
    Chapter {
        name: "controller-dies",
        title: "the controller is killed in mid-drain",
        tell: |stage| Box::pin(controller_dies::tell(stage)),
    },
];
