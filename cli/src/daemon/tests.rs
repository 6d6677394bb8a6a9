//! Putting the service on a host and taking it off again, on a root of its own. As root, as it is done.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use ::daemon::apply::{self, Content};
use ::daemon::core::{Memory, Order, Purpose, State, Visit};
use ::daemon::host::plain::{Options, PlainHost, Root, Systemd};
use ::daemon::host::{File, Host as _};
use ::daemon::journal;
use api::clock::Clock;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Parser as _;
use http::{Request, Response};
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tempfile::TempDir;
use tower::service_fn;

use super::install::Installer;
use super::layout::{FILES, KUBECONFIG, PROGRAM, SETTINGS, TOKEN, UNIT_PATH};
use super::settings::{Flags, Settings};
use super::{install, uninstall};

const NODE: &str = "worker-1";
const NOW: i64 = 1_700_000_000;
const DAY: i64 = 24 * 3600;

#[derive(clap::Parser)]
struct InstallLine {
    #[command(flatten)]
    args: install::Args,
}

#[derive(clap::Parser)]
struct UninstallLine {
    #[command(flatten)]
    args: uninstall::Args,
}

fn token(node: &str, issued: i64, pod: bool) -> String {
    let mut said = json!({
        "namespace": "windlass",
        "node": {"name": node},
        "serviceaccount": {"name": "windlass-daemon"},
    });
    if pod {
        said["pod"] = json!({"name": "windlass-daemon-abcde"});
    }
    let payload = json!({"iat": issued, "exp": issued + 7 * DAY, "kubernetes.io": said});
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload.to_string()))
}

/// A host that does not run, a pod's ServiceAccount, and an API server that gives tokens.
struct Bench {
    host: TempDir,
    account: TempDir,
    given: Arc<Mutex<usize>>,
}

impl Bench {
    fn new() -> Self {
        let (host, account) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(account.path().join("token"), token(NODE, NOW, true)).unwrap();
        fs::write(account.path().join("ca.crt"), "the cluster's\n").unwrap();
        Self {
            host,
            account,
            given: Arc::default(),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.host.path().join(path.trim_start_matches('/'))
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn client(&self) -> Client {
        let given = Arc::clone(&self.given);
        let service = service_fn(move |_: Request<Body>| {
            *given.lock().unwrap() += 1;
            let answer = json!({
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "metadata": {},
                "spec": {"audiences": []},
                "status": {
                    "token": token(NODE, NOW, false),
                    "expirationTimestamp": "2026-01-01T00:00:00Z",
                },
            });
            let body = Body::from(answer.to_string().into_bytes());
            async move { Ok::<_, std::convert::Infallible>(Response::new(body)) }
        });
        Client::new(service, "windlass")
    }

    /// The installer's command line for this host and account, with `more`.
    fn install_args(&self, more: &[&str]) -> install::Args {
        let account = self.account.path().display().to_string();
        let host = self.host.path().display().to_string();
        let line = [
            "install",
            "--host-root",
            &host,
            "--service-account",
            &account,
        ];
        InstallLine::parse_from(line.iter().chain(more)).args
    }

    /// One pass, `later` seconds after the first.
    async fn install(&self, program: &str, later: i64) -> bool {
        let installer = Installer {
            root: Root::open(self.host.path()).unwrap(),
            args: self.install_args(&["--server", "https://10.0.0.1:6443"]),
            node: NODE.to_owned(),
            program: program.as_bytes().to_vec(),
            client: self.client(),
            clock: Clock::fixed(Timestamp::from_second(NOW + later).unwrap()),
        };
        installer.put_files().await.unwrap()
    }

    async fn uninstall(&self, more: &[&str]) -> anyhow::Result<()> {
        let host = self.host.path().display().to_string();
        let line = ["uninstall", "--offline", "--host-root", &host];
        let line = line.iter().chain(more);
        uninstall::uninstall(&UninstallLine::parse_from(line).args).await
    }

    /// Everything on the host.
    fn everything(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.host.path().to_owned()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    open.push(path);
                } else {
                    let text = fs::read_to_string(&path).unwrap_or_default();
                    found.insert(path, text);
                }
            }
        }
        found
    }

    fn machine(&self) -> PlainHost<Systemd> {
        let options = Options {
            root: self.host.path().to_owned(),
            ..Options::default()
        };
        PlainHost::open(options, Systemd::of(self.host.path())).unwrap()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_host_gets_a_service_with_settings_and_a_token_of_its_own() {
    let bench = Bench::new();
    assert!(bench.install("program", 0).await);
    assert_eq!(bench.text(PROGRAM), "program");
    assert_eq!(mode(&bench.path(PROGRAM)), 0o755);
    assert_eq!(bench.text(TOKEN), token(NODE, NOW, false));
    assert_eq!(mode(&bench.path(TOKEN)), 0o600);
    let settings = Settings::read(Some(&bench.path(SETTINGS)), Flags::default()).unwrap();
    assert_eq!(settings.node_name().unwrap(), NODE);
    assert_eq!(settings.token_file, Some(PathBuf::from(TOKEN)));
    let wanted = "/etc/systemd/system/multi-user.target.wants/windlass-daemon.service";
    assert!(bench.path(wanted).is_symlink());
}

#[tokio::test]
async fn the_kubeconfig_that_is_written_is_one_that_a_client_reads() {
    let bench = Bench::new();
    bench.install("program", 0).await;
    let read = kube::config::Kubeconfig::read_from(bench.path(KUBECONFIG)).unwrap();
    let cluster = read.clusters[0].cluster.as_ref().unwrap();
    assert_eq!(cluster.server.as_deref(), Some("https://10.0.0.1:6443"));
    let user = read.auth_infos[0].auth_info.as_ref().unwrap();
    assert_eq!(user.token_file.as_deref(), Some(TOKEN));
    assert_eq!(read.current_context.as_deref(), Some("daemon"));
}

#[tokio::test]
async fn a_second_pass_writes_nothing_and_asks_for_nothing() {
    let bench = Bench::new();
    bench.install("program", 0).await;
    fs::remove_file(bench.path("/etc/windlass/restart-due")).unwrap();
    let before = bench.everything();
    assert!(!bench.install("program", DAY).await);
    assert_eq!(bench.everything(), before);
    assert_eq!(*bench.given.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_restart_that_did_not_come_stays_due() {
    let bench = Bench::new();
    bench.install("program", 0).await;
    assert!(bench.install("program", 0).await);
}

#[tokio::test]
async fn a_newer_program_takes_the_place_of_the_old_one() {
    let bench = Bench::new();
    bench.install("a much longer program", 0).await;
    fs::remove_file(bench.path("/etc/windlass/restart-due")).unwrap();
    assert!(bench.install("program", 0).await);
    assert_eq!(bench.text(PROGRAM), "program");
}

#[tokio::test]
async fn a_token_that_the_service_did_not_renew_is_replaced() {
    let bench = Bench::new();
    bench.install("program", 0).await;
    for stale in [
        token(NODE, NOW - 5 * DAY, false),
        token("other", NOW, false),
        String::new(),
    ] {
        fs::write(bench.path(TOKEN), stale).unwrap();
        bench.install("program", 0).await;
        assert_eq!(bench.text(TOKEN), token(NODE, NOW, false));
    }
}

#[tokio::test]
async fn the_kubelets_own_way_to_the_api_server_is_taken() {
    let bench = Bench::new();
    let authority = URL_SAFE_NO_PAD.encode("abc");
    let kubelet = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {{cluster: k, user: u}}\n\
         clusters:\n- name: k\n  cluster: {{server: 'https://api.example:6443', certificate-authority-data: {authority}}}\n\
         users: []\n"
    );
    fs::create_dir_all(bench.path("/etc/kubernetes")).unwrap();
    fs::write(bench.path("/etc/kubernetes/kubelet.conf"), kubelet).unwrap();
    let args = bench.install_args(&[]);
    let found = install::server::find(&Root::open(bench.host.path()).unwrap(), &args).unwrap();
    assert_eq!(found.authority, b"abc");
    let kubeconfig = found.kubeconfig().unwrap();
    assert!(
        kubeconfig.contains("https://api.example:6443"),
        "{kubeconfig}"
    );
}

#[tokio::test]
async fn removal_leaves_nothing_behind() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("/etc/systemd/system")).unwrap();
    let before = bench.everything();
    bench.install("program", 0).await;
    bench
        .machine()
        .store("journal.json.old", b"{}")
        .await
        .unwrap();
    bench.uninstall(&[]).await.unwrap();
    assert_eq!(bench.everything(), before);
    for path in FILES
        .into_iter()
        .chain(["/etc/windlass", "/opt/windlass", "/var/lib/windlass"])
    {
        assert!(!bench.path(path).exists(), "{path}");
    }
}

#[tokio::test]
async fn removal_puts_the_originals_back_where_they_are_asked_for() {
    for restore in [true, false] {
        let bench = Bench::new();
        bench.install("program", 0).await;
        fs::write(bench.path("/etc/chrony.conf"), "the owner's\n").unwrap();
        let content = Content {
            files: [(
                "/etc/chrony.conf".to_owned(),
                File::of_root("ours\n", 0o644),
            )]
            .into(),
            ..Content::default()
        };
        apply::apply(&bench.machine(), &content, None)
            .await
            .unwrap();
        let flags: &[&str] = if restore {
            &["--restore-originals"]
        } else {
            &[]
        };
        bench.uninstall(flags).await.unwrap();
        let left = bench.text("/etc/chrony.conf");
        assert_eq!(left, if restore { "the owner's\n" } else { "ours\n" });
    }
}

#[tokio::test]
async fn a_machine_in_mid_visit_is_not_left() {
    let bench = Bench::new();
    bench.install("program", 0).await;
    let order = Order {
        intent: 1,
        config: "rendered-worker-1".to_owned(),
    };
    let visit = Visit {
        order,
        purpose: Purpose::Assigned,
    };
    let memory = Memory {
        state: State::Preparing { visit },
        ..Memory::default()
    };
    journal::store(&bench.machine(), &memory).await.unwrap();
    let before = bench.everything();

    let refused = bench.uninstall(&[]).await.unwrap_err();

    assert!(
        refused.to_string().contains("a visit is under way"),
        "{refused}"
    );
    assert_eq!(bench.everything(), before);
    bench.uninstall(&["--in-mid-visit"]).await.unwrap();
    assert!(!bench.path(PROGRAM).exists());
}

#[tokio::test]
async fn systemd_takes_the_unit_for_a_good_one() {
    let bench = Bench::new();
    bench.install("program", 0).await;
    let run = Command::new("systemd-analyze")
        .arg("verify")
        .arg("--man=no")
        .arg(format!("--root={}", bench.host.path().display()))
        .arg("windlass-daemon.service")
        .output();
    let output = run.expect("systemd-analyze is needed as the judge: apt-get install systemd");
    let said = String::from_utf8_lossy(&output.stderr);
    // The units that it names are not on this root.
    let of_ours = said.lines().filter(|line| line.contains(UNIT_PATH));
    assert_eq!(of_ours.collect::<Vec<_>>(), Vec::<&str>::new(), "{said}");
}
