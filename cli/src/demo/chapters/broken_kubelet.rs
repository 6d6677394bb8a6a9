//! A config that kills the kubelet: one node is hit, the rollout stops, the corrected config repairs it.

use anyhow::{Context as _, Result, ensure};

use crate::demo::stage::{NODES, Stage, text};

const CHANGE: &str = include_str!("../manifests/4-broken-kubelet/change.yaml");
const CORRECTION: &str = include_str!("../manifests/4-broken-kubelet/correction.yaml");
const POOL: &str = "infra";
const CURRENT: &str = "/metadata/annotations/machineconfiguration.openshift.io~1currentConfig";

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
    let kept = |stage: &Stage| with_config(stage, &bad).len();
    ensure!(
        kept(stage) == 1,
        "{} nodes have the bad config",
        kept(stage)
    );

    stage.teller().say("the owner corrects the machine config; the daemon is a service of the host and still listens");
    stage.apply_text("correction.yaml", CORRECTION).await?;
    stage.until_retargeted(POOL, &bad).await?;
    stage
        .until("the broken node is Ready again", |stage| {
            stage.is_ready(&victim) && !with_config(stage, &bad).contains(&victim)
        })
        .await?;
    ensure!(
        with_config(stage, &bad).is_empty(),
        "another node took the bad config"
    );
    stage.teller().say(&format!(
        "{victim} is repaired, first and in the slot that it had"
    ));
    stage.settle().await
}

fn with_config(stage: &Stage, config: &str) -> Vec<String> {
    stage
        .store()
        .list(NODES)
        .iter()
        .filter(|node| text(node, CURRENT) == config)
        .map(|node| text(node, "/metadata/name"))
        .collect()
}

/// Nodes that have the config and are not Ready.
fn victims(stage: &Stage, config: &str) -> Vec<String> {
    with_config(stage, config)
        .into_iter()
        .filter(|node| !stage.is_ready(node))
        .collect()
}
