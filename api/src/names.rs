//! Every name that Windlass shares with somebody else, in one place.
//!
//! Each constant says who writes it and what its value is. The reference's names are those of
//! `reference/machine-config.md` 2.1; the `windlass.dev/` names are ours (design, sections 3 and 5);
//! the rest belongs to other projects whose word Windlass keeps.

/// API groups.
pub mod group {
    /// MachineConfig, MachineConfigPool, MachineConfigNode.
    pub const MACHINECONFIGURATION: &str = "machineconfiguration.openshift.io";
    /// MachineConfiguration (disruption policy).
    pub const OPERATOR: &str = "operator.openshift.io";
    /// ClusterVersion, ClusterOperator.
    pub const CONFIG: &str = "config.openshift.io";
    /// What the reference has no place for.
    pub const WINDLASS: &str = "windlass.dev";
}

/// The reference's annotations on a Node: the contract between controller and daemon.
pub mod node {
    /// Daemon: the rendered config that is applied now.
    pub const CURRENT_CONFIG: &str = "machineconfiguration.openshift.io/currentConfig";
    /// Controller: the rendered config to reach.
    pub const DESIRED_CONFIG: &str = "machineconfiguration.openshift.io/desiredConfig";
    /// Daemon: image pullspec that runs now; layered pools only, absent otherwise.
    pub const CURRENT_IMAGE: &str = "machineconfiguration.openshift.io/currentImage";
    /// Controller: image pullspec to reach; layered pools only, absent otherwise.
    pub const DESIRED_IMAGE: &str = "machineconfiguration.openshift.io/desiredImage";
    /// Daemon: one of [`super::node_state`].
    pub const STATE: &str = "machineconfiguration.openshift.io/state";
    /// Daemon: free text, cut at [`REASON_LIMIT`] characters, emptied on success.
    pub const REASON: &str = "machineconfiguration.openshift.io/reason";
    /// Daemon: what follows the change, for example [`super::node_state::REBOOTING`].
    pub const POST_CONFIG_ACTION: &str = "machineconfiguration.openshift.io/post-config-action";
    /// Daemon: `drain-<desiredConfig>` or `uncordon-<desiredConfig>`; see [`crate::requests::DrainRequest`].
    pub const DESIRED_DRAIN: &str = "machineconfiguration.openshift.io/desiredDrain";
    /// Controller: copy of [`DESIRED_DRAIN`], written only after success.
    pub const LAST_APPLIED_DRAIN: &str = "machineconfiguration.openshift.io/lastAppliedDrain";
    /// Controller: the cluster's control-plane topology; `SingleReplica` means that nothing can be drained away.
    pub const CONTROL_PLANE_TOPOLOGY: &str =
        "machineconfiguration.openshift.io/controlPlaneTopology";
    /// Value of [`CONTROL_PLANE_TOPOLOGY`]: one control-plane node.
    pub const TOPOLOGY_SINGLE_REPLICA: &str = "SingleReplica";
    /// Value of [`CONTROL_PLANE_TOPOLOGY`]: several control-plane nodes.
    pub const TOPOLOGY_HIGHLY_AVAILABLE: &str = "HighlyAvailable";
    /// Daemon, reference only: config of the first boot, for custom pool labelling.
    pub const FIRST_PIVOT_CONFIG: &str = "machineconfiguration.openshift.io/firstPivotConfig";
    /// Controller, reference only: the custom pool labels were applied at first boot.
    pub const CUSTOM_POOL_LABELS_APPLIED: &str =
        "machineconfiguration.openshift.io/customPoolLabelsApplied";
    /// Daemon, reference only: progress of its certificate writer.
    pub const LAST_SYNCED_CONTROLLER_CONFIG: &str =
        "machineconfiguration.openshift.io/lastSyncedControllerConfigResourceVersion";
    /// Daemon, reference only: progress of its certificate writer.
    pub const LAST_OBSERVED_SERVER_CA: &str =
        "machineconfiguration.openshift.io/lastObservedServerCAAnnotation";
    /// Daemon, reference only: message of a staged deployment that failed to finalize.
    pub const OSTREE_FINALIZE_FAILURE: &str =
        "machineconfiguration.openshift.io/ostree-finalize-staged-failure";

    /// Longest value of [`REASON`], in characters: the reference's cut, which keeps a Node small.
    pub const REASON_LIMIT: usize = 2000;

    /// All that the reference gives to the daemon (`reference/machine-config.md` 2.1): what the admission policy lets
    /// a daemon change, with [`super::ours::OF_DAEMON`].
    pub const OF_DAEMON: [&str; 10] = [
        CURRENT_CONFIG,
        CURRENT_IMAGE,
        STATE,
        REASON,
        POST_CONFIG_ACTION,
        DESIRED_DRAIN,
        FIRST_PIVOT_CONFIG,
        LAST_SYNCED_CONTROLLER_CONFIG,
        LAST_OBSERVED_SERVER_CA,
        OSTREE_FINALIZE_FAILURE,
    ];
    /// What the controller writes and a daemon acts by: the admission policy lets nobody else write it, nor
    /// [`super::ours::ACTED_BY`].
    pub const ACTED_BY: [&str; 4] = [
        DESIRED_CONFIG,
        DESIRED_IMAGE,
        LAST_APPLIED_DRAIN,
        CONTROL_PLANE_TOPOLOGY,
    ];
}

/// Values of [`node::STATE`].
pub mod node_state {
    /// The node has the config in currentConfig.
    pub const DONE: &str = "Done";
    /// The daemon is applying desiredConfig.
    pub const WORKING: &str = "Working";
    /// The daemon could not apply desiredConfig; the reason says why.
    pub const DEGRADED: &str = "Degraded";
    /// No daemon could apply desiredConfig on this node.
    pub const UNRECONCILABLE: &str = "Unreconcilable";
    /// A value of [`super::node::POST_CONFIG_ACTION`], never of state.
    pub const REBOOTING: &str = "Rebooting";
}

/// Our annotations on a Node (design, sections 3 and 5).
pub mod ours {
    /// Controller: decimal number that each assignment raises by one, in the patch that sets desiredConfig.
    pub const INTENT: &str = "windlass.dev/intent";
    /// Controller: the intent that the acknowledgement in lastAppliedDrain answers.
    pub const DRAINED_INTENT: &str = "windlass.dev/drained-intent";
    /// Controller: what was set when we cordoned; present exactly while the cordon is ours.
    pub const CORDONED: &str = "windlass.dev/cordoned";
    /// Controller: when the node's drain was last given up, RFC 3339; others go before it meanwhile.
    pub const DRAIN_RELEASED_AT: &str = "windlass.dev/drain-released-at";
    /// Controller: the last assignment was a person's request, by name; its intent. It approves nothing for others.
    pub const ASSIGNED_ON_REQUEST: &str = "windlass.dev/assigned-on-request";
    /// Controller, on a MachineConfigNode: the node's own API server and etcd pods when it was taken, joined by commas.
    pub const API_PODS: &str = "windlass.dev/api-pods";
    /// A person: keep the node cordoned after the update. Any value but `false`.
    pub const KEEP_CORDONED: &str = "windlass.dev/keep-cordoned";
    /// A person, through `windlass assign`: a [`crate::requests::AssignRequest`] as JSON.
    pub const ASSIGN_REQUEST: &str = "windlass.dev/assign-request";
    /// Daemon: the highest intent that it acted on, decimal.
    pub const ACTED_INTENT: &str = "windlass.dev/acted-intent";
    /// Daemon: boot id after the change, as the kernel prints it.
    pub const BOOT_ID: &str = "windlass.dev/boot-id";
    /// Daemon: RFC 3339 time of the report that the change is done.
    pub const REPORTED_AT: &str = "windlass.dev/reported-at";
    /// Daemon: versions of the machine's own API packages, a JSON object of package name to version.
    pub const PACKAGE_VERSIONS: &str = "windlass.dev/package-versions";
    /// Daemon: `true` where the kubelet is a package of the operating system, `false` where an image carries it.
    pub const PACKAGE_MODE: &str = "windlass.dev/package-mode";
    /// Daemon: `ID` of os-release, for example `rhel`.
    pub const OS_ID: &str = "windlass.dev/os-id";
    /// Daemon: what its host backend can apply in place, names of capabilities joined by commas; absent is the
    /// reference's set.
    pub const CAPABILITIES: &str = "windlass.dev/capabilities";
    /// The owner: version of the machine's own API packages where no package tells it, for example `1.34`.
    pub const API_VERSION: &str = "windlass.dev/api-version";

    /// The daemon's report, besides [`super::node::OF_DAEMON`].
    pub const OF_DAEMON: [&str; 7] = [
        ACTED_INTENT,
        BOOT_ID,
        REPORTED_AT,
        PACKAGE_VERSIONS,
        PACKAGE_MODE,
        OS_ID,
        CAPABILITIES,
    ];
    /// What a daemon acts by, or its pool is let go by, besides [`super::node::ACTED_BY`]: whoever took the note of a request off
    /// would turn it into the approval of a whole pool.
    pub const ACTED_BY: [&str; 3] = [INTENT, DRAINED_INTENT, ASSIGNED_ON_REQUEST];
    /// What else the controller writes on a Node.
    pub const REMEMBERED: [&str; 2] = [CORDONED, DRAIN_RELEASED_AT];
    /// What people write on a Node.
    pub const OF_PEOPLE: [&str; 3] = [KEEP_CORDONED, ASSIGN_REQUEST, API_VERSION];
}

/// Annotations on a MachineConfig.
pub mod config {
    /// Render controller: version of the controller that generated it; a column of `kubectl get mc`.
    pub const GENERATED_BY_VERSION: &str =
        "machineconfiguration.openshift.io/generated-by-controller-version";
    /// The reference's: version of the release that generated it.
    pub const RELEASE_IMAGE_VERSION: &str =
        "machineconfiguration.openshift.io/release-image-version";
    /// The reference's: `true` if a MachineConfig overrides the release's operating system image.
    pub const OS_IMAGE_URL_OVERRIDDEN: &str =
        "machineconfiguration.openshift.io/os-image-url-overridden";
    /// Controller: on a composed config, the target whose kubelet part it withholds. For people to read.
    pub const WITHHOLDS: &str = "windlass.dev/withholds";
    /// The owner: kubelet version that this config needs, `1.34` or `1.34.2`; rendering carries it on.
    pub const KUBELET_VERSION: &str = "windlass.dev/kubelet-version";
}

/// Annotations on a MachineConfigPool.
pub mod pool {
    /// A person: approves the first rendered config of a pool over living nodes. The rendered config's name.
    pub const APPROVE_FIRST: &str = "windlass.dev/approve-first";
    /// A person: approves going on with a stopped rollout. The rendered config's name.
    pub const APPROVE_CONFIG: &str = "windlass.dev/approve-config";
    /// The reference's own two pools.
    pub const MASTER: &str = "master";
    /// See [`MASTER`].
    pub const WORKER: &str = "worker";
}

/// Labels.
pub mod label {
    /// On a MachineConfig: the role it is for; pools select by it.
    pub const ROLE: &str = "machineconfiguration.openshift.io/role";
    /// On a pool: an upgrade of the cluster waits for it.
    pub const REQUIRED_FOR_UPGRADE: &str =
        "operator.machineconfiguration.openshift.io/required-for-upgrade";
    /// On a pool, followed by the pool's name.
    pub const POOL_PREFIX: &str = "pools.operator.machineconfiguration.openshift.io/";
    /// On all that Windlass owns, the CRDs above all; value [`OWNER_WINDLASS`].
    pub const OWNER: &str = "windlass.dev/owner";
    /// Value of [`OWNER`].
    pub const OWNER_WINDLASS: &str = "windlass";

    /// On a Node: prefix of its roles.
    pub const NODE_ROLE_PREFIX: &str = "node-role.kubernetes.io/";
    /// On a Node: it is a worker.
    pub const NODE_ROLE_WORKER: &str = "node-role.kubernetes.io/worker";
    /// On a Node: it runs the control plane.
    pub const NODE_ROLE_CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
    /// On a Node: the older word for the same.
    pub const NODE_ROLE_MASTER: &str = "node-role.kubernetes.io/master";
    /// On a Node: it runs etcd.
    pub const NODE_ROLE_ETCD: &str = "node-role.kubernetes.io/etcd";
    /// Any of these makes a node a control-plane node, whatever its pool is called.
    pub const CONTROL_PLANE: [&str; 3] =
        [NODE_ROLE_CONTROL_PLANE, NODE_ROLE_MASTER, NODE_ROLE_ETCD];
    /// On a Node: its zone.
    pub const ZONE: &str = "topology.kubernetes.io/zone";
    /// On a Node: its operating system, `linux` or `windows`.
    pub const OS: &str = "kubernetes.io/os";
    /// On a Node: its host name.
    pub const HOSTNAME: &str = "kubernetes.io/hostname";
}

/// Taints.
pub mod taint {
    /// `UpdateInProgress:PreferNoSchedule`, no value: a node that will be taken; removed when it is targeted.
    pub const UPDATE_IN_PROGRESS: &str = "UpdateInProgress";
    /// Effect of [`UPDATE_IN_PROGRESS`].
    pub const PREFER_NO_SCHEDULE: &str = "PreferNoSchedule";
    /// Set by the node lifecycle controller for `spec.unschedulable`.
    pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
    /// Set by the node lifecycle controller.
    pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
    /// Set by the node lifecycle controller.
    pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
}

/// Files on a node that the reference's tools know.
pub mod path {
    /// Annotations for the Node, of the first boot.
    pub const NODE_ANNOTATIONS: &str = "/etc/machine-config-daemon/node-annotations.json";
    /// The rendered config that is applied: truth across reboots.
    pub const CURRENT_CONFIG: &str = "/etc/machine-config-daemon/currentconfig";
    /// The image that is applied: truth across reboots.
    pub const CURRENT_IMAGE: &str = "/etc/machine-config-daemon/currentimage";
    /// Where originals of replaced files are kept.
    pub const ORIG_DIR: &str = "/etc/machine-config-daemon/orig";
    /// Ending of a kept original under [`ORIG_DIR`].
    pub const ORIG_SUFFIX: &str = ".mcdorig";
    /// Where it is noted that a file had no original.
    pub const NO_ORIG_DIR: &str = "/etc/machine-config-daemon/noorig";
    /// Its presence asks for the config to be applied once more, validation aside.
    pub const FORCE: &str = "/run/machine-config-daemon-force";
    /// The whole MachineConfig as first boot receives it.
    pub const ENCAPSULATED: &str = "/etc/ignition-machine-config-encapsulated.json";
    /// Ending of [`ENCAPSULATED`] once it has been used.
    pub const ENCAPSULATED_DONE_SUFFIX: &str = ".bak";
    /// Keys for image signatures, whose change does not reboot.
    pub const NO_REBOOT_GPG: &str = "/etc/machine-config-daemon/no-reboot/containers-gpg.pub";
}

/// Object names.
pub mod object {
    /// Rendered configs are `rendered-<pool>-<hash>`.
    pub const RENDERED_PREFIX: &str = "rendered-";
    /// The one MachineConfiguration, the one SlotLedger.
    pub const CLUSTER: &str = "cluster";
    /// The reference's ControllerConfig.
    pub const CONTROLLER_CONFIG: &str = "machine-config-controller";
    /// The reference's ClusterOperator: where it is, somebody else owns the nodes.
    pub const CLUSTER_OPERATOR: &str = "machine-config";
}

/// Under which names Windlass is installed: the manifests, the rights and the programs agree by these.
pub mod install {
    /// The namespace of all that has one.
    pub const NAMESPACE: &str = "windlass";
    /// The controller's ServiceAccount, Deployment and Lease.
    pub const CONTROLLER: &str = "windlass-controller";
    /// The daemon's ServiceAccount and DaemonSet.
    pub const DAEMON: &str = "windlass-daemon";
    /// What the API server knows a ServiceAccount by is this, the namespace, a colon, and its name.
    pub const ACCOUNT_PREFIX: &str = "system:serviceaccount:";
    /// In what a token says besides: the node that it is bound to, whether by its pod or by itself.
    pub const TOKEN_NODE_NAME: &str = "authentication.kubernetes.io/node-name";
}

/// Names of other projects whose word Windlass keeps.
pub mod foreign {
    /// On a Node, cluster-autoscaler: `true` keeps it from being scaled away. Set by us with our cordon.
    pub const SCALE_DOWN_DISABLED: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled";
    /// On a Pod, cluster-autoscaler: `false` asks not to be disturbed.
    pub const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    /// On a Node, taint of cluster-autoscaler: the node is being taken away.
    pub const AUTOSCALER_DELETING: &str = "ToBeDeletedByClusterAutoscaler";
    /// On a Node or Pod, Karpenter: `true` keeps it from being disrupted. Set on Nodes by us with our cordon.
    pub const KARPENTER_DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";
    /// On a Node, taint of Karpenter: the node is being taken away.
    pub const KARPENTER_DISRUPTED: &str = "karpenter.sh/disrupted";
    /// On a Machine of Cluster API: keeps it from being remediated.
    pub const CAPI_SKIP_REMEDIATION: &str = "cluster.x-k8s.io/skip-remediation";
    /// On a Node, Cluster API: name of its Machine.
    pub const CAPI_MACHINE: &str = "cluster.x-k8s.io/machine";
    /// On a Node, Cluster API: namespace of its Machine.
    pub const CAPI_NAMESPACE: &str = "cluster.x-k8s.io/cluster-namespace";
    /// On a Node, taint of medik8s: the node is being maintained.
    pub const MEDIK8S_DRAIN: &str = "medik8s.io/drain";
    /// On a Pod: it mirrors a static pod of the kubelet, which no eviction removes.
    pub const MIRROR_POD: &str = "kubernetes.io/config.mirror";
    /// Taints by which somebody else says that a node is being taken away.
    pub const TAKEN_AWAY_TAINTS: [&str; 3] =
        [AUTOSCALER_DELETING, KARPENTER_DISRUPTED, MEDIK8S_DRAIN];
}

#[cfg(test)]
mod tests {
    use super::{node, ours};
    use std::collections::BTreeSet;

    #[test]
    fn every_annotation_of_ours_on_a_node_has_one_writer() {
        let source = include_str!("names.rs");
        let (_, after) = source.split_once("pub mod ours {").expect("the module");
        let (module, _) = after.split_once("\n}\n").expect("its end");
        let named: BTreeSet<&str> = module
            .split('"')
            .filter(|text| text.starts_with("windlass.dev/") && *text != ours::API_PODS)
            .collect();

        let writers: [&[&str]; 4] = [
            &ours::OF_DAEMON,
            &ours::ACTED_BY,
            &ours::REMEMBERED,
            &ours::OF_PEOPLE,
        ];
        let listed: Vec<&str> = writers.concat();

        assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), named);
        assert_eq!(listed.len(), named.len(), "{listed:?}");
    }

    #[test]
    fn a_daemon_writes_nothing_that_it_acts_by() {
        let own: Vec<&str> = [&node::OF_DAEMON[..], &ours::OF_DAEMON[..]].concat();
        let acted_by: Vec<&str> = [&node::ACTED_BY[..], &ours::ACTED_BY[..]].concat();

        assert!(own.iter().all(|key| !acted_by.contains(key)));
    }
}
