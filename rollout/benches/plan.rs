//! What a round costs: 15,000 nodes in one pool, planned and judged.
//!
//! `cargo bench -p rollout --bench plan`

use jiff::{SignedDuration, Timestamp};
use rollout::membership::Selector;
use rollout::names::{ConfigName, Intent};
use rollout::snapshot::{
    Holder, Ledger, MaxUnavailable, NodeCondition, NodeConditionKind, NodeState, NodeView,
    PoolView, Truth,
};
use rollout::{Policy, Snapshot, check, plan};
use std::collections::BTreeMap;
use std::sync::Arc;

const NODES: usize = 15_000;
const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const ROLE: &str = "node-role.kubernetes.io/worker";

/// How far the pool's rollout is.
#[derive(Clone, Copy, Debug)]
enum Scene {
    /// Every node has the former config, and the target is new.
    Begun,
    /// A third is through, a tenth of the pool holds slots, all others wait.
    HalfWay,
    /// Every node has the target: what a round costs at rest.
    AtRest,
}

const SCENES: [Scene; 3] = [Scene::Begun, Scene::HalfWay, Scene::AtRest];

fn main() {
    divan::main();
}

fn config(word: &str) -> ConfigName {
    format!("rendered-worker-{word:0>32}").into()
}

fn node(at: usize) -> NodeView {
    let mut node = NodeView::new(
        format!("ip-10-{}-{}-0.ec2.internal", at / 250, at % 250),
        format!("6f1c7e52-0000-4000-8000-{at:012}"),
    );
    let created = i64::try_from(at * 7919 % NODES).unwrap_or_default();
    node.created = Some(NOW - SignedDuration::from_secs(10_000_000 + created));
    node.labels = Arc::new(BTreeMap::from([
        (ROLE.to_owned(), String::new()),
        (
            "topology.kubernetes.io/zone".to_owned(),
            format!("zone-{}", at % 3),
        ),
        ("kubernetes.io/os".to_owned(), "linux".to_owned()),
    ]));
    node.conditions = vec![NodeCondition {
        kind: NodeConditionKind::Ready,
        status: Truth::True,
        since: node.created,
        heartbeat: None,
    }];
    node.lease_renewed_at = Some(NOW - SignedDuration::from_secs(5));
    node.reported_at = Some(NOW - SignedDuration::from_secs(5000));
    node
}

fn assigned(node: &mut NodeView, current: &str, desired: &str, intent: u64) {
    node.current = Some(config(current));
    node.desired = Some(config(desired));
    node.intent = Intent(intent);
    let over = current == desired;
    node.acted_intent = Intent(if over { intent } else { intent - 1 });
    node.state = Some(if over {
        NodeState::Done
    } else {
        NodeState::Working
    });
}

fn snapshot(scene: Scene) -> Snapshot {
    let mut pool = PoolView::new("worker");
    pool.selector = Selector::has(ROLE);
    pool.target = Some(config("new"));
    pool.approved_first.clone_from(&pool.target);
    pool.max_unavailable = MaxUnavailable::Text("10%".into());
    let mut ledger = Ledger::default();
    let mut nodes = BTreeMap::new();
    for at in 0..NODES {
        let mut node = node(at);
        match (scene, at % 30) {
            (Scene::AtRest, _) | (Scene::HalfWay, 0..10) => assigned(&mut node, "new", "new", 2),
            (Scene::HalfWay, 10..13) => {
                assigned(&mut node, "old", "new", 2);
                let holder = Holder {
                    node: node.name.clone(),
                    uid: node.uid.clone(),
                    pool: pool.name.clone(),
                    intent: node.intent,
                    config: config("new"),
                };
                ledger.holders.insert(node.name.clone(), holder);
            }
            (Scene::Begun | Scene::HalfWay, _) => assigned(&mut node, "old", "old", 1),
        }
        nodes.insert(node.name.clone(), node);
    }
    Snapshot {
        nodes,
        pools: BTreeMap::from([(pool.name.clone(), pool)]),
        ledger: Some(ledger),
        nodes_listed_consistently: true,
        ..Snapshot::default()
    }
}

/// The usual policy, but none goes alone: a round that takes as many as it may.
fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.defaults.first_alone = 0;
    policy
}

#[divan::bench(args = SCENES)]
fn planning(bencher: divan::Bencher<'_, '_>, scene: Scene) {
    let (snapshot, policy) = (snapshot(scene), policy());
    bencher.bench(|| plan(&snapshot, &policy, NOW));
}

#[divan::bench(args = SCENES)]
fn checking(bencher: divan::Bencher<'_, '_>, scene: Scene) {
    let (snapshot, policy) = (snapshot(scene), policy());
    let plan = plan(&snapshot, &policy, NOW);
    bencher.bench(|| check(&snapshot, &plan, &policy, NOW));
}
