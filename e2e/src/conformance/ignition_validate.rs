//! `ignition-validate`: reading and validating one Ignition config.

use anyhow::Context;
use rendering::ignition::{self, Entry};
use serde_json::{Value, json};

use super::{Corpus, Strictness};

pub(super) struct IgnitionValidate;

/// Stands for the words of a parser, which are its own (README of the corpora, section 5).
const PARSERS_WORDS: &str = "<the parser's words>";
/// What systemd's unit parser is quoted after.
const UNIT_PREFIX: &str = "invalid unit content: ";
/// What is said about a `source` other than in the words of a parser.
const SOURCE_RULES: [&str; 6] = [
    "invalid url scheme",
    "source is required",
    "source must be specified if verification is specified",
    "cannot use HTTP headers with this source scheme",
    "duplicate entry defined",
    "unable to parse url",
];

impl Corpus for IgnitionValidate {
    fn name(&self) -> &'static str {
        "ignition-validate"
    }

    fn answer(&self, input: &Value) -> anyhow::Result<Value> {
        let raw = input["raw"].as_str().context("raw is no text")?;
        let report = ignition::parse(raw);
        let entries: Vec<Value> = report.entries.iter().map(entry).collect();
        let mut parse = json!({"fatal": report.fatal(), "entries": entries});
        if let Some(error) = &report.error {
            parse["error"] = json!(error.to_string());
        }
        let accepted = match ignition::accept(raw) {
            Ok(converted) => json!({"accepted": true, "converted": converted}),
            Err(refusal) => {
                json!({"accepted": false, "class": refusal.class(), "message": refusal.to_string()})
            }
        };
        Ok(json!({"parse": parse, "mco": accepted}))
    }

    fn strictness(&self, path: &str, _: &Value) -> Strictness {
        match path {
            "mco.message" => Strictness::Wording,
            "parse.entries" => Strictness::Unordered,
            _ => Strictness::Exact,
        }
    }

    fn normalise(&self, value: &mut Value) {
        if let Some(entries) = value.pointer_mut("/parse/entries") {
            without_parsers_words(entries);
        }
    }
}

/// An entry as the corpora write it.
pub(super) fn entry(entry: &Entry) -> Value {
    let mut told = json!({"kind": entry.severity.to_string(), "message": entry.message});
    if let Some(path) = &entry.path {
        told["path"] = json!(path);
    }
    told
}

/// Replaces what a JSON, data URL or unit file parser says; that it complained, and where, is left.
pub(super) fn without_parsers_words(entries: &mut Value) {
    for entry in entries.as_array_mut().into_iter().flatten() {
        let message = entry["message"].as_str().unwrap_or_default();
        let error = entry["kind"] == "error";
        let path = entry
            .get("path")
            .map(|path| path.as_str().unwrap_or_default());
        let words = match path {
            None => error.then(|| PARSERS_WORDS.to_owned()),
            Some(path)
                if error && path.ends_with(".source") && !SOURCE_RULES.contains(&message) =>
            {
                Some(PARSERS_WORDS.to_owned())
            }
            Some(_) if error && message.starts_with(UNIT_PREFIX) => {
                Some(format!("{UNIT_PREFIX}{PARSERS_WORDS}"))
            }
            Some(_) => None,
        };
        if let Some(words) = words.filter(|_| !message.is_empty()) {
            entry["message"] = json!(words);
        }
    }
}
