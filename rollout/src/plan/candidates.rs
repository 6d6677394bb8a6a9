//! Who is taken next: the nodes without a slot, judged one by one, and as many of them as may go.

use super::gate::Wanted;
use super::holders::assigned;
use super::order::rank;
use super::pool::Pool;
use super::round::Round;
use super::step::{PoolReport, Slot};
use super::trial::Class;
use crate::budget;
use crate::hold::{Hold, Names, Phase, shown};
use crate::names::{ConfigName, NodeName, PoolName};
use crate::snapshot::{NodeState, NodeView};
use std::collections::{BTreeMap, BTreeSet};

/// A node that wants another config and could take it.
struct Candidate<'a> {
    node: &'a NodeView,
    config: ConfigName,
}

/// Judges every node that has no answer yet, and takes as many as may go.
pub(super) fn take(round: &mut Round<'_>) {
    let names: Vec<PoolName> = round.pools.keys().map(|name| (*name).clone()).collect();
    let mut all: BTreeMap<PoolName, Vec<Candidate<'_>>> = BTreeMap::new();
    for node in round.outside() {
        if !round.answers.contains_key(&node)
            && let Err(hold) = round.pool_of(&node)
        {
            round.hold(&node, hold);
        }
    }
    for name in &names {
        let candidates = judge_pool(round, name);
        all.insert(name.clone(), candidates);
    }
    let before = before_leader(round, &all);
    for name in &names {
        take_from(round, name, all.remove(name).unwrap_or_default(), &before);
    }
}

/// Whether a node's assignment is this config. One with a desired image is on its way out of layering, and is not.
fn targets(node: &NodeView, config: &ConfigName) -> bool {
    node.desired.as_ref() == Some(config) && node.desired_image.is_none()
}

/// Answers for the nodes of a pool that cannot be taken, and returns those that can.
fn judge_pool<'a>(round: &mut Round<'a>, name: &PoolName) -> Vec<Candidate<'a>> {
    let Some(pool) = round.pools.get(name) else {
        return Vec::new();
    };
    let members = pool.members.clone();
    let reuse = pool.policy.reuse_slots;
    let mut candidates = Vec::new();
    for node in members {
        let answer = round.answers.get(&node.name);
        let answered = answer.is_some();
        let moved = answer.is_some_and(|answer| answer.hold().is_none());
        if moved || (reuse && (answered || round.holdings.contains_key(&node.name))) {
            continue;
        }
        match judge(round, node, name) {
            Ok(config) => candidates.push(Candidate { node, config }),
            Err(_) if answered => {}
            Err(Judged::PutBack(config)) => round.put_back(node, &config),
            Err(Judged::Hold(hold)) => round.hold(&node.name, *hold),
        }
    }
    candidates
}

/// Why a node is no candidate.
enum Judged {
    PutBack(ConfigName),
    Hold(Box<Hold>),
}

impl From<Hold> for Judged {
    fn from(hold: Hold) -> Self {
        Self::Hold(Box::new(hold))
    }
}

/// The config that a node without a slot wants and could take.
fn judge(round: &mut Round<'_>, node: &NodeView, name: &PoolName) -> Result<ConfigName, Judged> {
    let pool = round.pools.get(name).ok_or(Hold::NoPool)?;
    let assigned = assigned(node, None);
    if let Some(config) = assigned.filter(|config| node.desired.as_ref() != Some(*config))
        && node.taken_away.is_none()
        && !pool.view.deleting
    {
        return Err(Judged::PutBack(config.clone()));
    }
    if let Some(target) = pool.target().filter(|target| targets(node, target)) {
        let hold = at_target(node, target);
        let gate = pool.policy.kubelet_gate.as_ref();
        if let Some(ahead) = round.gate.has_gone_ahead(node, gate) {
            let report = round.reports.entry(name.clone()).or_default();
            report.ahead.insert(node.name.clone(), ahead);
        }
        return Err(hold.into());
    }
    // What the pool's owner has not allowed is the answer before what the node or the cluster lacks.
    let instead_of = |hold: Hold| pool.hold.clone().unwrap_or(hold);
    let Some(target) = pool.target() else {
        return Err(instead_of(Hold::NoTarget).into());
    };
    if let Some(by) = node.taken_away {
        return Err(Hold::TakenAway(by).into());
    }
    let gate = pool.policy.kubelet_gate.as_ref();
    let config = match round.gate.wanted(node, assigned, target, gate) {
        Wanted::Config {
            config,
            withheld: Some(withheld),
        } if targets(node, &config) => {
            return Err(instead_of(Hold::KubeletWithheld(withheld)).into());
        }
        Wanted::Config { config, .. } => config,
        Wanted::Nothing(hold) => return Err(instead_of(hold).into()),
        Wanted::Compose(compose) => {
            let hold = instead_of(Hold::AwaitingComposition {
                target: compose.rest_of.clone(),
            });
            if pool.hold.is_none() {
                round.compositions.insert(compose);
            }
            return Err(hold.into());
        }
    };
    if node.is_ready() {
        return Ok(config);
    }
    let hold = if !node.ever_ready() {
        Hold::NeverReady
    } else if node.conditions_ready() {
        Hold::Cordoned
    } else {
        Hold::NotReady
    };
    Err(instead_of(hold).into())
}

/// The answer of a node without a slot that was assigned the target.
fn at_target(node: &NodeView, target: &ConfigName) -> Hold {
    if node.is_done() {
        return Hold::UpToDate;
    }
    if node.says_failed() {
        return Hold::Failed {
            config: target.clone(),
            reason: shown(&node.reason),
        };
    }
    let working = node.state == Some(NodeState::Working);
    let phase = if working {
        Phase::Working
    } else {
        Phase::Assigned
    };
    Hold::InFlight {
        config: target.clone(),
        phase,
    }
}

/// The control-plane nodes that go before the one that the controller runs on.
fn before_leader(
    round: &Round<'_>,
    all: &BTreeMap<PoolName, Vec<Candidate<'_>>>,
) -> BTreeSet<NodeName> {
    let Some(leader) = &round.snapshot.leader_node else {
        return BTreeSet::new();
    };
    let open = all.iter().filter(|(pool, _)| {
        round
            .pools
            .get(*pool)
            .is_some_and(|pool| pool.hold.is_none())
    });
    let others = open.flat_map(|(_, candidates)| candidates);
    let mut before: BTreeSet<NodeName> = others
        .filter(|candidate| candidate.node.is_control_plane())
        .map(|candidate| candidate.node.name.clone())
        .filter(|name| name != leader)
        .collect();
    let on_their_way = round.holdings.iter().filter(|(name, holding)| {
        let reuses = round
            .pools
            .get(&holding.holder.pool)
            .is_some_and(|p| p.policy.reuse_slots);
        let plane = round
            .snapshot
            .nodes
            .get(*name)
            .is_some_and(NodeView::is_control_plane);
        reuses && plane && *name != leader
    });
    before.extend(on_their_way.map(|(name, _)| name.clone()));
    before
}

/// What a pool has left, once for all its candidates.
struct Left {
    report: PoolReport,
    slots: usize,
    /// Who takes the slots.
    taken: Vec<NodeName>,
    /// Candidates that are counted as unavailable themselves.
    away: BTreeSet<NodeName>,
    /// How many nodes hold a slot or are not Ready: those that are there no more, whatever their daemons say.
    gone: usize,
}

fn left(round: &Round<'_>, name: &PoolName, pool: &Pool<'_>, candidates: &[Candidate<'_>]) -> Left {
    let reuse = pool.policy.reuse_slots;
    let mut used: BTreeSet<&NodeName> = pool
        .members
        .iter()
        .filter(|node| budget::is_unavailable(node, pool.policy))
        .map(|node| &node.name)
        .collect();
    let holders = round
        .holdings
        .iter()
        .filter(|(_, holding)| holding.holder.pool == *name);
    used.extend(
        holders
            .map(|(node, _)| node)
            .filter(|node| reuse || round.is_assigned(node)),
    );
    // The reference counts a node that failed on the target beside the unavailable, also one that is counted with those.
    let failing = pool.members.iter().filter(|node| {
        let at_target = pool.target().is_some_and(|target| targets(node, target));
        !reuse && at_target && node.is_failing()
    });
    let failing: Vec<&NodeName> = failing.map(|node| &node.name).collect();
    let slots = pool.slots();
    let capacity = slots
        .saturating_sub(used.len())
        .saturating_sub(failing.len());
    let shown = if capacity == 0 { &[] } else { candidates };
    let report = PoolReport {
        members: pool.members.iter().map(|node| node.name.clone()).collect(),
        max_unavailable: pool.max.as_ref().ok().copied(),
        unavailable: used.iter().copied().cloned().collect(),
        candidates: shown
            .iter()
            .map(|candidate| candidate.node.name.clone())
            .collect(),
        capacity,
        ..PoolReport::default()
    };
    let taken: BTreeSet<&NodeName> = used.iter().chain(&failing).copied().collect();
    let taken = taken.into_iter().cloned().collect();
    let away = candidates.iter().map(|candidate| &candidate.node.name);
    let away = away
        .filter(|name| reuse && used.contains(name))
        .cloned()
        .collect();
    let is_gone = |name: &&&NodeName| {
        let node = round.snapshot.nodes.get(**name);
        round.holdings.contains_key(**name) || node.is_none_or(|node| !node.is_ready())
    };
    let gone = used.iter().filter(is_gone).count();
    Left {
        report,
        slots,
        taken,
        away,
        gone,
    }
}

/// Takes as many candidates of a pool as may go, in order; the others are told why they wait.
fn take_from<'a>(
    round: &mut Round<'a>,
    name: &PoolName,
    mut candidates: Vec<Candidate<'a>>,
    before_leader: &BTreeSet<NodeName>,
) {
    let Some(pool) = round.pools.get(name) else {
        return;
    };
    let mut left = left(round, name, pool, &candidates);
    let pool_hold = pool.hold.clone();
    let mut report = std::mem::take(&mut left.report);
    let deferred = defer_leader(round, &mut candidates, before_leader, pool_hold.as_ref());
    report.deferred = deferred.filter(|_| report.capacity > 0);
    let enough = report.capacity == 0 || report.capacity >= candidates.len();
    report.ordered = pool_hold.is_none() && !enough;
    candidates.sort_by_cached_key(|candidate| {
        (
            !left.away.contains(&candidate.node.name),
            rank(candidate.node),
        )
    });
    match pool_hold {
        Some(hold) => {
            for candidate in candidates {
                round.hold(&candidate.node.name, hold.clone());
            }
        }
        None => grant(round, name, candidates, &report, &left),
    }
    let known = round.reports.entry(name.clone()).or_default();
    report.ahead = std::mem::take(&mut known.ahead);
    *known = report;
}

/// Leaves the node out that the controller runs on, while others of the control plane go before it.
fn defer_leader(
    round: &mut Round<'_>,
    candidates: &mut Vec<Candidate<'_>>,
    before: &BTreeSet<NodeName>,
    pool_hold: Option<&Hold>,
) -> Option<NodeName> {
    let leader = round.snapshot.leader_node.clone()?;
    let is_leader = |candidate: &Candidate<'_>| {
        candidate.node.name == leader && candidate.node.is_control_plane()
    };
    let at = candidates.iter().position(is_leader)?;
    if before.is_empty() {
        return None;
    }
    candidates.remove(at);
    let last = || Hold::LeaderLast {
        before: Names::of(before),
    };
    round.hold(&leader, pool_hold.cloned().unwrap_or_else(last));
    Some(leader)
}

/// Grants slots to candidates in their order, as long as there are any.
///
/// A candidate may use the budget up itself: it is Ready, but its daemon says that it is not well, where nothing is
/// assigned. It would stand in its own way for ever; so it goes as long as no more than the budget are really gone.
fn grant(
    round: &mut Round<'_>,
    name: &PoolName,
    candidates: Vec<Candidate<'_>>,
    report: &PoolReport,
    left: &Left,
) {
    let (mut capacity, mut gone) = (report.capacity, left.gone);
    let mut taken = left.taken.clone();
    let mut without_slot = Vec::new();
    let released = round
        .released
        .get(name)
        .map(Names::of)
        .map(Hold::AfterSlotHolders);
    for Candidate { node, config } in candidates {
        let refused = refusal(round, name, node, &config)
            .or_else(|| released.clone().filter(|_| node.package_mode))
            .or_else(|| (left.slots == 0).then_some(Hold::BudgetZero));
        if let Some(hold) = refused {
            round.hold(&node.name, hold);
            continue;
        }
        let counted = left.away.contains(&node.name);
        let goes = if counted {
            gone < left.slots
        } else {
            capacity > 0
        };
        if !goes {
            without_slot.push(&node.name);
            continue;
        }
        gone += 1;
        if !counted {
            capacity -= 1;
            taken.push(node.name.clone());
        }
        give(round, name, node, &config);
    }
    let no_slot = Hold::NoFreeSlot {
        max: left.slots,
        taken: Names::of(taken),
    };
    for node in without_slot {
        round.hold(node, no_slot.clone());
    }
}

/// Takes a slot for a node that has none.
fn give(round: &mut Round<'_>, pool: &PoolName, node: &NodeView, config: &ConfigName) {
    let held = round
        .holdings
        .get(&node.name)
        .map(|holding| holding.holder.intent);
    let intent = node.intent.max(held.unwrap_or_default()).next();
    round.assign(node, pool, (config, intent), Slot::Granted);
}

/// Why the rollout or the control plane does not let a candidate go.
fn refusal(
    round: &Round<'_>,
    pool_name: &PoolName,
    node: &NodeView,
    config: &ConfigName,
) -> Option<Hold> {
    let pool = round.pools.get(pool_name)?;
    let class = Class::of(config, round.snapshot);
    let trials = round.trials.get(pool_name)?;
    trials
        .stopped(&class, config, pool)
        .or_else(|| trials.alone(&class, (config, &node.name), pool.policy))
        .or_else(|| {
            node.is_control_plane()
                .then(|| round.plane.refuses(&node.name))
                .flatten()
        })
        .or_else(|| round.ledger_is_full().then_some(Hold::LedgerFull))
}
