//! Why a registry did not give what it was asked for.
//!
//! # Guarantees
//! One value for one reason; [`Why::reason`] is its metric label, `Display` the only place of its sentence. Secrets are in
//! none of them.

use std::fmt;
use std::time::Duration;

use super::digest::Digest;

/// A registry did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{attempt} {on}: {why}")]
pub struct RegistryError {
    /// What was attempted, as in "reading the manifest".
    pub attempt: &'static str,
    /// On what.
    pub on: String,
    /// Why it failed.
    pub why: Why,
}

/// Why a registry did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// There is no connection to it.
    Unreachable(String),
    /// Its certificate is not trusted.
    NotTrusted(String),
    /// It did not go on within this.
    Slow(Duration),
    /// It says that it was asked too often.
    TooManyRequests {
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// It says that it fails.
    Failing(u16),
    /// It does not let us.
    Denied(String),
    /// It has no such thing.
    NotFound,
    /// It refuses for another reason.
    Refused(u16, String),
    /// The bytes are not those that were named.
    WrongDigest {
        /// What was named.
        named: Digest,
        /// What came.
        came: Digest,
    },
    /// It is larger than anything that is meant here.
    TooLarge {
        /// What is.
        what: &'static str,
        /// The bound, in bytes or pieces.
        limit: u64,
    },
    /// The connection broke, and again after it was taken up.
    BrokenOff(String),
    /// What came is not what it should be.
    NotUnderstood(String),
    /// It leads elsewhere too often, or to where nothing is asked.
    Redirected(String),
}

impl RegistryError {
    pub(super) fn new(attempt: &'static str, on: impl fmt::Display, why: Why) -> Self {
        Self {
            attempt,
            on: on.to_string(),
            why,
        }
    }
}

impl Why {
    /// The reason as a word: the metric label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "Unreachable",
            Self::NotTrusted(_) => "NotTrusted",
            Self::Slow(_) => "Slow",
            Self::TooManyRequests { .. } => "TooManyRequests",
            Self::Failing(_) => "Failing",
            Self::Denied(_) => "Denied",
            Self::NotFound => "NotFound",
            Self::Refused(..) => "Refused",
            Self::WrongDigest { .. } => "WrongDigest",
            Self::TooLarge { .. } => "TooLarge",
            Self::BrokenOff(_) => "BrokenOff",
            Self::NotUnderstood(_) => "NotUnderstood",
            Self::Redirected(_) => "Redirected",
        }
    }

    /// Whether another try, soon, may do better.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::Slow(_)
            | Self::TooManyRequests { .. }
            | Self::Failing(_)
            | Self::BrokenOff(_) => true,
            Self::NotTrusted(_)
            | Self::Denied(_)
            | Self::NotFound
            | Self::Refused(..)
            | Self::WrongDigest { .. }
            | Self::TooLarge { .. }
            | Self::NotUnderstood(_)
            | Self::Redirected(_) => false,
        }
    }

    /// Whether it is about this one thing, and no other of the same registry would fail in the same way.
    pub fn is_of_the_thing(&self) -> bool {
        matches!(
            self,
            Self::NotFound
                | Self::WrongDigest { .. }
                | Self::TooLarge { .. }
                | Self::NotUnderstood(_)
        )
    }

    /// How long the registry wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests { retry_after } => *retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(says) => write!(f, "there is no connection: {says}"),
            Self::NotTrusted(says) => write!(
                f,
                "its certificate is not trusted: {says}; name its authority with --registry-ca"
            ),
            Self::Slow(time) => write!(f, "nothing came for {} s", time.as_secs_f32()),
            Self::TooManyRequests { retry_after } => {
                f.write_str("it was asked too often")?;
                match retry_after {
                    Some(time) => write!(f, ", and wants {} s of rest", time.as_secs()),
                    None => Ok(()),
                }
            }
            Self::Failing(status) => write!(f, "it fails with {status}"),
            Self::Denied(says) => write!(f, "it does not let us: {says}"),
            Self::NotFound => f.write_str("there is no such thing"),
            Self::Refused(status, says) if says.is_empty() => write!(f, "it refuses with {status}"),
            Self::Refused(status, says) => write!(f, "it refuses with {status}: {says}"),
            Self::WrongDigest { named, came } => {
                write!(f, "what came is {came}, which is not {named}")
            }
            Self::TooLarge { what, limit } => {
                write!(f, "more than {limit} {what}; this is not what it should be")
            }
            Self::BrokenOff(says) => write!(f, "the connection broke off: {says}"),
            Self::NotUnderstood(says) => write!(f, "what came is not what it should be: {says}"),
            Self::Redirected(says) => write!(f, "it leads elsewhere: {says}"),
        }
    }
}

/// An error with its sources, as one sentence.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let says = cause.to_string();
        // Some errors tell their source themselves.
        if !text.ends_with(&says) {
            text.push_str(": ");
            text.push_str(&says);
        }
        source = cause.source();
    }
    text
}
