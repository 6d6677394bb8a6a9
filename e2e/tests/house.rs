//! The shape of the house, held over `cargo metadata`: which room may use which, and that the
//! deciding rooms reach nothing that could touch the world (design section 2, ADR 0001).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// The rooms from top to bottom. An arrow goes only downwards: a room may use the rooms after it.
/// `e2e` and `xtask` stand beside the house: nothing may use them.
const TOP_TO_BOTTOM: [&str; 8] = [
    "cli",
    "simulation",
    "controller",
    "daemon",
    "updates",
    "rollout",
    "rendering",
    "api",
];

/// What a pure room must not reach by normal dependencies: anything that does I/O, sleeps or rolls dice.
const WORLDLY: [&str; 9] = [
    "tokio",
    "kube",
    "kube-client",
    "kube-runtime",
    "hyper",
    "tower",
    "axum",
    "rand",
    "reqwest",
];

#[test]
fn arrows_between_rooms_go_only_downwards() {
    let house = House::read();

    for (position, room) in TOP_TO_BOTTOM.iter().enumerate() {
        let below: BTreeSet<&str> = TOP_TO_BOTTOM[position + 1..].iter().copied().collect();
        for used in house.workspace_uses(room) {
            assert!(
                below.contains(used.as_str()),
                "`{room}` uses `{used}`, which is not below it"
            );
        }
    }
}

#[test]
fn nothing_uses_the_tests_or_the_tasks() {
    let house = House::read();

    for room in TOP_TO_BOTTOM {
        let uses = house.workspace_uses(room);
        assert!(
            !uses.contains("e2e") && !uses.contains("xtask"),
            "`{room}` uses {uses:?}"
        );
    }
}

#[test]
fn the_planner_and_the_renderer_do_not_know_each_other() {
    let house = House::read();

    assert!(!house.workspace_uses("rollout").contains("rendering"));
    assert!(!house.workspace_uses("rendering").contains("rollout"));
}

#[test]
fn pure_rooms_reach_nothing_that_touches_the_world() {
    let house = House::read();

    for room in ["api", "rendering", "rollout"] {
        let reached = house.reachable(room);
        let worldly: Vec<&&str> = WORLDLY
            .iter()
            .filter(|name| reached.contains(**name))
            .collect();
        assert!(
            worldly.is_empty(),
            "`{room}` reaches {worldly:?} by normal dependencies"
        );
    }
}

#[test]
fn pure_rooms_name_no_clock_environment_or_file() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let banned = [
        "std::fs",
        "std::env",
        "std::net::Tcp",
        "std::net::Udp",
        "std::net::ToSocketAddrs",
        "std::process",
        "std::time::Instant",
        "println!",
        "eprintln!",
        "HashMap",
        "HashSet",
    ];

    // Of `updates`, the modules that say so of themselves (its `lib.rs`).
    let sources = [
        "rendering/src",
        "rollout/src",
        "updates/src/graph",
        "updates/src/data",
        "updates/src/client",
        "updates/src/picture",
        "updates/src/difference",
        "updates/src/patience.rs",
        "updates/src/registry/challenge.rs",
        "updates/src/registry/credentials.rs",
        "updates/src/registry/manifest.rs",
        "updates/src/registry/mirrors.rs",
        "updates/src/registry/reference.rs",
        "updates/src/source/scan/assemble.rs",
        "updates/src/source/scan/document.rs",
        "updates/src/source/scan/layer.rs",
        "updates/src/source/scan/tags.rs",
        "updates/src/source/upstream/merge.rs",
    ];
    for source in sources {
        for (path, text) in rust_files(&format!("{root}/{source}")) {
            for name in banned {
                assert!(
                    !text.contains(name),
                    "{path} names `{name}`, which a pure room may not use"
                );
            }
        }
    }
}

/// The target triple that this machine builds for.
fn host() -> String {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .expect("rustc names its host")
}

/// What `cargo metadata` says, reduced to names.
struct House {
    /// Package name to the names of its normal dependencies.
    uses: BTreeMap<String, BTreeSet<String>>,
    members: BTreeSet<String>,
}

impl House {
    fn read() -> Self {
        let output = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--format-version",
                "1",
                "--locked",
                // Other platforms' crates are not on this machine, and no arrow of ours leads to them.
                "--filter-platform",
                &host(),
                "--manifest-path",
            ])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
            .output()
            .expect("cargo metadata runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");

        let names: BTreeMap<&str, &str> = metadata["packages"]
            .as_array()
            .expect("packages")
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let members = metadata["workspace_members"]
            .as_array()
            .expect("members")
            .iter()
            .map(|id| names[text(id)].to_owned())
            .collect();
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in metadata["resolve"]["nodes"].as_array().expect("nodes") {
            let of = uses.entry(names[text(&node["id"])].to_owned()).or_default();
            for dependency in node["deps"].as_array().expect("deps") {
                let normal = dependency["dep_kinds"]
                    .as_array()
                    .expect("kinds")
                    .iter()
                    .any(|kind| kind["kind"].is_null());
                if normal {
                    of.insert(names[text(&dependency["pkg"])].to_owned());
                }
            }
        }
        Self { uses, members }
    }

    fn workspace_uses(&self, room: &str) -> BTreeSet<String> {
        self.uses[room]
            .intersection(&self.members)
            .cloned()
            .collect()
    }

    fn reachable(&self, room: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![room.to_owned()];
        while let Some(name) = open.pop() {
            for used in self.uses.get(&name).into_iter().flatten() {
                if reached.insert(used.clone()) {
                    open.push(used.clone());
                }
            }
        }
        reached
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn rust_files(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![std::path::PathBuf::from(folder)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(&path)
                    .expect("a folder")
                    .map(|entry| entry.expect("an entry").path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file");
            found.push((path.display().to_string(), text));
        }
    }
    found.sort();
    found
}
