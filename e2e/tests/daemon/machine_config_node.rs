//! What a person sees of a visit on the MachineConfigNode, and that a node at rest is quiet.

use super::rig::{NODE, Rig, note, spec_of};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_node_at_rest_asks_the_api_server_for_nothing_but_its_watch() {
    let rig = Rig::start().await;
    rig.render("rendered-worker-1", spec_of(&[], &[]), json!({}))
        .await;
    create_machine_config_node(&rig).await;
    rig.assign(1, "rendered-worker-1").await;
    rig.until_done("rendered-worker-1", 1).await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    rig.requests();

    tokio::time::sleep(Duration::from_hours(1)).await;

    let requests = rig.requests();
    let idle: Vec<&String> = requests
        .iter()
        .filter(|request| !request.contains("watch=true"))
        .collect();
    assert_eq!(idle, Vec::<&String>::new());
}

async fn create_machine_config_node(rig: &Rig) {
    let object = serde_json::from_value(json!({
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfigNode",
        "metadata": {"name": NODE},
        "spec": {
            "node": {"name": NODE},
            "pool": {"name": "worker"},
            "configVersion": {"desired": "rendered-worker-1"},
        },
    }))
    .unwrap();
    let all: Api<api::machineconfiguration::MachineConfigNode> =
        Api::all(rig.server.client("controller"));
    all.create(&PostParams::default(), &object).await.unwrap();
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn the_machine_config_node_shows_how_far_the_visit_is() {
    let rig = Rig::start().await;
    rig.render("rendered-worker-1", spec_of(&[], &["nosmt"]), json!({}))
        .await;
    create_machine_config_node(&rig).await;
    rig.assign(1, "rendered-worker-1").await;
    rig.until("a request to drain", |node| {
        note(node, "desiredDrain") != ""
    })
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await;

    let all: Api<api::machineconfiguration::MachineConfigNode> =
        Api::all(rig.server.client("test"));
    let status = all.get(NODE).await.unwrap().status.unwrap();
    let conditions = serde_json::to_value(&status.conditions).unwrap();
    let prepared: Vec<&Value> = conditions
        .as_array()
        .unwrap()
        .iter()
        .filter(|condition| condition["status"] == "True")
        .map(|condition| &condition["type"])
        .collect();
    assert_eq!(prepared, ["UpdatePrepared"]);
    assert_eq!(status.config_version.unwrap().desired, "rendered-worker-1");
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn what_follows_each_other_in_a_visit_is_written_once_before_the_reboot_and_once_after_it() {
    let mut rig = Rig::start().await;
    rig.grant_drains();
    rig.render("rendered-worker-1", spec_of(&[], &[]), json!({}))
        .await;
    rig.render("rendered-worker-2", spec_of(&[], &["nosmt"]), json!({}))
        .await;
    create_machine_config_node(&rig).await;
    rig.assign(1, "rendered-worker-1").await;
    rig.until_done("rendered-worker-1", 1).await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    rig.requests();

    rig.assign(2, "rendered-worker-2").await;
    rig.until_done("rendered-worker-2", 2).await;
    tokio::time::sleep(Duration::from_mins(5)).await;

    let requests = rig.requests();
    let writes = requests
        .iter()
        .filter(|request| request.starts_with("PATCH") && request.contains("/machineconfignodes/"));
    assert_eq!(writes.count(), 2, "{requests:#?}");
}
