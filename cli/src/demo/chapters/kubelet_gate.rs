//! Package-mode workers: the kubelet part of their config waits for their own packages and for every API server.

use anyhow::{Context as _, Result, ensure};
use api::conditions::pool as types;

use crate::demo::stage::{Held, Stage};

const CHANGE: &str = include_str!("../manifests/3-kubelet-gate/change.yaml");
const OTHERS: &str = include_str!("../manifests/3-kubelet-gate/others.yaml");
const REASON: &str = "KubeletWithheld";
const POOL: &str = "rhel";
const NEW: &str = "1.34.1";

pub(super) async fn tell(stage: &Stage) -> Result<()> {
    let before = stage.target(POOL);
    let others_before = stage.target("worker");
    stage.apply_text("change.yaml", CHANGE).await?;
    stage.apply_text("others.yaml", OTHERS).await?;
    stage.until_retargeted(POOL, &before).await?;
    stage.until_retargeted("worker", &others_before).await?;

    stage
        .until("a RHEL worker is NotReady on its old kubelet", |stage| {
            withheld(stage).is_some_and(|hold| !stage.is_ready(&hold.node))
        })
        .await?;
    let waiting = withheld(stage).context("the waiting RHEL worker is gone")?;
    stage.teller().say(&format!(
        "{} is NotReady, as expected, and keeps its slot:",
        waiting.node
    ));
    stage.teller().say(&format!("  {}", waiting.message));

    stage
        .until("the other pools are updated", |stage| {
            ["worker", "infra"]
                .iter()
                .all(|pool| stage.is_updated(pool))
        })
        .await?;
    stage
        .teller()
        .say("the other pools are updated; the pool rhel has stopped at this one node");
    ensure!(
        !stage.is_updated(POOL),
        "the pool {POOL} says it is updated while a part is withheld"
    );

    stage.fleet().upgrade_package("kubernetes-client", NEW);
    let mut addresses: Vec<String> = stage.fleet().server().instances().into_keys().collect();
    let last = addresses
        .pop()
        .context("the fleet has no API server instance")?;
    for address in &addresses {
        stage.fleet().upgrade_api_server(address, NEW);
    }
    stage.teller().say(&format!(
        "machine packages and all but one API server are at {NEW}"
    ));
    stage
        .until("the pool names the one instance that is behind", |stage| {
            let (reason, message) = stage.pool_says(POOL, types::KUBELET_WITHHELD);
            reason == "ApiServerBehind" && message.starts_with(&format!("API server {last}"))
        })
        .await?;
    let (_, behind) = stage.pool_says(POOL, types::KUBELET_WITHHELD);
    stage.teller().say(&format!("still held: {behind}"));
    ensure!(
        !any_new_kubelet(stage),
        "a kubelet became newer than the oldest API server"
    );

    stage.fleet().upgrade_api_server(&last, NEW);
    stage.teller().say(&format!(
        "the last API server, {last}, is at {NEW}; the kubelets follow"
    ));
    stage.settle().await?;
    ensure!(
        stage.is_ready(&waiting.node),
        "{} is not Ready after all",
        waiting.node
    );
    Ok(())
}

fn withheld(stage: &Stage) -> Option<Held> {
    let mut holds: Vec<Held> = stage
        .holds()
        .into_iter()
        .filter(|hold| hold.reason == REASON && hold.pool == POOL)
        .collect();
    // The one that is down says most.
    holds.sort_by_key(|hold| (stage.is_ready(&hold.node), hold.node.clone()));
    holds.into_iter().next()
}

fn any_new_kubelet(stage: &Stage) -> bool {
    stage.fleet().machines().iter().any(|(name, machine)| {
        name.starts_with(POOL) && machine.kubelet_version().to_string().starts_with("1.34")
    })
}
