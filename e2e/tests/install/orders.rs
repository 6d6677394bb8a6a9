//! Whoever may write Nodes, as network plugins and kubelets may, cannot make a daemon act.

use api::names::{node, ours};
use e2e::control_plane::Options;
use e2e::control_plane::certificates::Identity;
use serde_json::{Value, json};

use crate::support::{Ask, Caller, Installed, installed};

const WORKER: &str = "/api/v1/nodes/worker-0";

/// What a daemon acts by, and what makes the controller assign.
fn orders() -> Vec<&'static str> {
    [
        &node::ACTED_BY[..],
        &ours::ACTED_BY[..],
        &[ours::ASSIGN_REQUEST],
    ]
    .concat()
}

#[tokio::test]
async fn who_may_write_any_node_cannot_make_a_daemon_act() {
    let installed = installed(Options::default()).await;
    let cni = installed
        .user(
            "cni",
            json!([{"apiGroups": [""], "resources": ["nodes", "nodes/status"],
                "verbs": ["get", "list", "create", "update", "patch"]}]),
        )
        .await;
    let kubelet = installed
        .cluster
        .certificate_of(&Identity::kubelet("worker-0"))
        .unwrap();
    let kubelet = installed.caller(&kubelet).await;

    for key in orders() {
        for caller in [&cni, &kubelet] {
            refused_in_every_way(caller, key).await;
        }
        let body = json!({"metadata": {"name": "mine", "annotations": {key: "1"}}});
        cni.may_not(
            &format!("makes a node with {key}"),
            Ask::post("/api/v1/nodes", body),
        )
        .await;
    }
    cni.may(
        "its own annotation",
        Ask::annotate("worker-0", "example.com/pod-cidr", "10.0.0.0/24"),
    )
    .await;
}

async fn refused_in_every_way(caller: &Caller, key: &str) {
    let annotated = json!({"metadata": {"annotations": {key: "1"}}});
    caller
        .may_not(
            &format!("patches {key}"),
            Ask::patch(WORKER, annotated.clone()),
        )
        .await;
    let status = format!("{WORKER}/status");
    caller
        .may_not(
            &format!("patches {key} by the status"),
            Ask::patch(&status, annotated),
        )
        .await;
    let mut whole = caller.may("a look", Ask::get(WORKER)).await;
    if whole["metadata"]["annotations"].is_null() {
        whole["metadata"]["annotations"] = json!({});
    }
    whole["metadata"]["annotations"][key] = json!("1");
    caller
        .may_not(&format!("replaces with {key}"), Ask::put(WORKER, whole))
        .await;
}

#[tokio::test]
async fn an_assignment_is_asked_for_by_those_who_may_assign_and_ordered_by_the_controller_alone() {
    let installed = installed(Options::default()).await;
    let assigner = assigner(&installed).await;
    let admin = installed.admin();

    assigner
        .may(
            "a request",
            Ask::annotate("worker-0", ours::ASSIGN_REQUEST, "{}"),
        )
        .await;
    admin
        .may(
            "a request",
            Ask::annotate("worker-1", ours::ASSIGN_REQUEST, "{}"),
        )
        .await;
    admin
        .may(
            "taken back",
            Ask::annotate("worker-1", ours::ASSIGN_REQUEST, Value::Null),
        )
        .await;
    for key in [&node::ACTED_BY[..], &ours::ACTED_BY[..]].concat() {
        for caller in [&assigner, &admin] {
            let why = caller
                .may_not(key, Ask::annotate("worker-0", key, "1"))
                .await;
            assert!(why.contains("windlass assign"), "{why}");
        }
    }
    let controller = installed
        .cluster
        .token_of("windlass", "windlass-controller", None);
    let controller = installed.caller(&controller.await.unwrap()).await;
    for key in orders() {
        controller
            .may(key, Ask::annotate("worker-0", key, "1"))
            .await;
    }
}

/// A person with the role that ships.
async fn assigner(installed: &Installed) -> Caller {
    let body = json!({
        "metadata": {"name": "person"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "windlass-assigner"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "person"}],
    });
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    installed
        .admin()
        .may("a binding", Ask::post(bindings, body))
        .await;
    let certificate = installed
        .cluster
        .certificate_of(&Identity::user("person"))
        .unwrap();
    let caller = installed.caller(&certificate).await;
    crate::support::until("the role holds", async || {
        caller.ask(Ask::get(WORKER)).await.is_ok()
    })
    .await;
    caller
}
