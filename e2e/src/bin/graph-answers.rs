//! The update graph's answers, normalised, for comparing with those of another implementation; see `updates::normal`.

use std::io::{BufWriter, Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use e2e::update_graph::{ARCHITECTURES, graph, line};
use updates::normal::Normal;

/// Prints one line for each channel and architecture: `{"channel","arch","nodes","edges","conditional","sha256"}`.
///
/// What is set aside or cannot be read is told on standard error. Ends with status 2 if there is no graph.
#[derive(Parser)]
#[command(name = "graph-answers")]
struct Arguments {
    /// A raw graph, .json or .json.gz
    #[arg(long, value_name = "FILE")]
    raw: PathBuf,
    /// Graph data: a folder, a .tar or a .tar.gz
    #[arg(long, value_name = "TAR")]
    graph_data: PathBuf,
    /// Print the normalised answer of this channel itself
    #[arg(long, requires = "arch")]
    channel: Option<String>,
    /// The architecture of that answer
    #[arg(long, requires = "channel")]
    arch: Option<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("graph-answers: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let graph = graph(&arguments.raw, &arguments.graph_data)?;
    for problem in graph.problems() {
        eprintln!("graph data: {problem}");
    }
    for aside in graph.aside() {
        eprintln!("set aside: {aside}");
    }
    let normal = Normal::new(&graph)?;
    let mut out = BufWriter::new(stdout().lock());
    if let (Some(channel), Some(arch)) = (&arguments.channel, &arguments.arch) {
        normal.write(&graph.answer(channel, arch), &mut out)?;
        writeln!(out)?;
    } else {
        for channel in graph.channels() {
            for arch in ARCHITECTURES {
                serde_json::to_writer(&mut out, &line(&normal, &graph, channel, arch)?)?;
                writeln!(out)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}
