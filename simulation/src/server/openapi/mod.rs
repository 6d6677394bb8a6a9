//! OpenAPI: what the served kinds look like and which parameters their paths take, as kubectl asks for it.
//!
//! kubectl reads version 3 (KEP-2896): an index with one document per group version, each under an address that names the
//! document's hash. From it come `explain`, the merge keys of client-side `apply`, and whether the server knows the
//! `fieldValidation` parameter. A definition that is written changes its group's document, and so the hash in the index, at once.
//!
//! Guarantees: equal definitions give equal documents and hashes; each path named in a document is served, with each verb and
//! parameter that stands there; every reference leads to a schema of the same document.
//!
//! Not here: documents of the discovery paths themselves and of deprecated watch paths, the protobuf form of version 3, and version
//! 2 beyond its frame ([`v2`]).

mod document;
mod operations;
mod parameters;
mod schemas;
mod v2;

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use serde_json::{Map, Value, json};

use self::document::Document;
pub(crate) use self::document::hash_of;
use super::handle::Answer;
use super::refusal::Refusal;
use super::request::Call;
use super::{Shared, State};

/// Answers a path under `/openapi`; `rest` is what follows.
pub(crate) fn answer(
    state: &State,
    shared: &Shared,
    call: &Call,
    rest: &[&str],
) -> Result<Answer, Refusal> {
    if call.method != http::Method::GET {
        return Err(Refusal::method_not_allowed());
    }
    let group_version = match rest {
        ["v2"] => return v2::answer(call),
        // The real server writes JSON here and calls it text, whatever the caller accepts.
        ["v3"] => return Ok(Answer::text(200, &index(state).to_string())),
        ["v3", "api", version] => ("", *version),
        ["v3", "apis", group, version] => (*group, *version),
        _ => return Ok(not_found()),
    };
    let Some(document) = Document::of(state, group_version.0, group_version.1) else {
        return Ok(not_found());
    };
    Ok(present(&document, shared, call, group_version))
}

fn not_found() -> Answer {
    Answer::text(404, "404 page not found\n")
}

/// Each group version's document and where it is.
fn index(state: &State) -> Value {
    let served: BTreeSet<(&str, &str)> = state
        .registry
        .all()
        .map(|resource| (resource.group.as_str(), resource.version.as_str()))
        .collect();
    let paths: Map<String, Value> = served
        .into_iter()
        .filter_map(|(group, version)| {
            let hash = Document::of(state, group, version)?.hash;
            let address = address(group, version, &hash);
            let path = document::path(group, version);
            Some((
                path.trim_start_matches('/').to_owned(),
                json!({ "serverRelativeURL": address }),
            ))
        })
        .collect();
    json!({ "paths": paths })
}

fn address(group: &str, version: &str, hash: &str) -> String {
    format!("/openapi/v3{}?hash={hash}", document::path(group, version))
}

/// The document, or the way to its newest state for one who asks for another. What is asked for by hash never changes, so clients
/// may keep it for a year; without a hash they ask again, and are told if they have it already.
fn present(
    document: &Document,
    shared: &Shared,
    call: &Call,
    (group, version): (&str, &str),
) -> Answer {
    let tag = format!("\"{}\"", document.hash);
    match call.query.get("hash") {
        Some(hash) if !hash.is_empty() && hash != document.hash => {
            Answer::text(301, "").with_header("location", address(group, version, &document.hash))
        }
        Some(hash) if !hash.is_empty() => {
            let in_a_year = shared.clock.now() + (365 * 24).hours();
            Answer::bytes("application/json", document.bytes.clone())
                .with_header("etag", tag)
                .with_header("vary", "Accept".to_owned())
                .with_header("cache-control", "public, immutable".to_owned())
                .with_header(
                    "expires",
                    in_a_year.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
                )
        }
        _ => Answer::bytes("application/json", document.bytes.clone())
            .with_header("etag", tag)
            .with_header("cache-control", "no-cache, private".to_owned()),
    }
}

/// Schemas by name.
type Schemas = BTreeMap<String, Value>;

#[cfg(test)]
mod tests;
