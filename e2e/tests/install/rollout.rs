//! The rights that ship are enough: a pool is made, approved and changed, and nobody is refused anything.

use api::names::{install, label, pool};
use e2e::control_plane::audit::Event;
use e2e::control_plane::{Controllers, Options};
use serde_json::{Value, json};

use crate::fleet::{Fleet, is_settled, look, target};
use crate::support::{Ask, Installed, MACHINE, deploy, installed, until};

/// The controller and a daemon as the API server knows them.
const CONTROLLER: &str = "system:serviceaccount:windlass:windlass-controller";
const DAEMON: &str = "system:serviceaccount:windlass:windlass-daemon";

pub(crate) const NODES: [&str; 2] = ["worker-0", "worker-1"];

/// A control plane that notices silent nodes.
pub(crate) fn options() -> Options {
    Options {
        controllers: Controllers::Only(vec![
            "node-lifecycle-controller",
            "serviceaccount-controller",
        ]),
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_config_and_a_change_need_no_other_rights_than_those_that_ship() {
    let installed = installed(options()).await;
    let mut fleet = Fleet::start(&installed, &NODES).await;
    fleet.start_controller(&installed).await;
    workload(&installed).await;
    config(&installed, "one").await;
    let before_any_pool = writes(&installed, CONTROLLER);

    make_pool(&installed);
    let first = target(&installed, "worker", None).await;
    approve(&installed, &first);
    until_all(&installed, &first).await;
    config(&installed, "two").await;
    let second = target(&installed, "worker", Some(&first)).await;
    until_all(&installed, &second).await;
    until_no_slot_is_held(&installed).await;

    let own = ["leases", "slotledgers"];
    assert!(
        before_any_pool
            .iter()
            .all(|(resource, _)| own.contains(&resource.as_str())),
        "once installed it does nothing but lead, and keep an empty ledger: {before_any_pool:?}"
    );
    for who in [CONTROLLER, DAEMON] {
        let requests = installed.audit.requests_of(who).unwrap();
        let refused: Vec<&Event> = requests.iter().filter(|event| refused(event)).collect();
        assert!(requests.len() > 10, "{who} was there");
        assert!(refused.is_empty(), "{refused:#?}");
    }
    let evicted = writes(&installed, CONTROLLER);
    assert!(
        evicted.contains(&("pods".to_owned(), "eviction".to_owned())),
        "{evicted:?}"
    );
    fleet.end().await;
}

fn refused(event: &Event) -> bool {
    event
        .response_status
        .as_ref()
        .is_some_and(|status| [401, 403].contains(&status.code))
}

/// Resource and subresource of each write of somebody that took effect.
fn writes(installed: &Installed, who: &str) -> Vec<(String, String)> {
    let requests = installed.audit.requests_of(who).unwrap();
    let writes = requests
        .into_iter()
        .filter(|event| !["get", "list", "watch"].contains(&event.verb.as_str()));
    writes
        .filter_map(|event| event.object_ref)
        .map(|object| (object.resource, object.subresource))
        .collect()
}

/// A pod on each node, of somebody who would make it again.
async fn workload(installed: &Installed) {
    let admin = installed.admin();
    admin
        .may(
            "a namespace",
            Ask::post("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})),
        )
        .await;
    let template = json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web"}]}});
    let set = json!({"metadata": {"name": "web"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}});
    let set = admin
        .may(
            "a set",
            Ask::post("/apis/apps/v1/namespaces/shop/replicasets", set),
        )
        .await;
    for name in NODES {
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web",
            "uid": set["metadata"]["uid"], "controller": true});
        let pod = json!({"metadata": {"name": format!("web-{name}"), "labels": {"app": "web"}, "ownerReferences": [owner]},
            "spec": {"nodeName": name, "containers": [{"name": "web", "image": "web"}]}});
        until("a pod may be made", async || {
            admin
                .ask(Ask::post("/api/v1/namespaces/shop/pods", pod.clone()))
                .await
                .is_ok()
        })
        .await;
    }
}

/// Writes the one config of the pool.
pub(crate) async fn config(installed: &Installed, text: &str) {
    let object = json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
        "metadata": {"name": "50-motd", "labels": {label::ROLE: pool::WORKER}},
        "spec": {"config": {"ignition": {"version": "3.4.0"}, "storage": {"files": [
            {"path": "/etc/example.conf", "mode": 420, "overwrite": true, "contents": {"source": format!("data:,{text}")}},
        ]}}},
    });
    let path = format!("{MACHINE}/machineconfigs");
    let admin = installed.admin();
    if admin.ask(Ask::post(&path, object.clone())).await.is_err() {
        admin
            .may("a change", Ask::patch(&format!("{path}/50-motd"), object))
            .await;
    }
}

/// The first config and the pool of all workers, as docs/install.md has them.
pub(crate) fn make_pool(installed: &Installed) {
    let page = std::fs::read_to_string(deploy("../docs/install.md")).unwrap();
    let blocks = page.split("```yaml\n").skip(1);
    let manifest = blocks
        .filter_map(|block| block.split("```").next())
        .find(|block| block.contains("kind: MachineConfigPool"));
    let file = installed.cluster.folder().join("first-pool.yaml");
    std::fs::write(&file, manifest.unwrap()).unwrap();
    installed.kubectl(&[
        "apply",
        "--validate=strict",
        "-f",
        &file.display().to_string(),
    ]);
}

/// Approves the first config, as docs/install.md says.
pub(crate) fn approve(installed: &Installed, config: &str) {
    let approval = format!("{}={config}", pool::APPROVE_FIRST);
    installed.kubectl(&["annotate", "machineconfigpool", pool::WORKER, &approval]);
}

/// Waits until every node has the config and is back in service.
pub(crate) async fn until_all(installed: &Installed, config: &str) {
    let all = async {
        for name in NODES {
            until(&format!("{name} has {config}"), async || {
                is_settled(&look(installed, name).await, config)
            })
            .await;
        }
    };
    let Err(_) = tokio::time::timeout(PATIENCE, all).await else {
        return;
    };
    let refused = [CONTROLLER, DAEMON].map(|who| {
        let requests = installed.audit.requests_of(who).unwrap();
        let refused = requests.into_iter().filter(refused);
        refused
            .map(|event| format!("{} {}", event.verb, event.request_uri))
            .collect::<std::collections::BTreeSet<_>>()
    });
    let shown = installed.kubectl(&[
        "get",
        "machineconfigpools,machineconfignodes,slotledgers,nodes",
        "-o=yaml",
        "--show-managed-fields=false",
    ]);
    panic!("not all nodes have {config}; refused: {refused:#?}\n{shown}");
}

/// Less than [`until`] waits, so that what is wrong is shown.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(90);

async fn until_no_slot_is_held(installed: &Installed) {
    let path = "/apis/windlass.dev/v1alpha1/slotledgers/cluster";
    until("no slot is held", async || {
        let ledger: Value = installed.admin().may("a look", Ask::get(path)).await;
        ledger["spec"]["holders"]
            .as_array()
            .is_none_or(Vec::is_empty)
    })
    .await;
}

#[test]
fn the_names_that_are_audited_are_those_that_are_installed() {
    let name = |account| {
        format!(
            "{}{}:{account}",
            install::ACCOUNT_PREFIX,
            install::NAMESPACE
        )
    };

    assert_eq!(
        [name(install::CONTROLLER), name(install::DAEMON)],
        [CONTROLLER, DAEMON]
    );
}
