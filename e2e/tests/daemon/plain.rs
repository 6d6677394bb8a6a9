//! The unmodified daemon on a machine with a file system: a root of its own, whose services and power this test plays.

use super::rig::{NODE, Rig, note, ours, spec_of};
use daemon::host::HostError;
use daemon::host::plain::{Options, PlainHost, ServiceManager};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::sync::Notify;

const BOOT_ID: &str = "proc/sys/kernel/random/boot_id";

/// Services that note what they are told, and a power switch.
#[derive(Clone, Default)]
struct Services {
    told: Arc<Mutex<Vec<String>>>,
    power: Arc<Notify>,
}

impl Services {
    fn note(&self, line: String) {
        self.told.lock().unwrap().push(line);
    }
}

impl ServiceManager for Services {
    async fn reload(&self) -> Result<(), HostError> {
        self.note("daemon-reload".to_owned());
        Ok(())
    }

    async fn reload_unit(&self, name: &str) -> Result<(), HostError> {
        self.note(format!("reload {name}"));
        Ok(())
    }

    async fn restart_unit(&self, name: &str) -> Result<(), HostError> {
        self.note(format!("restart {name}"));
        Ok(())
    }

    async fn reboot(&self) -> Result<(), HostError> {
        self.note("reboot".to_owned());
        self.power.notify_one();
        Ok(())
    }
}

/// A machine whose daemon is started by each boot.
struct Machine {
    root: TempDir,
    services: Services,
}

impl Machine {
    async fn start() -> (Self, Rig) {
        let root = tempfile::tempdir().unwrap();
        let machine = Self {
            root,
            services: Services::default(),
        };
        machine.put("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        machine.put("etc/group", "root:x:0:\n");
        machine.put("etc/os-release", "ID=debian\n");
        machine.put("etc/chrony.conf", "the owner's\n");
        machine.put(BOOT_ID, "boot-1\n");
        let mut rig = Rig::with_node().await;
        let (root, services) = (machine.root.path().to_owned(), machine.services.clone());
        let server = rig.server.clone();
        rig.spawn(async move {
            for boot in 2.. {
                let host = open(root.clone(), services.clone());
                tokio::select! {
                    () = super::rig::run_daemon(&server, host) => {}
                    () = services.power.notified() => {}
                }
                fs::write(root.join(BOOT_ID), format!("boot-{boot}\n")).unwrap();
            }
        });
        rig.grant_drains();
        (machine, rig)
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.path().join(path)).unwrap_or_default()
    }

    fn told(&self) -> Vec<String> {
        self.services.told.lock().unwrap().clone()
    }
}

fn open(root: PathBuf, services: Services) -> PlainHost<Services> {
    let options = Options {
        root,
        // No kubelet of this machine's is to be found at any address.
        kubelet_health: String::new(),
        ..Options::default()
    };
    PlainHost::open(options, services).unwrap()
}

/// A config with a file, a link, a directory and a unit that is enabled.
fn rich(chrony: &str) -> Value {
    let mut spec = spec_of(&[("/etc/chrony.conf", chrony)], &[]);
    spec["config"]["storage"]["links"] =
        json!([{"path": "/etc/localtime", "target": "../usr/share/zoneinfo/UTC"}]);
    spec["config"]["storage"]["directories"] = json!([{"path": "/etc/new.d", "mode": 0o750}]);
    spec["config"]["systemd"] = json!({"units": [{
        "name": "a.service",
        "enabled": true,
        "contents": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
    }]});
    spec
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_config_is_on_the_disk_when_the_node_says_so() {
    let (machine, rig) = Machine::start().await;
    rig.render("rendered-worker-1", rich("pool a\n"), json!({}))
        .await;

    rig.assign(1, "rendered-worker-1").await;
    let node = rig.until_done("rendered-worker-1", 1).await;

    assert_eq!(machine.text("etc/chrony.conf"), "pool a\n");
    let link = fs::read_link(machine.root.path().join("etc/localtime")).unwrap();
    assert_eq!(link, PathBuf::from("../usr/share/zoneinfo/UTC"));
    assert!(machine.root.path().join("etc/new.d").is_dir());
    let wanted = "etc/systemd/system/multi-user.target.wants/a.service";
    assert!(machine.root.path().join(wanted).is_symlink());
    assert_eq!(machine.told(), ["reboot"]);
    assert_eq!(ours(&node, "boot-id"), "boot-2");
    assert_eq!(ours(&node, "os-id"), "debian");
    assert!(ours(&node, "capabilities").contains("Links"));
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn what_leaves_the_config_is_as_it_was_before_the_first() {
    let (machine, rig) = Machine::start().await;
    rig.render("rendered-worker-1", rich("pool a\n"), json!({}))
        .await;
    rig.render("rendered-worker-2", spec_of(&[], &[]), json!({}))
        .await;
    rig.assign(1, "rendered-worker-1").await;
    rig.until_done("rendered-worker-1", 1).await;

    rig.assign(2, "rendered-worker-2").await;
    rig.until_done("rendered-worker-2", 2).await;

    assert_eq!(machine.text("etc/chrony.conf"), "the owner's\n");
    let root = machine.root.path();
    for gone in [
        "etc/localtime",
        "etc/new.d",
        "etc/systemd/system/a.service",
        "etc/systemd/system/multi-user.target.wants",
    ] {
        assert!(
            !root.join(gone).is_symlink() && !root.join(gone).exists(),
            "{gone}"
        );
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_config_that_this_backend_cannot_bring_touches_nothing() {
    let (machine, rig) = Machine::start().await;
    let spec = spec_of(&[("/etc/chrony.conf", "pool a\n")], &["nosmt"]);
    rig.render("rendered-worker-1", spec, json!({})).await;

    rig.assign(1, "rendered-worker-1").await;
    let node = rig.until_state("Unreconcilable", 1).await;

    assert!(
        note(&node, "reason").contains("KernelArguments"),
        "{}",
        note(&node, "reason")
    );
    assert_eq!(machine.text("etc/chrony.conf"), "the owner's\n");
    assert_eq!(machine.told(), Vec::<String>::new());
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn what_somebody_changed_on_the_disk_is_put_right_by_the_next_assignment() {
    let (machine, rig) = Machine::start().await;
    rig.render("rendered-worker-1", rich("pool a\n"), json!({}))
        .await;
    rig.assign(1, "rendered-worker-1").await;
    rig.until_done("rendered-worker-1", 1).await;
    machine.put("etc/chrony.conf", "theirs\n");

    rig.assign(2, "rendered-worker-1").await;
    let node = rig.until_done("rendered-worker-1", 2).await;

    assert_eq!(machine.text("etc/chrony.conf"), "pool a\n");
    assert_eq!(node.metadata.name.as_deref(), Some(NODE));
}
