//! What an API server that is older than the one that is played answers otherwise, each with its reason.
//!
//! `cargo xtask test 'oldest kubernetes'` tells the suite to the oldest supported one. Status codes, reasons, fields and objects
//! are compared there as well; nothing here is asked where the real server is as new as the one in memory.

use e2e::control_plane::ControlPlane;
use serde_json::Value;

use crate::compare::Difference;
use crate::server::Exchange;

/// The minor version that is played.
const PLAYED: u32 = 36;

/// Cases whose rule an older server does not know yet. One that holds there all the same fails, so that it is taken off.
const NOT_YET: [(&str, &str); 2] = [
    (
        "a_streaming_list_ends_with_a_bookmark",
        "streaming lists are off by default before 1.34; neither the controller nor the daemon asks for one",
    ),
    (
        "a_watch_from_the_beginning_tells_everything",
        "the watch cache begins with the server's own start; what is older is gone, as after any compaction",
    ),
];

/// Whether the real server is older than what is played.
pub async fn is_older(real: &ControlPlane) -> Result<bool, String> {
    let client = real.admin().await.map_err(|error| error.to_string())?;
    let version = client.apiserver_version().await;
    let version = version.map_err(|error| error.to_string())?;
    let minor: u32 = version
        .minor
        .parse()
        .map_err(|error| format!("reading the minor version {}: {error}", version.minor))?;
    Ok(minor < PLAYED)
}

/// What comes of a case that was told to an older server.
pub fn judged(name: &str, told: Result<(), String>) -> Result<(), String> {
    let known = NOT_YET.iter().find(|(case, _)| *case == name);
    match (known, told) {
        (None, told) => told,
        (Some(_), Err(_)) => Ok(()),
        (Some((_, why)), Ok(())) => Err(format!("it holds here, and NOT_YET says: {why}")),
    }
}

/// Whether a difference is one of versions.
pub fn meant(real: &Exchange, difference: &Difference) -> bool {
    reworded(difference)
        || empty_time(difference)
        || of_streaming_lists(real)
        || ignored_match(real)
        || column_that_went(real, difference)
}

/// Sentences were reworded: how a wrong value is printed, "characters" for "bytes". No client acts on them.
fn reworded(difference: &Difference) -> bool {
    let is_text = |side: &Option<Value>| side.as_ref().is_some_and(Value::is_string);
    difference.place.ends_with(".message")
        && is_text(&difference.recorded)
        && is_text(&difference.ours)
}

/// A template without a time of its making was written with an empty one.
fn empty_time(difference: &Difference) -> bool {
    difference.place.ends_with(".creationTimestamp")
        && difference.recorded == Some(Value::Null)
        && difference.ours.is_none()
}

/// See [`NOT_YET`]: every request for one is refused, for one more reason.
fn of_streaming_lists(real: &Exchange) -> bool {
    real.line.contains("sendInitialEvents=")
}

/// A watch with `continue` was not refused.
fn ignored_match(real: &Exchange) -> bool {
    real.line.contains("watch=true") && real.line.contains("continue=")
}

/// ServiceAccounts were shown with the number of their Secrets.
fn column_that_went(real: &Exchange, difference: &Difference) -> bool {
    let of_table = ["body.columnDefinitions", "body.rows"];
    real.line.contains("/serviceaccounts")
        && of_table
            .iter()
            .any(|table| difference.place.starts_with(table))
}
