//! What the update service costs at today's size: `cargo xtask bench updates`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use e2e::bench::updates::{self, Bench};
use e2e::update_graph;

/// Measures the update service: from files to ready, and answers.
#[derive(Parser)]
struct Args {
    /// The form of the figures; with json nothing else goes to standard output
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// The binary that serves; by default the one beside this program
    #[arg(long, value_name = "FILE")]
    windlass: Option<PathBuf>,
    /// The program that asks
    #[arg(long, default_value = "wrk", value_name = "FILE")]
    wrk: PathBuf,
    /// The folder of raw-2026.json.gz and graph-data-2026.tar.gz; by default where the tests find it
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// One object.
    Json,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let windlass = match args.windlass {
        Some(given) => given,
        None => std::env::current_exe()
            .context("looking where this program is")?
            .with_file_name("windlass"),
    };
    ensure!(
        windlass.exists(),
        "there is no {}: run `cargo xtask bench updates`, which builds it",
        windlass.display()
    );
    let figures = updates::run(&Bench {
        windlass,
        wrk: args.wrk,
        data: args.data.unwrap_or_else(update_graph::recordings),
    })?;
    match args.output {
        Output::Text => println!("{}", updates::text(&figures)),
        Output::Json => println!("{}", serde_json::to_string_pretty(&figures)?),
    }
    Ok(())
}
