//! What holds for every snapshot, however odd.

use crate::fleet::{Fleet, NOW, ago, config, fleet, node, ready};
use crate::model::Model;
use proptest::prelude::*;
use rollout::names::Intent;
use rollout::plan::{Answer, Step};
use rollout::snapshot::{
    AssignRequest, Assigned, Ledger, MaxUnavailable, NodeState, NodeView, TakenAway, Truth,
};
use rollout::{Policy, check, plan};
use std::collections::BTreeSet;

fn word() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![
        Just(None),
        Just(Some("old")),
        Just(Some("new")),
        Just(Some("new")),
        Just(Some("mix")),
        Just(Some("bad")),
    ]
}

fn state() -> impl Strategy<Value = Option<NodeState>> {
    prop_oneof![
        Just(None),
        Just(Some(NodeState::Done)),
        Just(Some(NodeState::Done)),
        Just(Some(NodeState::Working)),
        Just(Some(NodeState::Degraded)),
        Just(Some(NodeState::Unreconcilable)),
    ]
}

fn often<T: Clone + std::fmt::Debug>(usual: T, odd: T) -> impl Strategy<Value = T> {
    prop_oneof![6 => Just(usual), 1 => Just(odd)]
}

prop_compose! {
    /// What the contract between controller and daemon says of a node.
    fn contract()(
        current in word(),
        desired in word(),
        state in state(),
        intent in 0_u64..4,
        acted in 0_u64..4,
        assigned in prop_oneof![3 => Just(None), 1 => word()],
        request in prop_oneof![8 => Just(None), 1 => word()],
        ours in often(false, true),
    ) -> NodeView {
        let mut node = node("");
        node.current = current.map(config);
        node.desired = desired.map(config);
        node.state = state;
        node.intent = Intent(intent);
        node.acted_intent = Intent(acted.min(intent));
        node.assigned = assigned.map(|word| Assigned { config: config(word), intent: None });
        node.request =
            request.map(|word| AssignRequest { config: config(word), reason: "a wish".into() });
        node.cordoned_by_us = ours;
        node.unschedulable = ours;
        node
    }
}

prop_compose! {
    /// Any node.
    fn any_node()(
        node in contract(),
        truth in prop_oneof![5 => Just(Truth::True), 1 => Just(Truth::False), 1 => Just(Truth::Unknown)],
        cordoned in often(false, true),
        reported in prop_oneof![Just(None), (0_i64..2000).prop_map(Some)],
        heard in 0_i64..2000,
        leaving in often(None, Some(TakenAway::Deleted)),
        package_mode in any::<bool>(),
        packages in prop_oneof![Just(None), Just(Some("1.33.0")), Just(Some("1.34.0"))],
        odd in often(false, true),
        master in often(false, true),
    ) -> NodeView {
        let mut node = node;
        node.conditions = vec![ready(truth, ago(heard))];
        node.unschedulable |= cordoned;
        node.reported_at = reported.map(ago);
        node.lease_renewed_at = Some(ago(heard));
        node.taken_away = leaving;
        node.package_mode = package_mode;
        node.os_id = Some("rhel".into());
        node.api_packages = packages.and_then(|version| version.parse().ok());
        if odd {
            node.cannot_apply.insert(config("new"), "odd".into());
        }
        if master {
            let labels = std::sync::Arc::make_mut(&mut node.labels);
            labels.insert("node-role.kubernetes.io/etcd".to_owned(), String::new());
        }
        node
    }
}

prop_compose! {
    /// Any cluster of one pool.
    fn any_fleet()(
        nodes in prop::collection::vec(any_node(), 0..9),
        held in prop::collection::vec(prop_oneof![Just(None), (word(), 0_u64..5).prop_map(Some)], 9),
        max in prop_oneof![
            (0_i64..5).prop_map(MaxUnavailable::Number),
            Just(MaxUnavailable::Text("50%".into())),
            Just(MaxUnavailable::Text("odd".into())),
        ],
        paused in often(false, true),
        approved in often(true, false),
        ledger in often(true, false),
        first_alone in 0_u32..3,
        versions in prop_oneof![Just(vec!["v1.34.0"]), Just(vec!["v1.33.0", "v1.34.0"]), Just(vec!["v1.34.0", ""])],
        since in 0_i64..200,
        (composed, leader) in (any::<bool>(), prop_oneof![Just(None), (0_usize..9).prop_map(Some)]),
    ) -> Fleet {
        let mut fleet = fleet()
            .config("old", ("k33", "r1"), Some("1.33"))
            .config("new", ("k34", "r2"), Some("1.34"))
            .config("bad", ("k34", "r3"), Some("1.34"))
            .api_since(&versions, ago(since))
            .worker(|pool| {
                pool.max_unavailable = max;
                pool.paused = paused;
                if !approved {
                    pool.approved_first = None;
                }
            })
            .settings(|settings| settings.first_alone = first_alone);
        if composed {
            fleet = fleet.config("mix", ("k33", "r2"), Some("1.33")).withholding("mix", "new");
        }
        for (at, (mut node, held)) in nodes.into_iter().zip(held).enumerate() {
            node.name = format!("n{at}").into();
            node.uid = format!("uid-n{at}").into();
            fleet = fleet.node(node);
            if let Some((Some(word), intent)) = held {
                fleet = fleet.holds_for(&format!("n{at}"), word, Intent(intent));
            }
        }
        if !ledger {
            fleet.snapshot.ledger = None;
        }
        fleet.snapshot.leader_node = leader.map(|at| format!("n{at}").into());
        fleet
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 700, failure_persistence: None, ..ProptestConfig::default() })]

    /// The checker judges with its own arithmetic and knows nothing of `plan`.
    #[test]
    fn the_checker_finds_nothing(fleet in any_fleet()) {
        let plan = plan(&fleet.snapshot, &fleet.policy, NOW);

        let violations = check(&fleet.snapshot, &plan, &fleet.policy, NOW);
        prop_assert!(violations.is_empty(), "{violations:#?} in {:#?}", plan.steps);
    }

    /// The reference's ways may be rash, but they are no way around the promises that are not settings.
    #[test]
    fn the_checker_finds_nothing_in_the_references_ways(fleet in any_fleet()) {
        let policy = Policy::reference();

        let plan = plan(&fleet.snapshot, &policy, NOW);

        let violations = check(&fleet.snapshot, &plan, &policy, NOW);
        prop_assert!(violations.is_empty(), "{violations:#?} in {:#?}", plan.steps);
    }

    #[test]
    fn every_node_has_one_answer_and_the_same_in_every_run(fleet in any_fleet()) {
        let once = plan(&fleet.snapshot, &fleet.policy, NOW);
        let again = plan(&fleet.snapshot, &fleet.policy, NOW);

        prop_assert_eq!(once.answers.len(), fleet.snapshot.nodes.len());
        prop_assert_eq!(once, again);
    }

    /// A plan whose ledger was swapped and whose writes were all lost grants nobody another slot.
    #[test]
    fn a_plan_whose_writes_were_lost_is_only_written_again(fleet in any_fleet()) {
        let first = plan(&fleet.snapshot, &fleet.policy, NOW);
        let mut fleet = fleet;
        if first.ledger.differs {
            fleet.snapshot.ledger = Some(first.ledger.next.clone());
        }
        let before: BTreeSet<_> = first.ledger.next.holders.keys().cloned().collect();

        let second = plan(&fleet.snapshot, &fleet.policy, NOW);

        prop_assume!(fleet.snapshot.ledger.is_some());
        let granted = second.ledger.granted.iter().filter(|node| !before.contains(*node)).count();
        let fresh_ledger = first.ledger.granted.is_empty();
        prop_assert!(granted == 0 || fresh_ledger, "{:?}", second.ledger.granted);
    }

    /// Every grant is on record before its node hears of it.
    #[test]
    fn nothing_is_assigned_that_the_ledger_does_not_say(fleet in any_fleet()) {
        let plan = plan(&fleet.snapshot, &fleet.policy, NOW);

        for step in &plan.steps {
            if let Step::Assign(assign) = step {
                let holder = plan.ledger.next.holders.get(&assign.node);
                prop_assert_eq!(holder.map(|holder| (&holder.config, holder.intent)), Some((&assign.config, assign.intent)));
                prop_assert_eq!(plan.answers.get(&assign.node), Some(&Answer::Assigned(assign.config.clone())));
            }
        }
    }
}

/// A node that can come to rest: nobody else has a hand in it.
fn plain_node() -> impl Strategy<Value = NodeView> {
    contract().prop_map(|mut node| {
        node.request = None;
        node.reported_at = None;
        if node.desired.is_none() {
            (node.intent, node.acted_intent) = (Intent::NONE, Intent::NONE);
        }
        // A daemon that has proven a config says how it went.
        match (&node.current, node.state) {
            (None, Some(NodeState::Done)) => node.state = None,
            (Some(_), None) => node.state = Some(NodeState::Done),
            _ => {}
        }
        if node.current.is_some()
            && node.current == node.desired
            && node.intent == node.acted_intent
        {
            node.state = Some(NodeState::Done);
        }
        // A node that failed on the target waits for a person.
        let record = node.assigned.as_ref().map(|record| &record.config);
        if node.says_failed() && [node.desired.as_ref(), record].contains(&Some(&config("new"))) {
            node.state = Some(NodeState::Working);
        }
        node.unschedulable = node.cordoned_by_us;
        node
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Liveness, by a model that knows how nodes behave and nothing of how they are chosen.
    #[test]
    fn every_fleet_settles_in_bounded_time(
        nodes in prop::collection::vec(plain_node(), 1..8),
        slots in 1_i64..4,
        first_alone in 0_u32..2,
        lost in any::<bool>(),
    ) {
        let count = nodes.len();
        let mut fleet = fleet().slots(slots).settings(|settings| {
            settings.first_alone = first_alone;
            settings.max_failures = rollout::policy::MaxFailures::Never;
        });
        for (at, mut node) in nodes.into_iter().enumerate() {
            node.name = format!("n{at}").into();
            node.uid = format!("uid-n{at}").into();
            fleet = fleet.node(node);
        }
        if lost {
            fleet.snapshot.ledger = None;
        } else {
            fleet.snapshot.ledger = Some(Ledger::default());
        }
        let mut model = Model::of(fleet);

        let rounds = model.settles_in(40 + 20 * count);

        prop_assert!(rounds.is_some(), "{:?} {:?}", model.fleet, model.fleet.plan_at(model.now).answers);
    }
}
