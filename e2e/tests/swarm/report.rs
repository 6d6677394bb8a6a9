//! The judgement on one run, and what is told of one that failed.

use crate::logs::Logs;
use crate::story::Story;
use api::conditions::node::HELD;
use api::names::{node as contract, ours};
use serde_json::Value;
use simulation::faults::Rates;
use simulation::fleet::Fleet;
use simulation::trace::Trace;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Set by whoever replays a seed: where the trace is written.
pub(crate) const TRACE_FILE: &str = "WINDLASS_TRACE_FILE";
/// What is told of each line of the trace.
const TAIL_WIDTH: usize = 240;
/// Errors, violations and complaints that are told of each kind.
const TOLD_MOST: usize = 8;

const MACHINE_CONFIG_NODES: &str = "machineconfignodes.machineconfiguration.openshift.io";

/// One run that has ended.
pub(crate) struct Run<'a> {
    pub(crate) seed: u64,
    pub(crate) rates: &'a Rates,
    pub(crate) fleet: &'a Fleet,
    pub(crate) story: &'a Story,
    pub(crate) logs: &'a Logs,
    pub(crate) trace: &'a Trace,
}

/// What is wrong with the run, in words.
pub(crate) fn judge(run: &Run<'_>, settled: bool, stays: bool) -> Result<(), String> {
    if let Some(file) = std::env::var_os(TRACE_FILE) {
        std::fs::write(file, run.trace.bytes()).unwrap();
    }
    let mut wrong: Vec<String> = Vec::new();
    let broken = run.fleet.observe(|observer| observer.violations().to_vec());
    wrong.extend(
        broken
            .iter()
            .take(TOLD_MOST)
            .map(|it| format!("BROKEN {it}")),
    );
    wrong.extend(run.logs.errors().into_iter().take(TOLD_MOST));
    if !settled {
        wrong.push("the fleet did not converge in time".to_owned());
    } else if !stays {
        wrong.push("the fleet had converged, and did not stay so".to_owned());
    } else {
        let complaints = run.story.people.complaints(run.fleet);
        wrong.extend(complaints.into_iter().take(TOLD_MOST));
    }
    if wrong.is_empty() {
        for promise in run.fleet.summary().promises {
            println!("{CHECKED} {} {}", promise.name, promise.checked);
        }
        return Ok(());
    }
    Err(told(run, &wrong))
}

/// What begins the lines that say how often a promise was checked in a run that ended well.
pub(crate) const CHECKED: &str = "promise-checked";

/// A run that goes in a circle.
pub(crate) fn endless(run: &Run<'_>, entries: u64) -> Result<(), String> {
    if let Some(file) = std::env::var_os(TRACE_FILE) {
        std::fs::write(file, run.trace.bytes()).unwrap();
    }
    let wrong =
        format!("it goes in a circle: {entries} requests, answers and events without an end");
    Err(told(run, &[wrong]))
}

fn told(run: &Run<'_>, wrong: &[String]) -> String {
    let mut out = format!("\n=== seed {} ===\n{}\n", run.seed, run.rates);
    let mut section = |title: &str, lines: &[String]| {
        writeln!(out, "--- {title}").unwrap();
        for line in lines {
            writeln!(out, "{line}").unwrap();
        }
    };
    let tail = run.trace.tail();
    let tail: Vec<String> = tail.iter().map(|line| shortened(line)).collect();
    section("what people did", &run.story.told);
    section("the log's end", &run.logs.tail());
    section("the trace's end", &tail);
    section("nodes", &nodes(run.fleet));
    section("what is wrong", wrong);
    let seed = run.seed;
    section(
        "again, with the whole trace in /tmp/trace",
        &[format!(
            "WINDLASS_SEED={seed} {TRACE_FILE}=/tmp/trace cargo test -p e2e --test swarm one_seed"
        )],
    );
    out
}

fn shortened(line: &str) -> String {
    line.chars().take(TAIL_WIDTH).collect()
}

/// Each node in one line.
fn nodes(fleet: &Fleet) -> Vec<String> {
    let store = fleet.server().observer();
    let line = |node: &Value| {
        let name = text(node, "/metadata/name");
        let note = |key: &str| {
            text(
                node,
                &format!("/metadata/annotations/{}", key.replace('/', "~1")),
            )
        };
        let ready = condition(node, "Ready").map(|it| text(it, "/status"));
        let shown = store.get(MACHINE_CONFIG_NODES, "", &name);
        let held = shown.as_deref().and_then(|it| condition(it, HELD));
        let held = held.map(|it| text(it, "/reason") + ": " + &text(it, "/message"));
        format!(
            "{name}: Ready {}, {} ({}), current {}, desired {}, intent {}/{}, drain {}/{}, cordon {}; {}",
            ready.unwrap_or_default(),
            note(contract::STATE),
            note(contract::REASON),
            note(contract::CURRENT_CONFIG),
            note(contract::DESIRED_CONFIG),
            note(ours::ACTED_INTENT),
            note(ours::INTENT),
            note(contract::DESIRED_DRAIN),
            note(contract::LAST_APPLIED_DRAIN),
            note(ours::CORDONED),
            held.unwrap_or_default(),
        )
    };
    let mut lines: Vec<String> = store.list("nodes").iter().map(|node| line(node)).collect();
    let pools = store.list("machineconfigpools.machineconfiguration.openshift.io");
    lines.extend(pools.iter().map(|pool| {
        format!(
            "pool {}: target {}, reached {}, {}",
            text(pool, "/metadata/name"),
            text(pool, "/spec/configuration/name"),
            text(pool, "/status/configuration/name"),
            pool.pointer("/status/conditions")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter(|it| text(it, "/status") == "True")
                .map(|it| format!("{}={}", text(it, "/type"), text(it, "/message")))
                .collect::<Vec<_>>()
                .join("; "),
        )
    }));
    let ledger = store.get("slotledgers.windlass.dev", "", "cluster");
    lines.extend(ledger.map(|it| format!("ledger {}", it["spec"])));
    lines
}

/// Pools with a node that is held because the rollout has stopped.
pub(crate) fn stopped_pools(fleet: &Fleet) -> BTreeSet<String> {
    let shown = fleet.server().observer().list(MACHINE_CONFIG_NODES);
    let stopped = shown.iter().filter(|object| {
        condition(object, HELD).is_some_and(|held| {
            text(held, "/status") == "True" && text(held, "/reason") == "RolloutStopped"
        })
    });
    stopped
        .map(|object| text(object, "/spec/pool/name"))
        .collect()
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    all.iter().find(|one| text(one, "/type") == kind)
}

fn text(object: &Value, pointer: &str) -> String {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
