//! The house's own chores: `cargo xtask <chore>`.

mod bench;
mod checks;
mod codegen;
mod conformance;
mod deploy;
mod fields;
mod image;
mod record;
mod tidy;
mod tools;

use std::env;

use anyhow::{Context as _, bail};

const USAGE: &str = "usage: cargo xtask test [CHECK...] | tidy | conformance | codegen [--check] | record | control-plane [build|run] | image [--arch amd64,arm64] [--to FOLDER] | bench cluster [--scenario NAME] [-o json] | bench updates [--data FOLDER] [-o json]";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (chore, rest) = arguments.split_first().context(USAGE)?;
    match chore.as_str() {
        "test" => checks::run(rest),
        "tidy" => tidy::run(tools::root()),
        "conformance" => conformance::run(tools::root()),
        "codegen" => codegen::run(tools::root(), rest),
        "record" => record::run(),
        "bench" => bench::run(rest),
        "image" => image::run(rest),
        "control-plane" => checks::control_plane(rest),
        other => bail!("there is no chore {other:?}; {USAGE}"),
    }
}
