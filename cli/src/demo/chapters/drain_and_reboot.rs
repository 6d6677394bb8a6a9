//! A kernel argument and a sysctl: drains, reboots, and a budget at zero that is named and then lifted.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::demo::stage::{Held, Stage};

const CHANGE: &str = include_str!("../manifests/2-drain-and-reboot/change.yaml");

pub(super) async fn tell(stage: &Stage) -> Result<()> {
    stage
        .teller()
        .say("payments lets no pod go: maxUnavailable 0");
    stage
        .change_budget("payments", "payments", json!({"maxUnavailable": 0}))
        .await?;
    let before = stage.target("worker");
    stage.apply_text("change.yaml", CHANGE).await?;
    stage.until_retargeted("worker", &before).await?;
    let blocked = wait_for_the_block(stage).await;
    // Whatever was seen, the fleet that the next chapter finds is one that can go on.
    stage.teller().say("the owner lifts it: maxUnavailable 1");
    stage
        .change_budget("payments", "payments", json!({"maxUnavailable": 1}))
        .await?;
    blocked?;
    stage.settle().await?;
    let written = stage
        .fleet()
        .machine("worker-0")
        .and_then(|machine| machine.files().text("/etc/sysctl.d/60-worker.conf"));
    ensure!(
        written.is_some_and(|text| text.contains("vm.max_map_count")),
        "worker-0 says it is updated, but its sysctl file is not there"
    );
    stage
        .teller()
        .say("worker-0 has /etc/sysctl.d/60-worker.conf and its kernel argument");
    Ok(())
}

/// Waits until a drain names the budget. Other budgets block for a moment too, while what left a node is not ready elsewhere.
async fn wait_for_the_block(stage: &Stage) -> Result<()> {
    let mut blocked = None;
    stage
        .until("a drain is blocked by payments' budget", |stage| {
            blocked = blocked_by(stage, "PodDisruptionBudget payments/payments");
            blocked.is_some()
        })
        .await?;
    if let Some(hold) = blocked {
        stage
            .teller()
            .say(&format!("blocked: {}: {}", hold.node, hold.message));
    }
    Ok(())
}

fn blocked_by(stage: &Stage, budget: &str) -> Option<Held> {
    stage
        .holds()
        .into_iter()
        .find(|hold| hold.reason == "DrainBlocked" && hold.message.contains(budget))
}
