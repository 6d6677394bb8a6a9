//! A change that the disruption policy lets pass without drain or reboot.

use anyhow::{Result, ensure};

use crate::demo::stage::Stage;

const CHANGE: &str = include_str!("../manifests/1-without-reboot/change.yaml");

pub(super) async fn tell(stage: &Stage) -> Result<()> {
    let boots = boots(stage);
    let before = stage.target("worker");
    stage.apply_text("change.yaml", CHANGE).await?;
    stage.until_retargeted("worker", &before).await?;
    stage.settle().await?;
    ensure!(
        boots == self::boots(stage),
        "a node rebooted, though nothing in the change asks for it"
    );
    stage
        .teller()
        .say("every node has it; none was drained, none rebooted");
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
