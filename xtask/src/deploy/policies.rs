//! What roles cannot say: admission policies that narrow a daemon to its own node, and keep everybody else from
//! writing what a daemon acts by.
//!
//! # Guarantees
//! All names come from `api::names`. A policy that cannot be evaluated refuses.
//! # Assumptions
//! A daemon's token says its node: one of a pod and one that is bound to a Node both do, since Kubernetes 1.32.

use api::conditions::node as conditions;
use api::names::{group, install, node, ours};
use serde_json::{Value, json};

use super::objects::{account, named};
use super::rights::ASSIGN;

/// Conditions of a MachineConfigNode that are the controller's.
const CONDITIONS_OF_CONTROLLER: [&str; 5] = [
    conditions::UPDATED,
    conditions::CORDONED,
    conditions::DRAINED,
    conditions::UNCORDONED,
    conditions::HELD,
];

/// The annotations that were there.
const BEFORE: &str = "oldObject == null ? {} : oldObject.metadata.?annotations.orValue({})";
/// The annotations that are to be there.
const AFTER: &str = "object.metadata.?annotations.orValue({})";

/// One rule of a policy.
struct Rule {
    must: String,
    otherwise: String,
}

fn rule(must: impl Into<String>, otherwise: impl Into<String>) -> Rule {
    Rule {
        must: must.into(),
        otherwise: otherwise.into(),
    }
}

/// All policies, each with its binding.
pub(super) fn all() -> Vec<Value> {
    [
        daemon_on_node(),
        daemon_on_machine_config_node(),
        daemon_on_token(),
        daemon_on_event(),
        orders_are_the_controllers(),
    ]
    .concat()
}

fn daemon_on_node() -> Vec<Value> {
    let own: Vec<&str> = [&node::OF_DAEMON[..], &ours::OF_DAEMON[..]].concat();
    let same = |field: &str| format!("object.{field} == oldObject.{field}");
    let rules = vec![
        bound(),
        on_own_node("object.metadata.name"),
        rule(
            [
                same("?spec"),
                same("?status"),
                same("metadata.?labels"),
                same("metadata.?ownerReferences"),
                same("metadata.?finalizers"),
            ]
            .join(" && "),
            "a daemon changes nothing of its Node but annotations",
        ),
        rule(
            format!("variables.changed.all(key, key in {})", list(&own)),
            "a daemon changes only the annotations of its own report",
        ),
    ];
    policy(
        "windlass-daemon-node",
        &on("", "v1", &["nodes", "nodes/status"], &["UPDATE"]),
        &is(install::DAEMON),
        &annotation_variables(),
        rules,
    )
}

fn daemon_on_machine_config_node() -> Vec<Value> {
    let of_type = |object: &str| {
        format!(
            "{object}.?status.?conditions.orValue([]).filter(condition, condition.type == kind)"
        )
    };
    let rules = vec![
        bound(),
        on_own_node("object.metadata.name"),
        rule(
            format!(
                "{}.all(kind, {} == {})",
                list(&CONDITIONS_OF_CONTROLLER),
                of_type("object"),
                of_type("oldObject")
            ),
            "these conditions are the controller's",
        ),
    ];
    policy(
        "windlass-daemon-machineconfignode",
        &on(
            group::MACHINECONFIGURATION,
            "v1",
            &["machineconfignodes", "machineconfignodes/status"],
            &["UPDATE"],
        ),
        &is(install::DAEMON),
        &[],
        rules,
    )
}

fn daemon_on_token() -> Vec<Value> {
    let rules = vec![
        bound(),
        rule(
            "object.spec.?boundObjectRef.?kind.orValue('') == 'Node'",
            "a daemon asks only for tokens that are bound to its Node",
        ),
        on_own_node("object.spec.?boundObjectRef.?name.orValue('')"),
    ];
    policy(
        "windlass-daemon-token",
        &on("", "v1", &["serviceaccounts/token"], &["CREATE"]),
        &is(install::DAEMON),
        &[],
        rules,
    )
}

fn daemon_on_event() -> Vec<Value> {
    let rules = vec![
        bound(),
        rule(
            "dyn(object).involvedObject.?kind.orValue('') == 'Node'",
            "a daemon tells only of its Node",
        ),
        on_own_node("dyn(object).involvedObject.?name.orValue('')"),
    ];
    policy(
        "windlass-daemon-event",
        &on("", "v1", &["events"], &["CREATE", "UPDATE"]),
        &is(install::DAEMON),
        &[],
        rules,
    )
}

/// Whoever may write any Node, as a network plugin may, cannot make a daemon act; and a request, which makes the controller
/// assign, takes more than the right to write Nodes. A daemon is held to more by a policy of its own.
fn orders_are_the_controllers() -> Vec<Value> {
    let keys: Vec<&str> = [&node::ACTED_BY[..], &ours::ACTED_BY[..]].concat();
    let may = format!(
        "authorizer.group('{}').resource('machineconfignodes').name(object.metadata.name).check('{ASSIGN}').allowed()",
        group::MACHINECONFIGURATION
    );
    let rules = vec![
        rule(
            format!("!variables.changed.exists(key, key in {})", list(&keys)),
            format!(
                "only Windlass's controller writes what a daemon acts by ({}); to force a node, use `windlass assign`",
                keys.join(", ")
            ),
        ),
        rule(
            format!(
                "!('{}' in variables.changed) || {may}",
                ours::ASSIGN_REQUEST
            ),
            format!(
                "who asks for an assignment needs the verb {ASSIGN} on machineconfignodes: the role windlass-assigner"
            ),
        ),
    ];
    // The API server makes both objects anew for each look at a policy. Most writes on Nodes are heartbeats and taints of others:
    // one look tells that they are none of its business.
    let conditions = json!([
        {"name": "is-held-to-it", "expression": format!(
            "!(request.userInfo.username in {})",
            list(&[&account(install::CONTROLLER), &account(install::DAEMON)])
        )},
        {"name": "changes-annotations", "expression": format!("({BEFORE}) != {AFTER}")},
    ]);
    policy(
        "windlass-node-orders",
        &on("", "v1", &["nodes", "nodes/status"], &["CREATE", "UPDATE"]),
        &conditions,
        &annotation_variables(),
        rules,
    )
}

/// The token says its node.
fn bound() -> Rule {
    rule(
        format!(
            "has(request.userInfo.extra) && '{0}' in request.userInfo.extra && request.userInfo.extra['{0}'].size() == 1",
            install::TOKEN_NODE_NAME
        ),
        "a daemon's token has to be bound to its Node",
    )
}

/// `what` is the token's node. Stands after [`bound`].
fn on_own_node(what: &str) -> Rule {
    rule(
        format!(
            "has(request.userInfo.extra) && {what} in request.userInfo.extra[?'{}'].orValue([])",
            install::TOKEN_NODE_NAME
        ),
        "a daemon writes only about its own node",
    )
}

/// Annotations before and after, and the keys of those that differ.
fn annotation_variables() -> Vec<(&'static str, &'static str)> {
    vec![
        ("before", BEFORE),
        ("after", AFTER),
        (
            "changed",
            "variables.after.filter(key, !(key in variables.before) || variables.before[key] != variables.after[key]) \
             + variables.before.filter(key, !(key in variables.after))",
        ),
    ]
}

fn list(names: &[&str]) -> String {
    format!("['{}']", names.join("', '"))
}

fn on(group: &str, version: &str, resources: &[&str], operations: &[&str]) -> Value {
    json!({"resourceRules": [{
        "apiGroups": [group], "apiVersions": [version],
        "operations": operations, "resources": resources,
    }]})
}

fn is(name: &str) -> Value {
    json!([{"name": "is-the-daemon", "expression": format!("request.userInfo.username == '{}'", account(name))}])
}

fn policy(
    name: &str,
    constraints: &Value,
    conditions: &Value,
    variables: &[(&str, &str)],
    rules: Vec<Rule>,
) -> Vec<Value> {
    let variables: Vec<Value> = variables
        .iter()
        .map(|(name, expression)| json!({"name": name, "expression": expression}))
        .collect();
    let validations: Vec<Value> = rules
        .into_iter()
        .map(|Rule { must, otherwise }| json!({"expression": must, "message": otherwise, "reason": "Forbidden"}))
        .collect();
    let mut spec = json!({
        "failurePolicy": "Fail",
        "matchConditions": conditions,
        "matchConstraints": constraints,
        "validations": validations,
    });
    if !variables.is_empty() {
        spec["variables"] = json!(variables);
    }
    vec![
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": named(name, "admission"), "spec": spec,
        }),
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": named(name, "admission"),
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        }),
    ]
}
