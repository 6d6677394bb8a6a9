//! Configs that meet a kubelet: one that kills it, one that it waits under, one that brings its successor.

use super::rig::{Rig, is_ready, note, ready, spec_of};
use serde_json::{Value, json};
use simulation::machine::Process;
use std::time::Duration;

const RUNTIME: &str = "/etc/crio/crio.conf.d/10-new.conf";

/// A spec whose kubelet drop-in is `dropin`.
fn with_dropin(dropin: &str) -> Value {
    json!({"config": {
        "ignition": {"version": "3.4.0"},
        "systemd": {"units": [{
            "name": "kubelet.service",
            "dropins": [{"name": "20-args.conf", "contents": dropin}],
        }]},
    }})
}

const FATAL: &str = "[Service]\nEnvironment=KUBELET_ARGS=--no-such-flag\n";
const FINE: &str = "[Service]\nEnvironment=KUBELET_ARGS=--v=2\n";

async fn settled(rig: &Rig) {
    rig.render("rendered-worker-1", spec_of(&[], &[]), json!({}))
        .await;
    rig.assign(1, "rendered-worker-1").await;
    rig.until_done("rendered-worker-1", 1).await;
}

/// A rig whose kubelet has just been killed by a config.
async fn killed() -> Rig {
    let mut rig = Rig::start().await;
    rig.grant_drains();
    settled(&rig).await;
    rig.render("rendered-worker-2", with_dropin(FATAL), json!({}))
        .await;
    rig.assign(2, "rendered-worker-2").await;
    rig.until("a dead kubelet", |node| {
        ready(node) == "Unknown" && note(node, "currentConfig") == "rendered-worker-2"
    })
    .await;
    while !matches!(rig.machine.kubelet_process(), Process::Exited(_)) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    rig
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_kubelet_that_a_config_killed_is_repaired_by_the_corrected_one_without_a_drain() {
    let rig = killed().await;
    rig.render("rendered-worker-3", with_dropin(FINE), json!({}))
        .await;
    rig.assign(3, "rendered-worker-3").await;
    let node = rig.until_done("rendered-worker-3", 3).await;
    assert_ne!(note(&node, "desiredDrain"), "drain-rendered-worker-3");
    rig.until("Ready", is_ready).await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_kubelet_that_nobody_corrects_gets_its_last_good_config_back() {
    let rig = killed().await;
    let node = rig.until_state("Degraded", 2).await;
    assert!(
        note(&node, "reason").starts_with("WentBack: "),
        "{}",
        note(&node, "reason")
    );
    assert_eq!(note(&node, "currentConfig"), "rendered-worker-1");
    rig.until("Ready", is_ready).await;
    assert_eq!(
        rig.file("/etc/systemd/system/kubelet.service.d/20-args.conf"),
        None
    );
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_node_that_waits_for_its_kubelet_stays_and_takes_the_rest_without_a_drain() {
    let mut rig = Rig::start().await;
    rig.grant_drains();
    settled(&rig).await;
    let spec = || spec_of(&[(RUNTIME, "oldest_kubelet = \"1.34\"\n")], &[]);
    let withholds = json!({"windlass.dev/withholds": "rendered-worker-3"});
    rig.render("rendered-worker-2", spec(), withholds).await;
    let version = json!({"windlass.dev/kubelet-version": "1.34.1"});
    rig.render("rendered-worker-3", spec(), version).await;

    rig.assign(2, "rendered-worker-2").await;
    rig.until_done("rendered-worker-2", 2).await;
    rig.until("NotReady", |node| ready(node) == "False").await;
    tokio::time::sleep(Duration::from_hours(3)).await;
    let waiting = rig.node().await;
    assert_eq!(
        note(&waiting, "state"),
        "Done",
        "hours later it waits still"
    );
    assert_eq!(note(&waiting, "currentConfig"), "rendered-worker-2");

    rig.assign(3, "rendered-worker-3").await;
    let node = rig.until_done("rendered-worker-3", 3).await;
    assert_ne!(note(&node, "desiredDrain"), "drain-rendered-worker-3");
    rig.until("Ready", is_ready).await;
    assert_eq!(rig.machine.kubelet_version().to_string(), "1.34.1");
}
