//! A pool in one round: its nodes, its budget, and what holds all of it.

use crate::budget::{self, InvalidBudget};
use crate::hold::{Hold, Names, shown};
use crate::membership::Membership;
use crate::names::{ConfigName, Intent};
use crate::policy::{Policy, PoolPolicy, PoolRule, approves};
use crate::snapshot::{ConfigView, NodeView, PoolView, Snapshot};
use std::collections::BTreeMap;

/// A pool, with all that does not change while a round goes on.
pub(super) struct Pool<'a> {
    pub(super) view: &'a PoolView,
    pub(super) policy: &'a PoolPolicy,
    /// Its nodes, in the order of names.
    pub(super) members: Vec<&'a NodeView>,
    /// How many may be unavailable.
    pub(super) max: Result<i64, InvalidBudget>,
    /// What keeps every node of it as it is; holders finish their step and are let go all the same.
    pub(super) hold: Option<Hold>,
}

impl<'a> Pool<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        policy: &'a Policy,
        membership: &Membership,
        view: &'a PoolView,
    ) -> Self {
        let names = membership
            .members
            .get(&view.name)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let members: Vec<&NodeView> = names
            .iter()
            .filter_map(|name| snapshot.nodes.get(name))
            .collect();
        let settings = policy.of(&view.name);
        let max = budget::max_unavailable(view, members.len(), settings);
        let rule = policy.pools.get(&view.name);
        let mut pool = Self {
            view,
            policy: settings,
            members,
            max,
            hold: None,
        };
        pool.hold = pool
            .broken(rule)
            .or_else(|| Self::unread(snapshot))
            .or_else(|| pool.not_allowed(&snapshot.configs));
        pool
    }

    /// How many slots there are; none where the budget is zero, negative or unreadable.
    pub(super) fn slots(&self) -> usize {
        self.max
            .as_ref()
            .ok()
            .and_then(|max| usize::try_from(*max).ok())
            .unwrap_or(0)
    }

    /// The target; where there is none, [`Pool::hold`] says so.
    pub(super) fn target(&self) -> Option<&'a ConfigName> {
        self.view.target.as_ref()
    }

    /// What makes it impossible to know what to do.
    fn broken(&self, rule: Option<&PoolRule>) -> Option<Hold> {
        if self.view.deleting {
            return Some(Hold::PoolDeleted);
        }
        match rule {
            Some(PoolRule::Conflict(policies)) => {
                return Some(Hold::ConflictingPolicies(Names::of(policies)));
            }
            Some(PoolRule::Invalid(invalid)) => {
                return Some(Hold::InvalidPolicy {
                    policy: invalid.policy.clone(),
                    error: shown(&format!("{}: {}", invalid.field, invalid.error).into()),
                });
            }
            Some(PoolRule::One(_)) | None => {}
        }
        if self.view.target.is_none() {
            let degraded = self.view.condition(api::conditions::pool::RENDER_DEGRADED);
            let degraded = degraded.is_some_and(crate::snapshot::PoolCondition::is_true);
            return Some(if degraded {
                Hold::RenderDegraded
            } else {
                Hold::NoTarget
            });
        }
        let invalid = self.max.as_ref().err()?;
        Some(Hold::InvalidBudget {
            value: shown(&invalid.0),
        })
    }

    /// Without the ledger nothing is granted; the round that finds it missing only writes it anew.
    fn unread(snapshot: &Snapshot) -> Option<Hold> {
        snapshot.ledger.is_none().then_some(Hold::LedgerUnread)
    }

    /// What the owner has not allowed.
    fn not_allowed(&self, configs: &BTreeMap<ConfigName, ConfigView>) -> Option<Hold> {
        let target = self.target()?;
        if self.view.paused {
            let paused = self.view.condition(api::conditions::pool::PAUSED);
            let since = paused
                .filter(|paused| paused.is_true())
                .and_then(|paused| paused.since);
            let pending = self
                .members
                .iter()
                .filter(|node| node.desired.as_ref() != Some(target));
            return Some(Hold::Paused {
                since,
                pending: pending.count(),
            });
        }
        if self.policy.first_approval && !self.is_approved(target) {
            let living = self.members.iter().filter(|node| node.ever_ready()).count();
            return (living > 0).then(|| Hold::AwaitingFirstApproval {
                config: target.clone(),
                nodes: living,
                slots: self.slots(),
                each: configs.get(target).and_then(|config| config.at_first),
                approved: self
                    .view
                    .approved_first
                    .as_ref()
                    .map(|other| shown(&other.as_str().into())),
            });
        }
        None
    }

    /// Whether the pool's first rendered config was ever let go: one of its nodes was given a config of this pool by
    /// us, and not because a person asked for that node; or the annotation names this config; or an approved pool was
    /// complete once, whatever its nodes are now.
    fn is_approved(&self, target: &ConfigName) -> bool {
        let view = self.view;
        let approved = view.approved_first.as_ref();
        let given = |node: &&NodeView| {
            node.intent > Intent::NONE
                && !node.on_request
                && node
                    .desired
                    .as_ref()
                    .is_some_and(|config| is_of_pool(config, view))
        };
        approves(approved, target)
            || (approved.is_some() && view.reached.is_some())
            || self.members.iter().any(given)
    }

    /// Whether the owner lets a stopped rollout go on with this config, or with the target that it is a part of.
    pub(super) fn approves_failures_of(&self, config: &ConfigName) -> bool {
        let approval = self.view.approved_config.as_ref();
        approves(approval, config)
            || self
                .target()
                .is_some_and(|target| approves(approval, target))
    }
}

/// Whether a rendered config is one of this pool, by its name: `rendered-<pool>-<hash>`, and a hash has no dash.
fn is_of_pool(config: &ConfigName, pool: &PoolView) -> bool {
    let rest = config
        .as_str()
        .strip_prefix(api::names::object::RENDERED_PREFIX);
    rest.and_then(|rest| rest.rsplit_once('-'))
        .is_some_and(|(name, _hash)| pool.name == name)
}
