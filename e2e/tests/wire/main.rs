//! What controller and daemon say to each other on a Node, held against what earlier versions said.
//!
//! `archived/` has one conversation for each released version: a first config, and a change that drains and reboots, as
//! the changes of the Node's annotations, and what the daemon had on its disk while it waited for the drain. Here today's
//! daemon hears an earlier controller, today's controller an earlier daemon, and today's daemon goes on from an earlier
//! journal: so either may be replaced first, in mid-rollout.
//!
//! Where the wire changes on purpose, `WINDLASS_ARCHIVE_WIRE=1 cargo test -p e2e --test wire` writes this version's
//! conversation anew. Those of released versions stay as they are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod conversation;
mod stage;

use std::path::PathBuf;
use std::sync::Arc;

use api::names::{node as contract, ours};
use conversation::{Conversation, Side};
use stage::{NODE, Stage, is_back, note, tell};

/// The version whose conversation is written anew.
const THIS: &str = env!("CARGO_PKG_VERSION");
/// Writes it.
const ARCHIVE: &str = "WINDLASS_ARCHIVE_WIRE";

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/archived"))
}

fn archived() -> Vec<(String, Conversation)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let version = path.file_stem().unwrap().to_string_lossy().into_owned();
        all.push((version, serde_json::from_str(&text).unwrap()));
    }
    assert!(!all.is_empty(), "no conversation is archived");
    all
}

#[test]
fn today_s_conversation_is_the_one_that_is_archived_for_this_version() {
    let told = tell(conversation::record());

    let path = folder().join(format!("{THIS}.json"));
    let text = format!("{}\n", serde_json::to_string_pretty(&told).unwrap());
    if std::env::var_os(ARCHIVE).is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let archived = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, archived,
        "the wire changed: see the head of this file"
    );
    assert!(told.has(Side::Controller, contract::LAST_APPLIED_DRAIN));
    assert!(told.has(Side::Daemon, ours::REPORTED_AT));
}

#[test]
fn today_s_daemon_hears_the_controller_of_every_archived_version() {
    for (version, told) in archived() {
        tell(async {
            let mut stage = Stage::new().await;
            stage.render(&told).await;
            stage.switch_on(|_| {}).await;

            stage
                .play(Side::Controller, &told, &format!("daemon with {version}"))
                .await;

            let node = stage.until("it is back in service", is_back).await;
            assert_eq!(note(&node, contract::CURRENT_CONFIG), told.config(2));
            assert_eq!(stage.machine.boots(), 3, "one reboot for each config");
        });
    }
}

#[test]
fn today_s_controller_hears_the_daemon_of_every_archived_version() {
    for (version, told) in archived() {
        tell(async {
            let mut stage = Stage::new().await;
            stage.node().await;
            stage.start_controller();
            let target = stage.apply_first().await;
            stage.name(1, &target);

            stage
                .play(Side::Daemon, &told, &format!("controller with {version}"))
                .await;

            stage.until("it is back in service", is_back).await;
            stage.until_no_slot_is_held().await;
        });
    }
}

#[test]
fn today_s_daemon_goes_on_from_the_journal_of_every_archived_version() {
    for (version, told) in archived() {
        tell(async {
            let mut stage = Stage::new().await;
            stage.render(&told).await;
            let steps = told.until_the_drain();
            let disk = told.disk.iter();
            let disk: Vec<(String, String)> = disk
                .map(|(path, text)| (stage.filled(path), stage.filled(text)))
                .collect();
            stage.node().await;
            for step in &steps {
                stage.write(step).await;
            }
            stage
                .switch_on(|machine| {
                    for (path, text) in &disk {
                        machine.files().write(path, text).unwrap();
                    }
                })
                .await;
            let machine = Arc::clone(&stage.machine);

            for step in told.after_the_drain() {
                if step.by == Side::Controller {
                    stage.write(&step).await;
                } else {
                    stage
                        .until_said(&step, &format!("a journal of {version}"))
                        .await;
                }
            }

            let node = stage.until("it is back in service", is_back).await;
            assert_eq!(note(&node, contract::CURRENT_CONFIG), told.config(2));
            assert_eq!(machine.boots(), 2, "{NODE} is rebooted once");
        });
    }
}
