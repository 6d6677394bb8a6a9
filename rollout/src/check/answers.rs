//! Every wait has a name, the name is true, and who could go is let go.

use super::facts::Facts;
use super::violation::{Breach, Promise, Violations, note};
use crate::hold::{Hold, Names, Withheld};
use crate::membership::Place;
use crate::names::{ConfigName, NodeName, PoolName};
use crate::plan::{Answer, Plan, Step};
use crate::snapshot::{NodeView, PoolView};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn judge(facts: &Facts<'_>, plan: &Plan, violations: &mut Violations) {
    let mut moved: BTreeMap<&NodeName, usize> = BTreeMap::new();
    for step in &plan.steps {
        if matches!(step, Step::Assign(_) | Step::PutBack { .. }) {
            *moved.entry(step.node()).or_default() += 1;
        }
    }
    let free = FreeSlots::read(facts, plan);
    for (name, node) in &facts.snapshot.nodes {
        let steps = moved.get(name).copied().unwrap_or(0);
        if steps > 1 {
            note(violations, Promise::EveryWaitNamed, name, Breach::TwoSteps);
        }
        match plan.answers.get(name) {
            None => note(violations, Promise::EveryWaitNamed, name, Breach::NoAnswer),
            Some(Answer::Held(hold)) => {
                if steps > 0 {
                    note(
                        violations,
                        Promise::EveryWaitNamed,
                        name,
                        Breach::AnswerWithoutStep,
                    );
                }
                judge_hold(facts, (plan, &free), (node, hold), violations);
            }
            Some(Answer::Assigned(_) | Answer::PutBack(_)) if steps == 0 => {
                note(
                    violations,
                    Promise::EveryWaitNamed,
                    name,
                    Breach::AnswerWithoutStep,
                );
            }
            Some(Answer::Assigned(_) | Answer::PutBack(_)) => {}
        }
    }
    judge_repairs(facts, plan, violations);
}

fn judge_hold(
    facts: &Facts<'_>,
    (plan, free): (&Plan, &FreeSlots<'_>),
    (node, hold): (&NodeView, &Hold),
    violations: &mut Violations,
) {
    if !is_true(facts, plan, node, hold) {
        note(
            violations,
            Promise::EveryWaitNamed,
            &node.name,
            Breach::FalseHold(hold.reason()),
        );
    }
    if let Hold::NoFreeSlot { .. } = hold
        && let Some((pool, _)) = facts.pool_of(&node.name)
        && free.has_one(facts, &pool.name, &node.name)
    {
        let breach = Breach::LeftIdle(pool.name.clone());
        note(violations, Promise::Liveness, &node.name, breach);
    }
    let wakes = |until| plan.wake_at.is_some_and(|(at, _)| at <= until);
    if hold
        .until()
        .is_some_and(|until| until > facts.now && !wakes(until))
    {
        note(
            violations,
            Promise::Liveness,
            &node.name,
            Breach::NoWake(hold.reason()),
        );
    }
}

/// What the pools have left after the plan, once for all nodes of each.
struct FreeSlots<'a>(BTreeMap<&'a PoolName, [bool; 2]>);

impl<'a> FreeSlots<'a> {
    fn read(facts: &Facts<'a>, plan: &Plan) -> Self {
        let pools = facts.snapshot.pools.values();
        Self(
            pools
                .map(|pool| (&pool.name, Self::of_pool(facts, plan, pool)))
                .collect(),
        )
    }

    /// For a node that is well, and for one that is not: that one counts others only where they are really gone.
    fn of_pool(facts: &Facts<'_>, plan: &Plan, pool: &PoolView) -> [bool; 2] {
        if !facts.policy.of(&pool.name).reuse_slots {
            // The reference counts a node that it takes beside itself, and so leaves slots idle.
            return [false; 2];
        }
        let max = facts.max(pool).unwrap_or(0);
        let has_room = |away: usize| i64::try_from(away).is_ok_and(|away| away < max);
        let mut away: BTreeSet<&NodeName> =
            facts.gone.get(&pool.name).into_iter().flatten().collect();
        let holders = plan.ledger.next.holders.values();
        away.extend(
            holders
                .filter(|holder| holder.pool == pool.name)
                .map(|holder| &holder.node),
        );
        let for_unwell = has_room(away.len());
        away.extend(facts.unwell.get(&pool.name).into_iter().flatten());
        [has_room(away.len()), for_unwell]
    }

    /// Whether `node` could be away too.
    fn has_one(&self, facts: &Facts<'_>, pool: &PoolName, node: &NodeName) -> bool {
        let unwell = facts
            .unwell
            .get(pool)
            .is_some_and(|nodes| nodes.contains(node));
        self.0
            .get(pool)
            .is_some_and(|[well, for_unwell]| if unwell { *for_unwell } else { *well })
    }
}

/// Whether what a hold says is so. Every hold is named here: a new one has to be judged before this compiles.
fn is_true(facts: &Facts<'_>, plan: &Plan, node: &NodeView, hold: &Hold) -> bool {
    let place = facts.membership.places.get(&node.name);
    let pool = facts.pool_of(&node.name).map(|(pool, _)| pool);
    let in_pool = |is: &dyn Fn(&PoolView) -> bool| pool.is_some_and(is);
    let holds_slot = plan.ledger.next.holders.contains_key(&node.name);
    match hold {
        Hold::UpToDate => in_pool(&|pool| node.desired == pool.target) && node.is_done(),
        Hold::NoPool => !matches!(place, Some(Place::In { .. })),
        Hold::SeveralPools(_) => matches!(place, Some(Place::Several(_))),
        Hold::InvalidSelector { .. } => matches!(place, Some(Place::Unknown { .. })),
        Hold::PoolDeleted => in_pool(&|pool| pool.deleting),
        Hold::NoTarget | Hold::RenderDegraded => in_pool(&|pool| pool.target.is_none()),
        Hold::ConflictingPolicies(_) | Hold::InvalidPolicy { .. } | Hold::InvalidBudget { .. } => {
            in_pool(&|pool| !facts.is_clear(pool))
        }
        Hold::Paused { .. } => in_pool(&|pool| pool.paused),
        Hold::BudgetZero => in_pool(&|pool| facts.max(pool).is_some_and(|max| max <= 0)),
        Hold::AwaitingFirstApproval { .. } => in_pool(&|pool| !facts.is_approved(pool)),
        Hold::LedgerUnread => facts.snapshot.ledger.is_none(),
        Hold::LedgerFull => plan.ledger.next.holders.len() >= api::windlass::HOLDERS_LIMIT,
        // Judged as liveness: the names are those of the holders at that moment.
        Hold::NoFreeSlot { taken, .. } => taken.count() > 0,
        Hold::FirstAlone { .. }
        | Hold::AfterSlotHolders(_)
        | Hold::RolloutStopped { .. }
        | Hold::ControlPlaneQuorum { .. }
        | Hold::TwoControlPlaneNodes
        | Hold::LeaderLast { .. } => is_true_of_others(facts, plan, node, hold),
        Hold::InFlight { .. } => holds_slot || !node.is_done(),
        Hold::DrainBlocked(drain) => holds_slot && drain.blocked > 0,
        Hold::AwaitingFreshReady { .. } => holds_slot && !node.fresh_ready(),
        Hold::OwnPodsNotReady(_) => holds_slot && node.api_pods.iter().any(|pod| !pod.ready),
        Hold::Failed { .. } => node.says_failed(),
        Hold::NotReady => !node.conditions_ready(),
        Hold::NeverReady => !node.ever_ready(),
        Hold::Cordoned => node.unschedulable && !node.cordoned_by_us,
        Hold::TakenAway(by) => node.taken_away == Some(*by),
        Hold::UnsupportedChange { config, .. } => node.cannot_apply.contains_key(config),
        Hold::ConfigUnknown { config } => !facts.snapshot.configs.contains_key(config),
        Hold::KubeletWithheld(Withheld {
            machine, cluster, ..
        }) => node.package_mode && (machine.is_some() || cluster.is_some()),
        Hold::KubeletAhead {
            kubelet, serves, ..
        } => node.package_mode && !serves.satisfies(kubelet),
        Hold::AwaitingComposition { target } => plan
            .compositions
            .iter()
            .any(|compose| compose.rest_of == *target),
    }
}

/// Whether what a hold says of other nodes is so: they are there, and are what it calls them.
fn is_true_of_others(facts: &Facts<'_>, plan: &Plan, node: &NodeView, hold: &Hold) -> bool {
    let all = |names: &Names, are: &dyn Fn(&NodeName) -> bool| {
        let shown = names.shown().iter().map(|name| NodeName::from(&**name));
        names.count() > 0 && shown.into_iter().all(|name| are(&name))
    };
    let in_slot = |name: &NodeName| {
        plan.ledger.next.holders.contains_key(name) || facts.holders.contains(name)
    };
    let is_plane = |name: &NodeName| facts.control_plane.contains(name);
    let policy = facts.pool_of(&node.name).map(|(_, policy)| policy);
    match hold {
        Hold::FirstAlone { nodes, .. } => {
            policy.is_some_and(|policy| policy.first_alone > 0)
                && all(nodes, &|name| *name != node.name && in_slot(name))
        }
        Hold::AfterSlotHolders(holders) => node.package_mode && all(holders, &in_slot),
        Hold::RolloutStopped { max, failed, .. } => {
            let broken = |name: &NodeName| {
                let node = facts.node(name);
                in_slot(name) && node.is_some_and(|node| facts.is_broken(node))
            };
            failed.count() >= *max && all(failed, &broken)
        }
        Hold::ControlPlaneQuorum { allowed, away, .. } => {
            let away_now = |name: &NodeName| {
                is_plane(name) && (in_slot(name) || !facts.serves_the_cluster(name))
            };
            node.is_control_plane()
                && facts.control_plane_allows() == Some(*allowed)
                && away.count() >= *allowed
                && (*allowed == 0 || all(away, &away_now))
        }
        Hold::TwoControlPlaneNodes => facts.control_plane.len() == 2 && node.is_control_plane(),
        Hold::LeaderLast { before } => {
            facts.snapshot.leader_node.as_ref() == Some(&node.name)
                && is_plane(&node.name)
                && all(before, &|name| is_plane(name) && *name != node.name)
        }
        _ => false,
    }
}

/// A node that a former config broke is given the target, where nothing forbids it.
///
/// Package-mode nodes are left to the gate: what they may have is not for this judgment to say.
fn judge_repairs(facts: &Facts<'_>, plan: &Plan, violations: &mut Violations) {
    let helped: BTreeSet<&NodeName> = plan
        .steps
        .iter()
        .filter(|step| matches!(step, Step::Assign(_) | Step::PutBack { .. }))
        .map(Step::node)
        .collect();
    let open: BTreeMap<&PoolName, &ConfigName> = facts
        .snapshot
        .pools
        .values()
        .filter(|pool| may_repair(facts, pool))
        .filter_map(|pool| Some((&pool.name, pool.target.as_ref()?)))
        .collect();
    for name in facts.holders.iter().filter(|name| !helped.contains(name)) {
        let (Some(node), Some((pool, _))) = (facts.node(name), facts.pool_of(name)) else {
            continue;
        };
        let Some(target) = open.get(&pool.name) else {
            continue;
        };
        let former = facts
            .assigned(node)
            .is_some_and(|assigned| assigned != *target);
        let fit = node.taken_away.is_none()
            && !node.package_mode
            && !node.cannot_apply.contains_key(*target);
        if former && fit && facts.is_broken(node) {
            let breach = Breach::RepairMissed((*target).clone());
            note(violations, Promise::Repair, name, breach);
        }
    }
}

/// Whether broken nodes of a pool may be given its target.
fn may_repair(facts: &Facts<'_>, pool: &PoolView) -> bool {
    facts.policy.of(&pool.name).reuse_slots && facts.is_open(pool) && !is_stopped(facts, pool)
}

/// Whether some node failed on the pool's target: then its rollout may be stopped.
fn is_stopped(facts: &Facts<'_>, pool: &PoolView) -> bool {
    facts.members(&pool.name).any(|node| {
        facts.assigned(node) == pool.target.as_ref()
            && (node.says_failed() || !node.fresh_ready())
            && facts.holders.contains(&node.name)
    })
}
