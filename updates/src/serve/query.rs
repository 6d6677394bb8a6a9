//! The parameters of a question for a graph.

use percent_encoding::percent_decode_str;

/// The architecture of who names none.
pub(super) const DEFAULT_ARCHITECTURE: &str = "amd64";
/// A longer query is refused: ten times what a client sends.
pub(super) const QUERY_BYTES_MAX: usize = 4096;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) channel: String,
    pub(super) architecture: String,
}

/// Why a question cannot be answered, in the words that clients know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadQuestion {
    /// A parameter is missing.
    Missing(&'static str),
    /// A parameter is none that can be.
    Invalid {
        name: &'static str,
        value: String,
        pattern: &'static str,
    },
    /// The query is too long.
    TooLong,
}

impl BadQuestion {
    /// The error's kind and sentence.
    pub(super) fn told(&self) -> (&'static str, String) {
        match self {
            Self::Missing(name) => (
                "missing_params",
                format!("mandatory client parameters missing: {name}"),
            ),
            Self::Invalid {
                name,
                value,
                pattern,
            } => (
                "invalid_params",
                format!(
                    "invalid client parameters: {name} '{value}' does not match regex '{pattern}'"
                ),
            ),
            Self::TooLong => (
                "invalid_params",
                format!(
                    "invalid client parameters: the query is longer than {QUERY_BYTES_MAX} bytes"
                ),
            ),
        }
    }
}

/// Reads a query. Of a parameter that comes twice the last one counts; those that are not known are passed over.
pub(super) fn read(query: &str) -> Result<Asked, BadQuestion> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(BadQuestion::TooLong);
    }
    let channel = parameter(query, "channel").ok_or(BadQuestion::Missing("channel"))?;
    let architecture = parameter(query, "arch").unwrap_or_else(|| DEFAULT_ARCHITECTURE.to_owned());
    Asked::new(channel, architecture)
}

impl Asked {
    /// Of names that can be.
    pub(super) fn new(channel: String, architecture: String) -> Result<Self, BadQuestion> {
        let valid = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase();
        if channel.is_empty() || !channel.chars().all(|c| valid(c) || c == '-' || c == '.') {
            return Err(BadQuestion::Invalid {
                name: "channel",
                value: channel,
                pattern: r"^[0-9a-z\-\.]+$",
            });
        }
        if architecture.is_empty() || !architecture.chars().all(valid) {
            return Err(BadQuestion::Invalid {
                name: "arch",
                value: architecture,
                pattern: "^[0-9a-z]+$",
            });
        }
        Ok(Self {
            channel,
            architecture,
        })
    }
}

/// The last value of a parameter.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut values = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(key, _)| decoded(key) == name)
        .map(|(_, value)| decoded(value));
    values.next_back()
}

fn decoded(text: &str) -> String {
    let blanks = text.replace('+', " ");
    percent_decode_str(&blanks).decode_utf8_lossy().into_owned()
}
