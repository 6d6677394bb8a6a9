//! A controller that is killed.

use std::time::Duration;

use crate::stage::Stage;

/// No write follows for so long: the rollout has no more.
const NO_MORE: Duration = Duration::from_millis(1500);
/// Fewer writes than a rollout over two nodes with a pod each can do with: assignments, cordons, evictions, slots, reports.
const WRITES_AT_LEAST: u64 = 16;

/// However far a rollout is when its controller dies, the next one goes on from there.
pub(crate) async fn a_controller_killed_after_any_of_its_writes_does_nothing_twice(
    stage: &mut Stage,
) {
    let mut controller = stage.controller("controller-0").await;
    let mut killed = 0;
    loop {
        let tap = controller.tap.clone();
        let change = stage.change_when(|| tap.kill_after(killed + 1)).await;
        let no_more = async {
            stage.over(&change).await;
            tokio::time::sleep(NO_MORE).await;
        };
        let dies = tokio::select! {
            () = tap.dead() => true,
            () = no_more => false,
        };
        if dies {
            controller.kill().await;
            controller = stage.controller("controller-0").await;
            killed += 1;
        }
        stage.over(&change).await;
        stage.each_once(&change).await;
        if !dies {
            break;
        }
    }
    println!(
        "a rollout over {} nodes: killed after each of its {killed} writes",
        stage.nodes.len()
    );
    assert!(killed >= WRITES_AT_LEAST, "{killed} writes");
    controller.stop().await;
}
