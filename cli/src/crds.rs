//! `windlass crds`: the CustomResourceDefinitions that a cluster needs.

use anyhow::{Context as _, Result, bail};
use api::Bundle;

use crate::output::{Output, print_json, print_text};

/// Prints the CustomResourceDefinitions, for `kubectl apply --server-side -f -`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only this bundle: `nodes` (what Windlass needs), `operator` (the disruption policy; optional)
    #[arg(long)]
    bundle: Option<String>,
    /// How to print them: YAML, or one JSON list
    #[arg(short, long, default_value_t, value_enum)]
    output: Output,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let crds = match &args.bundle {
        None => api::crds(),
        Some(name) => match Bundle::ALL.into_iter().find(|bundle| bundle.name() == name) {
            Some(bundle) => api::bundle(bundle),
            None => bail!(
                "no bundle is called {name}; there are: {}",
                Bundle::ALL.map(Bundle::name).join(", ")
            ),
        },
    };
    match args.output {
        Output::Json => {
            print_json(&serde_json::json!({"apiVersion": "v1", "kind": "List", "items": crds}))
        }
        Output::Text => {
            let text = api::yaml::documents(&crds).context("writing the CRDs as YAML")?;
            print_text(&text)
        }
    }
}
