//! The links are systemd's own: `systemctl --root` makes the same, and reads ours as we do.

use super::*;
use crate::host::UnitState;
use std::process::Command;

const WANTED: &str = "[Install]\nWantedBy=multi-user.target \\\n  graphical.target\n";
const REQUIRED: &str = "# [Install]\n[Unit]\nWantedBy=x.target\n[Install]\nRequiredBy=a.target\n";
const ALIASED: &str = "[Install]\nAlias=other.service\nWantedBy=a.target\n";
const RESET: &str = "[Install]\nWantedBy=a.target\nWantedBy=\nWantedBy=b.target\n";
const ALSO: &str = "[Install]\nWantedBy=a.target\nAlso=helper.socket\n";
const TEMPLATE: &str =
    "[Install]\nWantedBy=a.target\nDefaultInstance=one\nAlias=alias@%i.service\n";

/// Runs systemctl on `root`; what it says.
fn systemctl(root: &Path, arguments: &[&str]) -> String {
    let run = Command::new("systemctl")
        .arg(format!("--root={}", root.display()))
        .args(arguments)
        .output();
    let output = run.expect("systemctl is needed as the judge: apt-get install systemd");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn vendor(bench: &PlainBench, name: &str, text: &str) {
    let directory = bench.root.path().join("usr/lib/systemd/system");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(name), text).unwrap();
}

#[tokio::test]
async fn a_unit_is_enabled_and_disabled_as_systemctl_does() {
    for (file, name, text) in [
        ("u.service", "u.service", WANTED),
        ("u.service", "u.service", REQUIRED),
        ("u.service", "u.service", ALIASED),
        ("u.service", "u.service", RESET),
        ("u.service", "u.service", ALSO),
        ("t@.service", "t@two.service", TEMPLATE),
        ("t@.service", "t@.service", TEMPLATE),
    ] {
        let (ours, theirs) = (PlainBench::new(), PlainBench::new());
        for bench in [&ours, &theirs] {
            vendor(bench, file, text);
            vendor(
                bench,
                "helper.socket",
                "[Install]\nWantedBy=sockets.target\n",
            );
        }
        let host = ours.machine();
        host.set_unit(name, UnitState::Enabled).await.unwrap();
        systemctl(theirs.root.path(), &["enable", name]);
        assert_eq!(ours.seen(), theirs.seen(), "{name} {text}");
        assert!(!ours.seen().files.is_empty(), "{name} {text}");
        assert_eq!(host.unit(name).await.unwrap(), UnitState::Enabled);
        assert_eq!(
            systemctl(ours.root.path(), &["is-enabled", name]),
            "enabled",
            "{name} {text}"
        );
        // `Also=` is ours to differ in (see `units`); and systemctl forgets the alias of an instance.
        if text != ALSO && name != "t@two.service" {
            host.set_unit(name, UnitState::Disabled).await.unwrap();
            systemctl(theirs.root.path(), &["disable", name]);
            assert_eq!(ours.seen(), theirs.seen(), "{name} {text}");
        }
    }
}

#[tokio::test]
async fn what_systemctl_did_is_read_as_systemctl_reads_it() {
    let bench = PlainBench::new();
    let root = bench.root.path();
    vendor(&bench, "wanted.service", WANTED);
    vendor(&bench, "masked.service", WANTED);
    vendor(&bench, "plain.service", "[Service]\nExecStart=/bin/true\n");
    vendor(&bench, "idle.service", WANTED);
    systemctl(root, &["enable", "wanted.service"]);
    systemctl(root, &["mask", "masked.service"]);
    for (name, state) in [
        ("wanted.service", UnitState::Enabled),
        ("masked.service", UnitState::Masked),
        ("plain.service", UnitState::Static),
        ("idle.service", UnitState::Disabled),
    ] {
        assert_eq!(bench.machine().unit(name).await.unwrap(), state);
        assert_eq!(systemctl(root, &["is-enabled", name]), state.word());
    }
}

#[tokio::test]
async fn a_mask_is_the_one_that_systemctl_makes() {
    let (ours, theirs) = (PlainBench::new(), PlainBench::new());
    ours.machine()
        .set_unit("u.service", UnitState::Masked)
        .await
        .unwrap();
    systemctl(theirs.root.path(), &["mask", "u.service"]);
    assert_eq!(ours.seen(), theirs.seen());
    ours.machine()
        .set_unit("u.service", UnitState::Disabled)
        .await
        .unwrap();
    assert_eq!(ours.seen(), Seen::default());
}

#[tokio::test]
async fn presets_say_what_systemctl_makes_of_them() {
    let bench = PlainBench::new();
    let root = bench.root.path();
    let presets = root.join("usr/lib/systemd/system-preset");
    fs::create_dir_all(&presets).unwrap();
    let rules = "# rules\nenable yes-*.service\ndisable yes-but.service\n\
                 enable t@.service one two\ndisable *\n";
    fs::write(presets.join("90-default.preset"), rules).unwrap();
    let early = "disable yes-not.service\n";
    fs::write(presets.join("10-early.preset"), early).unwrap();
    vendor(&bench, "t@.service", TEMPLATE);
    for name in ["yes-a", "yes-but", "yes-not", "no"] {
        vendor(&bench, &format!("{name}.service"), WANTED);
    }
    for name in [
        "yes-a.service",
        "yes-but.service",
        "yes-not.service",
        "no.service",
        "t@one.service",
        "t@three.service",
    ] {
        let ours = bench.machine().unit_preset(name).await.unwrap();
        systemctl(root, &["preset", name]);
        let theirs = systemctl(root, &["is-enabled", name]) == "enabled";
        assert_eq!(ours, theirs, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_enabled_says_why() {
    let bench = PlainBench::new();
    vendor(&bench, "t@.service", "[Install]\nWantedBy=a.target\n");
    for (name, why) in [
        ("no-such.service", "no such unit"),
        ("t@.service", "name an instance"),
        ("../../etc/passwd", "no name of a unit"),
        ("kubelet", "no name of a unit"),
    ] {
        let refused = bench.machine().set_unit(name, UnitState::Enabled).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(bench.seen(), Seen::default());
}
