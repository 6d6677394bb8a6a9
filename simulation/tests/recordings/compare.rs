//! Where an answer differs from the recorded one.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Where the server sets times that no answer told before: those of deletions and evictions.
const UNTOLD_TIMES: [&str; 2] = ["deletionTimestamp", "disruptedPods"];

/// Times of writing. The clock follows the recording, in which a watch of a second begins and ends within whole seconds.
const WRITTEN_TIMES: [&str; 2] = ["creationTimestamp", "time"];
/// So far such times may be apart.
const APART: SignedDuration = SignedDuration::from_secs(1);

/// One place where an answer differs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// Where, as keys and places separated by dots.
    pub place: String,
    /// What the recording has, in the terms of this server; none: nothing.
    pub recorded: Option<Value>,
    /// What this server has.
    pub ours: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<Value>| {
            let text = value
                .as_ref()
                .map_or("nothing".to_owned(), Value::to_string);
            text.chars().take(600).collect::<String>()
        };
        write!(
            f,
            "{}: recorded {}, answered {}",
            self.place,
            show(&self.recorded),
            show(&self.ours),
        )
    }
}

/// All differences of two values.
pub(crate) fn differences(recorded: &Value, ours: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    collect("", "", recorded, ours, &mut found);
    found
}

/// One difference, where there is one.
pub(crate) fn difference(place: &str, recorded: &Value, ours: &Value) -> Option<Difference> {
    (recorded != ours).then(|| Difference {
        place: place.to_owned(),
        recorded: Some(recorded.clone()),
        ours: Some(ours.clone()),
    })
}

fn collect(place: &str, key: &str, recorded: &Value, ours: &Value, found: &mut Vec<Difference>) {
    match (recorded, ours) {
        (Value::Object(theirs), Value::Object(mine)) => {
            for (name, value) in theirs {
                let place = below(place, name);
                // A map's entries are of the map's nature.
                let (key, name) = (if key == "disruptedPods" { key } else { name }, name);
                match mine.get(name) {
                    Some(ours) => collect(&place, key, value, ours, found),
                    None => found.push(Difference {
                        place,
                        recorded: Some(value.clone()),
                        ours: None,
                    }),
                }
            }
            for (key, value) in mine.iter().filter(|(key, _)| !theirs.contains_key(*key)) {
                found.push(Difference {
                    place: below(place, key),
                    recorded: None,
                    ours: Some(value.clone()),
                });
            }
        }
        (Value::Array(theirs), Value::Array(mine)) => {
            for at in 0..theirs.len().max(mine.len()) {
                let place = below(place, &at.to_string());
                match (theirs.get(at), mine.get(at)) {
                    (Some(recorded), Some(ours)) => collect(&place, key, recorded, ours, found),
                    (recorded, ours) => found.push(Difference {
                        place,
                        recorded: recorded.cloned(),
                        ours: ours.cloned(),
                    }),
                }
            }
        }
        _ if recorded == ours || alike(key, recorded, ours) => {}
        _ => found.extend(difference(place, recorded, ours)),
    }
}

fn below(place: &str, key: &str) -> String {
    if place.is_empty() {
        key.to_owned()
    } else {
        format!("{place}.{key}")
    }
}

/// Whether both are values that differ by nature, and of the same nature.
fn alike(key: &str, recorded: &Value, ours: &Value) -> bool {
    let (Some(recorded), Some(ours)) = (recorded.as_str(), ours.as_str()) else {
        return false;
    };
    let both = |is: fn(&str) -> bool| is(recorded) && is(ours);
    let times = UNTOLD_TIMES.contains(&key)
        && recorded.len() == ours.len()
        && both(|text| text.parse::<Timestamp>().is_ok());
    let written = WRITTEN_TIMES.contains(&key)
        && match (recorded.parse::<Timestamp>(), ours.parse::<Timestamp>()) {
            (Ok(recorded), Ok(ours)) => ours.duration_since(recorded).abs() <= APART,
            _ => false,
        };
    times
        || written
        || (key == "cells" && both(is_age))
        || (key == "serverRelativeURL"
            && both(|address| address.contains("?hash="))
            && recorded.split("?hash=").next() == ours.split("?hash=").next())
}

/// `5s`, `2m5s`, `3h`.
fn is_age(text: &str) -> bool {
    text.ends_with(['s', 'm', 'h', 'd', 'y'])
        && text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .chars()
            .all(|letter| letter.is_ascii_digit() || "smhdy".contains(letter))
}

/// A sentence without the JSON objects in it.
pub(crate) fn without_values(sentence: &str) -> String {
    let mut depth = 0_usize;
    sentence
        .chars()
        .filter(|letter| {
            match letter {
                '{' => depth += 1,
                '}' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

/// An answer as JSON: of a watch that was granted the list of its events, of what is no JSON its text.
pub(crate) fn read(bytes: &[u8], watched: bool) -> Value {
    if watched {
        return serde_json::Deserializer::from_slice(bytes)
            .into_iter::<Value>()
            .map(Result::unwrap)
            .collect();
    }
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(recorded: &Value, ours: &Value) -> Vec<String> {
        differences(recorded, ours)
            .into_iter()
            .map(|difference| difference.place)
            .collect()
    }

    #[test]
    fn an_altered_a_missing_and_an_added_field_are_seen() {
        let recorded = json!({ "a": 1, "b": [{ "c": "x" }], "d": null });
        let ours = json!({ "a": 2, "b": [{ "c": "x" }, {}], "e": null });

        assert_eq!(places(&recorded, &ours), ["a", "b.1", "d", "e"]);
    }

    #[test]
    fn a_time_stands_for_a_time_only_where_nothing_told_it_before() {
        let at = |deletion: &str, renew: &str| json!({ "deletionTimestamp": deletion, "renewTime": renew });
        let recorded = at("2026-11-23T21:02:42Z", "2026-11-23T10:00:00.000000Z");

        let ours = at("2026-11-23T21:02:40Z", "2026-11-23T10:00:00.000000Z");
        assert!(differences(&recorded, &ours).is_empty());
        let ours = at("soon", "2026-11-23T11:00:00.000000Z");
        assert_eq!(places(&recorded, &ours), ["deletionTimestamp", "renewTime"]);
    }

    #[test]
    fn a_time_of_writing_may_be_a_second_away_and_no_more() {
        let at = |created: &str| json!({ "creationTimestamp": created });
        let recorded = at("2026-11-23T21:02:56Z");

        assert!(differences(&recorded, &at("2026-11-23T21:02:57Z")).is_empty());
        let late = places(&recorded, &at("2026-11-23T21:02:58Z"));
        assert_eq!(late, ["creationTimestamp"]);
    }

    #[test]
    fn an_age_stands_for_an_age_and_for_nothing_else() {
        let row = |age: &str| json!({ "cells": ["n1", age] });

        assert!(differences(&row("0s"), &row("2m5s")).is_empty());
        assert_eq!(places(&row("0s"), &row("<unknown>")), ["cells.1"]);
    }
}
