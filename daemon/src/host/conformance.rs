//! What [`Host`] asks of every machine, as cases that run on each of them.
//!
//! A machine is made by [`Bench`]; what only one kind of machine can be asked is in that kind's own tests.

use super::memory::MemoryHost;
use super::plain::tests::PlainBench;
use super::{Directory, File, Host, Owner, UnitState, User};
use crate::apply::{self, Content, UnitWish};
use std::collections::BTreeMap;

/// Makes machines of one kind, with a user `core` and nothing of the owner's in `/etc`.
pub(super) trait Bench {
    type Machine: Host;

    fn machine(&self) -> &Self::Machine;

    /// Files and links by path, and enabled units, as somebody sees them who does not ask the daemon.
    fn seen(&self) -> Seen;
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Content by path; of a link `-> target`.
    pub(super) files: BTreeMap<String, String>,
}

impl Bench for MemoryHost {
    type Machine = Self;

    fn machine(&self) -> &Self {
        self
    }

    fn seen(&self) -> Seen {
        let disk = self.disk();
        let files = disk.files.into_iter();
        let text = |file: File| String::from_utf8_lossy(&file.content).into_owned();
        let mut seen = Seen {
            files: files.map(|(path, file)| (path, text(file))).collect(),
        };
        let links = disk.links.into_iter();
        seen.files
            .extend(links.map(|(path, target)| (path, format!("-> {target}"))));
        seen
    }
}

/// Runs each case on a new machine of each kind.
macro_rules! cases {
    ($($name:ident)*) => {
        mod memory {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(&super::MemoryHost::new()).await;
                }
            )*
        }
        mod plain {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(&super::PlainBench::new()).await;
                }
            )*
        }
    };
}

cases! {
    a_file_that_was_written_is_read_back_with_its_mode_and_owner
    a_file_is_seen_by_others_as_it_was_written
    a_file_that_is_written_again_is_wholly_the_new_one
    what_is_not_there_reads_as_nothing_and_is_removed_without_an_error
    a_file_that_is_removed_is_gone
    a_link_is_read_as_a_link_and_through_it_the_file
    a_file_takes_the_place_of_a_link_and_not_of_what_it_leads_to
    a_link_takes_the_place_of_a_file
    a_directory_has_the_permissions_it_was_given
    a_directory_goes_only_when_it_is_empty
    a_unit_without_a_file_is_neither_enabled_nor_masked
    a_unit_is_enabled_disabled_and_masked_from_whatever_it_is
    a_mask_takes_the_place_of_the_units_file
    a_user_keeps_what_was_set
    a_machine_knows_who_is_not_its_user
    a_blob_is_whole_and_found_by_its_prefix
    a_blob_that_is_discarded_is_gone
    a_content_is_applied_proven_and_put_back
    a_boot_has_one_identity
}

async fn a_file_that_was_written_is_read_back_with_its_mode_and_owner(bench: &impl Bench) {
    let file = File {
        user: Owner::Name("root".into()),
        ..File::of_root("a\n", 0o4750)
    };
    let host = bench.machine();
    host.write_file("/etc/made/for/it", &file).await.unwrap();
    let read = host.read_file("/etc/made/for/it").await.unwrap();
    assert_eq!(read, Some(File::of_root("a\n", 0o4750)));
}

async fn a_file_is_seen_by_others_as_it_was_written(bench: &impl Bench) {
    let file = File::of_root("pool a\n", 0o644);
    bench
        .machine()
        .write_file("/etc/chrony.conf", &file)
        .await
        .unwrap();
    let files = BTreeMap::from([("/etc/chrony.conf".to_owned(), "pool a\n".to_owned())]);
    assert_eq!(bench.seen().files, files);
}

async fn a_file_that_is_written_again_is_wholly_the_new_one(bench: &impl Bench) {
    let host = bench.machine();
    let long = File::of_root("x".repeat(100_000), 0o644);
    host.write_file("/etc/a", &long).await.unwrap();
    let short = File::of_root("y", 0o600);
    host.write_file("/etc/a", &short).await.unwrap();
    assert_eq!(host.read_file("/etc/a").await.unwrap(), Some(short));
}

async fn what_is_not_there_reads_as_nothing_and_is_removed_without_an_error(bench: &impl Bench) {
    let host = bench.machine();
    assert_eq!(host.read_file("/etc/no/such").await.unwrap(), None);
    assert_eq!(host.link("/etc/no/such").await.unwrap(), None);
    assert_eq!(host.directory("/etc/no/such").await.unwrap(), None);
    host.remove_file("/etc/no/such").await.unwrap();
    host.remove_directory("/etc/no/such").await.unwrap();
    host.discard("no-such").await.unwrap();
    assert_eq!(host.load("no-such").await.unwrap(), None);
}

async fn a_file_that_is_removed_is_gone(bench: &impl Bench) {
    let host = bench.machine();
    let file = File::of_root("a", 0o644);
    host.write_file("/etc/a", &file).await.unwrap();
    host.remove_file("/etc/a").await.unwrap();
    assert_eq!(host.read_file("/etc/a").await.unwrap(), None);
    assert_eq!(bench.seen(), Seen::default());
}

async fn a_link_is_read_as_a_link_and_through_it_the_file(bench: &impl Bench) {
    let host = bench.machine();
    let file = File::of_root("a", 0o644);
    host.write_file("/etc/a", &file).await.unwrap();
    host.write_link("/etc/to-a", "/etc/a").await.unwrap();
    let link = host.link("/etc/to-a").await.unwrap();
    assert_eq!(link.as_deref(), Some("/etc/a"));
    assert_eq!(host.read_file("/etc/to-a").await.unwrap(), Some(file));
    assert_eq!(host.link("/etc/a").await.unwrap(), None);
}

async fn a_file_takes_the_place_of_a_link_and_not_of_what_it_leads_to(bench: &impl Bench) {
    let host = bench.machine();
    let file = |text| File::of_root(text, 0o644);
    host.write_file("/etc/a", &file("a")).await.unwrap();
    host.write_link("/etc/to-a", "a").await.unwrap();
    host.write_file("/etc/to-a", &file("b")).await.unwrap();
    assert_eq!(host.link("/etc/to-a").await.unwrap(), None);
    assert_eq!(host.read_file("/etc/a").await.unwrap(), Some(file("a")));
    assert_eq!(host.read_file("/etc/to-a").await.unwrap(), Some(file("b")));
}

async fn a_link_takes_the_place_of_a_file(bench: &impl Bench) {
    let host = bench.machine();
    let file = File::of_root("a", 0o644);
    host.write_file("/etc/a", &file).await.unwrap();
    host.write_link("/etc/a", "/nowhere").await.unwrap();
    assert_eq!(host.read_file("/etc/a").await.unwrap(), None);
    assert_eq!(bench.seen().files["/etc/a"], "-> /nowhere");
}

fn directory(mode: u32) -> Directory {
    Directory {
        mode,
        user: Owner::Id(0),
        group: Owner::Id(0),
    }
}

async fn a_directory_has_the_permissions_it_was_given(bench: &impl Bench) {
    let host = bench.machine();
    for mode in [0o700, 0o2775] {
        host.write_directory("/etc/made/d", &directory(mode))
            .await
            .unwrap();
        let read = host.directory("/etc/made/d").await.unwrap();
        assert_eq!(read, Some(directory(mode)));
    }
}

async fn a_directory_goes_only_when_it_is_empty(bench: &impl Bench) {
    let host = bench.machine();
    let file = File::of_root("a", 0o644);
    host.write_directory("/etc/d", &directory(0o755))
        .await
        .unwrap();
    host.write_file("/etc/d/a", &file).await.unwrap();
    host.remove_directory("/etc/d").await.unwrap();
    assert!(host.directory("/etc/d").await.unwrap().is_some());
    host.remove_file("/etc/d/a").await.unwrap();
    host.remove_directory("/etc/d").await.unwrap();
    assert_eq!(host.directory("/etc/d").await.unwrap(), None);
}

async fn a_unit_without_a_file_is_neither_enabled_nor_masked(bench: &impl Bench) {
    let state = bench.machine().unit("no-such.service").await.unwrap();
    assert_eq!(state, UnitState::Disabled);
}

const UNIT: &str = "a.service";

fn unit_file() -> File {
    File::of_root("[Install]\nWantedBy=multi-user.target\n", 0o644)
}

async fn a_unit_is_enabled_disabled_and_masked_from_whatever_it_is(bench: &impl Bench) {
    use UnitState::{Disabled, Enabled, Masked};
    let host = bench.machine();
    for from in [Disabled, Enabled, Masked] {
        for to in [Disabled, Enabled, Masked] {
            host.set_unit(UNIT, Disabled).await.unwrap();
            let path = Content::unit_path(UNIT);
            host.write_file(&path, &unit_file()).await.unwrap();
            host.set_unit(UNIT, from).await.unwrap();
            if from == Masked && to == Enabled {
                // A mask takes the file away, and what is enabled needs one.
                host.set_unit(UNIT, Disabled).await.unwrap();
                host.write_file(&path, &unit_file()).await.unwrap();
            }
            host.set_unit(UNIT, to).await.unwrap();
            assert_eq!(host.unit(UNIT).await.unwrap(), to, "from {from:?}");
        }
    }
}

async fn a_mask_takes_the_place_of_the_units_file(bench: &impl Bench) {
    let host = bench.machine();
    let path = Content::unit_path(UNIT);
    host.write_file(&path, &unit_file()).await.unwrap();
    host.set_unit(UNIT, UnitState::Masked).await.unwrap();
    host.set_unit(UNIT, UnitState::Disabled).await.unwrap();
    assert_eq!(host.read_file(&path).await.unwrap(), None);
}

async fn a_user_keeps_what_was_set(bench: &impl Bench) {
    let host = bench.machine();
    let users = [
        User {
            ssh_keys: vec!["ssh-ed25519 AAAA a".into(), "ssh-ed25519 AAAA b".into()],
            password_hash: Some("$6$salt$hash".into()),
        },
        User {
            ssh_keys: vec!["ssh-ed25519 AAAA c".into()],
            password_hash: None,
        },
        User::default(),
    ];
    for user in users {
        host.set_user("core", &user).await.unwrap();
        assert_eq!(host.user("core").await.unwrap(), Some(user));
    }
}

async fn a_machine_knows_who_is_not_its_user(bench: &impl Bench) {
    assert_eq!(bench.machine().user("nobody-here").await.unwrap(), None);
}

async fn a_blob_is_whole_and_found_by_its_prefix(bench: &impl Bench) {
    let host = bench.machine();
    for key in ["config-b", "journal.json", "config-a"] {
        host.store(key, key.as_bytes()).await.unwrap();
        host.store(key, b"").await.unwrap();
        host.store(key, key.as_bytes()).await.unwrap();
    }
    assert_eq!(
        host.keys("config-").await.unwrap(),
        ["config-a", "config-b"]
    );
    let blob = host.load("journal.json").await.unwrap();
    assert_eq!(blob.as_deref(), Some(b"journal.json".as_slice()));
    assert_eq!(bench.seen(), Seen::default());
}

async fn a_blob_that_is_discarded_is_gone(bench: &impl Bench) {
    let host = bench.machine();
    host.store("a", b"a").await.unwrap();
    host.discard("a").await.unwrap();
    assert_eq!(host.load("a").await.unwrap(), None);
    assert_eq!(host.keys("").await.unwrap(), Vec::<String>::new());
}

/// A config with files, links, directories, units and a user.
pub(super) fn content() -> Content {
    Content {
        files: [
            (
                "/etc/chrony.conf".to_owned(),
                File::of_root("pool a\n", 0o640),
            ),
            (Content::unit_path(UNIT), unit_file()),
            (
                Content::dropin_path("kubelet.service", "10-args.conf"),
                File::of_root("[Service]\nEnvironment=A=1\n", 0o644),
            ),
        ]
        .into(),
        links: [("/etc/localtime".to_owned(), "../usr/UTC".to_owned())].into(),
        directories: [("/etc/new.d".to_owned(), directory(0o750))].into(),
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
        ..Content::default()
    }
}

/// Gives the machine some things of its owner's, in the way of [`content`].
pub(super) async fn live_in(host: &impl Host) {
    let chrony = File::of_root("the owner's\n", 0o600);
    host.write_file("/etc/chrony.conf", &chrony).await.unwrap();
    host.write_link("/etc/localtime", "/usr/Tokyo")
        .await
        .unwrap();
    let rpcbind = Content::unit_path("rpcbind.service");
    host.write_file(&rpcbind, &unit_file()).await.unwrap();
    host.set_unit("rpcbind.service", UnitState::Enabled)
        .await
        .unwrap();
}

async fn a_content_is_applied_proven_and_put_back(bench: &impl Bench) {
    let host = bench.machine();
    live_in(host).await;
    let found = bench.seen();
    apply::apply(host, &content(), None).await.unwrap();
    let nothing = Vec::<String>::new();
    assert_eq!(apply::prove(host, &content()).await.unwrap(), nothing);
    apply::apply(host, &Content::default(), None).await.unwrap();
    assert_eq!(bench.seen(), found);
    assert_eq!(host.keys("original-").await.unwrap(), nothing);
}

async fn a_boot_has_one_identity(bench: &impl Bench) {
    let host = bench.machine();
    let boot = host.boot_id().await.unwrap();
    assert!(!boot.is_empty());
    assert_eq!(host.boot_id().await.unwrap(), boot);
}
