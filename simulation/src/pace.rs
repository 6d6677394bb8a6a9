//! How long things take in the simulated cluster.
//!
//! Every duration of the machinery around Windlass stands here under its name, so that a demonstration can shorten
//! them together and a test can lengthen one. Nothing here shortens what Windlass itself waits for.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Durations of machines, kubelets and the control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pace {
    /// From the loss of power, or the order to reboot, to a running host.
    pub boot: Duration,
    /// From a running host, or the death of the process, to a daemon that works again.
    pub daemon_start: Duration,
    /// From a running host, or its own restart, to a kubelet that reports.
    pub kubelet_start: Duration,
    /// From its first report to the first Ready: the container runtime is asked meanwhile.
    pub kubelet_ready: Duration,
    /// How long the service manager waits before it starts a kubelet again that has exited.
    pub kubelet_retry: Duration,
    /// How long the package manager works on one transaction.
    pub package_install: Duration,
    /// Between two renewals of a node's Lease.
    pub lease_renewal: Duration,
    /// How long the control plane believes a silent kubelet before it calls the node's state unknown.
    pub node_grace: Duration,
    /// How long pods stay on a node that is not ready or unreachable (the default toleration of Kubernetes).
    pub pod_toleration: Duration,
    /// From the binding of a pod to its Ready.
    pub pod_start: Duration,
    /// What a well-behaved pod needs to end after it was told to; its grace period is the limit.
    pub pod_stop: Duration,
}

impl Pace {
    /// The durations of real machines and of Kubernetes' defaults; the choice for virtual time.
    pub const fn real() -> Self {
        Self {
            boot: Duration::from_mins(2),
            daemon_start: Duration::from_secs(3),
            kubelet_start: Duration::from_secs(5),
            kubelet_ready: Duration::from_secs(10),
            kubelet_retry: Duration::from_secs(10),
            package_install: Duration::from_secs(20),
            lease_renewal: Duration::from_secs(10),
            node_grace: Duration::from_secs(50),
            pod_toleration: Duration::from_mins(5),
            pod_start: Duration::from_secs(4),
            pod_stop: Duration::from_secs(3),
        }
    }

    /// Everything in seconds, for somebody who watches; the proportions stay as they are in life.
    pub const fn demo() -> Self {
        Self {
            boot: Duration::from_millis(1500),
            daemon_start: Duration::from_millis(100),
            kubelet_start: Duration::from_millis(150),
            kubelet_ready: Duration::from_millis(250),
            kubelet_retry: Duration::from_millis(500),
            package_install: Duration::from_millis(300),
            lease_renewal: Duration::from_secs(1),
            node_grace: Duration::from_secs(4),
            pod_toleration: Duration::from_secs(20),
            pod_start: Duration::from_millis(300),
            pod_stop: Duration::from_millis(200),
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::real()
    }
}
