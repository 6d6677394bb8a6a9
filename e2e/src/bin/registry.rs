//! Builds the real registry that tests use, fills one, or runs one until it is interrupted: for docs that are followed by hand.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use e2e::registry::figures::figures;
use e2e::registry::filler::{Plan, fill};
use e2e::registry::{Options, Server, client, program};
use updates::registry::{Credentials, Repository, Settings};

/// A real registry on loopback, and releases for any.
#[derive(Parser)]
enum Command {
    /// Builds its program, if it is not in the cache, and prints where it is.
    Build,
    /// Runs one with releases until it is interrupted, and prints the name of their repository.
    Run {
        /// Versions; each has a release for five kinds of machines.
        #[arg(long, default_value_t = 120)]
        versions: usize,
    },
    /// Scans one with 600 releases twice, and prints what that costs as JSON.
    Figures,
    /// Fills a repository of any registry.
    Fill {
        /// Which, as in localhost:5000/openshift/release.
        repository: Repository,
        /// Versions; each has a release for five kinds of machines.
        #[arg(long, default_value_t = 120)]
        versions: usize,
        /// A docker config with credentials.
        #[arg(long)]
        auth: Option<PathBuf>,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let plan = |versions| Plan {
        versions,
        others_every: 20,
    };
    match Command::parse() {
        Command::Build => {
            let program = tokio::task::spawn_blocking(program).await??;
            println!("{}", program.display());
        }
        Command::Run { versions } => {
            let server = Server::start(Options::default()).await?;
            let repository = server.repository("openshift/release")?;
            fill(&server.client()?, &repository, plan(versions)).await?;
            println!("{repository}");
            tokio::signal::ctrl_c().await?;
        }
        Command::Figures => {
            println!("{}", serde_json::to_string(&figures().await?)?);
        }
        Command::Fill {
            repository,
            versions,
            auth,
        } => {
            let credentials = match auth {
                Some(path) => {
                    let json = std::fs::read(&path)
                        .with_context(|| format!("reading {}", path.display()))?;
                    Credentials::read(&json)?
                }
                None => Credentials::default(),
            };
            let registry = client(Settings {
                credentials,
                ..Settings::default()
            })?;
            let filled = fill(&registry, &repository, plan(versions)).await?;
            println!("{} releases", filled.releases.len());
        }
    }
    Ok(())
}
