//! What the controller and the daemons talk to is gone for a while.

use std::time::Duration;

use e2e::control_plane::Component;

use crate::record::World;
use crate::stage::{BEHIND, Stage};

/// Connections live so long: time for a few requests.
const CUT_EVERY: Duration = Duration::from_millis(150);
/// So often they are cut, and then no more: that a rollout ends is promised for after the faults.
const CUTS: usize = 30;

fn under_way(world: &World) -> bool {
    !world.cordoned().is_empty()
}

/// The API server goes in the middle of one visit, etcd in the middle of the next.
pub(crate) async fn a_rollout_goes_on_after_the_api_server_and_etcd_were_killed(stage: &mut Stage) {
    let controller = stage.controller("controller-0").await;
    let change = stage.change().await;
    let first = stage.record.until("it is under way", under_way).await;
    let first = first.cordoned()[0].to_owned();

    stage.restart(Component::ApiServer(BEHIND)).await;
    let next = |world: &World| world.cordoned().iter().any(|node| *node != first);
    stage.record.until("the next is under way", next).await;
    stage.restart(Component::Etcd(0)).await;
    stage.over(&change).await;

    stage.each_once(&change).await;
    controller.stop().await;
}

/// Every connection of the controller, the daemons and the kubelets is cut, again and again.
pub(crate) async fn a_rollout_goes_on_while_all_watches_are_cut(stage: &mut Stage) {
    let controller = stage.controller("controller-0").await;
    let change = stage.change().await;

    let cut = async {
        for _ in 0..CUTS {
            tokio::time::sleep(CUT_EVERY).await;
            stage.balancer.cut();
        }
    };
    tokio::join!(cut, stage.over(&change));

    stage.each_once(&change).await;
    controller.stop().await;
}
