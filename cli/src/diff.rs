//! `windlass diff OLD NEW`: what changes between two configs, and what that disturbs on a node.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use api::MachineConfiguration;
use rendering::changes::Changes;
use rendering::configuration::Configuration;
use rendering::disruption::{self, Disruption, Policy};
use rendering::reconcile::{Capabilities, reconcilable};
use rendering::spec::MachineConfig;
use serde_json::{Value, json};

use crate::output::{Output, print_json, print_text};
use crate::rendered::{Inputs, is_rendered, render_pool};

/// Shows what changes between two configs, and what it disturbs.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The config before: a file with one MachineConfig, or a folder that is rendered
    old: PathBuf,
    /// The config after
    new: PathBuf,
    /// Only this pool, where folders are compared
    #[arg(long)]
    pool: Option<String>,
    /// File with the MachineConfiguration whose disruption policy judges; else one among NEW's manifests, else the
    /// built-in table
    #[arg(long)]
    policy: Option<PathBuf>,
    /// How to print it: text, or one JSON object
    #[arg(short, long, default_value_t, value_enum)]
    output: Output,
}

/// One config of a side, under the name that it is compared by.
struct Side {
    pool: Option<String>,
    config: Configuration,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let old = Inputs::load(&args.old)?;
    let new = Inputs::load(&args.new)?;
    let policy = policy(args, &new)?;
    let olds = sides(&old, args.pool.as_deref(), &args.old)?;
    let news = sides(&new, args.pool.as_deref(), &args.new)?;
    let mut compared = Vec::new();
    for new in &news {
        let old = olds
            .iter()
            .find(|old| old.pool == new.pool || olds.len() == 1 && news.len() == 1);
        compared.push(compare(old, new, &policy)?);
    }
    let gone: BTreeSet<&str> = olds
        .iter()
        .filter(|old| news.len() > 1 && !news.iter().any(|new| new.pool == old.pool))
        .filter_map(|old| old.pool.as_deref())
        .collect();
    match args.output {
        Output::Json => {
            let pools: Vec<Value> = compared.iter().map(Compared::json).collect();
            print_json(&json!({ "pools": pools, "poolsGone": gone }))
        }
        Output::Text => {
            let mut text: String = compared.iter().map(Compared::text).collect();
            for pool in gone {
                text.push_str(&format!(
                    "pool {pool}: gone; its nodes are left as they are\n"
                ));
            }
            print_text(&text)
        }
    }
}

fn policy(args: &Args, new: &Inputs) -> Result<Policy> {
    let given = match &args.policy {
        Some(path) => Inputs::load(path)?.policy.map_or_else(
            || bail!("no MachineConfiguration lies in {}", path.display()),
            |policy| Ok(Some(policy)),
        )?,
        None => new.policy.clone(),
    };
    given
        .as_ref()
        .map_or_else(|| Ok(Policy::built_in()), merged)
}

fn merged(configuration: &MachineConfiguration) -> Result<Policy> {
    let owner = configuration.spec.node_disruption_policy.clone();
    Policy::cluster(&owner.unwrap_or_default())
        .context("reading spec.nodeDisruptionPolicy of MachineConfiguration cluster")
}

/// A file with one MachineConfig is itself; anything else is rendered by pool.
fn sides(inputs: &Inputs, pool: Option<&str>, path: &Path) -> Result<Vec<Side>> {
    if let [only] = inputs.machine_configs.as_slice()
        && inputs.pools.is_empty()
        && (is_rendered(only) || path.is_file())
    {
        return Ok(vec![Side {
            pool: None,
            config: Configuration::read_source(&MachineConfig::from(only))?,
        }]);
    }
    let mut sides = Vec::new();
    for (name, configs) in inputs.by_pool(pool)? {
        let rendered = render_pool(&name, &configs)?;
        sides.push(Side {
            pool: Some(name),
            config: Configuration::read(&rendered.config)?,
        });
    }
    if sides.is_empty() {
        bail!("nothing to compare lies in {}", path.display());
    }
    Ok(sides)
}

/// What came out of one comparison.
struct Compared {
    pool: Option<String>,
    old: Option<String>,
    new: String,
    changes: Changes,
    disruption: Disruption,
    refused: Option<String>,
}

fn compare(old: Option<&Side>, new: &Side, policy: &Policy) -> Result<Compared> {
    let before = old.map(|side| &side.config);
    let changes = Changes::between(before, &new.config);
    let disruption = disruption::judge(before, &new.config, &changes, policy)?;
    let refused = reconcilable(before, &new.config, &Capabilities::reference())
        .err()
        .map(|refusal| refusal.to_string());
    Ok(Compared {
        pool: new.pool.clone(),
        old: before.map(|config| config.name.clone()),
        new: new.config.name.clone(),
        changes,
        disruption,
        refused,
    })
}

impl Compared {
    fn json(&self) -> Value {
        json!({
            "pool": self.pool,
            "old": self.old,
            "new": self.new,
            "changes": self.changes,
            "disruption": self.disruption,
            "drain": self.disruption.needs_drain(),
            "reboot": self.disruption.reboots(),
            "refused": self.refused,
        })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(pool) = &self.pool {
            text.push_str(&format!("pool {pool}\n"));
        }
        text.push_str(&format!(
            "  from  {}\n  to    {}\n",
            self.old.as_deref().unwrap_or("nothing"),
            self.new
        ));
        if self.changes.is_empty() {
            text.push_str("  nothing changes\n");
            return text;
        }
        for line in self.changes.to_string().lines() {
            text.push_str(&format!("  {line}\n"));
        }
        let actions: Vec<String> = self
            .disruption
            .actions
            .iter()
            .map(ToString::to_string)
            .collect();
        let actions = if actions.is_empty() {
            "nothing".to_owned()
        } else {
            actions.join(", ")
        };
        text.push_str(&format!("  on each node: {actions}\n"));
        match self.disruption.drain.first() {
            Some(reason) => text.push_str(&format!("  drained first: {reason}\n")),
            None => text.push_str("  not drained\n"),
        }
        if let Some(refused) = &self.refused {
            text.push_str(&format!("  REFUSED: {refused}\n"));
        }
        text
    }
}
