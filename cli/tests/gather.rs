//! `windlass gather` on a cluster in which secrets lie wherever one can lie, and `windlass explain --from` its archive. The
//! binary itself, over loopback.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod door;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use kube::Client;
use serde_json::{Value, json};

use door::Door;

const OLD: &str = "rendered-worker-4337601dc26e0b618913c8281e6b20c6";
const NEW: &str = "rendered-worker-895e864c9d45187bc1c8771425e6c826";
const MACHINE: &str = "/apis/machineconfiguration.openshift.io/v1";

/// What nobody may find in an archive: a secret is this and a number of its own, so that a failure tells where it lay.
const SECRET: &str = "hunter2x";

/// A cluster, a folder for what is made, and the program.
struct Cluster {
    _door: Door,
    folder: tempfile::TempDir,
}

async fn create(client: &Client, path: &str, object: Value) {
    let (main, sub) = path.split_once('#').unwrap_or((path, ""));
    let body = serde_json::to_vec(&object).unwrap();
    let request = http::Request::post(main).header("content-type", "application/json");
    let made: Value = client.request(request.body(body).unwrap()).await.unwrap();
    if sub == "status" {
        let name = made["metadata"]["name"].as_str().unwrap();
        let body = serde_json::to_vec(&json!({"status": object["status"]})).unwrap();
        let request = http::Request::patch(format!("{main}/{name}/status"))
            .header("content-type", "application/merge-patch+json");
        let _: Value = client.request(request.body(body).unwrap()).await.unwrap();
    }
}

/// A secret with a number of its own.
fn secret(number: usize) -> String {
    format!("{SECRET}{number:02}")
}

fn config(name: &str, motd: &str, first: usize) -> Value {
    let s = |n| secret(first + n);
    let coded = STANDARD.encode(s(0));
    json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
        "metadata": {"name": name, "annotations": {
            "machineconfiguration.openshift.io/generated-by-controller-version": "0.1.0",
            "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"source\": \"data:,{}\"}}", s(1)),
        }},
        "spec": {
            "kernelArguments": ["nosmt", format!("iscsi_password={}", secret(44))],
            "config": {
                "ignition": {
                    "version": "3.5.0",
                    "security": {"tls": {"certificateAuthorities": [{"source": format!("data:,{}", s(3))}]}},
                    "proxy": {"httpsProxy": format!("http://me:{}@proxy.example.com:3128", s(4))},
                },
                "passwd": {"users": [{"name": "core", "passwordHash": format!("$6$salt${}", s(5)),
                    "sshAuthorizedKeys": [format!("ssh-ed25519 {}", s(6))]}]},
                "storage": {"files": [
                    {"path": "/etc/motd", "contents": {"source": format!("data:,{motd}")}},
                    {"path": "/etc/plain", "contents": {"source": format!("data:,{}", s(7))}},
                    {"path": "/etc/coded", "contents": {"source": format!("data:;base64,{coded}")}},
                    {"path": "/etc/added", "append": [{"source": format!("data:,{}", s(8))}]},
                    {"path": "/etc/remote", "contents": {
                        "source": format!("https://me:{}@web.example.com/a?sig={}", s(9), s(10)),
                        "httpHeaders": [{"name": "Authorization", "value": s(11)}]}},
                ]},
                "systemd": {"units": [{"name": "a.service", "enabled": true,
                    "contents": format!("[Service]\nEnvironment=TOKEN={}\n", s(12)),
                    "dropins": [{"name": "b.conf", "contents": format!("[Service]\nEnvironment=A={}\n", s(13))}]}]},
            },
        },
    })
}

fn worker(name: &str, current: &str, desired: &str, reason: &str) -> Value {
    json!({
        "metadata": {
            "name": name,
            "labels": {"node-role.kubernetes.io/worker": ""},
            "annotations": {
                "machineconfiguration.openshift.io/currentConfig": current,
                "machineconfiguration.openshift.io/desiredConfig": desired,
                "machineconfiguration.openshift.io/state": if reason.is_empty() { "Done" } else { "Degraded" },
                "machineconfiguration.openshift.io/reason": reason,
                "windlass.dev/os-id": "rhel",
                "k3s.io/node-args": format!("[\"agent\",\"{}\"]", secret(40)),
                "example.com/kubeconfig": format!("{{\"users\": [{{\"token\": \"{}\"}}]}}", secret(41)),
            },
        },
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// Secrets in all that has nothing to do with us, and in what we write.
async fn people_s_things(client: &Client) {
    let body = json!({"metadata": {"name": "windlass"}});
    create(client, "/api/v1/namespaces", body).await;
    let body = json!({"metadata": {"name": "pull-secret"}, "data": {"password": STANDARD.encode(secret(50))}});
    create(client, "/api/v1/namespaces/windlass/secrets", body).await;
    let body = json!({"metadata": {"name": "settings"}, "data": {"password": secret(51)}});
    create(client, "/api/v1/namespaces/windlass/configmaps", body).await;
    let pod = json!({
        "metadata": {"name": "web", "annotations": {"example.com/token": secret(52)}},
        "spec": {"nodeName": "waiting", "containers": [{"name": "web", "image": "web",
            "command": ["web", format!("--password={}", secret(53))],
            "env": [{"name": "PASSWORD", "value": secret(54)}]}]},
    });
    create(client, "/api/v1/namespaces/default/pods", pod).await;
    let volume = json!({
        "metadata": {"name": "disk"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "csi": {"driver": "d.example.com", "volumeHandle": secret(55), "volumeAttributes": {"key": secret(56)}}},
    });
    create(client, "/api/v1/persistentvolumes", volume).await;
    let event = json!({
        "metadata": {"name": "broken.1"}, "reason": "Failed",
        "involvedObject": {"kind": "Node", "name": "broken"},
        "message": format!("pulling http://me:{}@images.example.com/os failed", secret(57)),
    });
    create(client, "/api/v1/namespaces/default/events", event).await;
}

async fn fill(client: &Client) {
    for crd in api::crds() {
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        create(client, path, serde_json::to_value(crd).unwrap()).await;
    }
    people_s_things(client).await;
    create(
        client,
        &format!("{MACHINE}/machineconfigs"),
        config(OLD, "old", 0),
    )
    .await;
    create(
        client,
        &format!("{MACHINE}/machineconfigs"),
        config(NEW, "new", 20),
    )
    .await;
    let pool = json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
        "metadata": {"name": "worker", "annotations": {"example.com/note": secret(42)}},
        "spec": {
            "maxUnavailable": 1,
            "configuration": {"name": NEW},
            "machineConfigSelector": {"matchLabels": {"machineconfiguration.openshift.io/role": "worker"}},
            "nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}},
        },
    });
    create(client, &format!("{MACHINE}/machineconfigpools"), pool).await;
    let ledger = json!({
        "apiVersion": "windlass.dev/v1alpha1", "kind": "SlotLedger",
        "metadata": {"name": "cluster"}, "spec": {"holders": []},
    });
    create(client, "/apis/windlass.dev/v1alpha1/slotledgers", ledger).await;
    let reason = format!("fetching: Authorization: Bearer {} was refused", secret(43));
    create(
        client,
        "/api/v1/nodes#status",
        worker("broken", OLD, NEW, &reason),
    )
    .await;
    create(
        client,
        "/api/v1/nodes#status",
        worker("waiting", OLD, OLD, ""),
    )
    .await;
    create(
        client,
        "/api/v1/nodes#status",
        worker("ready", NEW, NEW, ""),
    )
    .await;
    let record = json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigNode",
        "metadata": {"name": "waiting"},
        "spec": {"configVersion": {"desired": OLD}, "node": {"name": "waiting"}, "pool": {"name": "worker"}},
    });
    create(client, &format!("{MACHINE}/machineconfignodes"), record).await;
}

impl Cluster {
    fn full_of_secrets() -> Self {
        let door = Door::open(fill);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), door.kubeconfig()).unwrap();
        Self {
            _door: door,
            folder,
        }
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_windlass"))
            .args(arguments)
            .current_dir(&self.folder)
            .env("KUBECONFIG", "kubeconfig")
            .output()
            .unwrap()
    }

    fn said(&self, arguments: &[&str]) -> String {
        let ran = self.ask(arguments);
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    }

    fn gathered(&self) -> PathBuf {
        self.said(&["gather", "--to", "archive.tar.gz"]);
        self.folder.path().join("archive.tar.gz")
    }
}

/// The archive's files without its own folder.
fn files(archive: &Path) -> BTreeMap<String, String> {
    let file = std::fs::File::open(archive).unwrap();
    let mut tar = tar::Archive::new(GzDecoder::new(file));
    let mut files = BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let (folder, name) = path.split_once('/').unwrap();
        assert!(folder.starts_with("windlass-gather-"), "{path}");
        let name = name.to_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        files.insert(name, text);
    }
    files
}

fn items(files: &BTreeMap<String, String>, kind: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(&files[&format!("objects/{kind}.json")]).unwrap();
    list["items"].as_array().unwrap().clone()
}

#[test]
fn no_secret_that_lies_in_the_cluster_is_found_in_the_archive() {
    let cluster = Cluster::full_of_secrets();

    let archive = cluster.gathered();

    let files = files(&archive);
    for (name, text) in &files {
        for line in text.lines() {
            assert!(!line.contains(SECRET), "{name}: {line}");
            for number in 0..60 {
                let coded = STANDARD.encode(secret(number));
                assert!(!line.contains(&coded), "secret {number} in {name}: {line}");
            }
        }
    }
    // That it is not there because nothing is: what tells why a rollout stands is.
    let broken = items(&files, "nodes");
    let broken = broken
        .iter()
        .find(|node| node["metadata"]["name"] == "broken")
        .unwrap();
    let notes = &broken["metadata"]["annotations"];
    assert_eq!(
        notes["machineconfiguration.openshift.io/currentConfig"],
        OLD
    );
    assert_eq!(notes["windlass.dev/os-id"], "rhel");
    let reason = notes["machineconfiguration.openshift.io/reason"]
        .as_str()
        .unwrap();
    assert!(reason.ends_with("was refused"), "{reason}");
    let configs = items(&files, "machineconfigs");
    assert_eq!(configs.len(), 2);
    let spec = &configs[0]["spec"];
    assert_eq!(spec["config"]["storage"]["files"][1]["path"], "/etc/plain");
    assert_eq!(spec["kernelArguments"][0], "nosmt");
    for (kind, one) in [
        ("machineconfigpools", "worker"),
        ("slotledgers", "cluster"),
        ("machineconfignodes", "waiting"),
        ("pods", "web"),
        ("persistentvolumes", "disk"),
        ("events-in-default", "broken.1"),
    ] {
        assert_eq!(items(&files, kind)[0]["metadata"]["name"], one, "{kind}");
    }
    let told = files.keys().filter(|name| name.starts_with("decisions/"));
    assert_eq!(told.count(), 2 * (3 + 1), "{:?}", files.keys());
}

#[test]
fn contents_that_differ_between_two_configs_still_differ_in_the_archive() {
    let cluster = Cluster::full_of_secrets();

    let files = files(&cluster.gathered());

    let configs = items(&files, "machineconfigs");
    let motd = |config: &Value| {
        config["spec"]["config"]["storage"]["files"][0]["contents"]["source"].clone()
    };
    assert!(motd(&configs[0]).as_str().unwrap().contains("redacted-"));
    assert_ne!(motd(&configs[0]), motd(&configs[1]));
}

#[test]
fn an_archive_gives_the_answers_that_the_cluster_gave() {
    let cluster = Cluster::full_of_secrets();
    cluster.gathered();

    for (kind, name) in [
        ("node", "waiting"),
        ("node", "ready"),
        ("node", "broken"),
        ("pool", "worker"),
    ] {
        let ask = |form: &str, more: &[&str]| {
            cluster.said(&[&["explain", kind, name, "-o", form], more].concat())
        };
        let offline = ["--from", "archive.tar.gz"];
        let read = |text: String| serde_json::from_str::<Value>(&text).unwrap();

        let (there, here) = (ask("text", &offline), ask("text", &[]));
        assert_eq!(without_the_secret(&there), without_the_secret(&here));
        let (there, here) = (read(ask("json", &offline)), read(ask("json", &[])));
        let lines = |value: &Value| without_the_secret(&format!("{value:#}"));
        assert_eq!(lines(&there), lines(&here));
    }
}

/// The words but for the one secret that a daemon told, which only an archive leaves out.
fn without_the_secret(text: &str) -> String {
    let marked = regex::Regex::new(r"Authorization: redacted-\S+ redacted-\S+").unwrap();
    let told = format!("Authorization: Bearer {}", secret(43));
    marked.replace_all(text, "…").replace(&told, "…")
}

#[test]
fn an_archive_is_its_owner_s_alone_and_overwrites_nothing() {
    let cluster = Cluster::full_of_secrets();
    let archive = cluster.gathered();

    let again = cluster.ask(&["gather", "--to", "archive.tar.gz"]);

    let mode = std::fs::metadata(archive).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!again.status.success());
    let why = String::from_utf8(again.stderr).unwrap();
    assert!(why.contains("making the archive archive.tar.gz"), "{why}");
}

#[test]
fn an_archive_without_the_answer_says_where_its_answers_are() {
    let cluster = Cluster::full_of_secrets();
    cluster.gathered();
    std::fs::write(cluster.folder.path().join("other"), "no archive").unwrap();

    let unknown = cluster.ask(&["explain", "node", "nobody", "--from", "archive.tar.gz"]);
    let other = cluster.ask(&["explain", "node", "waiting", "--from", "other"]);

    let why = String::from_utf8(unknown.stderr).unwrap();
    assert!(why.contains("has no answer about a Node nobody"), "{why}");
    assert!(!other.status.success());
    let why = String::from_utf8(other.stderr).unwrap();
    assert!(why.contains("reading the archive other"), "{why}");
}
