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
mod sweep;

pub use inputs::is_rendered;

use crate::context::Context;
use crate::error::{ApiError, Backoff, Chain, Meaning};
use crate::events::{self, Tone};
use crate::metrics::OfReason;
use crate::rollout::host;
use crate::stores::Whole;
use api::MachineConfigPool;
use inputs::Refused;
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

/// What came of rendering a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its target is what it should be.
    Rendered {
        /// The target.
        config: String,
    },
    /// It has no new target; the condition says why.
    Refused {
        /// Stable identifier.
        reason: &'static str,
        /// For people.
        message: String,
    },
}

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

/// All that the outcome of rendering depends on.
#[derive(PartialEq, Eq)]
struct Inputs {
    selected: String,
    target: Option<String>,
    hosts: Vec<Vec<&'static str>>,
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
    let all_hosts = hosts(context, &pools);
    let (mut wake_at, mut failed) = (None, None);
    for pool in pools
        .iter()
        .filter(|pool| pool.metadata.deletion_timestamp.is_none())
    {
        let name = pool.name_any();
        let configs = context.stores.configs.all();
        let selected = inputs::selected(pool, configs.iter().map(|config| &config.0));
        let print = match &selected {
            Ok(selected) => inputs::print(selected),
            Err(refused) => refused.to_string(),
        };
        if let Rest::Until(at) = desk.quiet.look(&name, &print, &context.config.quiet, now) {
            wake_at = Some(wake_at.map_or(at, |earlier: Timestamp| earlier.min(at)));
            continue;
        }
        let nobody = [Capabilities::reference()];
        let hosts = all_hosts
            .get(&name)
            .map_or(nobody.as_slice(), Vec::as_slice);
        let target = context.stores.configs.get(&pool.spec.configuration.name);
        let target = target.as_deref().map(|whole| &whole.0);
        let key = Inputs {
            selected: print,
            target: target.map(ResourceExt::name_any),
            hosts: hosts.iter().map(Capabilities::names).collect(),
        };
        if desk
            .judged
            .get(&name)
            .is_none_or(|(known, _)| *known != key)
        {
            let judged =
                selected.and_then(|selected| inputs::judge(&name, &selected, target, hosts));
            desk.judged.insert(name.clone(), (key, judged));
        }
        let Some((_, judged)) = desk.judged.get(&name) else {
            continue;
        };
        if let Err(error) = conclude(context, pool, judged).await {
            failed = failed.or(Some(error));
        }
    }
    disruption::publish(context).await?;
    let old_at = sweep::sweep(context, now).await?;
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

/// What the hosts of each pool's nodes can apply, each set once.
fn hosts(
    context: &Context,
    pools: &[Arc<Whole<MachineConfigPool>>],
) -> BTreeMap<String, Vec<Capabilities>> {
    let views: BTreeMap<_, PoolView> = pools
        .iter()
        .map(|pool| PoolView::from_pool(pool))
        .map(|view| (view.name.clone(), view))
        .collect();
    let mut hosts: BTreeMap<String, Vec<Capabilities>> = BTreeMap::new();
    for kept in context.stores.nodes.all() {
        let Place::In { primary, .. } = place(&views, &kept.view.labels) else {
            continue;
        };
        let (host, known) = (host(context, &kept.node), hosts.entry(primary.to_string()));
        let known = known.or_default();
        if !known.contains(&host) {
            known.push(host);
        }
    }
    hosts
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
