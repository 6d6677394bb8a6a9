//! `windlass explain node NAME`, `windlass explain pool NAME`: why is it not updated, and until when?
//!
//! # Guarantees
//! It only reads, and works on any cluster with MachineConfigPools: one that Windlass runs, the demo's, and one that the
//! reference runs. The answer is planned here and now, from what was just read, by the planner that the controller uses;
//! where the controller itself says otherwise, its words come first.
//!
//! | you look for | it is in |
//! | --- | --- |
//! | what is read | [`gather`] |
//! | how it becomes what the planner knows | [`known`] |
//! | what is repeated, because it cannot be asked from here | [`heard`] |
//! | the answers | [`mod@answer`], [`pool`] |
//! | what ends a hold | [`mod@until`] |
//! | what keeps pods on the node | [`blocks`] |
//! | what the next config does to the node | [`disturbs`] |
//! | the lines that are printed | [`text`] |

mod answer;
mod blocks;
mod disturbs;
mod gather;
mod heard;
mod known;
mod pool;
mod text;
mod until;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use kube::ResourceExt as _;
use rollout::names::{NodeName, PoolName};
use rollout::plan::Plan;

use crate::clock;
use crate::cluster::{Cluster, block_on};
use crate::output::{Output, print_json, print_text};
use answer::{Around, Explanation};
use known::{Known, Seen};
use pool::PoolExplanation;

/// Says why a node or a pool is not updated, and until when. Only reads.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    about: About,
    #[command(flatten)]
    cluster: Cluster,
    /// How to print it: text, or one JSON object
    #[arg(short, long, global = true, default_value_t, value_enum)]
    output: Output,
}

#[derive(clap::Subcommand, Debug)]
enum About {
    /// Why one node is not updated, and until when
    Node {
        /// The node
        name: String,
    },
    /// How far one pool is, and who waits in it
    Pool {
        /// The pool
        name: String,
    },
}

pub(crate) fn run(args: &Args) -> Result<()> {
    block_on(explain(args))
}

async fn explain(args: &Args) -> Result<()> {
    let config = args.cluster.config().await?;
    let now = clock::of_the_machine().now();
    match &args.about {
        About::Node { name } => {
            let seen = gather::gather(&config, Some(name)).await?;
            let explained = about_node(&seen, name, now)?;
            match args.output {
                Output::Json => print_json(&explained),
                Output::Text => print_text(&text::node(&explained)),
            }
        }
        About::Pool { name } => {
            let seen = gather::gather(&config, None).await?;
            let explained = about_pool(&seen, name, now)?;
            match args.output {
                Output::Json => print_json(&explained),
                Output::Text => print_text(&text::pool(&explained)),
            }
        }
    }
}

fn about_node(seen: &Seen, name: &str, now: Timestamp) -> Result<Explanation> {
    let node = seen
        .node(name)
        .with_context(|| format!("no Node is called {name}"))?;
    let blockers = blockers(seen, name, now);
    let known = known::fold(seen, now, Some((name, &blockers)));
    let plan = plan_now(seen, &known, now);
    let name = NodeName::from(name);
    let around = Around {
        told: seen.record(node).and_then(known::told),
        blockers: blockers.iter().map(ToString::to_string).collect(),
        draining: known::is_draining(node),
        disturbs: disturbs(seen, &known, &plan, &name),
    };
    let Known {
        snapshot,
        rules,
        notes,
        ..
    } = &known;
    answer::answer(snapshot, &plan, &name, around, *rules, notes.clone())
        .with_context(|| format!("Node {name} is not in the snapshot"))
}

fn about_pool(seen: &Seen, name: &str, now: Timestamp) -> Result<PoolExplanation> {
    let known = known::fold(seen, now, None);
    let plan = plan_now(seen, &known, now);
    let object = seen.pools.iter().find(|pool| pool.name_any() == name);
    let Known {
        snapshot,
        rules,
        notes,
        ..
    } = &known;
    pool::answer(
        snapshot,
        &plan,
        &PoolName::from(name),
        object,
        *rules,
        notes.clone(),
    )
    .with_context(|| {
        let names: Vec<String> = seen.pools.iter().map(kube::ResourceExt::name_any).collect();
        format!(
            "no MachineConfigPool is called {name}; there are: {}",
            names.join(", ")
        )
    })
}

fn plan_now(seen: &Seen, known: &Known, now: Timestamp) -> Plan {
    let mut plan = rollout::plan(&known.snapshot, &known.policy, now);
    if seen.instances.values().any(Option::is_none) {
        heard::repeat(&known.snapshot, &mut plan);
    }
    plan
}

/// What keeps the node's pods, under the rules of its pool.
fn blockers(seen: &Seen, name: &str, now: Timestamp) -> Vec<controller::drain::blocker::Blocker> {
    let pools = seen.pool_views();
    let policy = seen.policy(&pools);
    let labels = seen.node(name).map(|node| node.labels().clone());
    let place = rollout::membership::place(&pools, &labels.unwrap_or_default());
    let drain = match &place {
        rollout::membership::Place::In { primary, .. } => &policy.of(primary).drain,
        _ => &policy.defaults.drain,
    };
    blocks::blockers(seen, drain, now)
}

/// What the next config does to the node; nothing where it has none yet, or one of the two is not there.
fn disturbs(
    seen: &Seen,
    known: &Known,
    plan: &Plan,
    name: &NodeName,
) -> Option<disturbs::Disturbs> {
    let current = known.snapshot.nodes.get(name)?.current.clone()?;
    let next = answer::next_config(&known.snapshot, plan, name)?;
    let (old, new) = (seen.config(current.as_str())?, seen.config(next.as_str())?);
    let policy = seen.configuration.get().and_then(Option::as_ref);
    disturbs::between(old, new, policy).ok()
}
