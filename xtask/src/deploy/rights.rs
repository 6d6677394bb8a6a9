//! Who may do what: the rights of controller, daemon and people, each with its reason.
//!
//! # Guarantees
//! One table makes the roles and the book's lists. What a role cannot say (only the own node, only these annotations)
//! stands in [`super::policies`].
//! # Assumptions
//! A right stands here because code uses it; the scenarios on a real API server fail where one is missing.

use std::collections::BTreeMap;

use api::names::{group, install, object};
use serde_json::{Value, json};

use super::objects::{labels, named, within};
use super::values::{NAMESPACE, mark};

/// The verb without which nobody may ask for an assignment.
pub(super) const ASSIGN: &str = "assign";

/// Where kubelets renew their Leases.
const NODE_LEASES: &str = "kube-node-lease";

/// Where the API servers' EndpointSlice is, and events about what has no namespace.
const DEFAULT: &str = "default";

/// Where a right holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Where {
    Everywhere,
    Own,
    In(&'static str),
}

/// One right.
struct Right {
    place: Where,
    group: &'static str,
    resources: &'static [&'static str],
    /// Only objects of these names; all where there is none.
    names: &'static [&'static str],
    verbs: &'static [&'static str],
    why: &'static str,
}

const fn right(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    why: &'static str,
) -> Right {
    Right {
        place: Where::Everywhere,
        group,
        resources,
        names: &[],
        verbs,
        why,
    }
}

impl Right {
    const fn at(self, place: Where) -> Self {
        Self { place, ..self }
    }

    const fn only(self, names: &'static [&'static str]) -> Self {
        Self { names, ..self }
    }
}

const WATCHED: &[&str] = &["list", "watch"];
const SHOWN: &[&str] = &["patch"];

/// All that the controller does.
fn controller() -> Vec<Right> {
    let mut rights = machine_rights();
    rights.extend([
        right("", &["nodes"], &["get", "list", "watch", "patch"],
            "assigns configs, cordons, acknowledges drains, sets and removes the taint `UpdateInProgress`"),
        right("", &["pods"], WATCHED, "knows what a drain has to move"),
        right("", &["pods/eviction"], &["create"], "drains, under every PodDisruptionBudget; it may delete no pod"),
        right("", &["persistentvolumes"], WATCHED, "knows which pods lose their volume with their node"),
        right("policy", &["poddisruptionbudgets"], WATCHED, "says which budget a drain waits for"),
        right("apiextensions.k8s.io", &["customresourcedefinitions"], &["list"],
            "refuses to act beside another owner of these resources"),
        right(group::CONFIG, &["clusteroperators"], &["get"], "refuses to act in an OpenShift")
            .only(&[object::CLUSTER_OPERATOR]),
        right("coordination.k8s.io", &["leases"], WATCHED, "a kubelet's sign of life after a change")
            .at(Where::In(NODE_LEASES)),
        right("discovery.k8s.io", &["endpointslices"], WATCHED, "the API server instances that are asked for their version")
            .at(Where::In(DEFAULT)),
        right("", &["events"], &["create"], "tells people; what has no namespace is told here")
            .at(Where::In(DEFAULT)),
        right("coordination.k8s.io", &["leases"], &["get", "list", "watch", "update"], "one of several replicas works")
            .only(&[install::CONTROLLER])
            .at(Where::Own),
        right("coordination.k8s.io", &["leases"], &["create"], "the same; a name cannot be demanded of what is not there yet")
            .at(Where::Own),
    ]);
    rights
}

/// What the controller does with the custom resources.
fn machine_rights() -> Vec<Right> {
    let machine = group::MACHINECONFIGURATION;
    vec![
        right(
            machine,
            &["machineconfigs"],
            &["list", "watch", "create", "patch", "delete"],
            "publishes rendered configs, takes its finalizer off, and prunes them",
        ),
        right(
            machine,
            &["machineconfigpools"],
            &["list", "watch", "patch"],
            "points a pool at its rendered config",
        ),
        right(machine, &["machineconfigpools/status"], SHOWN, "reports"),
        right(
            machine,
            &["machineconfignodes"],
            &["list", "watch", "create", "patch", "delete"],
            "records each assignment; deletes the record of a former node",
        ),
        right(machine, &["machineconfignodes/status"], SHOWN, "reports"),
        right(
            group::OPERATOR,
            &["machineconfigurations"],
            WATCHED,
            "reads the owner's disruption policy",
        ),
        right(
            group::OPERATOR,
            &["machineconfigurations/status"],
            SHOWN,
            "publishes the policy that holds",
        ),
        right(
            group::WINDLASS,
            &["rolloutpolicies"],
            WATCHED,
            "reads how pools are rolled out",
        ),
        right(
            group::WINDLASS,
            &["rolloutpolicies/status"],
            SHOWN,
            "says whether a policy is accepted",
        ),
        right(
            group::WINDLASS,
            &["slotledgers"],
            &["get", "list", "watch", "create", "update"],
            "takes and returns slots by compare-and-swap",
        ),
    ]
}

/// What the controller may do besides, where Cluster API is.
fn cluster_api() -> Vec<Right> {
    vec![right(
        "cluster.x-k8s.io",
        &["machines"],
        &["get", "patch"],
        "keeps a Machine from being remediated while its node is worked on",
    )]
}

/// All that a daemon does, before the admission policies narrow it to its own node.
fn daemon() -> Vec<Right> {
    let machine = group::MACHINECONFIGURATION;
    vec![
        right(
            "",
            &["nodes"],
            &["get", "list", "watch", "patch"],
            "watches its own Node, and reports on it",
        ),
        right(
            machine,
            &["machineconfigs"],
            &["get"],
            "reads the rendered config that it was assigned",
        ),
        right(
            group::OPERATOR,
            &["machineconfigurations"],
            &["get"],
            "reads the disruption policy",
        ),
        right(
            machine,
            &["machineconfignodes"],
            &["get"],
            "looks whether there is one to report on",
        ),
        right(
            machine,
            &["machineconfignodes/status"],
            SHOWN,
            "reports its conditions",
        ),
        right("", &["events"], &["create"], "tells people, on its Node").at(Where::In(DEFAULT)),
        right(
            "",
            &["serviceaccounts/token"],
            &["create"],
            "renews its own token, bound to its Node",
        )
        .only(&[install::DAEMON])
        .at(Where::Own),
    ]
}

/// What a person needs for `windlass assign`; cluster administrators have it.
fn assigner() -> Vec<Right> {
    let machine = group::MACHINECONFIGURATION;
    vec![
        right(
            "",
            &["nodes"],
            &["get", "patch"],
            "writes the request on the Node",
        ),
        right(
            machine,
            &["machineconfigs"],
            &["get"],
            "looks whether the config is there",
        ),
        right(
            machine,
            &["machineconfignodes"],
            &[ASSIGN],
            "may ask for an assignment at all",
        ),
    ]
}

/// The role of people who may assign; nobody is given it.
const ASSIGNER: &str = "windlass-assigner";

/// The controller's identity and its rights.
pub(super) fn of_controller() -> Vec<Value> {
    given(install::CONTROLLER, "controller", &controller())
}

/// The daemon's identity and its rights.
pub(super) fn of_daemon() -> Vec<Value> {
    given(install::DAEMON, "daemon", &daemon())
}

/// The controller's rights beside Cluster API.
pub(super) fn beside_cluster_api() -> Vec<Value> {
    let name = format!("{}-cluster-api", install::CONTROLLER);
    let rules = rules(&cluster_api(), Where::Everywhere);
    vec![
        role("ClusterRole", &named(&name, "controller"), &rules),
        binding(
            "ClusterRole",
            &named(&name, "controller"),
            &name,
            install::CONTROLLER,
        ),
    ]
}

/// The role of people who may assign.
pub(super) fn of_people() -> Vec<Value> {
    let rules = rules(&assigner(), Where::Everywhere);
    vec![role("ClusterRole", &named(ASSIGNER, "people"), &rules)]
}

fn given(name: &str, component: &str, rights: &[Right]) -> Vec<Value> {
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": within(name, component),
    })];
    let mut places: Vec<Where> = rights.iter().map(|right| right.place).collect();
    places.sort_unstable();
    places.dedup();
    for place in places {
        let rules = rules(rights, place);
        let (kind, metadata) = match place {
            Where::Everywhere => ("ClusterRole", named(name, component)),
            Where::Own => ("Role", within(name, component)),
            Where::In(namespace) => {
                let metadata =
                    json!({"name": name, "namespace": namespace, "labels": labels(component)});
                ("Role", metadata)
            }
        };
        objects.push(role(kind, &metadata, &rules));
        objects.push(binding(kind, &metadata, name, name));
    }
    objects
}

fn role(kind: &str, metadata: &Value, rules: &[Value]) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
        "metadata": metadata, "rules": rules,
    })
}

fn binding(kind: &str, metadata: &Value, role: &str, account: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": format!("{kind}Binding"),
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": mark(NAMESPACE)}],
    })
}

fn rules(rights: &[Right], place: Where) -> Vec<Value> {
    let here = rights.iter().filter(|right| right.place == place);
    here.map(|right| {
        let mut rule = json!({
            "apiGroups": [right.group], "resources": right.resources, "verbs": right.verbs,
        });
        if !right.names.is_empty() {
            rule["resourceNames"] = json!(right.names);
        }
        rule
    })
    .collect()
}

/// The book's lists, by the name of the section.
pub(super) fn lists() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("controller", list(&controller())),
        ("cluster-api", list(&cluster_api())),
        ("daemon", list(&daemon())),
        ("assigner", list(&assigner())),
    ])
}

fn list(rights: &[Right]) -> String {
    let mut text = "| where | resource | verbs | for |\n| --- | --- | --- | --- |\n".to_owned();
    for right in rights {
        let place = match right.place {
            Where::Everywhere => "cluster".to_owned(),
            Where::Own => format!("`{}`", install::NAMESPACE),
            Where::In(namespace) => format!("`{namespace}`"),
        };
        let only = match right.names {
            [] => String::new(),
            names => format!(", only `{}`", names.join("`, `")),
        };
        let group = match right.group {
            "" => String::new(),
            group => format!(".{group}"),
        };
        for resource in right.resources {
            let (kind, sub) = resource
                .split_once('/')
                .map_or((*resource, String::new()), |(kind, sub)| {
                    (kind, format!("/{sub}"))
                });
            text.push_str(&format!(
                "| {place} | `{kind}{group}{sub}`{only} | {} | {} |\n",
                right.verbs.join(", "),
                right.why
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_given_every_verb_or_every_resource() {
        let all = [controller(), cluster_api(), daemon(), assigner()];

        for right in all.iter().flatten() {
            assert!(!right.verbs.contains(&"*") && !right.resources.contains(&"*"));
            assert!(!right.resources.contains(&"secrets"), "{}", right.why);
        }
    }
}
