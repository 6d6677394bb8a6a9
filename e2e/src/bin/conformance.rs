//! Compares Windlass with recorded answers of the reference's own functions; see `e2e::conformance`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use e2e::conformance::report::{Report, Telling};
use e2e::conformance::{files, self_check};

/// Reads corpora and prints, per corpus, how many of its cases passed and failed, with the failing ids.
///
/// Ends with status 1 if a case failed, and with status 2 if a file cannot be read.
#[derive(Parser)]
#[command(name = "conformance")]
struct Arguments {
    /// Corpora, .jsonl or .jsonl.gz
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print all failing ids, not only the first of each corpus
    #[arg(long)]
    all: bool,
    /// Print where each failing case differs
    #[arg(long)]
    why: bool,
    /// Instead of judging, alter each kind of field of `expected` once and see that it would be noticed
    #[arg(long)]
    self_check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut cases = Vec::new();
    for file in &arguments.files {
        cases.extend(files::read(file)?);
    }
    if arguments.self_check {
        let outcome = self_check::check(&cases);
        for (corpus, kinds) in &outcome.seen {
            println!("{corpus}: {kinds} kinds of wrong answers tried");
        }
        for unseen in &outcome.unseen {
            println!("  unnoticed: {unseen}");
        }
        println!(
            "self-check {}",
            if outcome.passed() { "passed" } else { "failed" }
        );
        return Ok(outcome.passed());
    }
    let mut report = Report::default();
    for case in &cases {
        report.judge(case);
    }
    print!(
        "{}",
        report.tell(Telling {
            all: arguments.all,
            why: arguments.why
        })
    );
    Ok(report.passed())
}
