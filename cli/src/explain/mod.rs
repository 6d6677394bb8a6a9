//! `windlass explain node NAME`, `windlass explain pool NAME`: why is it not updated, and until when?
//!
//! # Guarantees
//! It only reads, and works on any cluster with MachineConfigPools: one that Windlass runs, the demo's, and one that the
//! reference runs. The answer is planned here and now, from what was just read, by the planner that the controller uses;
//! where the controller itself says otherwise, its words come first. From an archive it repeats what was answered then, for
//! what is packed lacks the secrets that the configs' names were made of.
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
pub(crate) mod gather;
mod heard;
pub(crate) mod known;
mod pool;
mod text;
mod until;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use controller::drain::blocker::Blocker;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt as _;
use rollout::names::{ConfigName, NodeName, PoolName};
use rollout::plan::Plan;

use crate::clock;
use crate::cluster::{Cluster, block_on};
use crate::gather::archive::{Decided, Told, told};
use crate::output::{Output, print_json, print_text};
use answer::{Around, Explanation};
use known::{Known, Seen};
use pool::PoolExplanation;

/// Says why a node or a pool is not updated, and until when. Only reads.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    about: About,
    /// An archive of `windlass gather`: says what was the answer when it was made
    #[arg(long, global = true, value_name = "ARCHIVE", conflicts_with_all = ["kubeconfig", "context"])]
    from: Option<PathBuf>,
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
    match &args.from {
        Some(archive) => repeat(args, archive),
        None => block_on(explain(args)),
    }
}

async fn explain(args: &Args) -> Result<()> {
    let config = args.cluster.config().await?;
    let now = clock::of_the_machine().now();
    match &args.about {
        About::Node { name } => {
            let seen = gather::gather(&config, gather::About::Node(name)).await?;
            let explained = about_node(&seen, name, now)?;
            match args.output {
                Output::Json => print_json(&explained),
                Output::Text => print_text(&text::node(&explained)),
            }
        }
        About::Pool { name } => {
            let seen = gather::gather(&config, gather::About::Pools).await?;
            let explained = about_pool(&seen, name, now)?;
            match args.output {
                Output::Json => print_json(&explained),
                Output::Text => print_text(&text::pool(&explained)),
            }
        }
    }
}

/// What was answered when the archive was made.
fn repeat(args: &Args, archive: &Path) -> Result<()> {
    let (of, name) = match &args.about {
        About::Node { name } => (Decided::Nodes, name),
        About::Pool { name } => (Decided::Pools, name),
    };
    let told = told(archive, of, name, args.output)?;
    eprintln!("windlass: as it was at {}", told.at);
    print_text(&told.words)
}

/// The answers about all pools and nodes, in both forms.
pub(crate) fn everything(seen: &Seen, now: Timestamp) -> Result<Vec<Told>> {
    let known = known::fold(seen, now, None);
    let plan = plan_now(seen, &known, now);
    let mut judged = Judged::new();
    let mut all = Vec::new();
    for node in &seen.nodes {
        let name = node.name_any();
        // The drain that is under way is part of its own node's plan alone.
        let explained = if known::is_draining(node) {
            about_node(seen, &name, now)?
        } else {
            let blockers = blockers(seen, &name, now);
            words(seen, (&known, &plan), node, &blockers, &mut judged)?
        };
        let text = text::node(&explained);
        all.push(Told::of(Decided::Nodes, &name, text, &explained)?);
    }
    for pool in &seen.pools {
        let name = pool.name_any();
        let explained = about_pool(seen, &name, now)?;
        let text = text::pool(&explained);
        all.push(Told::of(Decided::Pools, &name, text, &explained)?);
    }
    Ok(all)
}

fn about_node(seen: &Seen, name: &str, now: Timestamp) -> Result<Explanation> {
    let node = seen
        .node(name)
        .with_context(|| format!("no Node is called {name}"))?;
    let blockers = blockers(seen, name, now);
    let known = known::fold(seen, now, Some((name, &blockers)));
    let plan = plan_now(seen, &known, now);
    words(seen, (&known, &plan), node, &blockers, &mut Judged::new())
}

/// What a change from one config to another does, judged once.
type Judged = BTreeMap<(ConfigName, ConfigName), Option<disturbs::Disturbs>>;

fn words(
    seen: &Seen,
    (known, plan): (&Known, &Plan),
    node: &Node,
    blockers: &[Blocker],
    judged: &mut Judged,
) -> Result<Explanation> {
    let name = NodeName::from(node.name_any());
    let around = Around {
        told: seen.record(node).and_then(known::told),
        blockers: blockers.iter().map(ToString::to_string).collect(),
        draining: known::is_draining(node),
        disturbs: disturbs(seen, (known, plan), &name, judged),
    };
    let Known {
        snapshot,
        rules,
        notes,
        ..
    } = known;
    answer::answer(snapshot, plan, &name, around, *rules, notes.clone())
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
fn blockers(seen: &Seen, name: &str, now: Timestamp) -> Vec<Blocker> {
    let pools = seen.pool_views();
    let policy = seen.policy(&pools);
    let labels = seen.node(name).map(|node| node.labels().clone());
    let place = rollout::membership::place(&pools, &labels.unwrap_or_default());
    let drain = match &place {
        rollout::membership::Place::In { primary, .. } => &policy.of(primary).drain,
        _ => &policy.defaults.drain,
    };
    blocks::blockers(seen, name, drain, now)
}

/// What the next config does to the node; nothing where it has none yet, or one of the two is not there.
fn disturbs(
    seen: &Seen,
    (known, plan): (&Known, &Plan),
    name: &NodeName,
    judged: &mut Judged,
) -> Option<disturbs::Disturbs> {
    let current = known.snapshot.nodes.get(name)?.current.clone()?;
    let next = answer::next_config(&known.snapshot, plan, name)?;
    let way = (current, next);
    if let Some(known) = judged.get(&way) {
        return known.clone();
    }
    let policy = seen.configuration.get().and_then(Option::as_ref);
    let answer = seen.config(way.0.as_str()).and_then(|old| {
        let new = seen.config(way.1.as_str())?;
        disturbs::between(old, new, policy).ok()
    });
    judged.insert(way, answer.clone());
    answer
}
