//! The service's responses: story by story, and against recorded ones of the reference.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use api::clock::Clock;
use http::{Method, Request};
use serde_json::Value;

use super::respond::{Door, House, Reply};
use super::*;
use crate::data::{Channel, GraphData};
use crate::keys;
use crate::raw::{RawGraph, RawRelease};
use crate::source::{Files, load_into};

fn house() -> House {
    House {
        served: Arc::new(Served::waiting("the sources have not been loaded yet")),
        metrics: Arc::new(Metrics::new(Clock::fixed(jiff::Timestamp::UNIX_EPOCH))),
    }
}

/// A graph of one channel with these releases.
fn graph(versions: &[&str]) -> Graph {
    let release = |version: &&str| RawRelease {
        version: format!("{version}+amd64"),
        payload: Some(format!("image:{version}")),
        metadata: BTreeMap::from([(keys::ARCHITECTURE.to_owned(), "amd64".to_owned())]),
    };
    let raw = RawGraph {
        releases: versions.iter().map(release).collect(),
        ..RawGraph::default()
    };
    let channel = Channel {
        file: "channels/stable-4.1.yaml".to_owned(),
        name: "stable-4.1".to_owned(),
        versions: versions
            .iter()
            .map(|version| semver::Version::parse(version).unwrap())
            .collect(),
    };
    Graph::build(
        raw,
        GraphData {
            channels: vec![channel],
            ..GraphData::default()
        },
    )
}

fn swap(house: &House, versions: &[&str]) {
    house
        .served
        .swap(graph(versions), house.metrics.clock().now());
}

pub(super) fn serving() -> House {
    let house = house();
    swap(&house, &["4.1.0", "4.1.1"]);
    house
}

pub(super) fn main_door() -> Door {
    Door::Main {
        prefix: "/api".to_owned(),
        signatures: None,
    }
}

fn ask(house: &House, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
    let door = if path.starts_with("/api") {
        main_door()
    } else {
        Door::Status
    };
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    door.respond(&request.body(()).unwrap(), &house.served, &house.metrics)
}

fn get(house: &House, path: &str) -> Reply {
    ask(house, Method::GET, path, &[])
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body().to_vec()).unwrap()
}

fn header<'r>(reply: &'r Reply, name: &str) -> &'r str {
    reply
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

pub(super) const GRAPH: &str = "/api/v1/graph?channel=stable-4.1";

#[test]
fn before_the_first_graph_both_ports_answer_and_readiness_says_why() {
    let house = house();

    let ready = get(&house, "/readyz");

    assert_eq!(ready.status(), 503);
    assert!(text(&ready).contains("have not been loaded yet"));
    assert_eq!(get(&house, "/livez").status(), 200);
    assert_eq!(get(&house, GRAPH).status(), 503);
    assert_eq!(
        get(&house, "/api/graph").status(),
        400,
        "a bad question is bad without a graph"
    );
}

#[test]
fn with_a_graph_it_is_ready_and_answers() {
    let house = serving();

    assert_eq!(get(&house, "/readyz").status(), 200);
    assert!(text(&get(&house, GRAPH)).contains(r#""version":"4.1.1""#));
}

#[test]
fn a_client_that_has_the_answer_is_told_so_and_gets_a_new_one_after_a_swap() {
    let house = serving();
    let tag = header(&get(&house, GRAPH), "etag").to_owned();

    let again = ask(
        &house,
        Method::GET,
        GRAPH,
        &[("if-none-match", &format!("\"other\", W/{tag}"))],
    );
    assert_eq!(again.status(), 304);
    assert!(again.body().is_empty());
    assert_eq!(header(&again, "etag"), tag);

    swap(&house, &["4.1.0", "4.1.1", "4.1.2"]);
    let new = ask(&house, Method::GET, GRAPH, &[("if-none-match", &tag)]);
    assert_eq!(new.status(), 200);
    assert!(text(&new).contains("4.1.2"));
}

#[test]
fn replicas_agree_on_the_tag() {
    let tag = |house: &House| header(&get(house, GRAPH), "etag").to_owned();

    assert_eq!(tag(&serving()), tag(&serving()));
}

#[test]
fn gzip_unpacks_to_the_plain_answer() {
    let house = serving();

    let packed = ask(&house, Method::GET, GRAPH, &[("accept-encoding", "gzip")]);

    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(packed.body().as_ref())
        .read_to_string(&mut unpacked)
        .unwrap();
    assert_eq!(header(&packed, "content-encoding"), "gzip");
    assert_eq!(unpacked, text(&get(&house, GRAPH)));
}

#[test]
fn head_is_get_without_its_body() {
    let house = serving();
    let got = get(&house, GRAPH);

    let head = ask(&house, Method::HEAD, GRAPH, &[]);

    assert!(head.body().is_empty());
    assert_eq!(
        header(&head, "content-length"),
        got.body().len().to_string()
    );
    assert_eq!(header(&head, "etag"), header(&got, "etag"));
}

#[test]
fn a_page_of_any_origin_may_read_answers() {
    let house = serving();

    let got = ask(
        &house,
        Method::GET,
        GRAPH,
        &[("origin", "https://console.example.com")],
    );
    assert_eq!(
        header(&got, "access-control-allow-origin"),
        "https://console.example.com"
    );

    let asked = [
        ("origin", "https://a.example.com"),
        ("access-control-request-method", "GET"),
    ];
    let preflight = ask(&house, Method::OPTIONS, "/api/graph", &asked);
    assert_eq!(preflight.status(), 200);
    assert_eq!(
        header(&preflight, "access-control-allow-methods"),
        "HEAD, GET"
    );
}

#[test]
fn why_is_answered_for_one_version_and_refused_by_name() {
    let house = serving();

    let why: Value = serde_json::from_str(&text(&get(
        &house,
        "/api/v1/explain?channel=stable-4.1&from=4.1.0&to=4.1.1",
    )))
    .unwrap();
    assert_eq!(why["releases"][0]["verdict"], "No");
    assert_eq!(why["releases"][0]["reasons"][0]["reason"], "NoWay");

    let status = |query: &str| {
        get(&house, &format!("/api/v1/explain?{query}"))
            .status()
            .as_u16()
    };
    assert_eq!(status("channel=stable-4.1"), 400);
    assert_eq!(status("channel=stable-4.1&from=four"), 400);
    assert_eq!(status("channel=stable-4.1&from=4.0.0"), 404);
}

#[test]
fn every_path_of_the_openapi_document_is_there() {
    let house = serving();
    let document: Value = serde_json::from_str(&text(&get(&house, "/api/openapi"))).unwrap();

    let paths = document["paths"].as_object().unwrap();
    for path in paths.keys() {
        let asked = path
            .replace("{of}", "sha256=0")
            .replace("{name}", "signature-1");
        let reply = get(&house, &asked);
        // Who knows the path tells what is not there.
        let known = reply.status() != 404 || text(&reply).contains("does_not_exist");
        assert!(known, "{path}: {}", reply.status());
    }
    assert!(paths.contains_key("/api/v1/watch"));
}

#[test]
fn an_endless_query_is_refused() {
    let house = serving();

    let reply = get(
        &house,
        &format!("{GRAPH}&id={}", "x".repeat(query::QUERY_BYTES_MAX)),
    );

    assert_eq!(reply.status(), 400);
}

#[test]
fn questions_are_counted_under_the_references_names() {
    let house = serving();
    get(&house, GRAPH);
    get(&house, "/api/graph");
    get(&house, "/api/nowhere");

    let metrics = text(&get(&house, "/metrics"));

    for line in [
        r#"cincinnati_pe_graph_incoming_requests_total{uri_path="/v1/graph"} 1"#,
        r#"cincinnati_pe_graph_incoming_requests_total{uri_path="/graph"} 1"#,
        r#"cincinnati_pe_graph_response_errors_total{code="400",kind="missing_params"} 1"#,
        "cincinnati_gb_graph_final_releases 2",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in\n{metrics}"
        );
    }
}

mod available;

mod files;

mod following;

mod guards;

mod restarts;

mod signatures;

mod sockets;

mod page;
mod recorded;

mod wire;
