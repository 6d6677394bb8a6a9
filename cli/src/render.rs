//! `windlass render DIR`: what each pool's rendered config would be, without a cluster.

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::output::{Output, print_json, print_text};
use crate::rendered::{Inputs, render_pool};

/// Shows what pools render to, offline.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Folder or file with MachineConfigs and, if there are any, MachineConfigPools; `-` is standard input
    dir: PathBuf,
    /// Only this pool
    #[arg(long)]
    pool: Option<String>,
    /// How to print it: text, or one JSON object
    #[arg(short, long, default_value_t, value_enum)]
    output: Output,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let inputs = Inputs::load(&args.dir)?;
    let pools = inputs.by_pool(args.pool.as_deref())?;
    for warning in inputs.warnings() {
        eprintln!("warning: {warning}");
    }
    if let Some(wanted) = args.pool.as_ref().filter(|_| pools.is_empty()) {
        bail!("no pool is called {wanted} in {}", args.dir.display());
    }
    if pools.is_empty() {
        bail!(
            "{} has no MachineConfig with a role and no MachineConfigPool: there is nothing to render",
            args.dir.display()
        );
    }
    let mut shown = Vec::new();
    for (pool, configs) in pools {
        let rendered = render_pool(&pool, &configs)?;
        for warning in &rendered.warnings {
            eprintln!("warning: {}: {warning}", warning.reason());
        }
        let object = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1",
            "kind": "MachineConfig",
            "metadata": {"name": rendered.config.name, "annotations": rendered.config.annotations},
            "spec": rendered.config.spec,
        });
        shown.push((pool, rendered.sources, rendered.size, object));
    }
    match args.output {
        Output::Json => {
            let pools: Vec<Value> = shown
                .into_iter()
                .map(|(pool, sources, size, object)| {
                    json!({"pool": pool, "sources": sources, "bytes": size, "config": object})
                })
                .collect();
            print_json(&json!({ "pools": pools }))
        }
        Output::Text => {
            let mut text = String::new();
            for (pool, sources, size, object) in shown {
                text.push_str(&format!(
                    "---\n# pool {pool}: {size} bytes, from {}\n",
                    sources.join(", ")
                ));
                text.push_str(&serde_saphyr::to_string(&object)?);
            }
            print_text(&text)
        }
    }
}
