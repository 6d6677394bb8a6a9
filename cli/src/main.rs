//! `windlass`: the one binary. What may happen here: wiring only.

mod crds;
mod demo;
mod diff;
mod manifests;
mod output;
mod render;
mod rendered;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Brings the nodes of a Kubernetes cluster to the configuration their owners declared.
#[derive(Debug, Parser)]
#[command(name = "windlass", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Crds(crds::Args),
    Render(render::Args),
    Diff(diff::Args),
    Demo(demo::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Crds(args) => crds::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Demo(args) => demo::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("windlass: {error:#}");
            ExitCode::FAILURE
        }
    }
}
