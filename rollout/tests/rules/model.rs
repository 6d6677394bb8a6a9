//! A tiny model of nodes: plans are applied to it, nodes go on by one step, until all is settled.
//!
//! It knows how nodes behave and nothing of how they are chosen.

use crate::fleet::{Fleet, NOW, config, fleet, node, ready};
use jiff::{SignedDuration, Timestamp};
use rollout::names::{ConfigName, Intent};
use rollout::plan::{Plan, Step};
use rollout::snapshot::{Assigned, ConfigView, NodeState, NodeView, Truth};
use std::collections::BTreeSet;

/// How much time goes by between two rounds.
const TICK: SignedDuration = SignedDuration::from_secs(30);

/// A fleet that lives.
pub(crate) struct Model {
    pub(crate) fleet: Fleet,
    pub(crate) now: Timestamp,
    /// Configs whose daemon reports a failure.
    pub(crate) failing: BTreeSet<ConfigName>,
    /// Configs that kill the kubelet without a word.
    pub(crate) deadly: BTreeSet<ConfigName>,
    /// Most nodes that were seen away at a time.
    pub(crate) away_max: usize,
    /// Nodes that were ever given a bad config.
    pub(crate) hit: BTreeSet<String>,
}

impl Model {
    pub(crate) fn of(fleet: Fleet) -> Self {
        Self {
            fleet,
            now: NOW,
            failing: BTreeSet::new(),
            deadly: BTreeSet::new(),
            away_max: 0,
            hit: BTreeSet::new(),
        }
    }

    /// Plans and lives until nothing is left to do; how many rounds it took, `None` if it did not end in `bound`.
    pub(crate) fn settles_in(&mut self, bound: usize) -> Option<usize> {
        for round in 0..bound {
            let plan = self.fleet.plan_at(self.now);
            let through = plan.answers.values().all(|answer| {
                answer
                    .hold()
                    .is_some_and(|hold| hold.reason() == "UpToDate")
            });
            if through && !plan.ledger.differs {
                return Some(round);
            }
            self.apply(plan);
            self.live();
        }
        None
    }

    /// So many rounds, wherever they lead.
    pub(crate) fn goes_on_for(&mut self, rounds: usize) {
        for _ in 0..rounds {
            let plan = self.fleet.plan_at(self.now);
            self.apply(plan);
            self.live();
        }
    }

    fn apply(&mut self, plan: Plan) {
        let Plan {
            steps,
            ledger,
            compositions,
            ..
        } = plan;
        if ledger.differs {
            self.fleet.snapshot.ledger = Some(ledger.next);
        }
        for compose in compositions {
            let configs = &mut self.fleet.snapshot.configs;
            let (part, rest) = (
                &configs[&compose.kubelet_part_of],
                &configs[&compose.rest_of],
            );
            let made = ConfigView {
                name: format!("rendered-worker-{}{}", part.kubelet_part, rest.rest).into(),
                kubelet_part: part.kubelet_part.clone(),
                needs_kubelet: part.needs_kubelet,
                withholds: Some(compose.rest_of.clone()),
                ..rest.clone()
            };
            configs.insert(made.name.clone(), made);
        }
        for step in steps {
            let node = self
                .fleet
                .snapshot
                .nodes
                .get_mut(step.node())
                .expect("a node of the fleet");
            match step {
                Step::Assign(assign) => {
                    assert_eq!(
                        (&node.desired, node.intent),
                        (&assign.expects.desired, assign.expects.intent)
                    );
                    node.desired = Some(assign.config.clone());
                    node.intent = assign.intent;
                    node.on_request = assign.request.is_some();
                    node.assigned = Some(Assigned {
                        config: assign.config,
                        intent: Some(assign.intent),
                    });
                    node.request = None;
                }
                Step::PutBack { config, .. } => node.desired = Some(config),
                Step::SetTaint { .. } => node.update_taint = true,
                Step::RemoveTaint { .. } => node.update_taint = false,
            }
        }
    }

    fn live(&mut self) {
        self.now += TICK;
        let (now, failing, deadly) = (self.now, &self.failing, &self.deadly);
        for node in self.fleet.snapshot.nodes.values_mut() {
            let desired = node.desired.clone();
            let bad = desired
                .as_ref()
                .is_some_and(|d| failing.contains(d) || deadly.contains(d));
            if bad && node.intent > node.acted_intent {
                self.hit.insert(node.name.to_string());
            }
            step(node, desired, now, failing, deadly);
        }
        let away = |node: &&NodeView| node.cordoned_by_us || !node.conditions_ready();
        let away = self.fleet.snapshot.nodes.values().filter(away).count();
        self.away_max = self.away_max.max(away);
    }
}

/// One step of one node: it begins, reboots, is through, is uncordoned, is Ready.
fn step(
    node: &mut NodeView,
    desired: Option<ConfigName>,
    now: Timestamp,
    failing: &BTreeSet<ConfigName>,
    deadly: &BTreeSet<ConfigName>,
) {
    let kubelet_dies = node
        .current
        .as_ref()
        .is_some_and(|current| deadly.contains(current));
    let is_ready = node.conditions_ready();
    if node.intent > node.acted_intent && node.state != Some(NodeState::Working) {
        node.state = Some(NodeState::Working);
        node.cordoned_by_us = true;
        node.unschedulable = true;
    } else if node.state == Some(NodeState::Working) && is_ready {
        node.conditions = vec![ready(Truth::Unknown, now)];
    } else if node.state == Some(NodeState::Working) {
        let fails = desired
            .as_ref()
            .is_some_and(|desired| failing.contains(desired));
        node.acted_intent = node.intent;
        node.reported_at = Some(now);
        node.state = Some(if fails {
            NodeState::Degraded
        } else {
            NodeState::Done
        });
        if !fails {
            node.current = desired;
        }
    } else if node.state == Some(NodeState::Done) && node.cordoned_by_us {
        node.cordoned_by_us = false;
        node.unschedulable = false;
    } else if node.state == Some(NodeState::Done) && !is_ready && !kubelet_dies {
        node.conditions = vec![ready(Truth::True, now)];
        node.lease_renewed_at = Some(now);
    }
}

#[test]
fn a_fleet_is_updated_within_its_budget() {
    let names: Vec<String> = (0..20).map(|at| format!("n{at:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut model = Model::of(fleet().slots(4).done(&names, "old"));

    let rounds = model.settles_in(60);

    assert!(rounds.is_some());
    assert_eq!(model.away_max, 4);
    assert!(
        model
            .fleet
            .snapshot
            .nodes
            .values()
            .all(|node| node.current == Some(config("new")))
    );
}

#[test]
fn a_config_that_kills_the_kubelet_hits_one_node_and_the_corrected_one_repairs_it() {
    let mut model = Model::of(
        fleet()
            .slots(3)
            .done(&["a", "b", "c", "d"], "old")
            .worker(|pool| pool.target = Some(config("deadly")))
            .settings(|settings| settings.first_alone = 1),
    );
    model.deadly.insert(config("deadly"));

    model.goes_on_for(60);
    assert_eq!(model.hit, BTreeSet::from(["a".to_owned()]));

    model.fleet = model
        .fleet
        .clone()
        .worker(|pool| pool.target = Some(config("new")));
    assert!(model.settles_in(60).is_some());
}

#[test]
fn a_config_that_fails_stops_and_a_revert_converges() {
    let mut model = Model::of(
        fleet()
            .slots(2)
            .done(&["a", "b", "c"], "old")
            .worker(|pool| pool.target = Some(config("bad"))),
    );
    model.failing.insert(config("bad"));

    model.goes_on_for(20);
    assert!(model.hit.len() <= 2, "{:?}", model.hit);

    model.fleet = model
        .fleet
        .clone()
        .worker(|pool| pool.target = Some(config("old")));
    assert!(model.settles_in(60).is_some());
}

#[test]
fn rhel_workers_get_the_rest_first_and_the_kubelet_when_the_api_is_upgraded() {
    use crate::fleet::Told;
    let worker = |name: &str| {
        node(name)
            .done("old")
            .package_mode()
            .with(|node| node.api_packages = "1.34.0".parse().ok())
    };
    let fleet = fleet()
        .config("old", ("k33", "r1"), Some("1.33"))
        .config("new", ("k34", "r2"), Some("1.34"))
        .api(&["v1.33.0"])
        .node(worker("a"))
        .node(worker("b"));
    let mut model = Model::of(fleet);

    model.goes_on_for(20);
    let composed = config("k33r2");
    assert!(
        model
            .fleet
            .snapshot
            .nodes
            .values()
            .all(|node| node.current.as_ref() == Some(&composed))
    );

    model.fleet = model.fleet.clone().api(&["v1.34.0"]);
    assert!(model.settles_in(40).is_some());
}

#[test]
fn a_ledger_that_is_lost_in_mid_rollout_costs_nobody_anything() {
    let mut model = Model::of(fleet().slots(2).done(&["a", "b", "c", "d", "e"], "old"));

    model.goes_on_for(3);
    model.fleet.snapshot.ledger = None;

    assert!(model.settles_in(60).is_some());
    assert_eq!(model.away_max, 2);
}

#[test]
fn an_assignment_that_is_lost_between_ledger_and_node_is_made_up_for() {
    let mut model = Model::of(fleet().done(&["a", "b"], "old"));
    let plan = model.fleet.plan();
    model.fleet.snapshot.ledger = Some(plan.ledger.next);

    assert!(model.settles_in(40).is_some());
    assert!(
        model
            .fleet
            .snapshot
            .nodes
            .values()
            .all(|node| node.intent == Intent(2))
    );
}
