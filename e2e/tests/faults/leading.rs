//! Controllers that come, go, and are two.

use api::names::{install, node, ours};
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::fleet::note;
use crate::record::World;
use crate::stage::{LONG, Stage};

/// Where the lease is, as watches tell it.
const LEASE: &str = "windlass/windlass-controller";

/// Whoever is asked for a drain that is never acknowledged waits, also over a death of its own and of its machine.
pub(crate) async fn scaled_to_zero_is_a_safe_stop(stage: &mut Stage) {
    let controller = stage.controller("controller-0").await;
    let change = stage
        .change_with(json!({"finalizers": ["example.com/slow"]}))
        .await;
    let drains = |world: &World| {
        let drained = world.cordoned();
        drained.len() == 1
            && note(world.node(drained[0]), node::DESIRED_DRAIN).starts_with("drain-")
    };
    let world = stage.record.until("a drain is under way", drains).await;
    let drained = stage
        .nodes
        .iter()
        .find(|node| world.cordoned() == [**node])
        .unwrap();
    let other = stage.nodes.iter().find(|node| *node != drained).unwrap();

    controller.stop().await;
    let boots = stage.machines[*drained].boots();
    stage.free(&change).await;
    stage.machines[*drained].kill_daemon();
    tokio::time::sleep(LONG).await;
    stage.machines[*other].cut_power();
    tokio::time::sleep(LONG).await;

    let world = stage.record.now();
    assert_eq!(world.cordoned(), [*drained], "no node started a drain");
    assert_eq!(
        stage.machines[*drained].boots(),
        boots,
        "it has no acknowledgement of its intent"
    );
    assert_ne!(
        note(world.node(drained), ours::DRAINED_INTENT),
        note(world.node(drained), ours::INTENT)
    );
    assert_eq!(world.holders(), [*drained], "its slot is kept");
    let again = stage.controller("controller-0").await;
    stage.over(&change).await;
    stage.each_assigned_once(&change).await;
    assert_eq!(stage.machines[*drained].boots(), boots + 1);
    again.stop().await;
}

/// Two processes that take each other for themselves lead at the same time: every write is a swap, so they only waste work.
pub(crate) async fn two_leaders_at_once_break_nothing_and_do_nothing_twice(stage: &mut Stage) {
    let (one, other) = (
        stage.controller("controller-0").await,
        stage.controller("controller-0").await,
    );

    let change = stage.change().await;
    stage.over(&change).await;

    stage.each_once_by(&change, 2).await;
    for leader in [&one, &other] {
        assert!(leader.tap.writes() > 0, "both led");
    }
    one.stop().await;
    other.stop().await;
}

/// The lease expires while its holder lives: it steps down and writes no more, and the other one goes on.
pub(crate) async fn a_leader_that_cannot_renew_steps_down_before_another_goes_on(
    stage: &mut Stage,
) {
    let first = stage.controller("controller-0").await;
    led_by(stage, "controller-0").await;
    let second = stage.controller("controller-1").await;

    let change = stage.change().await;
    stage
        .record
        .until("it is under way", |world| !world.cordoned().is_empty())
        .await;
    first.tap.lose_lease();
    led_by(stage, "controller-1").await;
    let written = first.tap.writes();
    let more = stage.change().await;
    stage.over(&more).await;

    assert_eq!(
        first.tap.writes(),
        written,
        "who does not lead writes nothing"
    );
    assert!(second.tap.writes() > 0);
    stage.record.no_promise_is_broken().await;
    drop(change);
    first.kill().await;
    second.stop().await;
}

/// Somebody writes another holder into the lease: its holder stops at once, and comes back when the other has been silent.
pub(crate) async fn a_lease_that_is_taken_away_stops_its_holder_until_the_taker_is_silent(
    stage: &mut Stage,
) {
    let controller = stage.controller("controller-0").await;
    led_by(stage, "controller-0").await;
    let change = stage.change().await;
    stage
        .record
        .until("it is under way", |world| !world.cordoned().is_empty())
        .await;

    let leases: Api<k8s_openapi::api::coordination::v1::Lease> =
        Api::namespaced(stage.installed.admin.clone(), install::NAMESPACE);
    let taken = Patch::Merge(json!({"spec": {"holderIdentity": "a-stranger"}}));
    leases
        .patch(install::CONTROLLER, &PatchParams::default(), &taken)
        .await
        .unwrap();
    led_by(stage, "a-stranger").await;
    led_by(stage, "controller-0").await;
    stage.over(&change).await;

    stage.each_once(&change).await;
    controller.stop().await;
}

async fn led_by(stage: &Stage, identity: &str) {
    let leads =
        |world: &World| world.in_namespace("leases", LEASE)["spec"]["holderIdentity"] == identity;
    stage
        .record
        .until(&format!("{identity} leads"), leads)
        .await;
}
