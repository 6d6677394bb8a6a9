//! What differs on purpose, each with its reason.

use serde_json::{Value, json};

use crate::compare::{Difference, without_values};
use crate::recording::Exchange;

/// A difference that is meant.
pub(crate) struct Rule {
    pub name: &'static str,
    /// Why this server is not as the recorded one.
    pub why: &'static str,
    pub covers: fn(&Exchange, &Difference) -> bool,
}

/// All of them.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "what nobody needs is not served",
        why: "a kind is served because Windlass, its simulated workloads or kubectl's everyday commands need it",
        covers: |exchange, difference| exchange.section == "discovery" && difference.ours.is_none(),
    },
    Rule {
        name: "the build is not the real server's",
        why: "this server is not built by a Go compiler, and says nothing instead of something false",
        covers: |exchange, difference| {
            const BUILD: [&str; 4] = ["buildDate", "compiler", "gitCommit", "goVersion"];
            exchange.request.path == "/version"
                && BUILD.iter().any(|field| difference.place.ends_with(field))
                && difference.ours == Some(json!(""))
        },
    },
    Rule {
        name: "the address is another",
        why: "this server listens on loopback, if at all",
        covers: |_, difference| difference.place.ends_with(".serverAddress"),
    },
    Rule {
        name: "descriptions are in our own words",
        why: "the real server's are its documentation; no client acts on them, and kubectl shows those of fields alone",
        covers: |_, difference| {
            difference.place.ends_with(".description") && difference.ours.is_some()
        },
    },
    Rule {
        name: "documents name the version of the types",
        why: "the schemas are those of k8s-openapi, and the documents say of which version they are",
        covers: |exchange, difference| {
            exchange.request.path.starts_with("/openapi/")
                && difference.place == "body.info.version"
        },
    },
    Rule {
        name: "a value in a sentence is shown as it was sent",
        why: "the real server prints Go's inner structs, whose field names no client knows",
        covers: |_, difference| {
            let [Some(theirs), Some(ours)] = [&difference.recorded, &difference.ours]
                .map(|side| side.as_ref().and_then(Value::as_str))
            else {
                return false;
            };
            difference.place.ends_with(".message")
                && theirs.contains('{')
                && without_values(theirs) == without_values(ours)
        },
    },
    Rule {
        name: "a sentence ends before the inner difference",
        why: "the real server appends a diff of Go's inner structs to what may not change in a pod",
        covers: |_, difference| {
            let [Some(theirs), Some(ours)] = [&difference.recorded, &difference.ours]
                .map(|side| side.as_ref().and_then(Value::as_str))
            else {
                return false;
            };
            difference.place.ends_with(".message") && theirs.split("\n@@ ").next() == Some(ours)
        },
    },
    Rule {
        name: "the recorder labelled what it had read",
        why: "it wrote the answer down after it had set the label that it put next",
        covers: |exchange, difference| {
            exchange.request.method == "GET"
                && difference.place == "body.metadata.labels"
                && difference.recorded == Some(json!({ "put": "1" }))
        },
    },
];

/// The differences that no rule covers; the places in `RULES` of those that covered something go to `used`.
pub(crate) fn unexplained(
    exchange: &Exchange,
    differences: Vec<Difference>,
    used: &mut [bool],
) -> Vec<Difference> {
    differences
        .into_iter()
        .filter(|difference| {
            let covered = RULES
                .iter()
                .position(|rule| (rule.covers)(exchange, difference));
            if let Some(used) = covered.and_then(|at| used.get_mut(at)) {
                *used = true;
            }
            covered.is_none()
        })
        .collect()
}
