//! Why the operator does not take an Ignition config.

use super::ParseError;
use super::report::{Entry, Severity};

/// A refused Ignition config. [`Refusal::class`] is stable; the sentences may change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No JSON, a wrong type, or a broken rule of the declared version.
    #[error("the Ignition config is not valid: {}", first_error(entries))]
    Invalid {
        /// All findings.
        entries: Vec<Entry>,
    },
    /// Valid in its own version, but not as spec 3.5.0.
    #[error(
        "the Ignition config is not valid as spec 3.5.0: {}",
        first_error(entries)
    )]
    InvalidAsNewest {
        /// The errors.
        entries: Vec<Entry>,
    },
    /// The declared version is absent or no version.
    #[error(
        "the Ignition config declares no readable version (ignition.version is {version:?}); \
         supported are 3.0.0 to 3.5.0"
    )]
    InvalidVersion {
        /// What stands there.
        version: String,
    },
    /// A version that nobody here reads.
    #[error(
        "Ignition spec {version:?} is not supported; supported are 3.0.0 to 3.5.0{}",
        if version.starts_with("2.") { ": write it anew with Butane, or convert it with ign-converter" } else { "" }
    )]
    UnknownVersion {
        /// What stands there.
        version: String,
    },
    /// Spec 2, which the reference still converts.
    #[error(
        "Ignition spec {version} is not supported: write the config as spec 3, for example with \
         Butane, or convert it with ign-converter (-translate 23to30)"
    )]
    Spec2 {
        /// The declared version.
        version: String,
    },
    /// A file with setuid, setgid or sticky bits.
    #[error("invalid mode {mode:#o} for {path}, cannot exceed 0777")]
    FileMode {
        /// The file's path.
        path: String,
        /// Its mode.
        mode: i64,
    },
}

impl Refusal {
    /// The stable name of the refusal.
    pub fn class(&self) -> &'static str {
        match self {
            Refusal::Invalid { .. } | Refusal::InvalidAsNewest { .. } => "ignition-invalid",
            Refusal::InvalidVersion { .. } => "ignition-invalid-version",
            Refusal::UnknownVersion { .. } => "ignition-unknown-version",
            Refusal::Spec2 { .. } => "ignition-spec2",
            Refusal::FileMode { .. } => "file-mode",
        }
    }

    /// The field of the Ignition config that the refusal is about, if it is about one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Refusal::Invalid { entries } | Refusal::InvalidAsNewest { entries } => entries
                .iter()
                .find(|it| it.severity == Severity::Error)?
                .path
                .as_deref(),
            Refusal::InvalidVersion { .. }
            | Refusal::UnknownVersion { .. }
            | Refusal::Spec2 { .. } => Some("$.ignition.version"),
            Refusal::FileMode { .. } => Some("$.storage.files"),
        }
    }

    pub(super) fn from_parse(error: ParseError, entries: Vec<Entry>) -> Self {
        match error {
            ParseError::Empty | ParseError::Invalid => Refusal::Invalid { entries },
            ParseError::InvalidVersion { version } => Refusal::InvalidVersion { version },
            ParseError::UnknownVersion { version }
                if CONVERTED_BY_REFERENCE.contains(&version.as_str()) =>
            {
                Refusal::Spec2 { version }
            }
            ParseError::UnknownVersion { version } => Refusal::UnknownVersion { version },
        }
    }
}

/// The versions of spec 2 that the reference converts; it knows no later one.
const CONVERTED_BY_REFERENCE: [&str; 3] = ["2.0.0", "2.1.0", "2.2.0"];

fn first_error(entries: &[Entry]) -> String {
    let errors: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.severity == Severity::Error)
        .collect();
    match errors.as_slice() {
        [] => "it is empty".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}
