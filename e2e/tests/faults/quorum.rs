//! A control plane of three machines, each with its etcd member: never a second one away, whoever took the first.
//!
//! A machine's etcd member, and its API server, live and die with it. The first API server belongs to no machine: it is how the
//! story is seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use e2e::control_plane::{Component, ControlPlane, NodeMonitor, Options};
use serde_json::json;
use simulation::machine::{Machine, Power};
use simulation::pace::Pace;

use crate::fleet::is_ready;
use crate::record::World;
use crate::stage::{LONG, Plan, Stage, options, pace};

const NODES: [&str; 3] = ["master-0", "master-1", "master-2"];
/// How often machines are looked at; a boot takes fifty times as long.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) fn plan() -> Plan {
    Plan {
        options: Options {
            etcd_members: 3,
            api_servers: 3,
            node_monitor: NodeMonitor {
                period: Duration::from_millis(500),
                grace: Duration::from_secs(6),
            },
            ..options()
        },
        behind: &[1, 2],
        pool: "master",
        nodes: &NODES,
        // The pool would let two go: that one stays is the quorum's doing.
        max_unavailable: 2,
        pace: Pace {
            boot: Duration::from_secs(1),
            ..pace()
        },
    }
}

/// One member is dead before the rollout, and another one dies in the middle of it, while a node is drained: that one is
/// emptied, and goes on only once the other is back.
pub(crate) async fn never_a_second_control_plane_node_is_away(stage: &mut Stage) {
    let controller = stage.controller("controller-0").await;
    let dead = NODES[2];
    dies(stage, dead).await;
    let change = stage
        .change_with(json!({"finalizers": ["example.com/slow"]}))
        .await;
    hosted(stage, tokio::time::sleep(LONG)).await;
    let world = stage.record.now();
    assert_eq!(
        (world.holders(), world.cordoned()),
        (vec![], vec![]),
        "two of three are the quorum"
    );
    lives_again(stage, dead).await;

    let one = |world: &World| world.cordoned().len() == 1;
    let world = until(stage, "one is drained", one).await;
    let drained = world.cordoned()[0].to_owned();
    let next = NODES.into_iter().find(|node| *node != drained).unwrap();
    dies(stage, next).await;
    // Nothing keeps the node that is drained any more, but that etcd needs it.
    stage.free(&change).await;
    hosted(stage, tokio::time::sleep(LONG)).await;
    let world = stage.record.now();
    assert_eq!(
        (world.holders(), world.cordoned()),
        (vec![&*drained], vec![&*drained]),
        "no other is taken, and this one keeps running"
    );
    lives_again(stage, next).await;
    until(stage, "the rollout ends", |world| {
        world.is_over("master", &NODES)
    })
    .await;

    stage.each_assigned_once(&change).await;
    controller.stop().await;
}

async fn dies(stage: &mut Stage, node: &str) {
    stage.machines[node].fail_boots(u32::MAX);
    stage.machines[node].cut_power();
    until(stage, "its silence is noticed", |world| {
        !is_ready(world.node(node))
    })
    .await;
}

async fn lives_again(stage: &mut Stage, node: &str) {
    stage.machines[node].heal();
    until(stage, "it is back", |world| is_ready(world.node(node))).await;
}

async fn until(stage: &mut Stage, story: &str, is_so: impl Fn(&World) -> bool) -> World {
    tokio::select! {
        never = host(&mut stage.installed.cluster, &stage.machines) => match never {},
        world = stage.record.until(story, is_so) => world,
    }
}

async fn hosted(stage: &mut Stage, what: impl Future<Output = ()>) {
    tokio::select! {
        never = host(&mut stage.installed.cluster, &stage.machines) => match never {},
        () = what => {}
    }
}

/// What a machine carries runs while it does.
async fn host(
    cluster: &mut ControlPlane,
    machines: &BTreeMap<String, Arc<Machine>>,
) -> std::convert::Infallible {
    loop {
        let mut away = Vec::new();
        for (number, node) in NODES.into_iter().enumerate() {
            let runs = machines[node].power() == Power::On;
            let carried = [Component::Etcd(number), Component::ApiServer(number)];
            for component in carried
                .into_iter()
                .filter(|it| *it != Component::ApiServer(0))
            {
                let process = cluster.process(component).unwrap();
                if runs {
                    process.start_again().unwrap();
                } else {
                    process.kill();
                }
            }
            if !runs {
                away.push(node);
            }
        }
        assert!(away.len() < 2, "etcd has lost its quorum: {away:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
