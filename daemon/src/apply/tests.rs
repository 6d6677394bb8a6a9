//! Apply, undo and originals over a machine in memory, with a power cut at every operation.

use super::*;
use crate::host::memory::{Cut, Disk, MemoryHost};
use crate::host::{Directory, File, Host, Owner, UnitState, User};
use futures::executor::block_on;

const CHRONY: &str = "/etc/chrony.conf";
const UNIT: &str = "tuned.service";
/// Links of the machine's own: one that a config leads elsewhere, and one in whose place it puts a file.
const LOCALTIME: &str = "/etc/localtime";
const RESOLV: &str = "/etc/resolv.conf";
/// A directory of the machine's own.
const TUNED: &str = "/etc/tuned";

fn directory(mode: u32) -> Directory {
    Directory {
        mode,
        user: Owner::Id(0),
        group: Owner::Id(0),
    }
}

/// A config with something of every kind.
fn rich() -> Content {
    let unit = Content::unit_path(UNIT);
    Content {
        files: [
            (CHRONY.to_owned(), File::of_root("pool a\n", 0o644)),
            (RESOLV.to_owned(), File::of_root("nameserver\n", 0o644)),
            ("/etc/new.conf".to_owned(), File::of_root("x\n", 0o600)),
            (
                unit,
                File::of_root("[Service]\nExecStart=/bin/true\n", 0o644),
            ),
            (
                Content::dropin_path("kubelet.service", "10-args.conf"),
                File::of_root("[Service]\nEnvironment=A=1\n", 0o644),
            ),
        ]
        .into(),
        links: [
            (LOCALTIME.to_owned(), "../usr/share/zoneinfo/UTC".to_owned()),
            ("/etc/new-link".to_owned(), "/etc/new.conf".to_owned()),
        ]
        .into(),
        directories: [
            ("/etc/new.d".to_owned(), directory(0o750)),
            ("/etc/new.d/below".to_owned(), directory(0o700)),
            (TUNED.to_owned(), directory(0o700)),
        ]
        .into(),
        units: [
            (UNIT.to_owned(), UnitWish::Enabled),
            ("rpcbind.service".to_owned(), UnitWish::Masked),
        ]
        .into(),
        users: [(
            "core".to_owned(),
            User {
                ssh_keys: vec!["ssh-ed25519 AAAA me".into()],
                password_hash: None,
            },
        )]
        .into(),
        system: SystemWish {
            kernel_arguments: vec!["nosmt".into(), "hugepages=8".into()],
            ..SystemWish::default()
        },
        kubelet_version: Some("1.34.2".into()),
    }
}

/// Another one, which changes, adds and drops some of each.
fn other() -> Content {
    let mut content = rich();
    content.files.remove("/etc/new.conf");
    content.files.remove(&Content::unit_path(UNIT));
    content.links.clear();
    content.directories.remove("/etc/new.d/below");
    content.directories.remove(TUNED);
    content
        .files
        .insert(CHRONY.to_owned(), File::of_root("pool b\n", 0o644));
    content.files.insert(
        Content::unit_path("rpcbind.service"),
        File::of_root("[Service]\n", 0o644),
    );
    content.units = [
        ("rpcbind.service".to_owned(), UnitWish::Enabled),
        ("firewalld.service".to_owned(), UnitWish::Masked),
    ]
    .into();
    content.users.clear();
    content.system.kernel_arguments = vec!["nosmt".into()];
    content
}

/// A machine that had things of its own before us.
fn lived_in() -> MemoryHost {
    let host = MemoryHost::new();
    host.tamper(|disk| {
        disk.files
            .insert(CHRONY.into(), File::of_root("distribution's\n", 0o640));
        disk.links
            .insert(LOCALTIME.into(), "/usr/share/zoneinfo/Asia/Tokyo".into());
        disk.links
            .insert(RESOLV.into(), "../run/resolv.conf".into());
        disk.directories.insert(TUNED.into(), directory(0o755));
        disk.files.insert(
            Content::unit_path("firewalld.service"),
            File::of_root("the owner's\n", 0o644),
        );
        disk.units
            .insert("rpcbind.service".into(), UnitState::Enabled);
        disk.users.insert(
            "core".into(),
            User {
                ssh_keys: vec!["owner".into()],
                password_hash: Some("$6$x".into()),
            },
        );
    });
    host
}

/// The disk without our own records.
fn machine(host: &MemoryHost) -> Disk {
    let mut disk = host.disk();
    disk.blobs.clear();
    disk.units.retain(|_, state| *state != UnitState::Disabled);
    disk
}

fn apply_now(host: &MemoryHost, content: &Content) {
    block_on(apply(host, content, None)).unwrap();
}

fn differences_after_boot(host: &MemoryHost, content: &Content) -> Vec<String> {
    host.boot();
    block_on(prove(host, content)).unwrap()
}

#[test]
fn what_was_applied_is_proven_and_applying_again_does_nothing() {
    let host = lived_in();
    apply_now(&host, &rich());
    assert_eq!(differences_after_boot(&host, &rich()), Vec::<String>::new());
    let changes = host.operations();
    apply_now(&host, &rich());
    assert_eq!(host.operations(), changes);
}

#[test]
fn a_directory_with_something_of_others_in_it_stays() {
    let host = lived_in();
    apply_now(&host, &rich());
    let theirs = "/etc/new.d/theirs".to_owned();
    host.tamper(|disk| {
        disk.files.insert(theirs, File::of_root("theirs\n", 0o644));
    });
    apply_now(&host, &Content::default());
    let left = host.disk().directories;
    assert!(left.contains_key("/etc/new.d"), "{left:?}");
    assert!(!left.contains_key("/etc/new.d/below"), "{left:?}");
}

#[test]
fn leaving_every_config_gives_the_machine_back_as_it_was_found() {
    let host = lived_in();
    let mut found = machine(&host);
    apply_now(&host, &rich());
    apply_now(&host, &other());
    apply_now(&host, &Content::default());
    // A kubelet only goes forward.
    found.kubelet = Some("1.34.2".into());
    assert_eq!(machine(&host), found);
    let records = block_on(host.keys("original-")).unwrap();
    assert_eq!(records, ["original-system"]);
}

#[test]
fn the_way_back_installs_the_kubelet_that_was_there() {
    let host = lived_in();
    apply_now(&host, &rich());
    block_on(apply(&host, &Content::default(), Some("1.33.1"))).unwrap();
    assert_eq!(host.disk().kubelet.as_deref(), Some("1.33.1"));
}

#[test]
fn a_power_cut_at_any_operation_is_finished_by_asking_again() {
    let straight = lived_in();
    apply_now(&straight, &rich());
    let before = straight.operations();
    apply_now(&straight, &other());
    let steps = straight.operations() - before;
    assert!(steps > 10, "the change has to touch something of each kind");

    for cut in [Cut::Before, Cut::After] {
        for step in 0..steps {
            let host = lived_in();
            apply_now(&host, &rich());
            host.cut_power_at(step, cut);
            block_on(apply(&host, &other(), None)).unwrap_err();
            host.boot();
            apply_now(&host, &other());
            assert_eq!(machine(&host), machine(&straight), "{cut:?} {step}");
            assert_eq!(
                differences_after_boot(&host, &other()),
                Vec::<String>::new()
            );
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_can_be_put_back() {
    let steps = {
        let host = lived_in();
        apply_now(&host, &rich());
        host.operations()
    };
    for cut in [Cut::Before, Cut::After] {
        for step in 0..steps {
            let host = lived_in();
            let found = machine(&host);
            host.cut_power_at(step, cut);
            block_on(apply(&host, &rich(), None)).unwrap_err();
            host.boot();
            block_on(apply(&host, &Content::default(), Some("1.33.1"))).unwrap();
            assert_eq!(machine(&host), found, "{cut:?} {step}");
        }
    }
}

#[test]
fn what_somebody_changed_is_named() {
    let host = lived_in();
    apply_now(&host, &rich());
    host.boot();
    host.tamper(|disk| {
        disk.files
            .insert(CHRONY.into(), File::of_root("theirs\n", 0o644));
        disk.units.insert(UNIT.into(), UnitState::Disabled);
    });
    assert_eq!(
        block_on(prove(&host, &rich())).unwrap(),
        [
            "content or mode of file /etc/chrony.conf",
            "unit tuned.service should be enabled"
        ]
    );
}

#[test]
fn a_kernel_argument_counts_only_once_it_is_in_effect() {
    let host = lived_in();
    apply_now(&host, &rich());
    let before_boot = block_on(prove(&host, &rich())).unwrap();
    assert!(before_boot.contains(&"kernel argument nosmt is not in effect".to_owned()));
    assert!(differences_after_boot(&host, &rich()).is_empty());
}

#[test]
fn kernel_arguments_of_the_machine_and_of_others_stay() {
    let host = lived_in();
    apply_now(&host, &rich());
    host.tamper(|disk| disk.next.kernel_arguments.push("added_by_the_owner".into()));
    apply_now(&host, &other());
    assert_eq!(
        host.disk().next.kernel_arguments,
        ["root=/dev/vda", "quiet", "added_by_the_owner", "nosmt"]
    );
}

#[test]
fn what_is_there_as_wished_is_not_written() {
    let host = MemoryHost::new();
    let file = File::of_root("pool a\n", 0o644);
    host.tamper(|disk| {
        disk.files.insert(CHRONY.into(), file.clone());
    });
    let content = Content {
        files: [(CHRONY.to_owned(), file)].into(),
        ..Content::default()
    };
    let survey = block_on(Survey::of(&host, &content)).unwrap();
    assert!(unfulfilled(&content, &survey).is_empty());
    let list = operations(&content, &survey, None);
    assert!(matches!(list.as_slice(), [Operation::KeepFile { .. }]));
}

#[test]
fn a_damaged_record_stops_us_before_anything_is_lost() {
    let host = lived_in();
    apply_now(&host, &rich());
    host.tamper(|disk| {
        let record = disk.blobs.keys().next().cloned().unwrap();
        disk.blobs.insert(record, b"{".to_vec());
    });
    let error = block_on(apply(&host, &other(), None)).unwrap_err();
    assert!(error.in_full().contains("damaged"), "{}", error.in_full());
}
