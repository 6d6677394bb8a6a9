//! The controller is killed while nodes are being drained; nothing happens twice.

use anyhow::{Result, ensure};

use crate::demo::stage::{NODES, Stage, text};

const CHANGE: &str = include_str!("../manifests/5-controller-dies/change.yaml");
const DESIRED_DRAIN: &str = "/metadata/annotations/machineconfiguration.openshift.io~1desiredDrain";
const APPLIED_DRAIN: &str =
    "/metadata/annotations/machineconfiguration.openshift.io~1lastAppliedDrain";

pub(super) async fn tell(stage: &Stage) -> Result<()> {
    let boots_before = boots(stage);
    let before = stage.target("worker");
    stage.apply_text("change.yaml", CHANGE).await?;
    stage.until_retargeted("worker", &before).await?;
    stage
        .until("a node is being drained", |stage| {
            !draining(stage).is_empty()
        })
        .await?;
    let nodes = draining(stage);
    stage.teller().say(&format!(
        "{} is being drained: the controller is killed, and started again",
        nodes.join(", ")
    ));
    stage.fleet().kill_controller();
    stage.settle().await?;
    for (name, (before, after)) in stage
        .fleet()
        .machines()
        .keys()
        .zip(boots_before.into_iter().zip(boots(stage)))
    {
        ensure!(
            after <= before + 1,
            "{name} rebooted {} times for one change",
            after - before
        );
    }
    stage.teller().say("every node was visited once");
    Ok(())
}

fn boots(stage: &Stage) -> Vec<u64> {
    stage
        .fleet()
        .machines()
        .values()
        .map(|machine| machine.boots())
        .collect()
}

fn draining(stage: &Stage) -> Vec<String> {
    stage
        .store()
        .list(NODES)
        .iter()
        .filter(|node| {
            let asked = text(node, DESIRED_DRAIN);
            asked.starts_with("drain-") && asked != text(node, APPLIED_DRAIN)
        })
        .map(|node| text(node, "/metadata/name"))
        .collect()
}
