//! Builds the programs of a real control plane, or runs one until it is interrupted: for docs that are followed by hand.

use anyhow::Result;
use clap::Parser;
use e2e::control_plane::assets::{self, Assets};
use e2e::control_plane::{ControlPlane, Controllers, Options};

/// A real control plane on loopback.
#[derive(Parser)]
enum Command {
    /// Builds its programs, if they are not in the cache, and prints where they are.
    Build {
        /// Those of the oldest Kubernetes that Windlass supports, without kubectl.
        #[arg(long)]
        oldest: bool,
    },
    /// Runs one with all controllers and a scheduler until it is interrupted, and prints where its kubeconfig is.
    Run {
        /// How many API servers.
        #[arg(long, default_value_t = 1)]
        api_servers: u8,
        /// How many etcd members.
        #[arg(long, default_value_t = 1)]
        etcd_members: u8,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Command::parse() {
        Command::Build { oldest: true } => {
            let assets = tokio::task::spawn_blocking(Assets::oldest).await??;
            println!("{}", assets.folder().display());
        }
        Command::Build { oldest: false } => {
            let (assets, kubectl) = tokio::task::spawn_blocking(|| -> Result<_> {
                Ok((Assets::ready()?, assets::kubectl()?))
            })
            .await??;
            println!("{}", assets.folder().display());
            println!("{}", kubectl.display());
        }
        Command::Run {
            api_servers,
            etcd_members,
        } => {
            let cluster = ControlPlane::start(Options {
                etcd_members,
                api_servers,
                controllers: Controllers::All,
                scheduler: true,
                ..Options::default()
            })
            .await?;
            println!("export KUBECONFIG={}", cluster.kubeconfig().display());
            tokio::signal::ctrl_c().await?;
        }
    }
    Ok(())
}
