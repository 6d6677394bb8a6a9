//! `windlass updates` from files, from our own service, and from one that knows the reference's paths alone. The binary
//! itself.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use api::clock::Clock;
use serde_json::Value;
use tempfile::TempDir;
use updates::serve::{Door, House, Metrics, Served, serve};
use updates::source::{Files, load_into};

const RAW: &str = r#"{"nodes": [
  {"version": "4.1.0+amd64", "payload": "a", "metadata": {"io.openshift.upgrades.graph.release.arch": "amd64"}},
  {"version": "4.1.1+amd64", "payload": "b", "metadata": {"io.openshift.upgrades.graph.release.arch": "amd64"}},
  {"version": "4.1.2+amd64", "payload": "c", "metadata": {"io.openshift.upgrades.graph.release.arch": "amd64"}},
  {"version": "4.1.3+amd64", "payload": "d", "metadata": {"io.openshift.upgrades.graph.release.arch": "amd64"}}],
  "edges": [[0, 1], [0, 2], [0, 3]]}"#;
const SLOW: &str = "to: 4.1.2\nfrom: .*\nurl: https://example.com/slow\nname: Slow\nmessage: It is slow.\nmatchingRules: [{type: Always}]\n";

/// 4.1.0 leads to 4.1.1, to 4.1.2 with a known issue, and to 4.1.3 for nobody.
fn files() -> (TempDir, Files) {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("raw.json", RAW);
    write("data/version", "1.1.0\n");
    write("data/raw/metadata.json", "{}\n");
    let channel = "name: stable-4.1\nversions: [4.1.0, 4.1.1, 4.1.2, 4.1.3]\n";
    write("data/channels/stable-4.1.yaml", channel);
    write("data/blocked-edges/4.1.2-Slow.yaml", SLOW);
    write("data/blocked-edges/4.1.3.yaml", "to: 4.1.3\nfrom: .*\n");
    let files = Files {
        raw: folder.path().join("raw.json"),
        graph_data: folder.path().join("data"),
    };
    (folder, files)
}

/// The status and the standard output of `windlass updates`.
fn updates(what: &str, source: &[&str], more: &[&str]) -> (i32, String) {
    updates_from("4.1.0", what, source, more)
}

fn updates_from(from: &str, what: &str, source: &[&str], more: &[&str]) -> (i32, String) {
    let ended = Command::new(env!("CARGO_BIN_EXE_windlass"))
        .args(["updates", what])
        .args(source)
        .args(["--channel", "stable-4.1", "--from", from])
        .args(more)
        .output()
        .unwrap();
    let told = String::from_utf8(ended.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&ended.stderr).into_owned();
    (ended.status.code().unwrap(), format!("{told}{complaint}"))
}

fn of_files(files: &Files) -> [String; 4] {
    let path = |path: &Path| path.display().to_string();
    let (raw, data) = (path(&files.raw), path(&files.graph_data));
    ["--raw".to_owned(), raw, "--graph-data".to_owned(), data]
}

/// Our service on loopback, for as long as the runtime lives.
fn ours(files: &Files) -> (tokio::runtime::Runtime, String) {
    let house = House {
        served: Arc::new(Served::waiting("the test has loaded nothing yet")),
        metrics: Arc::new(Metrics::new(Clock::fixed(jiff::Timestamp::UNIX_EPOCH))),
    };
    load_into(files, &house);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bound = tokio::net::TcpListener::bind("127.0.0.1:0");
    let listener = runtime.block_on(bound).unwrap();
    let address = format!("http://{}/api/v1/graph", listener.local_addr().unwrap());
    let prefix = "/api".to_owned();
    runtime.spawn(async move {
        let (_end, ended) = tokio::sync::watch::channel(false);
        serve(
            listener,
            Door::Main {
                prefix,
                signatures: None,
            },
            house,
            ended,
        )
        .await;
    });
    (runtime, address)
}

/// A service that answers the graph, and 404 with nothing to all else, as the reference does.
fn theirs(graph: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/api/v1/graph", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            while !lines.next().unwrap().unwrap().is_empty() {}
            let (status, body) = if first.contains("/graph?") {
                ("200 OK", graph.as_str())
            } else {
                ("404 Not Found", "")
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            stream
                .write_all(format!("{head}{body}").as_bytes())
                .unwrap();
        }
    });
    address
}

#[test]
fn files_and_our_service_tell_the_same_and_end_the_same() {
    let (_folder, files) = files();
    let (_runtime, address) = ours(&files);
    let from_files = of_files(&files);
    let from_files: Vec<&str> = from_files.iter().map(String::as_str).collect();
    let from_service = ["--server", address.as_str()];

    for (what, more, status) in [
        ("list", &[][..], 0),
        ("path", &["--to", "4.1.1"], 0),
        ("path", &["--to", "4.1.2"], 3),
        ("path", &["--to", "4.1.3"], 4),
        ("explain", &[], 0),
        ("explain", &["--to", "4.1.2"], 3),
        ("explain", &["--to", "4.1.3", "-o", "json"], 4),
    ] {
        let told = updates(what, &from_files, more);

        assert_eq!(told.0, status, "{what} {more:?}: {}", told.1);
        assert_eq!(told, updates(what, &from_service, more), "{what} {more:?}");
    }
}

#[test]
fn a_service_that_knows_no_explanations_tells_ways_and_known_issues() {
    let (_folder, files) = files();
    let (graph, _) = files.load().unwrap();
    let answer = updates::wire::write(&graph.answer("stable-4.1", "amd64")).unwrap();
    let address = theirs(String::from_utf8(answer).unwrap());
    let from_service = ["--server", address.as_str()];

    let slow = updates("explain", &from_service, &["--to", "4.1.2"]);
    let blocked = updates("explain", &from_service, &["--to", "4.1.3", "-o", "json"]);

    assert_eq!(slow.0, 3, "{}", slow.1);
    assert!(
        slow.1.contains("known issue Slow\n    It is slow.\n"),
        "{}",
        slow.1
    );
    assert_eq!(blocked.0, 4, "{}", blocked.1);
    let told: Value = serde_json::from_str(&blocked.1).unwrap();
    assert_eq!(told["releases"][0]["reasons"][0]["reason"], "NoWay");
}

#[test]
fn a_question_that_is_refused_is_told_in_the_words_of_the_service() {
    let (_folder, files) = files();
    let (_runtime, address) = ours(&files);

    let told = updates_from("4.1.9", "explain", &["--server", &address], &[]);
    let nobody = updates("list", &["--server", "http://127.0.0.1:1/graph"], &[]);

    assert_eq!(told.0, 1, "{}", told.1);
    assert!(
        told.1.contains("stable-4.1 has no release 4.1.9"),
        "{}",
        told.1
    );
    assert_eq!(nobody.0, 1, "{}", nobody.1);
    assert!(
        nobody
            .1
            .contains("http://127.0.0.1:1/graph?channel=stable-4.1"),
        "{}",
        nobody.1
    );
}
