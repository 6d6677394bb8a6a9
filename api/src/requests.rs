//! What the value of an annotation says, where it is more than a name.
//!
//! Parsing is strict: what does not parse is no request, and the caller says so by name.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Value of `desiredDrain` and `lastAppliedDrain` (`reference/machine-config.md` 2.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DrainRequest {
    /// Cordon and drain the node, on its way to this rendered config.
    Drain(String),
    /// Uncordon the node, which has reached this rendered config.
    Uncordon(String),
}

impl DrainRequest {
    /// Reads `drain-<config>` or `uncordon-<config>`; anything else, and an empty config, is no request.
    pub fn parse(value: &str) -> Option<Self> {
        if let Some(config) = value.strip_prefix("uncordon-") {
            return (!config.is_empty()).then(|| Self::Uncordon(config.to_owned()));
        }
        let config = value.strip_prefix("drain-")?;
        (!config.is_empty()).then(|| Self::Drain(config.to_owned()))
    }

    /// The rendered config that the request is about.
    pub fn config(&self) -> &str {
        match self {
            Self::Drain(config) | Self::Uncordon(config) => config,
        }
    }
}

impl fmt::Display for DrainRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain(config) => write!(f, "drain-{config}"),
            Self::Uncordon(config) => write!(f, "uncordon-{config}"),
        }
    }
}

/// The request of `windlass assign`, as JSON in [`crate::names::ours::ASSIGN_REQUEST`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignRequest {
    /// Rendered config to assign.
    pub config: String,
    /// Why, in the words of the person who asks.
    pub reason: String,
    /// Who asks.
    pub by: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_request_is_read_as_it_is_written() {
        for value in ["drain-rendered-worker-1", "uncordon-rendered-worker-1"] {
            let request = DrainRequest::parse(value).expect("a request");

            assert_eq!(request.to_string(), value);
            assert_eq!(request.config(), "rendered-worker-1");
        }
    }

    #[test]
    fn what_is_neither_drain_nor_uncordon_is_no_request() {
        for value in ["", "drain-", "uncordon-", "rendered-worker-1", "Drain-x"] {
            assert_eq!(DrainRequest::parse(value), None, "{value:?}");
        }
    }

    #[test]
    fn an_assign_request_with_an_unknown_field_is_refused() {
        let read: Result<AssignRequest, _> =
            serde_json::from_str(r#"{"config":"c","reason":"r","by":"me","force":true}"#);

        assert!(read.unwrap_err().to_string().contains("force"));
    }
}
