//! What a rollout costs on a real API server: `cargo xtask bench cluster`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use e2e::bench::{self, MEMORY, SCENARIOS, Scenario, Tools, report};
use tracing_subscriber::EnvFilter;

/// What this program logs where `RUST_LOG` says nothing else. The client's own errors are those of an API server that starts.
const FILTER: &str = "error,kube_client=off";

/// Measures rollouts on a real API server with simulated machines.
#[derive(Parser)]
struct Args {
    /// Only this scenario; repeat for several. `memory` takes minutes to set, and runs only if it is named
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// The form of the figures; with json nothing else goes to standard output
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// The binary that runs as the controller; by default the one beside this program
    #[arg(long, value_name = "FILE")]
    windlass: Option<PathBuf>,
    /// What the controller logs
    #[arg(long, default_value = "warn", value_name = "FILTER")]
    log: String,
    /// Where the controller's log is kept
    #[arg(long, value_name = "FILE")]
    keep_log: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// One array.
    Json,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let started = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| FILTER.into()))
        .with_writer(std::io::stderr)
        .try_init();
    started.map_err(|error| anyhow::anyhow!("starting the log: {error}"))?;
    let tools = Tools {
        windlass: match args.windlass {
            Some(given) => given,
            None => beside()?,
        },
        log: args.log,
        keep_log: args.keep_log,
    };
    ensure!(
        tools.windlass.exists(),
        "there is no {}: run `cargo xtask bench cluster`, which builds it",
        tools.windlass.display()
    );
    let mut all = Vec::new();
    for scenario in chosen(&args.scenarios)? {
        eprintln!("{}: measuring", scenario.name);
        let measured = if scenario.name == MEMORY.name {
            bench::memory(&scenario, &tools).await
        } else {
            bench::rollout(&scenario, &tools).await
        };
        let figures = measured.with_context(|| format!("measuring {}", scenario.name))?;
        if args.output == Output::Text {
            println!("{}", report::text(&figures));
        }
        all.push(figures);
    }
    if args.output == Output::Json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    Ok(())
}

fn beside() -> Result<PathBuf> {
    let own = std::env::current_exe().context("looking where this program is")?;
    Ok(own.with_file_name("windlass"))
}

fn chosen(names: &[String]) -> Result<Vec<Scenario>> {
    if names.is_empty() {
        return Ok(SCENARIOS.to_vec());
    }
    let mut chosen = Vec::new();
    let all = || SCENARIOS.iter().chain([&MEMORY]);
    for name in names {
        let Some(known) = all().find(|known| known.name == name) else {
            let known: Vec<&str> = all().map(|known| known.name).collect();
            bail!(
                "no scenario is called `{name}`; there are: {}",
                known.join(", ")
            );
        };
        chosen.push(known.clone());
    }
    Ok(chosen)
}
