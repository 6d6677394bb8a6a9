//! One question to an update service, ours or the reference's: what a person asks on a terminal.
//!
//! # Guarantees
//! One request a question, two where the service does not know explanations; nothing is tried again. Answers are bounded.
//! What a service says of a question that it does not answer is told in its own words.
//!
//! # Not here
//! A service that is followed as a source of graphs: [`crate::source`].

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HeaderValue};
use http::{StatusCode, Uri};
use percent_encoding::utf8_percent_encode;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::explain::{Explanation, Question};
use crate::registry::transport::{Ask, Transport};
use crate::registry::{Patience, UnusableSettings, Why};
use crate::wire::{IN_A_QUERY, Received};

/// An answer is no larger: a hundred times that of the largest channel of today.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// A person waits no longer for an answer; the reference is given a minute by its own clients.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// What a path ends with that names the graph itself.
const GRAPH: &str = "/graph";

/// An update service that can be asked.
#[derive(Debug)]
pub struct Server {
    transport: Transport,
    /// Its address up to the last path, without a stroke at its end.
    base: String,
}

/// A question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The address is none.
    #[error(
        "`{address}` is no address of an update service: https://HOST/api/upgrades_info or its …/v1/graph"
    )]
    Address {
        /// As it was given.
        address: String,
    },
    /// Connections cannot be made.
    #[error(transparent)]
    Settings(#[from] UnusableSettings),
    /// It could not be asked.
    #[error("asking {uri}: {why}")]
    Asking {
        /// What was asked.
        uri: String,
        /// Why not.
        why: Why,
    },
    /// It does not answer this.
    #[error("{uri} answers {status}: {says}")]
    Refused {
        /// What was asked.
        uri: String,
        /// The status.
        status: u16,
        /// What it says.
        says: String,
    },
    /// What it answers is no answer.
    #[error("reading the answer of {uri}")]
    Unreadable {
        /// What was asked.
        uri: String,
        /// Where it stops.
        source: serde_json::Error,
    },
}

/// What a service says of a question that it does not answer.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    value: String,
}

impl Server {
    /// A service by its address: that of its graph, as a cluster has it, or that which all its paths begin with.
    pub fn new(address: &str, authorities: Vec<CertificateDer<'static>>) -> Result<Self, NoAnswer> {
        let wrong = || NoAnswer::Address {
            address: address.to_owned(),
        };
        let uri: Uri = address.parse().map_err(|_| wrong())?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        let path = uri.path().trim_end_matches('/');
        let base = path
            .strip_suffix(GRAPH)
            .map_or_else(|| format!("{path}/v1"), str::to_owned);
        let scheme = uri.scheme_str().unwrap_or_default();
        // Who writes http means it.
        let plain = vec![authority.as_str().to_owned()];
        let patience = Patience {
            answer: ANSWER_TIME_MAX,
            ..Patience::default()
        };
        Ok(Self {
            transport: Transport::new(authorities, plain, patience)
                .map_err(UnusableSettings::from)?,
            base: format!("{scheme}://{authority}{base}"),
        })
    }

    /// The answer for a channel and an architecture.
    pub async fn graph(&self, channel: &str, architecture: &str) -> Result<Received, NoAnswer> {
        let uri = format!("{}{GRAPH}?{}", self.base, of(channel, architecture));
        let (status, body) = self.ask(&uri).await?;
        read(&uri, status, &body)
    }

    /// The explanation; none if the service does not know explanations, as the reference does not.
    pub async fn explain(&self, question: Question<'_>) -> Result<Option<Explanation>, NoAnswer> {
        let mut uri = format!(
            "{}/explain?{}&from={}",
            self.base,
            of(question.channel, question.architecture),
            encoded(question.from)
        );
        if let Some(to) = question.to {
            uri.push_str(&format!("&to={}", encoded(to)));
        }
        let (status, body) = self.ask(&uri).await?;
        let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
        // A path that nobody knows has no reason of ours.
        if status == StatusCode::NOT_FOUND && problem.kind.is_empty() {
            return Ok(None);
        }
        read(&uri, status, &body).map(Some)
    }

    async fn ask(&self, uri: &str) -> Result<(StatusCode, Bytes), NoAnswer> {
        let failed = |why| NoAnswer::Asking {
            uri: uri.to_owned(),
            why,
        };
        let parsed = uri.parse().map_err(|_| NoAnswer::Address {
            address: uri.to_owned(),
        })?;
        let mut ask = Ask::get(parsed);
        let json = HeaderValue::from_static("application/json");
        ask.headers.insert(ACCEPT, json);
        let response = self.transport.send(&ask).await.map_err(failed)?;
        let status = response.status();
        let body = self.transport.whole(response, ANSWER_BYTES_MAX).await;
        Ok((status, body.map_err(failed)?))
    }
}

fn of(channel: &str, architecture: &str) -> String {
    format!(
        "channel={}&arch={}",
        encoded(channel),
        encoded(architecture)
    )
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, IN_A_QUERY).to_string()
}

fn read<T: DeserializeOwned>(uri: &str, status: StatusCode, body: &Bytes) -> Result<T, NoAnswer> {
    if status != StatusCode::OK {
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        let says = if problem.value.is_empty() {
            "nothing that could be read".to_owned()
        } else {
            problem.value
        };
        return Err(NoAnswer::Refused {
            uri: uri.to_owned(),
            status: status.as_u16(),
            says,
        });
    }
    serde_json::from_slice(body).map_err(|source| NoAnswer::Unreadable {
        uri: uri.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_by_its_graph_or_by_what_its_paths_begin_with() {
        let base = |address: &str| Server::new(address, Vec::new()).map(|server| server.base);

        for (address, expected) in [
            (
                "http://host:8081/api/upgrades_info/v1/graph",
                "http://host:8081/api/upgrades_info/v1",
            ),
            (
                "http://host:8081/api/upgrades_info/graph",
                "http://host:8081/api/upgrades_info",
            ),
            (
                "https://host/api/upgrades_info/",
                "https://host/api/upgrades_info/v1",
            ),
            ("https://host", "https://host/v1"),
        ] {
            assert_eq!(base(address).unwrap(), expected);
        }
        for wrong in ["host:8081", "ftp://host/graph", "/v1/graph", ""] {
            assert!(base(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_service_says_is_told_in_its_own_words() {
        let body = Bytes::from_static(br#"{"kind":"invalid_params","value":"no such channel"}"#);

        let error = read::<Received>("http://host/graph", StatusCode::BAD_REQUEST, &body);

        assert_eq!(
            error.unwrap_err().to_string(),
            "http://host/graph answers 400: no such channel"
        );
    }
}
