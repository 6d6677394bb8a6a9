//! Whatever fails underneath, a visit ends where it should.

use super::rig::{CHRONY, NODE, Rig, is_ready, note, ours, spec_of};
use daemon::host::memory::MemoryHost;
use serde_json::json;
use simulation::machine::Cut;
use simulation::server::{Attempt, Fate, Faults, Outcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Cuts the daemon off while it is set.
struct Outage(Arc<AtomicBool>);

impl Faults for Outage {
    fn decide(&self, attempt: &Attempt<'_>) -> Fate {
        let cut_off = self.0.load(Ordering::Relaxed) && attempt.actor.starts_with("daemon/");
        Fate {
            outcome: if cut_off {
                Outcome::Unreachable
            } else {
                Outcome::Serve
            },
            watch_breaks_after: attempt
                .actor
                .starts_with("daemon/")
                .then_some(Duration::from_secs(20)),
            ..Fate::default()
        }
    }
}

async fn rig_with_two_configs() -> Rig {
    let mut rig = Rig::start().await;
    rig.grant_drains();
    rig.render(
        "rendered-worker-1",
        spec_of(&[(CHRONY, "pool a\n")], &[]),
        json!({}),
    )
    .await;
    rig.render(
        "rendered-worker-2",
        spec_of(&[(CHRONY, "pool b\n")], &["nosmt"]),
        json!({}),
    )
    .await;
    rig.assign(1, "rendered-worker-1").await;
    rig.until_done("rendered-worker-1", 1).await;
    rig.until("Ready", is_ready).await;
    rig
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn an_api_server_that_is_away_for_an_hour_is_waited_out() {
    let rig = rig_with_two_configs().await;
    let away = Arc::new(AtomicBool::new(false));
    rig.server.set_faults(Outage(Arc::clone(&away)));
    rig.assign(2, "rendered-worker-2").await;
    rig.until("the drain", |node| ours(node, "cordoned") != "")
        .await;

    away.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_hours(1)).await;
    away.store(false, Ordering::Relaxed);

    rig.until_done("rendered-worker-2", 2).await;
    assert_eq!(rig.file(CHRONY).as_deref(), Some("pool b\n"));
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_daemon_that_is_killed_at_any_moment_goes_on_where_it_was() {
    for quarters in (0..40).step_by(3) {
        let rig = rig_with_two_configs().await;
        let boots = rig.machine.boots();
        rig.assign(2, "rendered-worker-2").await;
        tokio::time::sleep(Duration::from_millis(250 * quarters)).await;
        rig.machine.kill_daemon();
        rig.until_done("rendered-worker-2", 2).await;
        assert_eq!(
            rig.machine.boots(),
            boots + 1,
            "killed after {quarters} quarters of a second"
        );
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_power_cut_at_any_operation_of_a_visit_ends_on_the_new_config() {
    for cut in [Cut::Before, Cut::After] {
        for operation in (0..24).step_by(3) {
            let rig = rig_with_two_configs().await;
            rig.assign(2, "rendered-worker-2").await;
            rig.machine.cut_power_at(operation, cut);
            rig.until_done("rendered-worker-2", 2).await;
            assert_eq!(
                rig.file(CHRONY).as_deref(),
                Some("pool b\n"),
                "{cut:?} {operation}"
            );
        }
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_node_that_was_deleted_and_came_back_is_told_everything_again() {
    let rig = rig_with_two_configs().await;
    rig.nodes()
        .delete(NODE, &kube::api::DeleteParams::default())
        .await
        .unwrap();
    rig.until_done("rendered-worker-1", 1).await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_disk_that_takes_no_journal_is_named_on_the_node_and_nothing_is_done() {
    let host = MemoryHost::new();
    let rig = Rig::on(host.clone()).await;
    rig.render(
        "rendered-worker-1",
        spec_of(&[(CHRONY, "x")], &[]),
        json!({}),
    )
    .await;
    host.refuse("journal.json");
    rig.assign(1, "rendered-worker-1").await;
    let node = rig
        .until("a reason", |node| !note(node, "reason").is_empty())
        .await;
    assert!(note(&node, "reason").starts_with("JournalUnwritable: "));
    assert!(host.disk().files.is_empty(), "nothing is touched");

    host.allow("journal.json");
    let node = rig
        .until("the reboot", |node| {
            note(node, "post-config-action") == "Rebooting"
        })
        .await;
    assert_eq!(note(&node, "reason"), "");
    assert_eq!(ours(&node, "acted-intent"), "");
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_node_whose_kept_configs_were_damaged_takes_the_next_one_all_the_same() {
    let rig = rig_with_two_configs().await;
    let kept: Vec<String> = rig
        .machine
        .files()
        .below("/var/lib/windlass")
        .unwrap()
        .into_iter()
        .filter(|path| path.contains("rendered-worker-1"))
        .collect();
    assert!(!kept.is_empty());
    for path in kept {
        rig.machine.files().write(&path, "{ not a config").unwrap();
    }

    rig.assign(2, "rendered-worker-2").await;

    rig.until_done("rendered-worker-2", 2).await;
    assert_eq!(rig.file(CHRONY).as_deref(), Some("pool b\n"));
}
