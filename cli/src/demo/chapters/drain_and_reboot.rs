//! A kernel argument and a sysctl: drains, reboots, and a budget at zero that is named and then lifted.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::demo::stage::Stage;

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
    stage
        .until("a drain is blocked by name", |stage| {
            blocked(stage).is_some()
        })
        .await?;
    if let Some(message) = blocked(stage) {
        stage.teller().say(&format!("blocked: {message}"));
        ensure!(
            message.contains("payments"),
            "the hold names another budget: {message}"
        );
    }
    stage.teller().say("the owner lifts it: maxUnavailable 1");
    stage
        .change_budget("payments", "payments", json!({"maxUnavailable": 1}))
        .await?;
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

fn blocked(stage: &Stage) -> Option<String> {
    let hold = stage
        .holds()
        .into_iter()
        .find(|hold| hold.reason == "DrainBlocked")?;
    Some(format!("{}: {}", hold.node, hold.message))
}
