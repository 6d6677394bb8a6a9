//! What stands here for a value of the recording that differs by nature.

use std::collections::BTreeMap;

use serde_json::Value;

/// The beginning of a name that the server draws unasked: the volume with a pod's token.
const TOKEN_VOLUME: &str = "kube-api-access-";

/// Recorded values, and this server's in their place.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    /// Versions in the order of the recording.
    versions: BTreeMap<u64, u64>,
    /// Uids, drawn names and continue tokens.
    texts: BTreeMap<String, String>,
    /// What drawn names begin with.
    prefixes: Vec<String>,
}

impl Bindings {
    pub(crate) fn new() -> Self {
        Self {
            prefixes: vec![TOKEN_VOLUME.to_owned()],
            ..Self::default()
        }
    }

    /// Knows from a request how the name begins that it lets the server draw.
    pub(crate) fn expect_drawn(&mut self, body: &Value) {
        if let Some(prefix) = body
            .pointer("/metadata/generateName")
            .and_then(Value::as_str)
        {
            self.prefixes.push(prefix.to_owned());
        }
    }

    /// Learns from an answer what stands for what; what was learned before stays, so that the comparison sees a change of mind.
    pub(crate) fn learn(&mut self, recorded: &Value, ours: &Value) {
        match (recorded, ours) {
            (Value::Object(recorded), Value::Object(ours)) => {
                for (key, recorded) in recorded {
                    let Some(ours) = ours.get(key) else { continue };
                    match (key.as_str(), recorded.as_str(), ours.as_str()) {
                        ("resourceVersion", Some(recorded), Some(ours)) => {
                            self.learn_version(recorded, ours);
                        }
                        ("uid" | "continue", Some(recorded), Some(ours)) => {
                            self.learn_text(recorded, ours);
                        }
                        (_, Some(recorded), Some(ours)) => self.learn_drawn(recorded, ours),
                        _ => self.learn(recorded, ours),
                    }
                }
            }
            (Value::Array(recorded), Value::Array(ours)) => {
                for (recorded, ours) in recorded.iter().zip(ours) {
                    self.learn(recorded, ours);
                }
            }
            _ => {}
        }
    }

    fn learn_version(&mut self, recorded: &str, ours: &str) {
        if let (Ok(recorded), Ok(ours)) = (recorded.parse(), ours.parse()) {
            self.versions.entry(recorded).or_insert(ours);
        }
    }

    fn learn_text(&mut self, recorded: &str, ours: &str) {
        if !recorded.is_empty() && !ours.is_empty() {
            self.texts
                .entry(recorded.to_owned())
                .or_insert_with(|| ours.to_owned());
        }
    }

    fn learn_drawn(&mut self, recorded: &str, ours: &str) {
        let drawn = |text: &str| {
            self.prefixes.iter().any(|prefix| {
                text.strip_prefix(prefix.as_str())
                    .is_some_and(|rest| rest.len() == 5)
            })
        };
        if drawn(recorded) && drawn(ours) {
            self.learn_text(recorded, ours);
        }
    }

    /// Two neighbours of which the later recorded version is not later here, if there are any.
    pub(crate) fn out_of_order(&self) -> Option<(u64, u64)> {
        let mut versions = self.versions.iter();
        let mut before = versions.next()?;
        for version in versions {
            if version.1 <= before.1 {
                return Some((*before.0, *version.0));
            }
            before = version;
        }
        None
    }

    /// The recorded version in the terms of this server; one never seen stays.
    pub(crate) fn version(&self, recorded: &str) -> String {
        recorded
            .parse()
            .ok()
            .and_then(|recorded: u64| self.versions.get(&recorded))
            .map_or_else(|| recorded.to_owned(), u64::to_string)
    }

    /// A sentence with every bound version replaced; others, as those that a request made up, stay.
    fn versions_in(&self, sentence: &str) -> String {
        sentence
            .split_inclusive(|letter: char| !letter.is_ascii_alphanumeric())
            .map(|part| {
                let word = part.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
                let rest = part.get(word.len()..).unwrap_or_default();
                format!("{}{rest}", self.version(word))
            })
            .collect()
    }

    /// The text with every bound uid, name and token replaced.
    pub(crate) fn text(&self, recorded: &str) -> String {
        self.texts
            .iter()
            .filter(|(theirs, _)| recorded.contains(theirs.as_str()))
            .fold(recorded.to_owned(), |text, (theirs, ours)| {
                text.replace(theirs.as_str(), ours)
            })
    }

    /// The value with everything replaced.
    pub(crate) fn value(&self, recorded: &Value) -> Value {
        match recorded {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(key, value)| match (key.as_str(), value.as_str()) {
                    ("resourceVersion", Some(version)) => {
                        (key.clone(), Value::String(self.version(version)))
                    }
                    ("message", Some(sentence)) => {
                        let sentence = self.versions_in(sentence);
                        (key.clone(), Value::String(self.text(&sentence)))
                    }
                    _ => (self.text(key), self.value(value)),
                })
                .collect(),
            other => other.clone(),
        }
    }

    /// The path of a request with everything replaced.
    pub(crate) fn path(&self, recorded: &str) -> String {
        let Some((path, query)) = recorded.split_once('?') else {
            return self.text(recorded);
        };
        let query: Vec<String> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some(("resourceVersion", version)) => {
                    format!("resourceVersion={}", self.version(version))
                }
                _ => self.text(pair),
            })
            .collect();
        format!("{}?{}", self.text(path), query.join("&"))
    }
}
