//! The columns of the built-in kinds, in the real server's order and under its names; what they mean is said in our words.

use jiff::Timestamp;
use serde_json::Value;

use super::super::value;
use super::age::age;
use super::{NONE, UNKNOWN, pod, workload};

/// One column after the name.
pub(super) struct Column {
    pub name: &'static str,
    pub format: Format,
    pub shown: Shown,
    /// What it means; empty for the time of creation, which Kubernetes' own schema explains.
    pub describe: &'static str,
    pub cell: fn(&Value, Timestamp) -> Value,
}

/// What kubectl is told of a cell.
#[derive(Clone, Copy)]
pub(super) enum Format {
    Text,
    Number,
    Date,
}

/// When a column is shown.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    Always,
    /// With `-o wide`.
    Wide,
}

type Cell = fn(&Value, Timestamp) -> Value;

pub(super) const fn always(name: &'static str, describe: &'static str, cell: Cell) -> Column {
    Column {
        name,
        format: Format::Text,
        shown: Shown::Always,
        describe,
        cell,
    }
}

pub(super) const fn number(name: &'static str, describe: &'static str, cell: Cell) -> Column {
    Column {
        name,
        format: Format::Number,
        shown: Shown::Always,
        describe,
        cell,
    }
}

pub(super) const fn wide(name: &'static str, describe: &'static str, cell: Cell) -> Column {
    Column {
        name,
        format: Format::Text,
        shown: Shown::Wide,
        describe,
        cell,
    }
}

/// How long ago the object was created.
pub(super) const AGE: Column = always("Age", "", |object, now| {
    age(value::text(object, &["metadata", "creationTimestamp"]), now).into()
});

/// The text at a place, or what an empty place shows.
pub(super) fn at(object: &Value, path: &[&str], empty: &str) -> Value {
    match value::text(object, path) {
        "" => empty.into(),
        text => text.into(),
    }
}

/// The columns of a kind that has none of its own.
pub(super) const ANY: &[Column] = &[AGE];

/// Group, plural, and the columns after the name.
pub(super) const BUILT_IN: &[(&str, &str, &[Column])] = &[
    ("", "nodes", NODES),
    ("", "pods", pod::COLUMNS),
    ("", "namespaces", NAMESPACES),
    ("", "configmaps", CONFIG_MAPS),
    ("", "secrets", SECRETS),
    ("", "services", SERVICES),
    ("", "events", EVENTS),
    ("events.k8s.io", "events", EVENTS),
    ("apps", "deployments", workload::DEPLOYMENTS),
    ("apps", "replicasets", workload::REPLICA_SETS),
    ("apps", "statefulsets", workload::STATEFUL_SETS),
    ("apps", "daemonsets", workload::DAEMON_SETS),
    ("policy", "poddisruptionbudgets", BUDGETS),
    ("coordination.k8s.io", "leases", LEASES),
    ("discovery.k8s.io", "endpointslices", ENDPOINT_SLICES),
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        DEFINITIONS,
    ),
];

const NODES: &[Column] = &[
    always(
        "Status",
        "Whether the node is ready, and whether pods may come.",
        |node, _| node_status(node).into(),
    ),
    always(
        "Roles",
        "What the node is for, by its role labels.",
        |node, _| roles(node).into(),
    ),
    AGE,
    always("Version", "The kubelet's version.", |node, _| {
        value::text(node, &["status", "nodeInfo", "kubeletVersion"]).into()
    }),
    wide("Internal-IP", "Its address inside.", |node, _| {
        address(node, "InternalIP")
    }),
    wide("External-IP", "Its address outside.", |node, _| {
        address(node, "ExternalIP")
    }),
    wide("OS-Image", "Its operating system.", |node, _| {
        at(node, &["status", "nodeInfo", "osImage"], UNKNOWN)
    }),
    wide("Kernel-Version", "Its kernel.", |node, _| {
        at(node, &["status", "nodeInfo", "kernelVersion"], UNKNOWN)
    }),
    wide("Container-Runtime", "Its container runtime.", |node, _| {
        at(
            node,
            &["status", "nodeInfo", "containerRuntimeVersion"],
            UNKNOWN,
        )
    }),
];

const NAMESPACES: &[Column] = &[
    always("Status", "Whether it is active or ends.", |object, _| {
        value::text(object, &["status", "phase"]).into()
    }),
    AGE,
];

const CONFIG_MAPS: &[Column] = &[
    always("Data", "How many entries it has.", |object, _| {
        entries(object)
    }),
    AGE,
];

const SECRETS: &[Column] = &[
    always("Type", "What it is used for.", |object, _| {
        value::text(object, &["type"]).into()
    }),
    always("Data", "How many entries it has.", |object, _| {
        entries(object)
    }),
    AGE,
];

const SERVICES: &[Column] = &[
    always("Type", "How it is reached.", |object, _| {
        value::text(object, &["spec", "type"]).into()
    }),
    always("Cluster-IP", "Its address inside.", |object, _| {
        at(object, &["spec", "clusterIP"], NONE)
    }),
    always("External-IP", "Its addresses outside.", |object, _| {
        texts(value::list(object, &["spec", "externalIPs"]))
    }),
    always("Port(s)", "Its ports.", |object, _| {
        ports(value::list(object, &["spec", "ports"]))
    }),
    AGE,
    wide("Selector", "Labels of the pods behind it.", |object, _| {
        workload::labels(object, &["spec", "selector"])
    }),
];

const EVENTS: &[Column] = &[
    always("Last Seen", "When it last happened.", |event, now| {
        let last = ["lastTimestamp", "deprecatedLastTimestamp", "eventTime"]
            .map(|field| value::text(event, &[field]));
        let last = last.into_iter().find(|at| !at.is_empty());
        age(last.unwrap_or_default(), now).into()
    }),
    always("Type", "Normal or Warning.", |event, _| {
        value::text(event, &["type"]).into()
    }),
    always("Reason", "Why, as one word.", |event, _| {
        value::text(event, &["reason"]).into()
    }),
    always("Object", "What it is about.", |event, _| {
        let about =
            value::get(event, &["involvedObject"]).or_else(|| value::get(event, &["regarding"]));
        let of = |field| about.map_or("", |about| value::text(about, &[field]));
        format!("{}/{}", of("kind").to_lowercase(), of("name")).into()
    }),
    always("Message", "Why, as a sentence.", |event, _| {
        let message = ["message", "note"].map(|field| value::text(event, &[field]));
        message
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or_default()
            .trim()
            .into()
    }),
];

const BUDGETS: &[Column] = &[
    always("Min Available", "Pods that must stay.", |budget, _| {
        number_or_share(budget, "minAvailable")
    }),
    always("Max Unavailable", "Pods that may be away.", |budget, _| {
        number_or_share(budget, "maxUnavailable")
    }),
    number(
        "Allowed Disruptions",
        "Pods that may go now.",
        |budget, _| value::integer(budget, &["status", "disruptionsAllowed"]).into(),
    ),
    AGE,
];

const LEASES: &[Column] = &[
    always("Holder", "Who has it.", |object, _| {
        value::text(object, &["spec", "holderIdentity"]).into()
    }),
    AGE,
];

const ENDPOINT_SLICES: &[Column] = &[
    always("AddressType", "What its addresses are.", |object, _| {
        value::text(object, &["addressType"]).into()
    }),
    always("Ports", "The ports behind it.", |object, _| {
        let ports = value::list(object, &["ports"]).iter();
        let numbers: Vec<Value> = ports.map(|port| port["port"].to_string().into()).collect();
        texts(&numbers)
    }),
    always("Endpoints", "The addresses behind it.", |object, _| {
        let endpoints = value::list(object, &["endpoints"]).iter();
        let all: Vec<Value> = endpoints
            .flat_map(|endpoint| value::list(endpoint, &["addresses"]).to_vec())
            .collect();
        texts(&all)
    }),
    AGE,
];

const DEFINITIONS: &[Column] = &[Column {
    name: "Created At",
    format: Format::Date,
    shown: Shown::Always,
    describe: "",
    cell: |object, _| value::text(object, &["metadata", "creationTimestamp"]).into(),
}];

fn node_status(node: &Value) -> String {
    let ready = value::list(node, &["status", "conditions"])
        .iter()
        .find(|condition| value::text(condition, &["type"]) == "Ready");
    let ready = match ready.map(|condition| value::text(condition, &["status"])) {
        None => "Unknown",
        Some("True") => "Ready",
        Some(_) => "NotReady",
    };
    let cordoned = value::get(node, &["spec", "unschedulable"]) == Some(&Value::Bool(true));
    let cordoned = if cordoned { ",SchedulingDisabled" } else { "" };
    format!("{ready}{cordoned}")
}

fn roles(node: &Value) -> String {
    let labels = value::map(node, &["metadata", "labels"])
        .into_iter()
        .flatten();
    let mut roles: Vec<&str> = labels
        .filter_map(|(key, value)| match key.as_str() {
            "kubernetes.io/role" => value.as_str(),
            key => key.strip_prefix("node-role.kubernetes.io/"),
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() {
        NONE.to_owned()
    } else {
        roles.join(",")
    }
}

fn address(node: &Value, kind: &str) -> Value {
    let found = value::list(node, &["status", "addresses"])
        .iter()
        .find(|address| value::text(address, &["type"]) == kind);
    found.map_or_else(|| NONE.into(), |address| at(address, &["address"], NONE))
}

fn entries(object: &Value) -> Value {
    let count = |field| value::map(object, &[field]).map_or(0, serde_json::Map::len);
    (count("data") + count("binaryData")).into()
}

fn ports(ports: &[Value]) -> Value {
    let all: Vec<Value> = ports
        .iter()
        .map(|port| {
            let protocol = match value::text(port, &["protocol"]) {
                "" => "TCP",
                own => own,
            };
            let number = value::integer(port, &["port"]);
            match value::integer(port, &["nodePort"]) {
                0 => format!("{number}/{protocol}").into(),
                outside => format!("{number}:{outside}/{protocol}").into(),
            }
        })
        .collect();
    texts(&all)
}

fn texts(all: &[Value]) -> Value {
    let all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
    if all.is_empty() {
        NONE.into()
    } else {
        all.join(",").into()
    }
}

/// `minAvailable` and its like: a number or a percentage.
fn number_or_share(budget: &Value, field: &str) -> Value {
    match value::get(budget, &["spec", field]) {
        None => "N/A".into(),
        Some(Value::String(share)) => share.as_str().into(),
        Some(number) => number.to_string().into(),
    }
}
