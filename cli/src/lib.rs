//! `windlass`: the one binary, under two names. What may happen here: wiring only.
//!
//! `main.rs` is `windlass`; `bin/kubectl-windlass.rs` is the same program by the name under which kubectl finds a plugin.

mod assign;
mod chance;
mod clock;
mod cluster;
mod controller;
mod crds;
mod daemon;
mod demo;
mod diff;
mod explain;
mod gather;
mod logs;
mod manifests;
mod output;
mod render;
mod rendered;
mod signals;
mod uninstall;
mod update_service;
mod update_sources;
mod updates;

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
    Controller(Box<controller::Args>),
    Daemon(Box<daemon::Args>),
    Crds(crds::Args),
    Render(render::Args),
    Diff(diff::Args),
    Explain(explain::Args),
    Gather(gather::Args),
    Assign(assign::Args),
    Demo(demo::Args),
    Uninstall(uninstall::Args),
    UpdateService(Box<update_service::Args>),
    Updates(updates::Args),
}

/// Runs the command line that the process was started with.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Controller(args) => controller::run(*args),
        Command::Daemon(args) => daemon::run(*args),
        Command::Crds(args) => crds::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Gather(args) => gather::run(&args),
        Command::Assign(args) => assign::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Uninstall(args) => uninstall::run(&args),
        Command::UpdateService(args) => update_service::run(*args),
        Command::Updates(args) => return ended(updates::run(&args)),
    };
    ended(outcome.map(|()| ExitCode::SUCCESS))
}

/// The status to end with; an error is told.
fn ended(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("windlass: {error:#}");
            ExitCode::FAILURE
        }
    }
}
