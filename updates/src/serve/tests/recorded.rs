//! Every recorded exchange with the reference's policy-engine, equal or a named deviation.

use super::*;

/// Where the recordings lie beside a checkout; the variable names another folder.
const BESIDE: &str = "../../shared/data/update-graph/http-exchanges.txt";

/// Label, method, path and query, headers.
type Asked = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// The recordings hold the responses alone.
const REQUESTS: [Asked; 34] = [
    ("GET /graph no Accept", "GET", "/api/graph?channel=a", &[]),
    (
        "GET /v1/graph",
        "GET",
        "/api/v1/graph?channel=a",
        &[("accept", "application/json")],
    ),
    (
        "Accept vnd v1",
        "GET",
        "/api/graph?channel=a",
        &[("accept", "application/vnd.redhat.cincinnati.v1+json")],
    ),
    (
        "Accept vnd v2",
        "GET",
        "/api/graph?channel=a",
        &[("accept", "application/vnd.redhat.cincinnati.v2+json")],
    ),
    (
        "Accept */*",
        "GET",
        "/api/graph?channel=a",
        &[("accept", "*/*")],
    ),
    (
        "Accept application/*",
        "GET",
        "/api/graph?channel=a",
        &[("accept", "application/*")],
    ),
    (
        "Accept text/html",
        "GET",
        "/api/graph?channel=a",
        &[("accept", "text/html")],
    ),
    (
        "Accept list json,text",
        "GET",
        "/api/graph?channel=a",
        &[("accept", "application/json, text/plain")],
    ),
    (
        "Accept json;q=1",
        "GET",
        "/api/graph?channel=a",
        &[("accept", "application/json;q=1")],
    ),
    (
        "Accept upper-case",
        "GET",
        "/api/graph?channel=a",
        &[("accept", "Application/JSON")],
    ),
    ("missing channel", "GET", "/api/graph", JSON),
    ("empty channel", "GET", "/api/graph?channel=", JSON),
    (
        "bad channel",
        "GET",
        "/api/graph?channel=invalid:channel",
        JSON,
    ),
    (
        "upper channel",
        "GET",
        "/api/graph?channel=Stable-4.1",
        JSON,
    ),
    ("underscore channel", "GET", "/api/graph?channel=a_b", JSON),
    ("bad arch", "GET", "/api/graph?channel=a&arch=AMD64", JSON),
    ("empty arch", "GET", "/api/graph?channel=a&arch=", JSON),
    (
        "unknown arch",
        "GET",
        "/api/graph?channel=a&arch=riscv",
        JSON,
    ),
    (
        "dup channel",
        "GET",
        "/api/graph?channel=a&channel=stable-4.1",
        JSON,
    ),
    ("unknown param", "GET", "/api/graph?channel=a&foo=bar", JSON),
    (
        "bad version param",
        "GET",
        "/api/graph?channel=a&version=garbage&id=notauuid",
        JSON,
    ),
    ("bad percent", "GET", "/api/graph?channel=%zz", JSON),
    ("nul in channel", "GET", "/api/graph?channel=%00", JSON),
    ("HEAD", "HEAD", "/api/graph?channel=a", JSON),
    ("POST", "POST", "/api/graph?channel=a", JSON),
    (
        "OPTIONS preflight",
        "OPTIONS",
        "/api/graph?channel=a",
        &[
            ("origin", "https://a.example.com"),
            ("access-control-request-method", "GET"),
        ],
    ),
    (
        "GET w Origin",
        "GET",
        "/api/graph?channel=a",
        &[
            ("origin", "https://a.example.com"),
            ("accept", "application/json"),
        ],
    ),
    ("404 path", "GET", "/api/nope", &[]),
    ("404 root", "GET", "/api/", &[]),
    ("trailing slash", "GET", "/api/graph/?channel=a", &[]),
    (
        "gzip",
        "GET",
        "/api/graph?channel=stable-4.1",
        &[("accept", "application/json"), ("accept-encoding", "gzip")],
    ),
    ("openapi", "GET", "/api/openapi", &[]),
    ("status readyz", "GET", "/readyz", &[]),
    ("status livez", "GET", "/livez", &[]),
];
const JSON: &[(&str, &str)] = &[("accept", "application/json")];

/// Label, and the section of `docs/deviations.md` that says why the answer is another.
const DEVIATIONS: [(&str, &str); 8] = [
    ("Accept list json,text", "Content is negotiated"),
    ("Accept json;q=1", "Content is negotiated"),
    ("Accept upper-case", "Content is negotiated"),
    ("HEAD", "HEAD is answered"),
    ("POST", "HEAD is answered"),
    ("gzip", "Answers are compressed"),
    ("404 root", "There is a page for people"),
    ("openapi", "The OpenAPI document is JSON"),
];

struct Recorded {
    status: u16,
    content_type: String,
    allow: String,
    body: String,
}

fn recorded() -> BTreeMap<String, Recorded> {
    let path = std::env::var_os("WINDLASS_UPDATE_GRAPH").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join(BESIDE),
        |folder| PathBuf::from(folder).join("http-exchanges.txt"),
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; set WINDLASS_UPDATE_GRAPH to the folder of the recordings",
            path.display()
        )
    });
    text.split("### ").skip(1).map(exchange).collect()
}

fn exchange(text: &str) -> (String, Recorded) {
    let mut lines = text.lines();
    let label = lines.next().unwrap().to_owned();
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let mut recorded = Recorded {
        status,
        content_type: String::new(),
        allow: String::new(),
        body: String::new(),
    };
    for line in lines {
        if let Some(value) = line.strip_prefix("content-type: ") {
            value.clone_into(&mut recorded.content_type);
        } else if let Some(value) = line.strip_prefix("allow: ") {
            value.clone_into(&mut recorded.allow);
        } else if line.starts_with('{') {
            line.clone_into(&mut recorded.body);
        }
    }
    (label, recorded)
}

/// Where a reply differs from the recorded one. Of a graph with releases only the start was recorded.
fn differences(reply: &Reply, recorded: &Recorded) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, ours: &str, theirs: &str| {
        if ours != theirs {
            found.push(format!("{what}: {ours:?}, recorded {theirs:?}"));
        }
    };
    compare(
        "status",
        &reply.status().as_u16().to_string(),
        &recorded.status.to_string(),
    );
    compare(
        "content-type",
        header(reply, "content-type"),
        &recorded.content_type,
    );
    compare("content-encoding", header(reply, "content-encoding"), "");
    if !recorded.allow.is_empty() {
        compare("allow", header(reply, "allow"), &recorded.allow);
    }
    let releases = r#"{"version":1,"nodes":[{"version":"#;
    if recorded.body.starts_with(releases) {
        if header(reply, "content-encoding").is_empty() {
            compare("body", &text(reply)[..releases.len()], releases);
        }
    } else if !recorded.body.contains("openapi") {
        compare("body", &text(reply), &recorded.body);
    }
    found
}

#[test]
fn every_recorded_exchange_is_equal_or_a_named_deviation() {
    let recorded = recorded();
    let labels: Vec<&str> = REQUESTS.iter().map(|(label, ..)| *label).collect();
    assert_eq!(recorded.len(), 34);
    assert!(
        recorded
            .keys()
            .all(|label| labels.contains(&label.as_str()))
    );
    let deviations = include_str!("../../../../docs/deviations.md");
    let house = serving();

    for (label, method, path, headers) in REQUESTS {
        let reply = ask(&house, method.parse().unwrap(), path, headers);

        let found = differences(&reply, &recorded[label]);
        match DEVIATIONS.iter().find(|(deviating, _)| *deviating == label) {
            None => assert_eq!(found, Vec::<String>::new(), "{label}"),
            Some((_, section)) => {
                assert!(!found.is_empty(), "{label} is no deviation any more");
                assert!(
                    deviations.contains(&format!("## {section}\n")),
                    "`{section}` is not described"
                );
            }
        }
    }
}

#[test]
fn vary_names_all_that_the_recorded_one_names() {
    let reply = get(&serving(), GRAPH);

    for name in [
        "Origin",
        "Access-Control-Request-Method",
        "Access-Control-Request-Headers",
    ] {
        assert!(header(&reply, "vary").contains(name));
    }
}
