//! The swarm: whole fleets under faults, one for each seed. A run breaks, heals, and must then converge.
//!
//! Everything of a run is drawn from its seed: fleet, faults, what people do and when. A run fails where a promise is broken
//! by the observer's count, where the checker refuses a plan or anything else logs an ERROR, where the fleet does not converge
//! in time after the healing, and where a machine's disk is not as its owner wants it.
//!
//! Each seed has a process of its own, so that it can be replayed byte for byte: see `docs/simulation.md`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../no_chance/mod.rs"]
mod no_chance;

mod fleet;
mod logs;
mod people;
mod report;
mod run;
mod story;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// The seed that `one_seed` runs.
const SEED: &str = "WINDLASS_SEED";
/// How many seeds `some_hundred_seeds_end_well` runs, and the first of them.
const COUNT: &str = "WINDLASS_SEEDS";
const FIRST: &str = "WINDLASS_FIRST_SEED";
/// Seeds where `WINDLASS_SEEDS` is not set: seven minutes on two cores, which every landing pays. CI runs the swarm optimised; a plain `cargo test` shows that it works at all.
const SEEDS: u64 = if cfg!(debug_assertions) { 2 } else { 100 };
/// So many failures are told in full; more of them tell nothing new.
const TOLD_MOST: usize = 3;

/// Seeds that have found a bug, with what it was. They run each time, whatever the swarm is set to.
const ONCE_FAILED: [(u64, &str); 1] = [(
    6,
    "two leaders overwrote each other's status of a pool without end",
)];

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse().unwrap_or_else(|_| {
            panic!("{variable} is `{text}`: give a number that is not negative")
        }),
    )
}

#[test]
fn one_seed() {
    let seed = number(SEED).unwrap_or_default();
    if let Err(failure) = run::run(seed) {
        panic!("{failure}");
    }
}

#[test]
fn some_hundred_seeds_end_well() {
    let first = number(FIRST).unwrap_or(1);
    let count = number(COUNT).unwrap_or(SEEDS);
    end_well(&(first..first + count).collect::<Vec<_>>());
}

#[test]
fn every_seed_that_once_failed_ends_well() {
    end_well(&ONCE_FAILED.map(|(seed, _)| seed));
}

/// Runs the seeds, on each core one at a time, each in a process of its own.
fn end_well(seeds: &[u64]) {
    let next = AtomicU64::new(0);
    let checked: Mutex<BTreeMap<String, u64>> = Mutex::default();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut failures = Vec::new();
        while let Some(seed) = usize::try_from(next.fetch_add(1, Ordering::Relaxed))
            .ok()
            .and_then(|at| seeds.get(at))
        {
            match replay(*seed) {
                Ok(out) => count(&out, &mut checked.lock().unwrap()),
                Err(told) => failures.push((*seed, told)),
            }
        }
        failures
    };
    let mut failures: Vec<(u64, String)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| worker.join().unwrap());
        joined.flatten().collect()
    });
    failures.sort();
    let told: String = failures
        .iter()
        .take(TOLD_MOST)
        .map(|(_, told)| told.as_str())
        .collect();
    println!(
        "{} seeds, promises checked: {:?}",
        seeds.len(),
        checked.lock().unwrap()
    );
    let failed: Vec<u64> = failures.iter().map(|(seed, _)| *seed).collect();
    assert!(
        failed.is_empty(),
        "{told}\n{} of {} seeds failed: {failed:?}",
        failed.len(),
        seeds.len(),
    );
}

/// Adds up how often a run checked each promise.
fn count(out: &str, checked: &mut BTreeMap<String, u64>) {
    let lines = out
        .lines()
        .filter_map(|line| line.strip_prefix(report::CHECKED)?.trim().split_once(' '));
    for (name, times) in lines {
        *checked.entry(name.to_owned()).or_default() += times.parse::<u64>().unwrap();
    }
}

/// Runs one seed in a process of its own: what it printed, or, where it failed, why.
fn replay(seed: u64) -> Result<String, String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "one_seed", "--nocapture"])
        .env(SEED, seed.to_string())
        .output()
        .unwrap();
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}
