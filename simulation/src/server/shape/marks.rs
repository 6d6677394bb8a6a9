//! What the schemas of built-in kinds leave out: how lists merge, which objects are one value, and which fields are always shown.
//!
//! Kubernetes' own OpenAPI carries these marks (KEP-555, API conventions); k8s-openapi's schemas do not. Each line was taken from
//! the behaviour of the real server or from the API's types; a list without a line is one value.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::value;

/// Lists whose items are known by fields: type, field, fields of the item, and the key of a strategic merge (empty: none).
const KEYED_LISTS: &[(&str, &str, &[&str], &str)] = &[
    ("ObjectMeta", "ownerReferences", &["uid"], "uid"),
    ("v1.NodeStatus", "conditions", &["type"], "type"),
    ("v1.NodeStatus", "addresses", &["type"], "type"),
    ("v1.PodSpec", "containers", &["name"], "name"),
    ("v1.PodSpec", "initContainers", &["name"], "name"),
    ("v1.PodSpec", "ephemeralContainers", &["name"], "name"),
    ("v1.PodSpec", "volumes", &["name"], "name"),
    ("v1.PodSpec", "imagePullSecrets", &["name"], "name"),
    ("v1.PodSpec", "hostAliases", &["ip"], "ip"),
    (
        "v1.PodSpec",
        "topologySpreadConstraints",
        &["topologyKey", "whenUnsatisfiable"],
        "topologyKey",
    ),
    ("v1.PodSpec", "schedulingGates", &["name"], "name"),
    ("v1.PodSpec", "resourceClaims", &["name"], "name"),
    ("v1.Container", "env", &["name"], "name"),
    (
        "v1.Container",
        "ports",
        &["containerPort", "protocol"],
        "containerPort",
    ),
    ("v1.Container", "volumeMounts", &["mountPath"], "mountPath"),
    (
        "v1.Container",
        "volumeDevices",
        &["devicePath"],
        "devicePath",
    ),
    ("v1.PodStatus", "conditions", &["type"], "type"),
    ("v1.PodStatus", "podIPs", &["ip"], "ip"),
    ("v1.ServiceSpec", "ports", &["port", "protocol"], "port"),
    ("v1.ServiceStatus", "conditions", &["type"], "type"),
    ("v1.ServiceAccount", "secrets", &["name"], "name"),
    ("v1.NamespaceStatus", "conditions", &["type"], "type"),
    (
        "v1.PersistentVolumeClaimStatus",
        "conditions",
        &["type"],
        "type",
    ),
    ("v1.DeploymentStatus", "conditions", &["type"], "type"),
    ("v1.ReplicaSetStatus", "conditions", &["type"], "type"),
    ("v1.StatefulSetStatus", "conditions", &["type"], "type"),
    ("v1.DaemonSetStatus", "conditions", &["type"], "type"),
    (
        "v1.PodDisruptionBudgetStatus",
        "conditions",
        &["type"],
        "type",
    ),
    (
        "v1.CustomResourceDefinitionStatus",
        "conditions",
        &["type"],
        "",
    ),
    (
        "v1.ValidatingAdmissionPolicySpec",
        "matchConditions",
        &["name"],
        "name",
    ),
    (
        "v1.ValidatingAdmissionPolicySpec",
        "variables",
        &["name"],
        "name",
    ),
];

/// Lists whose items are their own identity; all of them are merged by a strategic merge.
const SETS: &[(&str, &str)] = &[
    ("ObjectMeta", "finalizers"),
    ("v1.NodeSpec", "podCIDRs"),
    (
        "v1.ValidatingAdmissionPolicyBindingSpec",
        "validationActions",
    ),
];

/// Lists that a strategic merge merges although they are one value otherwise.
const MERGED_ATOMIC_LISTS: &[(&str, &str, &str)] = &[
    ("v1.JobStatus", "conditions", "type"),
    ("v1.ServiceAccount", "imagePullSecrets", "name"),
];

/// Objects that are one value.
const ATOMIC: &[&str] = &[
    "LabelSelector",
    "v1.ObjectReference",
    "v1.LocalObjectReference",
    "v1.TypedLocalObjectReference",
    "v1.ConfigMapKeySelector",
    "v1.SecretKeySelector",
    "v1.ObjectFieldSelector",
    "v1.ResourceFieldSelector",
    "v1.NodeSelector",
    "v1.NodeSelectorTerm",
    "v1.TopologySelectorTerm",
    "v1.SecretReference",
    "v1.RoleRef",
    "v1.Subject",
    "v1.ScopeSelector",
    "v1.NamedRuleWithOperations",
    "v1.ParamKind",
    "v1.ParamRef",
    "v1.ForZone",
];

fn find<'a>(types: &'a mut BTreeMap<String, Value>, suffix: &str) -> Vec<&'a mut Value> {
    types
        .iter_mut()
        .filter(|(name, _)| {
            name.strip_suffix(suffix)
                .is_some_and(|before| before.ends_with('.'))
        })
        .map(|(_, schema)| schema)
        .collect()
}

fn mark(types: &mut BTreeMap<String, Value>, of: &str, field: &str, marks: &[(&str, Value)]) {
    for schema in find(types, of) {
        if value::get(schema, &["properties", field]).is_some() {
            for (name, marked) in marks {
                value::set(schema, &["properties", field, name], marked.clone());
            }
        }
    }
}

/// Puts the marks into the schemas.
pub(crate) fn put_in(types: &mut BTreeMap<String, Value>) {
    for (of, field, keys, merge_key) in KEYED_LISTS {
        let mut marks = vec![
            ("x-kubernetes-list-type", json!("map")),
            ("x-kubernetes-list-map-keys", json!(keys)),
        ];
        if !merge_key.is_empty() {
            marks.push(("x-kubernetes-patch-strategy", json!("merge")));
            marks.push(("x-kubernetes-patch-merge-key", json!(merge_key)));
        }
        mark(types, of, field, &marks);
    }
    for (of, field) in SETS {
        let marks = [
            ("x-kubernetes-list-type", json!("set")),
            ("x-kubernetes-patch-strategy", json!("merge")),
        ];
        mark(types, of, field, &marks);
    }
    for (of, field, key) in MERGED_ATOMIC_LISTS {
        let marks = [
            ("x-kubernetes-patch-strategy", json!("merge")),
            ("x-kubernetes-patch-merge-key", json!(key)),
        ];
        mark(types, of, field, &marks);
    }
    for of in ATOMIC {
        for schema in find(types, of) {
            value::set(schema, &["x-kubernetes-map-type"], "atomic");
        }
    }
    for of in ["v1.ContainerPort", "v1.ServicePort"] {
        mark(types, of, "protocol", &[("default", json!("TCP"))]);
    }
}

/// What an object of a type shows even where nobody set it, by the end of the type's name. Null is shown as null.
const ALWAYS_SHOWN: &[(&str, &str)] = &[
    ("core.v1.Node", r#"{"spec":{},"status":{}}"#),
    (
        "core.v1.NodeStatus",
        r#"{"daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{}}"#,
    ),
    (
        "core.v1.NodeSystemInfo",
        r#"{"machineID":"","systemUUID":"","bootID":"","kernelVersion":"","osImage":"","containerRuntimeVersion":"","kubeletVersion":"","kubeProxyVersion":"","operatingSystem":"","architecture":""}"#,
    ),
    (
        "core.v1.NodeCondition",
        r#"{"lastHeartbeatTime":null,"lastTransitionTime":null}"#,
    ),
    ("core.v1.Namespace", r#"{"spec":{},"status":{}}"#),
    ("core.v1.Pod", r#"{"spec":{},"status":{}}"#),
    ("core.v1.PodSpec", r#"{"containers":null}"#),
    ("core.v1.PodTemplateSpec", r#"{"metadata":{},"spec":{}}"#),
    ("core.v1.Container", r#"{"name":"","resources":{}}"#),
    (
        "core.v1.PodCondition",
        r#"{"lastProbeTime":null,"lastTransitionTime":null}"#,
    ),
    (
        "core.v1.ContainerStatus",
        r#"{"state":{},"lastState":{},"ready":false,"restartCount":0,"image":"","imageID":""}"#,
    ),
    ("core.v1.Service", r#"{"spec":{},"status":{}}"#),
    ("core.v1.ServiceStatus", r#"{"loadBalancer":{}}"#),
    (
        "core.v1.PersistentVolumeClaim",
        r#"{"spec":{},"status":{}}"#,
    ),
    ("core.v1.PersistentVolume", r#"{"spec":{},"status":{}}"#),
    ("core.v1.ResourceQuota", r#"{"spec":{},"status":{}}"#),
    (
        "core.v1.Event",
        r#"{"involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,"eventTime":null,"reportingComponent":"","reportingInstance":""}"#,
    ),
    (
        "events.v1.Event",
        r#"{"eventTime":null,"regarding":{},"deprecatedSource":{},"deprecatedFirstTimestamp":null,"deprecatedLastTimestamp":null}"#,
    ),
    ("apps.v1.Deployment", r#"{"spec":{},"status":{}}"#),
    (
        "apps.v1.DeploymentSpec",
        r#"{"selector":null,"template":{},"strategy":{}}"#,
    ),
    (
        "apps.v1.DeploymentCondition",
        r#"{"lastUpdateTime":null,"lastTransitionTime":null}"#,
    ),
    ("apps.v1.ReplicaSet", r#"{"spec":{},"status":{}}"#),
    ("apps.v1.ReplicaSetSpec", r#"{"selector":null}"#),
    ("apps.v1.ReplicaSetStatus", r#"{"replicas":0}"#),
    ("apps.v1.DaemonSet", r#"{"spec":{},"status":{}}"#),
    (
        "apps.v1.DaemonSetSpec",
        r#"{"selector":null,"template":{},"updateStrategy":{}}"#,
    ),
    (
        "apps.v1.DaemonSetStatus",
        r#"{"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0}"#,
    ),
    ("apps.v1.StatefulSet", r#"{"spec":{},"status":{}}"#),
    (
        "apps.v1.StatefulSetSpec",
        r#"{"selector":null,"template":{},"updateStrategy":{}}"#,
    ),
    (
        "apps.v1.StatefulSetStatus",
        r#"{"replicas":0,"availableReplicas":0}"#,
    ),
    (
        "apps.v1.ControllerRevision",
        r#"{"data":null,"revision":0}"#,
    ),
    ("batch.v1.Job", r#"{"spec":{},"status":{}}"#),
    ("batch.v1.JobSpec", r#"{"template":{}}"#),
    ("batch.v1.CronJob", r#"{"spec":{},"status":{}}"#),
    ("coordination.v1.Lease", r#"{"spec":{}}"#),
    (
        "discovery.v1.EndpointSlice",
        r#"{"addressType":"","endpoints":null,"ports":null}"#,
    ),
    (
        "discovery.v1.Endpoint",
        r#"{"addresses":null,"conditions":{}}"#,
    ),
    ("networking.v1.NetworkPolicy", r#"{"spec":{}}"#),
    (
        "policy.v1.PodDisruptionBudget",
        r#"{"spec":{},"status":{}}"#,
    ),
    (
        "policy.v1.PodDisruptionBudgetStatus",
        r#"{"disruptionsAllowed":0,"currentHealthy":0,"desiredHealthy":0,"expectedPods":0}"#,
    ),
    ("rbac.v1.ClusterRole", r#"{"rules":null}"#),
    ("rbac.v1.Role", r#"{"rules":null}"#),
    ("rbac.v1.ClusterRoleBinding", r#"{"roleRef":{}}"#),
    ("rbac.v1.RoleBinding", r#"{"roleRef":{}}"#),
    ("scheduling.v1.PriorityClass", r#"{"value":0}"#),
    ("storage.v1.StorageClass", r#"{"provisioner":""}"#),
    (
        "apiextensions.v1.CustomResourceDefinition",
        r#"{"spec":{},"status":{}}"#,
    ),
    (
        "apiextensions.v1.CustomResourceDefinitionSpec",
        r#"{"group":"","names":{},"scope":"","versions":null}"#,
    ),
    (
        "apiextensions.v1.CustomResourceDefinitionNames",
        r#"{"plural":"","kind":""}"#,
    ),
    (
        "apiextensions.v1.CustomResourceDefinitionStatus",
        r#"{"conditions":null,"acceptedNames":{},"storedVersions":null}"#,
    ),
    (
        "apiextensions.v1.CustomResourceDefinitionCondition",
        r#"{"lastTransitionTime":null}"#,
    ),
    (
        "admissionregistration.v1.ValidatingAdmissionPolicy",
        r#"{"spec":{},"status":{}}"#,
    ),
    (
        "admissionregistration.v1.ValidatingAdmissionPolicyBinding",
        r#"{"spec":{}}"#,
    ),
    (
        "apis.meta.v1.Condition",
        r#"{"lastTransitionTime":null,"reason":"","message":""}"#,
    ),
];

/// What an object of a built-in type always shows.
pub(crate) fn always_shown(name: &str) -> Option<&'static serde_json::Map<String, Value>> {
    use std::sync::LazyLock;
    static SHOWN: LazyLock<BTreeMap<&'static str, serde_json::Map<String, Value>>> =
        LazyLock::new(|| {
            ALWAYS_SHOWN
                .iter()
                .filter_map(|(name, shown)| Some((*name, serde_json::from_str(shown).ok()?)))
                .collect()
        });
    let key = name
        .strip_prefix("io.k8s.api.")
        .or_else(|| name.strip_prefix("io.k8s.apiextensions-apiserver.pkg.apis."))
        .or_else(|| name.strip_prefix("io.k8s.apimachinery.pkg."))?;
    SHOWN.get(key)
}

/// Truth values that are left out when they are false, because their absence says the same.
pub(crate) const FALSE_IS_ABSENT: &[(&str, &str)] = &[
    ("NodeSpec", "unschedulable"),
    ("PodSpec", "hostNetwork"),
    ("PodSpec", "hostPID"),
    ("PodSpec", "hostIPC"),
    ("Container", "stdin"),
    ("Container", "stdinOnce"),
    ("Container", "tty"),
    ("VolumeMount", "readOnly"),
    ("DeploymentSpec", "paused"),
];

/// Texts that may be empty without being absent.
pub(crate) const EMPTY_TEXT_IS_KEPT: &[(&str, &str)] = &[
    ("PersistentVolumeClaimSpec", "storageClassName"),
    ("LeaseSpec", "holderIdentity"),
    ("EndpointPort", "name"),
    ("EndpointPort", "appProtocol"),
    ("ObjectReference", "namespace"),
];
