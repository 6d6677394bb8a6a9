//! What differs on purpose, each with its reason.

use serde_json::Value;

use crate::compare::{Difference, without_values};
use crate::server::Exchange;

/// Whether a difference is meant.
pub fn meant(real: &Exchange, difference: &Difference) -> bool {
    shown_as_sent(difference)
        || inner_difference(difference)
        || documents(real)
        || own_words(difference)
        || spoilt_by_a_patch(difference)
        || unread_yaml(difference)
        || go_type(difference)
        || store_words(difference)
}

/// Before a precondition that failed, the real server names the place of the object in its store.
fn store_words(difference: &Difference) -> bool {
    const FAILED: &str = "Precondition failed: ";
    sentences(difference).is_some_and(|(theirs, ours)| {
        theirs.contains("StorageError")
            && theirs.contains(FAILED)
            && theirs.split(FAILED).nth(1) == ours.split(FAILED).nth(1)
    })
}

/// Of which type a field should be, the real server says in the words of Go's structs.
fn go_type(difference: &Difference) -> bool {
    const MISFIT: &str = "json: cannot unmarshal ";
    sentences(difference).is_some_and(|(theirs, ours)| {
        theirs.contains(MISFIT) && theirs.split(MISFIT).next() == ours.split(MISFIT).next()
    })
}

/// Why YAML cannot be read, another reader says in other words.
fn unread_yaml(difference: &Difference) -> bool {
    const UNREAD: &str = "error decoding YAML: ";
    sentences(difference)
        .is_some_and(|(theirs, ours)| theirs.starts_with(UNREAD) && ours.starts_with(UNREAD))
}

/// Descriptions are in our own words: no client acts on them.
fn own_words(difference: &Difference) -> bool {
    difference.place.ends_with(".description") && difference.ours.is_some()
}

/// Why a patched object is none of its kind, the real server says in the words of Go's types.
fn spoilt_by_a_patch(difference: &Difference) -> bool {
    const SPOILT: [&str; 3] = [
        " \"\" is invalid: patch: Invalid value: ",
        "Invalid value: \"{",
        "Invalid value: \"map[",
    ];
    sentences(difference).is_some_and(|(theirs, ours)| {
        SPOILT
            .iter()
            .any(|begin| theirs.starts_with(begin) && ours.starts_with(begin))
    })
}

/// The real server prints Go's inner structs in sentences, whose field names no client knows.
fn shown_as_sent(difference: &Difference) -> bool {
    let Some((theirs, ours)) = sentences(difference) else {
        return false;
    };
    theirs.contains('{') && without_values(theirs) == without_values(ours)
}

/// The real server appends a diff of Go's inner structs to what may not change in a pod.
fn inner_difference(difference: &Difference) -> bool {
    sentences(difference)
        .is_some_and(|(theirs, ours)| theirs.split("\n@@ ").next() == Some(ours) && theirs != ours)
}

/// Documents are compared by the recordings, as far as they are served.
fn documents(real: &Exchange) -> bool {
    real.line.contains(" /openapi/")
}

fn sentences(difference: &Difference) -> Option<(&str, &str)> {
    let [theirs, ours] =
        [&difference.recorded, &difference.ours].map(|side| side.as_ref().and_then(Value::as_str));
    difference
        .place
        .ends_with(".message")
        .then_some((theirs?, ours?))
}
