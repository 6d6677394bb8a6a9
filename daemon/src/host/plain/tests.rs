//! What only a machine with a file system can be asked, on a root of its own. All of it runs as root, as the daemon does.

mod disk;
mod fetch;
mod systemctl;
mod systemd;

use super::*;
use crate::host::conformance::{Bench, Seen};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use tempfile::TempDir;

/// Services that are told nothing.
#[derive(Debug, Default)]
pub(crate) struct Quiet;

impl ServiceManager for Quiet {
    async fn reload(&self) -> Result<(), HostError> {
        Ok(())
    }

    async fn reload_unit(&self, _name: &str) -> Result<(), HostError> {
        Ok(())
    }

    async fn restart_unit(&self, _name: &str) -> Result<(), HostError> {
        Ok(())
    }

    async fn reboot(&self) -> Result<(), HostError> {
        Ok(())
    }
}

/// A machine on a root of its own.
pub(crate) struct PlainBench {
    pub(super) root: TempDir,
    host: PlainHost<Quiet>,
}

impl PlainBench {
    pub(crate) fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "the daemon's tests give files to their owners: run them as root"
        );
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\ncore:x:1000:1000::/home/core:/bin/sh\n",
        );
        put("etc/group", "root:x:0:\ncore:x:1000:\n");
        put("etc/shadow", "root:!:::::::\ncore:*:19000::::::\n");
        put("etc/os-release", "ID=\"flatcar\"\n");
        put("proc/sys/kernel/random/boot_id", "boot-1\n");
        fs::create_dir_all(root.path().join("home/core")).unwrap();
        let host = open(root.path());
        Self { root, host }
    }

    /// The daemon's process starts anew.
    pub(super) fn start_again(self) -> Self {
        let Self { root, host } = self;
        drop(host);
        let host = open(root.path());
        Self { root, host }
    }

    pub(super) fn disk(&self) -> &Disk {
        &self.host.machine.disk
    }
}

fn open(root: &Path) -> PlainHost<Quiet> {
    let options = Options {
        root: root.to_owned(),
        ..Options::default()
    };
    PlainHost::open(options, Quiet).unwrap()
}

impl Bench for PlainBench {
    type Machine = PlainHost<Quiet>;

    fn machine(&self) -> &PlainHost<Quiet> {
        &self.host
    }

    fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        let base = ["passwd", "group", "shadow", "os-release", ".pwd.lock"];
        let mut open = vec![self.root.path().join("etc")];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let below = path.strip_prefix(self.root.path()).unwrap();
                let name = format!("/{}", below.display());
                let is_base = base.iter().any(|it| name == format!("/etc/{it}"));
                if path.is_symlink() {
                    let target = fs::read_link(&path).unwrap();
                    seen.files.insert(name, format!("-> {}", target.display()));
                } else if path.is_dir() {
                    open.push(path);
                } else if !is_base {
                    seen.files.insert(name, fs::read_to_string(&path).unwrap());
                }
            }
        }
        seen
    }
}

#[tokio::test]
async fn a_second_daemon_is_kept_from_the_same_state() {
    let bench = PlainBench::new();
    let options = Options {
        root: bench.root.path().to_owned(),
        ..Options::default()
    };
    let error = PlainHost::open(options, Quiet).unwrap_err();
    assert!(error.hint.contains("another daemon"), "{error}");
}

#[tokio::test]
async fn the_state_directory_is_roots_alone() {
    let bench = PlainBench::new();
    bench.machine().store("journal.json", b"{}").await.unwrap();
    let mode = |path: &str| {
        let metadata = fs::metadata(bench.root.path().join(path)).unwrap();
        metadata.mode() & 0o7777
    };
    assert_eq!(mode("var/lib/windlass"), 0o700);
    assert_eq!(mode("var/lib/windlass/journal.json"), 0o600);
}

#[tokio::test]
async fn keys_are_their_users_and_other_accounts_stay_as_they_are() {
    let bench = PlainBench::new();
    let user = User {
        ssh_keys: vec!["ssh-ed25519 AAAA me".into()],
        password_hash: Some("$6$a$b".into()),
    };
    bench.machine().set_user("core", &user).await.unwrap();
    let keys = bench
        .root
        .path()
        .join("home/core/.ssh/authorized_keys.d/ignition");
    assert_eq!(fs::read_to_string(&keys).unwrap(), "ssh-ed25519 AAAA me\n");
    for path in [keys.parent().unwrap(), &keys] {
        assert_eq!(fs::metadata(path).unwrap().uid(), 1000);
    }
    assert_eq!(
        fs::read_to_string(bench.root.path().join("etc/shadow")).unwrap(),
        "root:!:::::::\ncore:$6$a$b:19000::::::\n"
    );
}

#[tokio::test]
async fn a_user_cannot_lead_the_daemon_out_of_their_home() {
    let bench = PlainBench::new();
    let home = bench.root.path().join("home/core");
    std::os::unix::fs::symlink("/etc", home.join(".ssh")).unwrap();
    let user = User {
        ssh_keys: vec!["k".into()],
        password_hash: None,
    };
    bench.machine().set_user("core", &user).await.unwrap_err();
    assert_eq!(bench.seen(), Seen::default());
}

#[tokio::test]
async fn a_password_that_would_be_another_line_is_refused() {
    let bench = PlainBench::new();
    let before = fs::read(bench.root.path().join("etc/shadow")).unwrap();
    for hash in ["a:0:0", "a\nroot::0"] {
        let user = User {
            ssh_keys: Vec::new(),
            password_hash: Some(hash.into()),
        };
        bench.machine().set_user("core", &user).await.unwrap_err();
    }
    assert_eq!(
        fs::read(bench.root.path().join("etc/shadow")).unwrap(),
        before
    );
}

#[tokio::test]
async fn a_machine_says_what_it_is_and_what_it_cannot() {
    let bench = PlainBench::new();
    let facts = bench.machine().facts().await.unwrap();
    assert_eq!(facts.os_id, "flatcar");
    assert!(!facts.package_mode);
    assert!(facts.capabilities.has(Capability::Links));
    assert!(!facts.capabilities.has(Capability::OsImage));
    let refused = bench.machine().install_kubelet("1.34.0").await;
    let refused = refused.unwrap_err().in_full();
    assert!(refused.contains("kubelet 1.34.0"), "{refused}");
}

#[tokio::test]
async fn a_package_that_is_installed_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let database = root.path().join("var/lib/dpkg");
    fs::create_dir_all(database.join("info")).unwrap();
    let host = open(root.path());
    assert!(!host.facts().await.unwrap().package_mode);
    fs::write(database.join("info/kubelet.list"), "/usr/bin/kubelet\n").unwrap();
    fs::write(database.join("status-new"), "").unwrap();
    host.facts_changed().await;
    assert!(host.facts().await.unwrap().package_mode);
}

#[tokio::test]
async fn a_kubelet_answers_only_where_one_says_that_it_is_well() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/healthz", listener.local_addr().unwrap());
    let serve = async {
        for line in ["200 OK", "500 Internal Server Error"] {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let (mut stream, _) = listener.accept().await.unwrap();
            let read = stream.read(&mut [0; 1024]).await.unwrap();
            assert!(read > 0);
            let answer =
                format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    let ask = async {
        assert!(health::answers(&url).await);
        assert!(!health::answers(&url).await);
    };
    tokio::join!(serve, ask);
    drop(listener);
    assert!(!health::answers(&url).await);
}
