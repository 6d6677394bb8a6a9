//! What a parse found: entries with a kind, a path and a message.
//!
//! Guarantees: paths read `$.storage.files.0.path`; messages about Ignition's own rules are those
//! that its users know from the original, so that what they find in its documentation fits.

use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The config cannot be used.
    Error,
    /// The config can be used, perhaps not as its author thinks.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// How bad it is.
    pub severity: Severity,
    /// Where, from the root `$`; absent if it is about the text as a whole.
    pub path: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl Entry {
    pub(crate) fn error(path: &Path, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            path: Some(path.to_string()),
            message: message.into(),
        }
    }

    pub(crate) fn warning(path: &Path, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            path: Some(path.to_string()),
            message: message.into(),
        }
    }

    pub(crate) fn about_the_text(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            path: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(formatter, "{} at {path}: {}", self.severity, self.message),
            None => write!(formatter, "{}: {}", self.severity, self.message),
        }
    }
}

/// The place of a value in a config, as the report writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(String);

impl Path {
    pub(crate) fn root() -> Self {
        Self("$".to_owned())
    }

    pub(crate) fn field(&self, name: &str) -> Self {
        Self(format!("{}.{name}", self.0))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        Self(format!("{}.{index}", self.0))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
