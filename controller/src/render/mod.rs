//! Renders every pool: MachineConfigs in, one immutable rendered config and the pool's target out.
//!
//! # Guarantees
//! Inputs count once they have been left alone for a moment. What no node of the pool could apply becomes no
//! target; the guilty MachineConfig and its field are named. The same pass publishes the node disruption
//! policy and removes rendered configs that nothing names.
//! # Not here
//! Who gets the target, and when: see [`crate::rollout`].

pub mod compose;
pub mod convert;
mod disruption;
pub mod inputs;
pub mod prune;
pub mod publish;
pub mod quiet;
pub(crate) mod sweep;
pub mod verdict;

pub use inputs::is_rendered;
pub use verdict::Verdict;

use crate::context::Context;
use crate::error::{ApiError, Backoff, Chain, Meaning};
use crate::events::{self, Tone};
use crate::metrics::OfReason;
use crate::rollout::facts::host;
use crate::stores::Whole;
use api::{MachineConfig, MachineConfigPool};
use inputs::{Refused, Way};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use quiet::{Quiet, Rest};
use rendering::reconcile::Capabilities;
use rendering::render::Rendered;
use rollout::membership::{Place, place};
use rollout::snapshot::PoolView;
use std::collections::BTreeMap;
use std::sync::Arc;
use tracing::warn;

/// A full pass happens at least so often: what is to be removed grows old without any change.
const FULL_PASS: SignedDuration = SignedDuration::from_hours(1);

/// Renders until dropped.
pub async fn run(context: &Context) {
    let mut desk = Desk::default();
    let mut backoff = Backoff::default();
    loop {
        let now = context.clock.now();
        let wake_at = match pass(context, &mut desk, now).await {
            Ok(wake_at) => {
                backoff.reset();
                wake_at.unwrap_or(Timestamp::MAX).min(later(now, FULL_PASS))
            }
            Err(error) => {
                if error.meaning() != Meaning::Stale {
                    let reason = OfReason { reason: "render" };
                    context.metrics.failures.get_or_create(&reason).inc();
                    warn!(error = %Chain(&error), "rendering failed and is tried again");
                }
                later(
                    now,
                    SignedDuration::try_from(backoff.delay()).unwrap_or(FULL_PASS),
                )
            }
        };
        tokio::select! {
            biased;
            () = context.wakes.render.notified() => {}
            () = context.sleep_until(Some(wake_at)) => {}
        }
    }
}

/// What is remembered between passes; all of it only saves work.
#[derive(Default)]
struct Desk {
    quiet: Quiet,
    /// What came of a pool's inputs, for as long as they are the same.
    judged: BTreeMap<String, (Inputs, Result<Rendered, Refused>)>,
}

impl Desk {
    /// The names that pools were rendered to.
    fn targets(&self) -> impl Iterator<Item = String> {
        let judged = self.judged.values();
        judged.filter_map(|(_, judged)| Some(judged.as_ref().ok()?.config.name.clone()))
    }
}

/// All that the outcome of rendering depends on.
#[derive(PartialEq, Eq)]
struct Inputs {
    selected: String,
    ways: Vec<(Option<String>, Vec<&'static str>)>,
}

/// Looks at every pool; returns when to look again. One pool's failure keeps no other from its target.
async fn pass(
    context: &Context,
    desk: &mut Desk,
    now: Timestamp,
) -> Result<Option<Timestamp>, ApiError> {
    let pools = context.stores.pools.all();
    let is_pool = |name: &str| pools.iter().any(|pool| pool.name_any() == name);
    desk.quiet.keep(is_pool);
    desk.judged.retain(|name, _| is_pool(name));
    context
        .board
        .notes()
        .rendered
        .retain(|name, _| is_pool(name));
    let (all_hosts, reference) = (hosts(context, &pools), Capabilities::reference());
    let configs = context.stores.configs.all();
    let (mut wake_at, mut failed) = (None, None);
    for pool in pools
        .iter()
        .filter(|pool| pool.metadata.deletion_timestamp.is_none())
    {
        let name = pool.name_any();
        let selected = inputs::selected(pool, configs.iter().map(|config| &config.0));
        let print = match &selected {
            Ok(selected) => inputs::print(selected),
            Err(refused) => refused.to_string(),
        };
        if let Rest::Until(at) = desk.quiet.look(&name, &print, &context.config.quiet, now) {
            wake_at = Some(wake_at.map_or(at, |earlier: Timestamp| earlier.min(at)));
            continue;
        }
        let hosts = all_hosts.get(&name).map_or(&[] as &[_], Vec::as_slice);
        let ways = ways(&configs, pool, hosts, &reference);
        let way = |way: &Way<'_>| (way.from.map(ResourceExt::name_any), way.host.names());
        let key = Inputs {
            selected: print,
            ways: ways.iter().map(way).collect(),
        };
        if desk
            .judged
            .get(&name)
            .is_none_or(|(known, _)| *known != key)
        {
            let judged = selected.and_then(|selected| inputs::judge(&name, &selected, &ways));
            desk.judged.insert(name.clone(), (key, judged));
        }
        let Some((_, judged)) = desk.judged.get(&name) else {
            continue;
        };
        if let Err(error) = conclude(context, pool, judged).await {
            failed = failed.or(Some(error));
        }
    }
    if let Err(error) = disruption::publish(context).await {
        failed = failed.or(Some(error));
    }
    let old_at = sweep::sweep(context, desk.targets(), now).await?;
    let wake_at = wake_at.into_iter().chain(old_at).min();
    failed.map_or(Ok(wake_at), Err)
}

/// Makes the outcome so, and tells it on edges.
async fn conclude(
    context: &Context,
    pool: &MachineConfigPool,
    judged: &Result<Rendered, Refused>,
) -> Result<(), ApiError> {
    let verdict = match judged {
        Ok(Rendered {
            config,
            sources,
            warnings,
            size: _,
        }) => {
            if context.stores.configs.get(&config.name).is_none() {
                let object = convert::from_rendering(config.clone());
                if publish::create_rendered(context, pool, object).await? {
                    for warning in warnings {
                        let (about, said) = (events::about(pool), warning.to_string());
                        context
                            .events
                            .tell(&about, Tone::Warning, warning.reason(), &said);
                    }
                }
            }
            publish::point(context, pool, &config.name, sources).await?;
            Verdict::Rendered {
                config: config.name.clone(),
            }
        }
        Err(refused) => Verdict::Refused {
            reason: refused.reason(),
            message: refused.to_string(),
        },
    };
    let before = context
        .board
        .notes()
        .rendered
        .insert(pool.name_any(), verdict.clone());
    if before.as_ref() != Some(&verdict) {
        if let Verdict::Refused { reason, message } = &verdict {
            context
                .events
                .tell(&events::about(pool), Tone::Warning, reason, message);
        }
        context.wakes.status.notify_one();
        context.wakes.rollout.notify_one();
    }
    Ok(())
}

/// The ways on which the nodes of a pool may have to go: from its target, or, where it has none yet, each from what it
/// has. A config that is not there says nothing.
fn ways<'a>(
    configs: &'a [Arc<Whole<MachineConfig>>],
    pool: &MachineConfigPool,
    hosts: &'a [Host],
    reference: &'a Capabilities,
) -> Vec<Way<'a>> {
    let find = |name: &str| {
        let found = configs.iter().find(|config| config.name_any() == name);
        found.map(|config| &config.0)
    };
    let target = &pool.spec.configuration.name;
    if target.is_empty() {
        let way = |host: &'a Host| {
            let from = match &host.current {
                None => None,
                Some(current) => Some(find(current)?),
            };
            let host = &host.can;
            Some(Way { from, host })
        };
        return hosts.iter().filter_map(way).collect();
    }
    let Some(target) = find(target) else {
        return Vec::new();
    };
    let mut all: Vec<&Capabilities> = hosts.iter().map(|host| &host.can).collect();
    if all.is_empty() {
        all.push(reference);
    }
    let way = |host| Way {
        from: Some(target),
        host,
    };
    all.into_iter().map(way).collect()
}

/// A kind of node: what it has, and what its host can apply.
#[derive(PartialEq)]
struct Host {
    current: Option<String>,
    can: Capabilities,
}

/// The kinds of nodes that each pool has, each once.
fn hosts(
    context: &Context,
    pools: &[Arc<Whole<MachineConfigPool>>],
) -> BTreeMap<String, Vec<Host>> {
    let views: BTreeMap<_, PoolView> = pools
        .iter()
        .map(|pool| PoolView::from_pool(pool))
        .map(|view| (view.name.clone(), view))
        .collect();
    let mut hosts: BTreeMap<String, Vec<Host>> = BTreeMap::new();
    for kept in context.stores.nodes.all() {
        let Place::In { primary, .. } = place(&views, &kept.view.labels) else {
            continue;
        };
        // Where the pool has a target, that is what its nodes come from.
        let has_target = views
            .get(&primary)
            .is_some_and(|pool| pool.target.is_some());
        let current = kept.view.current.as_ref().filter(|_| !has_target);
        let host = Host {
            current: current.map(ToString::to_string),
            can: host(context, &kept.node),
        };
        let known = hosts.entry(primary.to_string()).or_default();
        if !known.contains(&host) {
            known.push(host);
        }
    }
    hosts
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
