//! The root's walls, and the power cut at each step of a change.

use super::*;
use crate::apply;
use crate::host::UnitState;
use crate::host::conformance::{content, live_in};
use std::os::unix::fs::symlink;

#[tokio::test]
async fn a_link_that_leads_out_of_the_root_ends_inside() {
    let bench = PlainBench::new();
    let outside = tempfile::tempdir().unwrap();
    let root = bench.root.path();
    symlink(outside.path(), root.join("absolute")).unwrap();
    symlink("../../../../../../../../etc", root.join("upwards")).unwrap();
    let host = bench.machine();
    let file = File::of_root("a", 0o644);
    host.write_file("/upwards/a", &file).await.unwrap();
    assert_eq!(fs::read_to_string(root.join("etc/a")).unwrap(), "a");
    // The same path below the root, which is not there.
    let error = host.write_file("/absolute/a", &file).await.unwrap_err();
    assert!(
        error.in_full().contains("leads nowhere"),
        "{}",
        error.in_full()
    );
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_path_that_goes_upwards_is_refused() {
    let bench = PlainBench::new();
    for path in ["/etc/../../a", "etc/a", "/etc/./a", "/", "/etc/a\0b"] {
        let written = bench
            .machine()
            .write_file(path, &File::of_root("a", 0o644))
            .await;
        assert!(written.is_err(), "{path:?}");
    }
}

#[tokio::test]
async fn a_directory_in_the_place_of_a_file_is_named_and_stays() {
    let bench = PlainBench::new();
    let path = bench.root.path().join("etc/a");
    fs::create_dir(&path).unwrap();
    let error = bench
        .machine()
        .write_file("/etc/a", &File::of_root("a", 0o644))
        .await
        .unwrap_err();
    assert!(error.hint.contains("a directory is there"), "{error}");
    assert!(path.is_dir());
    assert_eq!(
        fs::read_dir(bench.root.path().join("etc")).unwrap().count(),
        5
    );
}

#[tokio::test]
async fn a_pipe_is_not_waited_for() {
    let bench = PlainBench::new();
    let path = bench.root.path().join("etc/pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let error = bench.machine().read_file("/etc/pipe").await.unwrap_err();
    assert!(
        error.in_full().contains("neither a file"),
        "{}",
        error.in_full()
    );
}

#[tokio::test]
async fn a_file_is_on_the_disk_before_its_name_is_and_its_name_before_the_answer() {
    let bench = PlainBench::new();
    let before = bench.disk().steps.taken().len();
    bench
        .machine()
        .write_file("/etc/a", &File::of_root("a", 0o644))
        .await
        .unwrap();
    assert_eq!(
        bench.disk().steps.taken()[before..],
        ["create", "write", "sync file", "rename", "sync directory"]
    );
}

/// All that [`PlainBench::seen`] sees, and what changes beside files.
async fn whole(bench: &PlainBench) -> (Seen, Option<User>) {
    let user = bench.machine().user("core").await.unwrap();
    (bench.seen(), user)
}

/// Changes a machine as [`content`] says; how many steps that takes.
async fn change(bench: &PlainBench) -> usize {
    let before = bench.disk().steps.taken().len();
    apply::apply(bench.machine(), &content(), None)
        .await
        .unwrap();
    bench.disk().steps.taken().len() - before
}

/// A machine whose power was cut at this step of the change, and came back.
async fn cut_at(step: usize) -> PlainBench {
    let bench = PlainBench::new();
    live_in(bench.machine()).await;
    bench.disk().steps.cut_at(step);
    let cut = apply::apply(bench.machine(), &content(), None).await;
    cut.unwrap_err();
    bench.start_again()
}

#[tokio::test]
async fn a_power_cut_at_any_step_of_a_change_is_finished_by_the_next_start() {
    let straight = PlainBench::new();
    live_in(straight.machine()).await;
    let steps = change(&straight).await;
    assert!(steps > 50, "{steps}");
    let applied = whole(&straight).await;
    for step in 0..steps {
        let bench = cut_at(step).await;
        apply::apply(bench.machine(), &content(), None)
            .await
            .unwrap();
        assert_eq!(whole(&bench).await, applied, "step {step}");
    }
}

#[tokio::test]
async fn a_power_cut_at_any_step_of_a_change_can_be_put_back() {
    let straight = PlainBench::new();
    live_in(straight.machine()).await;
    let found = whole(&straight).await;
    let steps = change(&straight).await;
    for step in 0..steps {
        let bench = cut_at(step).await;
        let nothing = apply::Content::default();
        apply::apply(bench.machine(), &nothing, None).await.unwrap();
        assert_eq!(whole(&bench).await, found, "step {step}");
    }
}

#[tokio::test]
async fn a_unit_that_was_enabled_in_part_is_neither_enabled_nor_disabled() {
    let bench = PlainBench::new();
    let host = bench.machine();
    let text = "[Install]\nWantedBy=multi-user.target\nAlias=b.service\n";
    host.write_file("/etc/systemd/system/a.service", &File::of_root(text, 0o644))
        .await
        .unwrap();
    host.set_unit("a.service", UnitState::Enabled)
        .await
        .unwrap();
    host.remove_file("/etc/systemd/system/b.service")
        .await
        .unwrap();
    assert_eq!(host.unit("a.service").await.unwrap(), UnitState::Partly);
}

#[tokio::test]
async fn work_whose_future_is_dropped_does_not_run_into_the_next() {
    let bench = PlainBench::new();
    let host = bench.machine();
    for number in 0..50 {
        let file = File::of_root("x".repeat(10_000), 0o644);
        let dropped = host.write_file("/etc/a", &file);
        let at_once = std::future::ready(());
        tokio::select! {
            biased;
            _ = dropped => {}
            () = at_once => {}
        }
        host.remove_file("/etc/a").await.unwrap();
        assert_eq!(bench.seen(), Seen::default(), "{number}");
    }
}
