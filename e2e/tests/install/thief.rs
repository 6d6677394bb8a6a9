//! Somebody has taken a daemon's token: what it can change is that node's own report, and nothing else.

use api::names::{install, node, ours};
use e2e::control_plane::Options;
use serde_json::{Value, json};

use crate::support::{Ask, Caller, Installed, MACHINE, installed, token_path};

const OWN: &str = "/api/v1/nodes/worker-0";
const OTHER: &str = "/api/v1/nodes/worker-1";

#[tokio::test]
async fn a_stolen_daemon_token_changes_that_node_s_report_and_nothing_else() {
    let installed = installed(Options::default()).await;
    prepare(&installed).await;
    let thief = installed.daemon("worker-0").await;

    daemon_s_work(&thief).await;
    touches_no_node(&thief).await;
    touches_no_order(&thief).await;
    disturbs_no_pod(&thief).await;
    reads_nothing_else(&thief).await;
    forges_nothing(&thief).await;
    configures_nothing(&thief).await;
    gets_no_further(&thief).await;
    has_no_use_of_another_token(&installed).await;
}

/// What there is to steal.
async fn prepare(installed: &Installed) {
    let admin = installed.admin();
    let make = async |path: &str, body: Value| {
        admin.may(path, Ask::post(path, body)).await;
    };
    make(
        "/api/v1/namespaces/default/serviceaccounts",
        json!({"metadata": {"name": "default"}}),
    )
    .await;
    make(
        "/api/v1/namespaces/default/secrets",
        json!({"metadata": {"name": "loot"}}),
    )
    .await;
    make(
        "/api/v1/namespaces/default/pods",
        json!({"metadata": {"name": "victim"}, "spec": {"nodeName": "worker-0",
            "containers": [{"name": "a", "image": "a"}]}}),
    )
    .await;
    let machine = json!("machineconfiguration.openshift.io/v1");
    make(
        &format!("{MACHINE}/machineconfigs"),
        json!({"apiVersion": machine, "kind": "MachineConfig", "metadata": {"name": "rendered-worker-1"}}),
    )
    .await;
    make(
        &format!("{MACHINE}/machineconfigpools"),
        json!({"apiVersion": machine, "kind": "MachineConfigPool", "metadata": {"name": "worker"}, "spec": {}}),
    )
    .await;
    make(
        &format!("{MACHINE}/machineconfignodes"),
        json!({"apiVersion": machine, "kind": "MachineConfigNode", "metadata": {"name": "worker-0"},
            "spec": {"configVersion": {"desired": "x"}, "node": {"name": "worker-0"}, "pool": {"name": "worker"}}}),
    )
    .await;
}

/// All that a daemon does is granted, so that the refusals below are no accident.
async fn daemon_s_work(daemon: &Caller) {
    for key in [&node::OF_DAEMON[..], &ours::OF_DAEMON[..]].concat() {
        daemon.may(key, Ask::annotate("worker-0", key, "1")).await;
    }
    daemon
        .may(
            "take back",
            Ask::annotate("worker-0", node::CURRENT_CONFIG, Value::Null),
        )
        .await;
    daemon
        .may(
            "watch",
            Ask::get("/api/v1/nodes?fieldSelector=metadata.name%3Dworker-0"),
        )
        .await;
    daemon
        .may(
            "the config",
            Ask::get(&format!("{MACHINE}/machineconfigs/rendered-worker-1")),
        )
        .await;
    daemon
        .may(
            "its record",
            Ask::get(&format!("{MACHINE}/machineconfignodes/worker-0")),
        )
        .await;
    let conditions = condition("UpdatePrepared");
    daemon
        .may(
            "its conditions",
            Ask::patch(
                &format!("{MACHINE}/machineconfignodes/worker-0/status"),
                conditions,
            ),
        )
        .await;
    daemon
        .may(
            "an event",
            Ask::post(
                "/api/v1/namespaces/default/events",
                event("Node", "worker-0"),
            ),
        )
        .await;
    let renewed = daemon
        .may(
            "its own token",
            Ask::post(&token_path(), token("Node", "worker-0")),
        )
        .await;
    assert!(renewed["status"]["token"].is_string());
    // No such kind is installed: the right is there, the object is not.
    let policy = "/apis/operator.openshift.io/v1/machineconfigurations/cluster";
    assert_eq!(daemon.ask(Ask::get(policy)).await.unwrap_err().0, 404);
}

async fn touches_no_node(thief: &Caller) {
    let taint = json!({"spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}});
    let label = json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}});
    let unlabel = json!({"metadata": {"labels": {"node-role.kubernetes.io/worker": null}}});
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let cordon = json!({"spec": {"unschedulable": true}});
    let finalizer = json!({"metadata": {"finalizers": ["example.com/mine"]}});
    let owner = json!({"metadata": {"ownerReferences": [
        {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}]}});
    for path in [OWN, OTHER] {
        for (what, body) in [
            ("cordons", cordon.clone()),
            ("taints", taint.clone()),
            ("labels", label.clone()),
            ("takes a label from", unlabel.clone()),
            ("puts a finalizer on", finalizer.clone()),
            ("puts an owner on", owner.clone()),
        ] {
            thief
                .may_not(&format!("{what} {path}"), Ask::patch(path, body))
                .await;
        }
        thief
            .may_not(
                "writes a status",
                Ask::patch(&format!("{path}/status"), ready.clone()),
            )
            .await;
        thief.may_not("deletes a node", Ask::delete(path)).await;
    }
    thief
        .may_not(
            "makes a node",
            Ask::post("/api/v1/nodes", json!({"metadata": {"name": "mine"}})),
        )
        .await;
    for key in [&node::OF_DAEMON[..], &ours::OF_DAEMON[..]].concat() {
        thief
            .may_not(
                "forges another's report",
                Ask::annotate("worker-1", key, "1"),
            )
            .await;
    }
}

async fn touches_no_order(thief: &Caller) {
    let orders = [
        &node::ACTED_BY[..],
        &ours::ACTED_BY[..],
        &ours::REMEMBERED[..],
        &ours::OF_PEOPLE[..],
        &["example.com/other"],
    ];
    for key in orders.concat() {
        for name in ["worker-0", "worker-1"] {
            thief
                .may_not(&format!("writes {key}"), Ask::annotate(name, key, "1"))
                .await;
        }
    }
}

async fn disturbs_no_pod(thief: &Caller) {
    let pods = "/api/v1/namespaces/default/pods";
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": "victim", "namespace": "default"}});
    thief
        .may_not(
            "evicts",
            Ask::post(&format!("{pods}/victim/eviction"), eviction),
        )
        .await;
    thief
        .may_not("deletes a pod", Ask::delete(&format!("{pods}/victim")))
        .await;
    let pod = json!({"metadata": {"name": "mine"}, "spec": {"containers": [{"name": "a", "image": "a"}]}});
    thief.may_not("runs a pod", Ask::post(pods, pod)).await;
    thief
        .may_not(
            "enters a pod",
            Ask::post(&format!("{pods}/victim/exec?command=sh"), json!({})),
        )
        .await;
}

async fn reads_nothing_else(thief: &Caller) {
    for path in [
        "/api/v1/secrets",
        "/api/v1/namespaces/default/secrets/loot",
        "/api/v1/namespaces/windlass/secrets",
        "/api/v1/configmaps",
        "/api/v1/pods",
        "/api/v1/namespaces/default/pods/victim",
        "/api/v1/namespaces/windlass/serviceaccounts",
        "/api/v1/namespaces/default/events",
        "/apis/coordination.k8s.io/v1/namespaces/windlass/leases/windlass-controller",
        "/apis/machineconfiguration.openshift.io/v1/machineconfigs",
        "/apis/machineconfiguration.openshift.io/v1/machineconfignodes",
        "/apis/machineconfiguration.openshift.io/v1/machineconfigpools",
        "/apis/windlass.dev/v1alpha1/slotledgers",
        "/apis/windlass.dev/v1alpha1/rolloutpolicies",
        "/api/v1/nodes/worker-0/proxy/pods",
    ] {
        thief
            .may_not(&format!("reads {path}"), Ask::get(path))
            .await;
    }
}

async fn forges_nothing(thief: &Caller) {
    let records = format!("{MACHINE}/machineconfignodes");
    thief
        .may_not(
            "another's conditions",
            Ask::patch(
                &format!("{records}/worker-1/status"),
                condition("UpdatePrepared"),
            ),
        )
        .await;
    for kind in ["Updated", "Cordoned", "Drained", "Uncordoned", "Held"] {
        let own = format!("{records}/worker-0/status");
        thief
            .may_not(
                "the controller's conditions",
                Ask::patch(&own, condition(kind)),
            )
            .await;
    }
    let desired = json!({"spec": {"configVersion": {"desired": "y"}}});
    thief
        .may_not(
            "its record's spec",
            Ask::patch(&format!("{records}/worker-0"), desired),
        )
        .await;
    for (kind, name) in [
        ("Node", "worker-1"),
        ("Pod", "worker-0"),
        ("MachineConfigPool", "worker"),
    ] {
        let path = "/api/v1/namespaces/default/events";
        thief
            .may_not("an event about another", Ask::post(path, event(kind, name)))
            .await;
    }
    let elsewhere = "/api/v1/namespaces/kube-system/events";
    thief
        .may_not(
            "an event elsewhere",
            Ask::post(elsewhere, event("Node", "worker-0")),
        )
        .await;
}

async fn configures_nothing(thief: &Caller) {
    let config = json!({"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
        "metadata": {"name": "mine", "labels": {"machineconfiguration.openshift.io/role": "worker"}}});
    let configs = format!("{MACHINE}/machineconfigs");
    thief
        .may_not("makes a config", Ask::post(&configs, config))
        .await;
    let rendered = format!("{configs}/rendered-worker-1");
    thief
        .may_not(
            "changes a config",
            Ask::patch(&rendered, json!({"spec": {"fips": true}})),
        )
        .await;
    thief
        .may_not("deletes a config", Ask::delete(&rendered))
        .await;
    let pool = format!("{MACHINE}/machineconfigpools/worker");
    thief
        .may_not(
            "changes a pool",
            Ask::patch(&pool, json!({"spec": {"paused": true}})),
        )
        .await;
    let policy = "/apis/operator.openshift.io/v1/machineconfigurations/cluster";
    thief
        .may_not(
            "changes the disruption policy",
            Ask::patch(policy, json!({"spec": {}})),
        )
        .await;
    let ledger = json!({"apiVersion": "windlass.dev/v1alpha1", "kind": "SlotLedger",
        "metadata": {"name": "cluster"}, "spec": {"holders": []}});
    thief
        .may_not(
            "makes a ledger",
            Ask::post("/apis/windlass.dev/v1alpha1/slotledgers", ledger),
        )
        .await;
}

async fn gets_no_further(thief: &Caller) {
    for (what, body) in [
        ("another node's token", token("Node", "worker-1")),
        ("a token of no node", json!({"spec": {}})),
        ("a token of a pod", token("Pod", "worker-0")),
    ] {
        thief.may_not(what, Ask::post(&token_path(), body)).await;
    }
    for account in [install::CONTROLLER, "default"] {
        let path = format!("/api/v1/namespaces/windlass/serviceaccounts/{account}/token");
        thief
            .may_not(
                "another account's token",
                Ask::post(&path, token("Node", "worker-0")),
            )
            .await;
    }
    let policies = "/apis/admissionregistration.k8s.io/v1";
    for path in [
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    ] {
        let path = format!("{policies}/{path}/windlass-daemon-node");
        thief
            .may_not("takes the guard away", Ask::delete(&path))
            .await;
    }
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let all = json!({"metadata": {"name": "mine"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    thief.may_not("makes a role", Ask::post(roles, all)).await;
    let mut as_admin = Ask::get("/api/v1/secrets");
    as_admin.as_user = Some("system:admin");
    thief.may_not("acts as somebody else", as_admin).await;
    let lease =
        json!({"metadata": {"name": "windlass-controller"}, "spec": {"holderIdentity": "mine"}});
    let leases = "/apis/coordination.k8s.io/v1/namespaces/windlass/leases";
    thief
        .may_not("takes the lead", Ask::post(leases, lease))
        .await;
}

/// A token that says no node is nobody's, and one whose node is gone is none.
async fn has_no_use_of_another_token(installed: &Installed) {
    let unbound = installed
        .cluster
        .token_of(install::NAMESPACE, install::DAEMON, None);
    let unbound = installed.caller(&unbound.await.unwrap()).await;
    let report = Ask::annotate("worker-0", node::STATE, "Done");
    unbound
        .may_not("reports without a node", report.clone())
        .await;

    installed.node("gone").await;
    let former = installed.daemon("gone").await;
    installed
        .admin()
        .may("the node goes", Ask::delete("/api/v1/nodes/gone"))
        .await;
    installed.node("gone").await;
    crate::support::until("the former node's token is none", async || {
        former
            .ask(Ask::get("/api/v1/nodes/gone"))
            .await
            .is_err_and(|(code, _)| code == 401)
    })
    .await;
}

fn condition(kind: &str) -> Value {
    json!({"status": {"conditions": [{"type": kind, "status": "True", "reason": "Mine", "message": "",
        "lastTransitionTime": "2026-11-24T08:00:00Z"}]}})
}

fn event(kind: &str, name: &str) -> Value {
    let suffix = format!("{}-{name}", kind.to_lowercase());
    json!({"metadata": {"name": suffix}, "involvedObject": {"kind": kind, "name": name},
        "reason": "Test", "message": "", "type": "Normal"})
}

fn token(kind: &str, name: &str) -> Value {
    json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name}}})
}
