//! A config that kills the kubelet: one node is hit, the rollout stops, the corrected config repairs it.

use anyhow::{Context as _, Result, ensure};

use crate::demo::stage::{NODES, Stage, text};

const CHANGE: &str = include_str!("../manifests/4-broken-kubelet/change.yaml");
const CORRECTION: &str = include_str!("../manifests/4-broken-kubelet/correction.yaml");
const POOL: &str = "infra";
const CURRENT: &str = "/metadata/annotations/machineconfiguration.openshift.io~1currentConfig";
const DESIRED: &str = "/metadata/annotations/machineconfiguration.openshift.io~1desiredConfig";

pub(super) async fn tell(stage: &Stage) -> Result<()> {
    let before = stage.target(POOL);
    stage.apply_text("change.yaml", CHANGE).await?;
    stage.until_retargeted(POOL, &before).await?;
    let bad = stage.target(POOL);
    stage
        .until("one node is down with the config", |stage| {
            victims(stage, &bad).len() == 1
        })
        .await?;
    let victim = victims(stage, &bad)
        .into_iter()
        .next()
        .context("the broken node is gone")?;
    stage.teller().say(&format!(
        "{victim} took the config, and its kubelet is dead; no other node goes"
    ));
    let hit = given(stage, &bad).len();
    ensure!(hit == 1, "{hit} nodes were given the bad config");

    stage.teller().say("the owner corrects the machine config; the daemon is a service of the host and still listens");
    stage.apply_text("correction.yaml", CORRECTION).await?;
    stage.until_retargeted(POOL, &bad).await?;
    stage
        .until(
            "the broken node has the corrected config, and is Ready",
            |stage| {
                let corrected = text(&stage.node(&victim), CURRENT);
                stage.is_ready(&victim) && corrected == stage.target(POOL) && corrected != bad
            },
        )
        .await?;
    ensure!(
        given(stage, &bad).is_empty(),
        "another node was given the bad config"
    );
    stage.teller().say(&format!(
        "{victim} is repaired, first and in the slot that it had"
    ));
    stage.settle().await
}

/// Nodes that were given the config.
fn given(stage: &Stage, config: &str) -> Vec<String> {
    stage
        .store()
        .list(NODES)
        .iter()
        .filter(|node| text(node, DESIRED) == config)
        .map(|node| text(node, "/metadata/name"))
        .collect()
}

/// Nodes that were given the config and are not Ready.
fn victims(stage: &Stage, config: &str) -> Vec<String> {
    given(stage, config)
        .into_iter()
        .filter(|node| !stage.is_ready(node))
        .collect()
}
