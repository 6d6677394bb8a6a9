//! Each assignment by itself: forwards only, nothing that its owner or its API does not allow.

use super::facts::Facts;
use super::slots::assigns;
use super::violation::{Breach, Forbidden, Promise, Violations, note};
use crate::names::{ConfigName, NodeName};
use crate::plan::{Assign, Expects, Plan, Slot, Step};
use crate::policy::{KubeletGate, MachinePackages};
use crate::snapshot::{NodeView, PoolView};
use crate::version::Version;
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn judge(facts: &Facts<'_>, plan: &Plan, violations: &mut Violations) {
    for step in &plan.steps {
        if let Step::PutBack {
            node,
            uid,
            config,
            expects,
        } = step
        {
            judge_put_back(facts, node, (uid.as_str(), config, expects), violations);
        }
    }
    for assign in assigns(plan) {
        let Some(node) = facts.node(&assign.node) else {
            note(
                violations,
                Promise::Forward,
                &assign.node,
                Breach::WrongAssumption,
            );
            continue;
        };
        judge_forward(facts, node, assign, violations);
        if is_ahead(facts, node, assign) {
            let breach = Breach::GateAhead(assign.config.clone());
            note(violations, Promise::KubeletAndApi, &assign.node, breach);
        }
        if let Some(forbidden) = forbidden(facts, node, assign) {
            note(
                violations,
                Promise::OwnersLimits,
                &assign.node,
                Breach::Forbidden(forbidden),
            );
        }
    }
    judge_trials(facts, plan, violations);
    judge_leader(facts, plan, violations);
    judge_released(facts, plan, violations);
}

fn judge_put_back(
    facts: &Facts<'_>,
    name: &NodeName,
    (uid, config, expects): (&str, &ConfigName, &Expects),
    violations: &mut Violations,
) {
    let Some(node) = facts.node(name).filter(|node| assumes(node, uid, expects)) else {
        note(violations, Promise::Forward, name, Breach::WrongAssumption);
        return;
    };
    if facts.assigned(node) != Some(config) || node.desired.as_ref() == Some(config) {
        note(
            violations,
            Promise::Forward,
            name,
            Breach::NotPutBack(config.clone()),
        );
    }
}

fn assumes(node: &NodeView, uid: &str, expects: &Expects) -> bool {
    node.uid == uid && node.desired == expects.desired && node.intent == expects.intent
}

fn judge_forward(facts: &Facts<'_>, node: &NodeView, assign: &Assign, violations: &mut Violations) {
    if !assumes(node, assign.uid.as_str(), &assign.expects) {
        note(
            violations,
            Promise::Forward,
            &assign.node,
            Breach::WrongAssumption,
        );
    }
    let highest = node.intent.max(node.acted_intent);
    if assign.intent <= highest {
        let breach = Breach::IntentNotRaised {
            from: highest,
            to: assign.intent,
        };
        note(violations, Promise::Forward, &assign.node, breach);
    }
    if let Some(record) = facts.recorded(node) {
        if assign.intent < record.intent {
            let breach = Breach::IntentNotRaised {
                from: record.intent,
                to: assign.intent,
            };
            note(violations, Promise::Forward, &assign.node, breach);
        } else if assign.intent == record.intent && assign.config != record.config {
            let breach = Breach::IntentReused(record.config.clone());
            note(violations, Promise::Forward, &assign.node, breach);
        }
    }
}

/// Whether a config's kubelet part needs what is not served: an older answer is always too old; what else the gate asks for
/// counts where the kubelet part is not what the node has already.
fn is_ahead(facts: &Facts<'_>, node: &NodeView, assign: &Assign) -> bool {
    let Some((_, policy)) = facts.pool_of(&assign.node) else {
        return false;
    };
    let Some(gate) = policy.kubelet_gate.as_ref().filter(|_| node.package_mode) else {
        return false;
    };
    if has_already(facts, node, &assign.config) {
        // It has been given this already; to say so again makes no kubelet newer.
        return false;
    }
    let configs = &facts.snapshot.configs;
    let Some(config) = configs.get(&assign.config) else {
        return true;
    };
    let Some(needs) = config.needs_kubelet else {
        return false;
    };
    let heard = |instance: &String| facts.snapshot.api_servers.instances.get(instance.as_str());
    let counted: Vec<_> = if gate.instances.is_empty() {
        facts
            .snapshot
            .api_servers
            .instances
            .values()
            .map(Some)
            .collect()
    } else {
        gate.instances.iter().map(heard).collect()
    };
    let versions: Vec<Option<Version>> = counted
        .iter()
        .map(|heard| heard.and_then(|heard| heard.serves))
        .collect();
    if versions
        .iter()
        .flatten()
        .any(|serves| !serves.satisfies(&needs))
    {
        return true;
    }
    let current = node
        .current
        .as_ref()
        .and_then(|current| configs.get(current));
    if assign.request.is_none() && current.is_some_and(|c| c.kubelet_part == config.kubelet_part) {
        return false;
    }
    let answering = versions.iter().flatten().count();
    let wanted = gate
        .expected_instances
        .map_or(facts.control_plane.len(), |count| count as usize);
    let silent = answering < versions.len() || answering < wanted.max(1);
    let fresh = counted.iter().flatten().any(|heard| {
        facts.now.duration_since(heard.since) < gate.steady && gate.steady > SignedDuration::ZERO
    });
    silent || fresh || lacks_packages(gate, node, &needs)
}

/// Whether a node has a config, or was assigned it before, by its own word or by our record.
fn has_already(facts: &Facts<'_>, node: &NodeView, config: &ConfigName) -> bool {
    let record = node.assigned.as_ref().map(|record| &record.config);
    let known = [
        node.current.as_ref(),
        node.desired.as_ref(),
        facts.assigned(node),
        record,
    ];
    known.contains(&Some(config))
}

fn lacks_packages(gate: &KubeletGate, node: &NodeView, needs: &Version) -> bool {
    let id = node.os_id.as_deref().unwrap_or_default();
    let required = match gate.machine {
        MachinePackages::Never => false,
        MachinePackages::Always => true,
        MachinePackages::Auto => matches!(id, "rhel" | "centos" | "rocky" | "almalinux"),
    };
    required
        && !node
            .api_packages
            .is_some_and(|version| version.satisfies(needs))
}

/// What the owner, or somebody else's hand on the node, does not allow.
fn forbidden(facts: &Facts<'_>, node: &NodeView, assign: &Assign) -> Option<Forbidden> {
    let Some((pool, policy)) = facts
        .pool_of(&assign.node)
        .filter(|(pool, _)| pool.name == assign.pool)
    else {
        return Some(Forbidden::NotItsPool);
    };
    if node.taken_away.is_some() {
        return Some(Forbidden::TakenAway);
    }
    // To tell a node to stay what it is moves nobody, and is how a grant is taken back.
    let stays = has_already(facts, node, &assign.config);
    if stays && assign.slot != Slot::Granted {
        return None;
    }
    if pool.deleting {
        return Some(Forbidden::NotItsPool);
    }
    if !facts.is_clear(pool) {
        return Some(Forbidden::PolicyUnclear);
    }
    if node.cannot_apply.contains_key(&assign.config) {
        return Some(Forbidden::Unsupported);
    }
    if assign.request.is_some() {
        let asked = node
            .request
            .as_ref()
            .is_some_and(|request| request.config == assign.config);
        return (!asked).then_some(Forbidden::NotTheTarget);
    }
    if !is_wanted(facts, pool, node, assign) {
        return Some(Forbidden::NotTheTarget);
    }
    if pool.paused {
        return Some(Forbidden::Paused);
    }
    if !facts.is_approved(pool) {
        return Some(Forbidden::NotApproved);
    }
    let fit = node.is_ready() && (policy.never_ready_counts || node.ever_ready());
    (assign.slot == Slot::Granted && !fit).then_some(Forbidden::NotReady)
}

/// The target; or its rest with the kubelet part that the node has.
fn is_wanted(facts: &Facts<'_>, pool: &PoolView, node: &NodeView, assign: &Assign) -> bool {
    let Some(target) = &pool.target else {
        return false;
    };
    if assign.config == *target {
        return true;
    }
    let of = |name: &ConfigName| facts.snapshot.configs.get(name);
    let (Some(config), Some(target)) = (of(&assign.config), of(target)) else {
        return false;
    };
    let Some(current) = node.current.as_ref().and_then(of) else {
        return false;
    };
    config.rest == target.rest && config.kubelet_part == current.kubelet_part
}

/// One try of a config in a pool, after the plan.
#[derive(Default)]
struct Try<'a> {
    config: Option<&'a ConfigName>,
    healthy: BTreeSet<&'a NodeName>,
}

/// `firstAlone` and `maxFailures`, for the configs that healthy nodes are given by the plan.
fn judge_trials(facts: &Facts<'_>, plan: &Plan, violations: &mut Violations) {
    let mut tries: BTreeMap<(&str, String), Try<'_>> = BTreeMap::new();
    for assign in assigns(plan).filter(|assign| assign.request.is_none()) {
        let Some(node) = facts.node(&assign.node) else {
            continue;
        };
        let stays = has_already(facts, node, &assign.config);
        // What was granted before is only written again.
        let again = facts.recorded(node).is_some_and(|record| {
            record.intent > node.intent && facts.is_same_try(&record.config, &assign.config)
        });
        if stays || again {
            continue;
        }
        let composed = facts
            .snapshot
            .configs
            .get(&assign.config)
            .filter(|c| c.withholds.is_some());
        let key =
            composed.map_or_else(|| assign.config.to_string(), |c| format!("rest {}", c.rest));
        let one = tries.entry((assign.pool.as_str(), key)).or_default();
        one.config = Some(&assign.config);
        if assign.slot != Slot::Repair {
            one.healthy.insert(&assign.node);
        }
    }
    for ((pool, _), one) in tries {
        if let Some(config) = one.config
            && let Some(pool) = facts.snapshot.pools.get(pool)
        {
            judge_try(facts, plan, (pool, config, &one.healthy), violations);
        }
    }
}

fn judge_try(
    facts: &Facts<'_>,
    plan: &Plan,
    (pool, config, healthy): (&PoolView, &ConfigName, &BTreeSet<&NodeName>),
    violations: &mut Violations,
) {
    let members = facts
        .membership
        .members
        .get(&pool.name)
        .into_iter()
        .flatten();
    let assigns: BTreeMap<&NodeName, &Assign> =
        assigns(plan).map(|assign| (&assign.node, assign)).collect();
    let (mut proven, mut trying, mut failed) = (0, 0, 0);
    for node in members.filter_map(|name| facts.node(name)) {
        let has = facts
            .assigned(node)
            .is_some_and(|assigned| facts.is_same_try(assigned, config));
        let over = node.acted_intent >= node.intent;
        let written = facts
            .recorded(node)
            .is_none_or(|record| record.intent <= node.intent);
        if has && written && over && node.is_done() && node.fresh_ready() {
            proven += 1;
            continue;
        }
        // What it holds a slot for: what it is given now, what it was granted and is not told yet, or what it was assigned.
        let given = assigns.get(&node.name).map(|assign| &assign.config);
        let unwritten = facts
            .recorded(node)
            .filter(|record| record.intent > node.intent);
        let trial = given
            .or(unwritten.map(|record| &record.config))
            .or(facts.assigned(node))
            .filter(|_| plan.ledger.next.holders.contains_key(&node.name));
        // One that is told to stay what it was assigned does not begin to try it.
        let told = unwritten.is_some() || given.is_some();
        let stays = told && has_already(facts, node, config);
        if !stays && trial.is_some_and(|trial| facts.is_same_try(trial, config)) {
            trying += 1;
        }
        // One that waits NotReady for a withheld kubelet part has not failed.
        let broken = facts.is_broken(node) && (node.says_failed() || !facts.withholds(config));
        failed += usize::from(has && written && broken && facts.holders.contains(&node.name));
    }
    let settings = facts.policy.of(&pool.name);
    let approved = pool.approved_config.as_ref();
    let approved =
        approved.is_some() && (approved == Some(config) || approved == pool.target.as_ref());
    if facts
        .failures_allowed(pool)
        .is_some_and(|max| failed >= max)
        && !approved
    {
        note(
            violations,
            Promise::OwnersLimits,
            &pool.name,
            Breach::Forbidden(Forbidden::Stopped),
        );
    }
    let alone = settings.first_alone as usize;
    if !healthy.is_empty() && proven < alone && trying > alone - proven {
        // Those that are repaired try it too, but they were down before.
        let repaired = assigns
            .values()
            .filter(|assign| assign.slot == Slot::Repair);
        let repaired = repaired
            .filter(|assign| facts.is_same_try(&assign.config, config))
            .count();
        if trying - repaired.min(trying) > alone - proven || repaired >= alone - proven {
            let breach = Breach::Forbidden(Forbidden::FirstAlone);
            note(violations, Promise::OwnersLimits, &pool.name, breach);
        }
    }
}

/// The node that the controller runs on goes when no other of the control plane goes, is away by us, or could go.
fn judge_leader(facts: &Facts<'_>, plan: &Plan, violations: &mut Violations) {
    let Some(leader) = &facts.snapshot.leader_node else {
        return;
    };
    let goes = assigns(plan).any(|assign| {
        assign.node == *leader && assign.slot == Slot::Granted && assign.request.is_none()
    });
    let plane = &facts.control_plane;
    let before = |node: &&NodeName| *node != leader && is_before_leader(facts, plan, node);
    if goes && plane.contains(leader) && plane.iter().any(|node| before(&node)) {
        let breach = Breach::Forbidden(Forbidden::LeaderLast);
        note(violations, Promise::OwnersLimits, leader, breach);
    }
}

/// Whether a control-plane node goes before the leader's: it holds a slot, or wants its pool's target and could take it.
fn is_before_leader(facts: &Facts<'_>, plan: &Plan, name: &NodeName) -> bool {
    let (Some(node), Some((pool, policy))) = (facts.node(name), facts.pool_of(name)) else {
        return false;
    };
    if plan.ledger.next.holders.contains_key(name) {
        return policy.reuse_slots || assigns(plan).any(|assign| assign.node == *name);
    }
    let Some(target) = &pool.target else {
        return false;
    };
    let wants = node.desired.as_ref() != Some(target) && facts.assigned(node) != Some(target);
    // What waits for the gate, for a person's request or for a foreign hand to be undone is nobody's turn.
    let fit = node.is_ready()
        && node.taken_away.is_none()
        && node.request.is_none()
        && !node.package_mode
        && !node.cannot_apply.contains_key(target)
        && facts.assigned(node) == node.desired.as_ref();
    facts.is_open(pool) && wants && fit
}

/// Holders from which a kubelet part was withheld are given it before other package-mode nodes are taken.
fn judge_released(facts: &Facts<'_>, plan: &Plan, violations: &mut Violations) {
    let withholds =
        |config: Option<&ConfigName>| config.is_some_and(|config| facts.withholds(config));
    let mut released: BTreeMap<&str, &NodeName> = BTreeMap::new();
    for assign in assigns(plan).filter(|assign| assign.slot != Slot::Granted) {
        let gated = facts
            .pool_of(&assign.node)
            .is_some_and(|(_, policy)| policy.kubelet_gate.is_some());
        let holder = facts
            .node(&assign.node)
            .filter(|node| gated && node.package_mode);
        let before = holder.and_then(|node| node.desired.as_ref());
        if withholds(before) && !withholds(Some(&assign.config)) {
            released.entry(assign.pool.as_str()).or_insert(&assign.node);
        }
    }
    for assign in
        assigns(plan).filter(|assign| assign.slot == Slot::Granted && assign.request.is_none())
    {
        let package_mode = facts
            .node(&assign.node)
            .is_some_and(|node| node.package_mode);
        if let Some(holder) = released.get(assign.pool.as_str()).filter(|_| package_mode) {
            let breach = Breach::HoldersNotFirst((*holder).clone());
            note(violations, Promise::KubeletAndApi, &assign.node, breach);
        }
    }
}
