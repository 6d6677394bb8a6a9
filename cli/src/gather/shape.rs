//! Which objects are packed, and what of them.
//!
//! # Guarantees
//! Pure. Secrets and ConfigMaps are in no list here, so nobody asks for them. What Windlass does not own is packed as an
//! outline: of a pod no environment, no command; of a volume no attribute of its driver.
//! ControllerConfigs are the reference's own: they carry the cluster's pull secret, Windlass reads none, and none is packed.

use api::names::label;
use controller::stores::NODE_LEASES;
use serde_json::{Map, Value};

use super::ignition;
use super::redact::Redactor;

/// Objects of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    /// The file's name, as the kind is called in the API.
    pub(crate) name: String,
    /// Where they are listed.
    pub(crate) path: String,
    /// Which of them, by label.
    pub(crate) labels: Option<String>,
    /// What of them.
    shape: Shape,
}

/// What of an object is packed.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// All, but for secrets.
    Whole,
    /// All, with the Ignition config as an outline.
    MachineConfig,
    /// These fields, each a path of keys.
    Outline(&'static [&'static str]),
}

const NODE: &[&str] = &[
    "spec.taints",
    "spec.unschedulable",
    "spec.providerID",
    "status.conditions",
    "status.nodeInfo",
    "status.addresses",
    "status.allocatable",
    "status.capacity",
];

const POD: &[&str] = &[
    "spec.nodeName",
    "spec.priority",
    "spec.priorityClassName",
    "spec.terminationGracePeriodSeconds",
    "status.phase",
    "status.reason",
    "status.conditions",
    "status.startTime",
];

const VOLUME: &[&str] = &[
    "spec.claimRef.namespace",
    "spec.claimRef.name",
    "spec.nodeAffinity",
    "spec.storageClassName",
    "spec.local.path",
    "spec.hostPath.path",
    "status.phase",
];

const WORKLOAD: &[&str] = &[
    "spec.replicas",
    "spec.strategy",
    "spec.updateStrategy",
    "status",
];

const SLICE: &[&str] = &["addressType", "endpoints", "ports"];

const LEASE: &[&str] = &["spec"];

const EVENT: &[&str] = &[
    "involvedObject",
    "reason",
    "message",
    "type",
    "count",
    "firstTimestamp",
    "lastTimestamp",
    "eventTime",
    "action",
    "related",
    "reportingComponent",
    "reportingInstance",
    "source",
    "series",
];

/// All that is packed, for a Windlass that is installed in this namespace.
pub(crate) fn packed(namespace: &str) -> Vec<Packed> {
    let machine = "/apis/machineconfiguration.openshift.io/v1";
    let own = "/apis/windlass.dev/v1alpha1";
    let of = |name: &str, path: String, shape| Packed {
        name: name.to_owned(),
        path,
        labels: None,
        shape,
    };
    let cluster = |prefix: &str, name: &str, shape| of(name, format!("{prefix}/{name}"), shape);
    let within = |prefix: &str, namespace: &str, name: &str, shape| {
        let path = format!("{prefix}/namespaces/{namespace}/{name}");
        of(&format!("{name}-in-{namespace}"), path, shape)
    };
    let mut all = vec![
        cluster(machine, "machineconfigpools", Shape::Whole),
        cluster(machine, "machineconfigs", Shape::MachineConfig),
        cluster(machine, "machineconfignodes", Shape::Whole),
        cluster(
            "/apis/operator.openshift.io/v1",
            "machineconfigurations",
            Shape::Whole,
        ),
        cluster(own, "rolloutpolicies", Shape::Whole),
        cluster(own, "slotledgers", Shape::Whole),
        cluster("/api/v1", "nodes", Shape::Outline(NODE)),
        cluster("/api/v1", "pods", Shape::Outline(POD)),
        cluster("/apis/policy/v1", "poddisruptionbudgets", Shape::Whole),
        cluster("/api/v1", "persistentvolumes", Shape::Outline(VOLUME)),
        within(
            "/apis/coordination.k8s.io/v1",
            NODE_LEASES,
            "leases",
            Shape::Outline(LEASE),
        ),
        within(
            "/apis/coordination.k8s.io/v1",
            namespace,
            "leases",
            Shape::Outline(LEASE),
        ),
        within(
            "/apis/apps/v1",
            namespace,
            "deployments",
            Shape::Outline(WORKLOAD),
        ),
        within(
            "/apis/apps/v1",
            namespace,
            "daemonsets",
            Shape::Outline(WORKLOAD),
        ),
        within("/api/v1", "default", "events", Shape::Outline(EVENT)),
    ];
    if namespace != "default" {
        all.push(within(
            "/api/v1",
            namespace,
            "events",
            Shape::Outline(EVENT),
        ));
    }
    let slices = within(
        "/apis/discovery.k8s.io/v1",
        "default",
        "endpointslices",
        Shape::Outline(SLICE),
    );
    all.push(Packed {
        labels: Some("kubernetes.io/service-name=kubernetes".to_owned()),
        ..slices
    });
    all
}

impl Packed {
    /// What of this object is packed.
    pub(crate) fn of(&self, object: Value, redactor: &Redactor) -> Value {
        let Value::Object(mut object) = object else {
            return Value::Null;
        };
        let metadata = object.remove("metadata").unwrap_or_default();
        let mut kept = match self.shape {
            Shape::Whole => whole(object, redactor),
            Shape::MachineConfig => machine_config(object, redactor),
            Shape::Outline(fields) => outline(&Value::Object(object), fields, redactor),
        };
        kept.insert("metadata".to_owned(), redactor.metadata(metadata));
        Value::Object(kept)
    }
}

fn whole(object: Map<String, Value>, redactor: &Redactor) -> Map<String, Value> {
    match redactor.value(Value::Object(object)) {
        Value::Object(kept) => kept,
        _ => Map::new(),
    }
}

fn machine_config(mut object: Map<String, Value>, redactor: &Redactor) -> Map<String, Value> {
    let spec = object.get_mut("spec").and_then(Value::as_object_mut);
    let config = spec.and_then(|spec| spec.remove("config"));
    let mut kept = whole(object, redactor);
    if let (Some(config), Some(Value::Object(spec))) = (config, kept.get_mut("spec")) {
        spec.insert("config".to_owned(), ignition::outline(config, redactor));
    }
    kept
}

fn outline(object: &Value, fields: &[&str], redactor: &Redactor) -> Map<String, Value> {
    let mut kept = Value::Object(Map::new());
    for field in fields {
        let pointer = format!("/{}", field.replace('.', "/"));
        let Some(value) = object.pointer(&pointer) else {
            continue;
        };
        let value = redactor.value(value.clone());
        put(&mut kept, field, value);
    }
    match kept {
        Value::Object(kept) => kept,
        _ => Map::new(),
    }
}

fn put(into: &mut Value, field: &str, value: Value) {
    let mut place = into;
    for key in field.split('.') {
        place = &mut place[key];
    }
    *place = value;
}

/// Whether a pod runs a part of Windlass, by its labels; and which.
pub(crate) fn component(
    labels: Option<&std::collections::BTreeMap<String, String>>,
) -> Option<&str> {
    let labels = labels?;
    let ours = labels
        .get(label::OWNER)
        .is_some_and(|owner| owner == label::OWNER_WINDLASS);
    ours.then(|| labels.get("app.kubernetes.io/component"))?
        .map(String::as_str)
}
