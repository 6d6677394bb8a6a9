//! Stories of one node each: what an operator reads first.

use super::*;
use rollout::hold::{ClusterFact, Names, Withheld};
use rollout::membership::Selector;
use rollout::plan::{LedgerChange, PoolReport};
use rollout::snapshot::{ConfigView, Holder, Ledger, PoolCondition, PoolView};
use rollout::version::Version;
use rollout::{Intent, PoolName};
use std::collections::BTreeMap;
use std::sync::Arc;

const NODE: &str = "rhel-2";

fn snapshot() -> Snapshot {
    let mut node = NodeView::new(NODE, "uid-2");
    node.labels = Arc::new(BTreeMap::from([(
        "node-role.kubernetes.io/rhel".to_owned(),
        String::new(),
    )]));
    node.current = Some("rendered-rhel-old".into());
    node.desired = Some("rendered-rhel-old".into());
    node.state = Some(NodeState::Done);
    let mut pool = PoolView::new("rhel");
    pool.selector = Selector::has("node-role.kubernetes.io/rhel");
    pool.target = Some("rendered-rhel-new".into());
    Snapshot {
        nodes: BTreeMap::from([(node.name.clone(), node)]),
        pools: BTreeMap::from([(pool.name.clone(), pool)]),
        ..Snapshot::default()
    }
}

fn plan(answer: Answer) -> Plan {
    let report = PoolReport {
        members: vec!["rhel-1".into(), NODE.into()],
        max_unavailable: Some(1),
        unavailable: vec!["rhel-1".into()],
        candidates: vec![NODE.into()],
        ..PoolReport::default()
    };
    let holder = Holder {
        node: "rhel-1".into(),
        uid: "uid-1".into(),
        pool: "rhel".into(),
        intent: Intent(2),
        config: "rendered-rhel-half".into(),
    };
    Plan {
        steps: Vec::new(),
        answers: BTreeMap::from([
            (NodeName::from(NODE), answer),
            (NodeName::from("rhel-1"), Answer::Held(withheld(false))),
        ]),
        pools: BTreeMap::from([(PoolName::from("rhel"), report)]),
        ledger: LedgerChange {
            next: Ledger::of([holder]),
            ..LedgerChange::default()
        },
        compositions: Vec::new(),
        wake_at: None,
    }
}

fn withheld(ready: bool) -> Hold {
    Hold::KubeletWithheld(Withheld {
        kubelet: Version::minor(1, 34),
        machine: None,
        cluster: Some(ClusterFact::Behind {
            instance: "10.0.0.3:6443".into(),
            serves: Version::minor(1, 33),
            count: 1,
        }),
        ready,
    })
}

fn told(reason: &str, message: &str) -> Told {
    Told {
        reason: reason.into(),
        message: message.into(),
        since: None,
    }
}

fn explained(answer_: Answer, around: Around) -> Explanation {
    answer(
        &snapshot(),
        &plan(answer_),
        &NODE.into(),
        around,
        Rules::Windlass,
        Vec::new(),
    )
    .unwrap()
}

#[test]
fn what_a_person_asked_for_is_told_for_as_long_as_it_waits() {
    let mut snapshot = snapshot();
    for node in snapshot.nodes.values_mut() {
        node.request = Some(rollout::snapshot::AssignRequest {
            config: "rendered-rhel-old".into(),
            reason: "a trial".into(),
        });
    }
    let answer = answer(
        &snapshot,
        &plan(Answer::Held(Hold::NoTarget)),
        &NODE.into(),
        Around::default(),
        Rules::Windlass,
        Vec::new(),
    );

    let asked = answer.and_then(|explained| explained.asked);

    assert_eq!(asked.as_deref(), Some("rendered-rhel-old (a trial)"));
}

#[test]
fn a_withheld_kubelet_is_told_with_the_instance_that_is_behind() {
    let explained = explained(Answer::Held(withheld(true)), Around::default());

    assert_eq!(
        explained.answer,
        "rhel-2 is updated but for its kubelet: kubelet 1.34 waits for its API; API server 10.0.0.3:6443 serves 1.33 \
         (KubeletWithheld)"
    );
    assert_eq!(
        explained.until.as_deref(),
        Some("every API server serves 1.34")
    );
    assert_eq!(
        explained.next,
        "rendered-rhel-new, with kubelet 1.34, in a slot"
    );
}

#[test]
fn who_cannot_ask_the_api_servers_repeats_what_the_controller_says_on_the_pool() {
    let said = |reason: &str, message: &str| {
        let mut snapshot = snapshot();
        let pool = snapshot.pools.get_mut("rhel").unwrap();
        pool.conditions.push(PoolCondition {
            kind: "KubeletWithheld".into(),
            status: "True".into(),
            reason: reason.into(),
            message: message.into(),
            since: None,
        });
        let around = Around {
            told: Some(told(
                "KubeletWithheld",
                "kubelet 1.34 waits for its API; the machine's own API packages are 1.33; 3 API servers are behind",
            )),
            ..Around::default()
        };
        let mut plan = plan(Answer::Held(withheld(true)));
        super::super::heard::repeat(&snapshot, &mut plan);
        answer(
            &snapshot,
            &plan,
            &NODE.into(),
            around,
            Rules::Windlass,
            Vec::new(),
        )
        .unwrap()
    };

    let behind = said("ApiServerBehind", "API server 10.0.0.12:6443 serves 1.33.4");
    let ready = said("ApiReady", "the cluster's API is ready");

    assert_eq!(
        behind.answer,
        "rhel-2 is updated but for its kubelet: kubelet 1.34 waits for its API; API server 10.0.0.12:6443 serves \
         1.33.4 (KubeletWithheld)"
    );
    assert_eq!(ready.until.as_deref(), Some("the controller's next round"));
}

#[test]
fn a_node_without_a_slot_is_told_who_has_it_and_why_still() {
    let hold = Hold::NoFreeSlot {
        max: 1,
        taken: Names::of(["rhel-1"]),
    };

    let explained = explained(Answer::Held(hold), Around::default());

    assert_eq!(
        explained.answer,
        "rhel-2 waits: all 1 slots of its pool are taken by rhel-1 (NoFreeSlot)"
    );
    let slots = explained.slots.unwrap();
    assert_eq!(slots.max, Some(1));
    assert_eq!(slots.taken[0].node, "rhel-1");
    assert_eq!(slots.taken[0].reason, "KubeletWithheld");
    assert!(slots.taken[0].ours);
}

#[test]
fn where_the_controller_says_otherwise_its_words_come_first() {
    let around = Around {
        told: Some(told("Paused", "its pool is paused, with 2 nodes pending")),
        ..Around::default()
    };

    let explained = explained(Answer::Assigned("rendered-rhel-new".into()), around);

    assert_eq!(
        explained.answer,
        "rhel-2 waits: its pool is paused, with 2 nodes pending (Paused)"
    );
    assert_eq!(
        explained.planned_now.as_deref(),
        Some("is next: it is given rendered-rhel-new")
    );
}

#[test]
fn a_node_on_its_way_is_judged_by_the_config_that_it_goes_to() {
    let mut snapshot = snapshot();
    let node = snapshot.nodes.get_mut(NODE).unwrap();
    node.desired = Some("rendered-rhel-half".into());
    let plan = plan(Answer::Held(Hold::InFlight {
        config: "rendered-rhel-half".into(),
        phase: Phase::Draining,
    }));

    let next = next_config(&snapshot, &plan, &NODE.into());

    assert_eq!(next, Some("rendered-rhel-half".into()));
}

#[test]
fn a_config_without_its_kubelet_part_says_so() {
    let mut snapshot = snapshot();
    let composed = ConfigView {
        name: "rendered-rhel-old".into(),
        pool: "rhel".into(),
        created: None,
        needs_kubelet: None,
        kubelet_part: "a".into(),
        rest: "b".into(),
        withholds: Some("rendered-rhel-new".into()),
        at_first: None,
    };
    snapshot.configs = BTreeMap::from([(composed.name.clone(), composed)]);

    let explained = answer(
        &snapshot,
        &plan(Answer::Held(withheld(true))),
        &NODE.into(),
        Around::default(),
        Rules::Windlass,
        Vec::new(),
    )
    .unwrap();

    let has = explained.has.unwrap();
    assert_eq!(has.withholds.as_deref(), Some("rendered-rhel-new"));
}

#[test]
fn a_node_that_is_not_there_has_no_answer() {
    let explained = answer(
        &snapshot(),
        &plan(Answer::Held(Hold::UpToDate)),
        &"rhel-9".into(),
        Around::default(),
        Rules::Windlass,
        Vec::new(),
    );

    assert!(explained.is_none());
}
