//! `cargo xtask test`: everything that a landing must pass, in the order in which it fails soonest.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::{codegen, conformance, deploy, image, tidy, tools};

/// One named check.
type Check = (&'static str, fn() -> Result<()>);

const CHECKS: [Check; 13] = [
    ("format", format),
    ("tidy", || tidy::run(tools::root())),
    ("generated files", generated),
    ("licences and duplicates", deny),
    ("lints", lints),
    ("control plane", || control_plane(&[])),
    ("registry", registry),
    ("tests", tests),
    ("conformance", || conformance::run(tools::root())),
    ("swarm", swarm),
    ("manifests", || deploy::check(tools::root())),
    ("demo", demo),
    ("book", book),
];

/// Checks that take a build of their own, or kill a real control plane under a rollout, and are run where they are named.
const ON_DEMAND: [Check; 3] = [
    ("faults", faults),
    ("image", image::check),
    ("oldest kubernetes", oldest),
];

/// Runs every check, or those that are named.
pub(crate) fn run(only: &[String]) -> Result<()> {
    let all = || CHECKS.iter().chain(&ON_DEMAND);
    if let Some(unknown) = only
        .iter()
        .find(|name| !all().any(|(known, _)| known == name))
    {
        let known: Vec<&str> = all().map(|(name, _)| *name).collect();
        bail!(
            "no check is called `{unknown}`; there are: {}",
            known.join(", ")
        );
    }
    let mut took = Vec::new();
    let chosen: Vec<&Check> = if only.is_empty() {
        CHECKS.iter().collect()
    } else {
        all()
            .filter(|(name, _)| only.iter().any(|wanted| wanted == name))
            .collect()
    };
    for (name, check) in chosen {
        eprintln!("== {name}");
        let started = tools::stopwatch();
        check().with_context(|| {
            format!("the check `{name}` failed; alone: cargo xtask test '{name}'")
        })?;
        took.push((name, started.elapsed()));
    }
    let sum: Duration = took.iter().map(|(_, time)| *time).sum();
    for (name, time) in &took {
        eprintln!("{:>7.1} s  {name}", time.as_secs_f64());
    }
    eprintln!(
        "{:>7.1} s  all {} checks passed",
        sum.as_secs_f64(),
        took.len()
    );
    Ok(())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(tools::root());
    command
}

fn format() -> Result<()> {
    tools::run(&mut cargo(&["fmt", "--all", "--check"]))
}

fn generated() -> Result<()> {
    codegen::run(tools::root(), &["--check".to_owned()])
}

fn lints() -> Result<()> {
    tools::run(&mut cargo(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        // Not among all targets, as it is run on demand.
        "--test",
        "faults",
        "--",
        "--deny",
        "warnings",
    ]))
}

/// Builds the real control plane that tests start, so that the time is told apart from the tests'; or what `arguments` say.
pub(crate) fn control_plane(arguments: &[String]) -> Result<()> {
    let mut command = cargo(&["run", "--quiet", "--package", "e2e", "--bin"]);
    command.args(["control-plane", "--"]);
    if arguments.is_empty() {
        command.arg("build");
    }
    tools::run(command.args(arguments))
}

/// Builds the real registry that tests start, for the same reason.
fn registry() -> Result<()> {
    let arguments = ["run", "--quiet", "--package", "e2e", "--bin", "registry"];
    tools::run(cargo(&arguments).args(["--", "build"]))
}

fn tests() -> Result<()> {
    tools::run(&mut cargo(&["test", "--workspace"]))
}

/// A controller, API servers, etcd members and leases that end in mid-rollout, on a real control plane.
fn faults() -> Result<()> {
    tools::run(&mut cargo(&[
        "test",
        "--package",
        "e2e",
        "--test",
        "faults",
    ]))
}

/// The API server's suite and the installation on the oldest Kubernetes that is supported.
fn oldest() -> Result<()> {
    let mut building = cargo(&["run", "--quiet", "--package", "e2e", "--bin"]);
    building.args(["control-plane", "--", "build", "--oldest"]);
    let built = building
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("building the oldest control plane")?;
    let folder = String::from_utf8_lossy(&built.stdout).trim().to_owned();
    if !built.status.success() || folder.is_empty() {
        bail!(
            "building the oldest control plane ended with {}",
            built.status
        );
    }
    let mut suites = cargo(&["test", "--package", "e2e"]);
    suites.args(["--test", "api_server", "--test", "install"]);
    tools::run(suites.env("KUBEBUILDER_ASSETS", folder))
}

/// Some hundred seeds of the simulated fleet; the other builds of this profile are needed anyway.
fn swarm() -> Result<()> {
    tools::run(&mut cargo(&[
        "test",
        "--release",
        "--package",
        "e2e",
        "--test",
        "swarm",
    ]))
}

fn deny() -> Result<()> {
    // The check reads the manifests of every platform's crates; a build fetches this platform's alone.
    tools::run(&mut cargo(&["fetch", "--locked"]))?;
    tools::run(
        Command::new(tools::cargo_deny()?)
            .args(["--offline", "check", "licenses", "bans", "sources"])
            .current_dir(tools::root()),
    )
}

/// The README's first command, judged by its own verdict.
fn demo() -> Result<()> {
    let output = cargo(&["run", "--quiet", "--release", "--", "demo", "-o", "json"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("running the demo")?;
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout)
        .context("reading the demo's verdict: its standard output is not one JSON object")?;
    let clean = verdict["converged"] == true && verdict["violations"] == 0;
    if !(output.status.success() && clean) {
        bail!("the demo ended with {} and says {verdict:#}", output.status);
    }
    eprintln!(
        "demo: {} nodes, {} s, no violation",
        verdict["nodes"], verdict["duration_seconds"]
    );
    Ok(())
}

fn book() -> Result<()> {
    tools::run(
        Command::new(tools::mdbook()?)
            .arg("build")
            .current_dir(tools::root()),
    )
}
