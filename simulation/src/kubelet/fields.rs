//! What a simulated kubelet understands: the fields of its configuration, and its flags.
//!
//! The names are those of `kubelet.config.k8s.io/v1beta1` and of the kubelet's command line. A field that came with a
//! later minor version than the oldest one simulated here says so; all others have always been there.

/// The kind of value that a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Flag,
    Number,
    Text,
    List,
    Map,
}

/// One field of the kubelet's configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    name: &'static str,
    pub(crate) kind: Kind,
    /// The minor version of Kubernetes 1 that brought it; 0 for all that are older than this simulation cares for.
    pub(crate) since_minor: u32,
}

impl Field {
    /// The field called `name`, if any version has it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALWAYS
            .iter()
            .find(|(_, names)| names.contains(&name))
            .and_then(|(kind, names)| {
                let name = names.iter().find(|known| **known == name)?;
                Some(Self {
                    name,
                    kind: *kind,
                    since_minor: 0,
                })
            })
            .or_else(|| LATER.iter().find(|field| field.name == name).copied())
    }
}

/// Fields by kind that every simulated kubelet knows.
const ALWAYS: [(Kind, &[&str]); 5] = [
    (
        Kind::Flag,
        &[
            "contentionProfiling",
            "cpuCFSQuota",
            "enableContentionProfiling",
            "enableControllerAttachDetach",
            "enableDebugFlagsHandler",
            "enableDebuggingHandlers",
            "enableProfilingHandler",
            "enableServer",
            "enableSystemLogHandler",
            "enableSystemLogQuery",
            "failSwapOn",
            "localStorageCapacityIsolation",
            "makeIPTablesUtilChains",
            "memoryThrottling",
            "protectKernelDefaults",
            "registerNode",
            "rotateCertificates",
            "runOnce",
            "seccompDefault",
            "serializeImagePulls",
            "serverTLSBootstrap",
            "shutdownGracePeriodCriticalPodsOnly",
        ],
    ),
    (
        Kind::Number,
        &[
            "containerLogMaxFiles",
            "eventBurst",
            "eventRecordQPS",
            "evictionMaxPodGracePeriod",
            "healthzPort",
            "imageGCHighThresholdPercent",
            "imageGCLowThresholdPercent",
            "iptablesDropBit",
            "iptablesMasqueradeBit",
            "kubeAPIBurst",
            "kubeAPIQPS",
            "maxOpenFiles",
            "maxParallelImagePulls",
            "maxPods",
            "memoryThrottlingFactor",
            "nodeLeaseDurationSeconds",
            "nodeStatusMaxImages",
            "oomScoreAdj",
            "podPidsLimit",
            "podsPerCore",
            "port",
            "readOnlyPort",
            "registryBurst",
            "registryPullQPS",
        ],
    ),
    (
        Kind::Text,
        &[
            "address",
            "apiVersion",
            "cgroupDriver",
            "cgroupRoot",
            "clusterDomain",
            "containerLogMaxSize",
            "containerRuntimeEndpoint",
            "cpuCFSQuotaPeriod",
            "cpuManagerPolicy",
            "cpuManagerReconcilePeriod",
            "evictionPressureTransitionPeriod",
            "fileCheckFrequency",
            "hairpinMode",
            "healthzBindAddress",
            "httpCheckFrequency",
            "imageMinimumGCAge",
            "imageServiceEndpoint",
            "kind",
            "kubeReservedCgroup",
            "kubeletCgroups",
            "memoryManagerPolicy",
            "nodeStatusReportFrequency",
            "nodeStatusUpdateFrequency",
            "podCIDR",
            "providerID",
            "reservedSystemCPUs",
            "resolvConf",
            "runtimeRequestTimeout",
            "shutdownGracePeriod",
            "shutdownGracePeriodCriticalPods",
            "staticPodPath",
            "staticPodURL",
            "streamingConnectionIdleTimeout",
            "syncFrequency",
            "systemCgroups",
            "systemReservedCgroup",
            "tlsCertFile",
            "tlsMinVersion",
            "tlsPrivateKeyFile",
            "topologyManagerPolicy",
            "topologyManagerScope",
            "volumePluginDir",
            "volumeStatsAggPeriod",
        ],
    ),
    (
        Kind::List,
        &[
            "allowedUnsafeSysctls",
            "clusterDNS",
            "enforceNodeAllocatable",
            "registerWithTaints",
            "reservedMemory",
            "shutdownGracePeriodByPodPriority",
            "tlsCipherSuites",
        ],
    ),
    (
        Kind::Map,
        &[
            "authentication",
            "authorization",
            "configMapAndSecretChangeDetectionStrategy",
            "cpuManagerPolicyOptions",
            "evictionHard",
            "evictionMinimumReclaim",
            "evictionSoft",
            "evictionSoftGracePeriod",
            "featureGates",
            "kubeReserved",
            "logging",
            "memorySwap",
            "metadata",
            "qosReserved",
            "staticPodURLHeader",
            "systemReserved",
            "topologyManagerPolicyOptions",
            "tracing",
        ],
    ),
];

/// Fields that came with a later minor version.
const LATER: [Field; 9] = [
    Field {
        name: "imageMaximumGCAge",
        kind: Kind::Text,
        since_minor: 29,
    },
    Field {
        name: "containerLogMaxWorkers",
        kind: Kind::Number,
        since_minor: 30,
    },
    Field {
        name: "containerLogMonitorInterval",
        kind: Kind::Text,
        since_minor: 30,
    },
    Field {
        name: "podLogsDir",
        kind: Kind::Text,
        since_minor: 30,
    },
    Field {
        name: "failCgroupV1",
        kind: Kind::Flag,
        since_minor: 31,
    },
    Field {
        name: "crashLoopBackOff",
        kind: Kind::Map,
        since_minor: 32,
    },
    Field {
        name: "singleProcessOOMKill",
        kind: Kind::Flag,
        since_minor: 32,
    },
    Field {
        name: "imagePullCredentialsVerificationPolicy",
        kind: Kind::Text,
        since_minor: 33,
    },
    Field {
        name: "mergeDefaultEvictionSettings",
        kind: Kind::Flag,
        since_minor: 34,
    },
];

/// Flags of the kubelet.
pub(crate) const FLAGS: [&str; 27] = [
    "anonymous-auth",
    "authorization-mode",
    "bootstrap-kubeconfig",
    "cert-dir",
    "cgroup-driver",
    "cloud-provider",
    "cluster-dns",
    "config",
    "config-dir",
    "container-runtime-endpoint",
    "eviction-hard",
    "feature-gates",
    "hostname-override",
    "image-credential-provider-bin-dir",
    "image-credential-provider-config",
    "kube-reserved",
    "kubeconfig",
    "logging-format",
    "max-pods",
    "node-ip",
    "node-labels",
    "pod-infra-container-image",
    "register-with-taints",
    "rotate-server-certificates",
    "runtime-cgroups",
    "system-reserved",
    "v",
];
