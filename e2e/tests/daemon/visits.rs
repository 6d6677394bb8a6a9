//! Visits as they should be: what is asked, what is said, and what is left alone.

use super::rig::{CHRONY, NODE, Rig, is_ready, kubelet_boot, note, ours, spec_of};
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::json;
use std::time::Duration;

/// Lets chrony be restarted for its file, as an owner's policy does.
async fn publish_chrony_policy(rig: &Rig) {
    let restart = json!([{"type": "Restart", "restart": {"serviceName": "chronyd.service"}}]);
    let object: api::operator::MachineConfiguration = serde_json::from_value(json!({
        "apiVersion": "operator.openshift.io/v1",
        "kind": "MachineConfiguration",
        "metadata": {"name": "cluster"},
        "spec": {"nodeDisruptionPolicy": {"files": [{"path": CHRONY, "actions": restart}]}},
    }))
    .unwrap();
    let all = Api::all(rig.server.client("controller"));
    all.create(&PostParams::default(), &object).await.unwrap();
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_first_config_is_applied_and_reported_in_one_patch() {
    let rig = Rig::start().await;
    publish_chrony_policy(&rig).await;
    rig.render(
        "rendered-worker-1",
        spec_of(&[(CHRONY, "pool a\n")], &[]),
        json!({}),
    )
    .await;
    rig.requests();

    rig.assign(1, "rendered-worker-1").await;
    let node = rig.until_done("rendered-worker-1", 1).await;

    assert_eq!(rig.file(CHRONY).as_deref(), Some("pool a\n"));
    assert_eq!(rig.machine.boots(), 1, "no reboot");
    assert_eq!(note(&node, "desiredDrain"), "", "no drain");
    assert_eq!(ours(&node, "boot-id"), rig.machine.boot_id());
    let requests = rig.requests();
    let report: Vec<&String> = requests
        .iter()
        .filter(|request| request.contains("\"Done\"") && request.contains("/nodes/"))
        .collect();
    let [report] = report.as_slice() else {
        panic!("one patch tells of the end: {requests:#?}");
    };
    for part in ["currentConfig", "acted-intent", "reported-at"] {
        assert!(report.contains(part), "{part} is in {report}");
    }
    let restarts = rig.machine.service_log();
    assert_eq!(restarts, ["restart chronyd.service"]);
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn each_visit_reads_two_objects_once() {
    let mut rig = Rig::start().await;
    rig.grant_drains();
    rig.render(
        "rendered-worker-1",
        spec_of(&[(CHRONY, "pool a\n")], &["nosmt"]),
        json!({}),
    )
    .await;
    rig.requests();

    rig.assign(1, "rendered-worker-1").await;
    rig.until_done("rendered-worker-1", 1).await;

    let requests = rig.requests();
    let reads = |what: &str| {
        let of = |request: &&String| request.starts_with("GET ") && request.contains(what);
        requests.iter().filter(of).count()
    };
    assert_eq!(reads("/machineconfigs/"), 1, "{requests:#?}");
    assert_eq!(reads("/machineconfigurations/"), 1, "{requests:#?}");
    let others = requests.iter().filter(|request| {
        let known = [
            "/machineconfig",
            "/events",
            "fieldSelector",
            &format!("/nodes/{NODE}"),
        ];
        !known.iter().any(|known| request.contains(known))
    });
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_change_that_reboots_waits_for_the_drain_of_its_own_intent_and_asks_for_the_uncordon() {
    let rig = Rig::start().await;
    rig.render("rendered-worker-1", spec_of(&[], &["nosmt"]), json!({}))
        .await;
    rig.assign(1, "rendered-worker-1").await;
    let asked = rig
        .until("a request to drain", |node| {
            note(node, "desiredDrain") == "drain-rendered-worker-1"
        })
        .await;
    assert_eq!(note(&asked, "state"), "Working");

    rig.acknowledge(0).await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(rig.machine.boots(), 1, "another intent's drain is none");

    rig.acknowledge(1).await;
    let done = rig.until_done("rendered-worker-1", 1).await;
    assert_eq!(rig.machine.boots(), 2);
    assert_eq!(note(&done, "desiredDrain"), "uncordon-rendered-worker-1");
    assert_eq!(ours(&done, "boot-id"), rig.machine.boot_id());
    assert_ne!(
        kubelet_boot(&done),
        rig.machine.boot_id(),
        "the old Ready still stands"
    );

    rig.acknowledge(1).await;
    rig.until("a fresh Ready", |node| {
        is_ready(node) && kubelet_boot(node) == rig.machine.boot_id()
    })
    .await;
    assert_eq!(note(&rig.node().await, "state"), "Done");
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn the_newest_config_is_taken_before_the_node_is_uncordoned() {
    let rig = Rig::start().await;
    rig.render("rendered-worker-1", spec_of(&[], &["nosmt"]), json!({}))
        .await;
    rig.render(
        "rendered-worker-2",
        spec_of(&[], &["nosmt", "audit=0"]),
        json!({}),
    )
    .await;
    rig.assign(1, "rendered-worker-1").await;
    rig.until("a request to drain", |node| {
        note(node, "desiredDrain") != ""
    })
    .await;
    rig.acknowledge(1).await;
    rig.until("the reboot", |node| {
        note(node, "post-config-action") == "Rebooting"
    })
    .await;

    rig.requests();
    rig.assign(2, "rendered-worker-2").await;
    let node = rig.until_done("rendered-worker-2", 2).await;

    assert_eq!(note(&node, "desiredDrain"), "uncordon-rendered-worker-2");
    let between = "uncordon-rendered-worker-1";
    assert!(
        !rig.requests()
            .iter()
            .any(|request| request.contains(between))
    );
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_desired_config_without_a_higher_intent_is_reported_and_not_acted_on() {
    let rig = Rig::start().await;
    rig.render("rendered-worker-1", spec_of(&[], &[]), json!({}))
        .await;
    rig.render(
        "rendered-worker-2",
        spec_of(&[(CHRONY, "x")], &[]),
        json!({}),
    )
    .await;
    rig.assign(1, "rendered-worker-1").await;
    rig.until_done("rendered-worker-1", 1).await;

    rig.assign(1, "rendered-worker-2").await;
    let node = rig
        .until("a remark", |node| note(node, "reason") != "")
        .await;

    assert!(note(&node, "reason").contains("rendered-worker-2"));
    assert_eq!(note(&node, "currentConfig"), "rendered-worker-1");
    assert_ne!(rig.file(CHRONY).as_deref(), Some("x"));
    let events: Api<Event> = Api::namespaced(rig.server.client("test"), "default");
    let told = events.list(&ListParams::default()).await.unwrap();
    let reasons: Vec<Option<String>> = told.items.into_iter().map(|event| event.reason).collect();
    assert!(
        reasons.contains(&Some("DesiredConfigIgnored".to_owned())),
        "{reasons:?}"
    );
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_config_beyond_this_machine_is_refused_by_name() {
    let rig = Rig::start().await;
    let spec = json!({"osImageURL": "quay.io/x/os@sha256:aa", "config": {"ignition": {"version": "3.4.0"}}});
    rig.render("rendered-worker-1", spec, json!({})).await;
    rig.assign(1, "rendered-worker-1").await;
    let node = rig.until_state("Unreconcilable", 1).await;
    assert!(
        note(&node, "reason").starts_with("Irreconcilable: "),
        "{}",
        note(&node, "reason")
    );
    assert_eq!(note(&node, "desiredDrain"), "");
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_package_that_is_upgraded_beside_us_is_reported_when_it_happens() {
    let rig = Rig::start().await;
    let node = rig
        .until("the facts", |node| ours(node, "package-versions") != "")
        .await;
    assert_eq!(
        ours(&node, "package-versions"),
        r#"{"kubernetes-client":"1.33.4"}"#
    );
    assert_eq!(ours(&node, "package-mode"), "true");
    assert_eq!(ours(&node, "os-id"), "rhel");
    assert!(ours(&node, "capabilities").contains("Files"));

    rig.machine.install_package("kubernetes-client", "1.34.1");

    rig.until("the new version", |node| {
        ours(node, "package-versions").contains("1.34.1")
    })
    .await;
}
