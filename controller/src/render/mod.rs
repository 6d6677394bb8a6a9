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
    let mut quiet = Quiet::default();
    let mut backoff = Backoff::default();
    loop {
        let now = context.clock.now();
        let wake_at = match pass(context, &mut quiet, now).await {
            Ok(wake_at) => {
                backoff.reset();
                wake_at.unwrap_or(Timestamp::MAX).min(later(now, FULL_PASS))
            }
            Err(error) => {
                if error.meaning() != Meaning::Stale {
                    context
                        .metrics
                        .failures
                        .get_or_create(&OfReason { reason: "render" })
                        .inc();
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

/// Looks at every pool; returns when to look again. One pool's failure keeps no other from its target.
async fn pass(
    context: &Context,
    quiet: &mut Quiet,
    now: Timestamp,
) -> Result<Option<Timestamp>, ApiError> {
    let pools = context.stores.pools.all();
    let configs = context.stores.configs.all();
    quiet.keep(|name| pools.iter().any(|pool| pool.name_any() == name));
    let (mut wake_at, mut failed) = (None, None);
    for pool in &pools {
        if pool.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let name = pool.name_any();
        let refused = match inputs::selected(pool, configs.iter().map(|config| &config.0)) {
            Err(refused) => Err(refused),
            Ok(selected) => {
                let print = inputs::print(&selected);
                if let Rest::Until(at) = quiet.look(&name, &print, &context.config.quiet, now) {
                    wake_at = Some(wake_at.map_or(at, |earlier: Timestamp| earlier.min(at)));
                    continue;
                }
                let target = context.stores.configs.get(&pool.spec.configuration.name);
                let hosts = hosts(context, pool, &pools);
                inputs::judge(
                    &name,
                    &selected,
                    target.as_deref().map(|whole| &whole.0),
                    &hosts,
                )
            }
        };
        if let Err(error) = conclude(context, pool, refused).await {
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
    judged: Result<Rendered, Refused>,
) -> Result<(), ApiError> {
    let verdict = match judged {
        Ok(Rendered {
            config,
            sources,
            warnings,
            size: _,
        }) => {
            let name = config.name.clone();
            if context.stores.configs.get(&name).is_none() {
                let object = convert::from_rendering(config);
                if publish::create_rendered(context, pool, object).await? {
                    for warning in warnings {
                        let about = events::about(pool);
                        context.events.tell(
                            &about,
                            Tone::Warning,
                            warning.reason(),
                            &warning.to_string(),
                        );
                    }
                }
            }
            publish::point(context, pool, &name, &sources).await?;
            Verdict::Rendered { config: name }
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

/// What the hosts of a pool's nodes can apply, each set once; what the reference's can where there is no node.
fn hosts(
    context: &Context,
    pool: &MachineConfigPool,
    pools: &[Arc<Whole<MachineConfigPool>>],
) -> Vec<Capabilities> {
    let views: BTreeMap<_, PoolView> = pools
        .iter()
        .map(|pool| PoolView::from_pool(pool))
        .map(|view| (view.name.clone(), view))
        .collect();
    let name = pool.name_any();
    let mut hosts = Vec::new();
    for kept in context.stores.nodes.all() {
        let here = matches!(place(&views, kept.node.labels()), Place::In { primary, .. } if primary == name.as_str());
        let host = here.then(|| host(context, &kept.node));
        if let Some(host) = host.filter(|host| !hosts.contains(host)) {
            hosts.push(host);
        }
    }
    if hosts.is_empty() {
        hosts.push(Capabilities::reference());
    }
    hosts
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
