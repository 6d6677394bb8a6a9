//! One seed gives one run: two processes write the same trace, byte for byte.
//!
//! Nothing in this binary is left to chance: see `no_chance`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod no_chance;

use simulation::chance::Chance;
use simulation::clock;
use simulation::faults::{Faults, Rates};
use simulation::fleet::{Description, Fleet, Programs, Setup};
use simulation::pace::Pace;
use simulation::trace::Trace;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Set for the child processes: where they write their trace, and for which seed.
const TRACE_FILE: &str = "WINDLASS_TRACE_FILE";
const SEED: &str = "WINDLASS_SEED";

const FLEET: &str = "
apiServers:
- { address: 198.18.200.1, version: 1.33.4 }
- { address: 198.18.200.2, version: 1.33.4 }
pools: [{ name: worker, maxUnavailable: 2 }]
machines:
- { name: worker, count: 5, roles: [worker], zones: [a, b, c], os: [fedora, '42'], mode: image, kubelet: 1.33.4 }
deployments:
- { name: shop, namespace: prod, replicas: 6, budget: { maxUnavailable: 1 } }
daemonSets:
- { name: log-shipper, namespace: infra }
";

#[test]
fn two_processes_with_one_seed_give_the_same_trace_byte_for_byte() {
    if let Ok(file) = std::env::var(TRACE_FILE) {
        let seed = std::env::var(SEED).unwrap().parse().unwrap();
        std::fs::write(file, run(seed)).unwrap();
        return;
    }
    let directory =
        std::env::temp_dir().join(format!("windlass-determinism-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let [first, second, other] = [("first", 41), ("second", 41), ("other", 42)]
        .map(|(name, seed)| child(&directory.join(name), seed));

    std::fs::remove_dir_all(&directory).unwrap();
    assert!(
        first.len() > 100_000,
        "the trace holds something: {} bytes",
        first.len()
    );
    if first != second {
        let lines = first
            .split(|byte| *byte == b'\n')
            .zip(second.split(|byte| *byte == b'\n'));
        let (at, (left, right)) = lines
            .enumerate()
            .find(|(_, (left, right))| left != right)
            .unwrap();
        let text = |line| {
            String::from_utf8_lossy(line)
                .chars()
                .take(400)
                .collect::<String>()
        };
        panic!("line {at} differs:\n{}\n{}", text(left), text(right));
    }
    assert_ne!(first, other, "another seed gives another run");
}

/// The trace that a process of its own writes.
fn child(file: &Path, seed: u64) -> Vec<u8> {
    let status = Command::new(std::env::current_exe().unwrap())
        .env(TRACE_FILE, file)
        .env(SEED, seed.to_string())
        .status()
        .unwrap();
    assert!(status.success());
    std::fs::read(file).unwrap()
}

/// A run with faults, on one thread, in paused time.
fn run(seed: u64) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let trace = Arc::new(Trace::new(true));
        let chance = Chance::from_seed(seed);
        let faults = Faults::new(Rates::draw(&chance), &chance);
        let fleet = Fleet::start(Setup {
            description: serde_saphyr::from_str::<Description>(FLEET).unwrap(),
            seed,
            pace: Pace::real(),
            clock: clock::starting_at("2026-11-24T08:00:00Z".parse().unwrap()),
            faults,
            trace: Some(Arc::clone(&trace)),
            directory: None,
            programs: Programs::default(),
        })
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_secs(600)).await;
        fleet.stop().await;
        trace.bytes()
    })
}
