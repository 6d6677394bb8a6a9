//! Another update service, ours or the reference's, as the place that releases and edges come from.
//!
//! # Guarantees
//! * An address without a channel is asked as it is: the reference's graph-builder answers with everything. With a channel,
//!   and with more that are named, it is asked for each architecture, and for every channel that a release of an answer
//!   names: that is all that a policy-engine, or this service, ever gives, so it can stand behind itself.
//! * What has not changed is not sent again, where the other service has entity tags. Answers are bounded in number and size.
//! * Either all answers are there, or the last graph goes on.
//!
//! # Not here
//! When it is asked: [`crate::source`].

mod merge;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};

use api::clock::Clock;
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use futures::{StreamExt as _, TryStreamExt as _};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{StatusCode, Uri};
use rustls::pki_types::CertificateDer;

use crate::files::RAW_GRAPH_BYTES_MAX;
use crate::raw::RawGraph;
use crate::registry::transport::{Ask, Transport};
use crate::registry::{Patience, RegistryError, UnusableSettings, Why, session};
use merge::Merged;

/// Channels that are asked for: ten times those of today.
pub const CHANNELS_MAX: usize = 1024;
/// Questions at a time; the reference's default is to serve ten connections.
const AT_A_TIME: usize = 4;
/// An answer as it is sent is no larger.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// What errors say that was attempted.
const ATTEMPT: &str = "asking the update service";

/// Which service is asked, and for what.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its graph: `https://…/api/upgrades_info/v1/graph`.
    pub url: Uri,
    /// The channels to begin with; none asks for the whole graph at once.
    pub channels: Vec<String>,
    /// The architectures that are asked for, where channels are.
    pub architectures: Vec<String>,
    /// Whom is trusted besides those whom this machine trusts.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Hosts that are asked without TLS.
    pub plain_http: Vec<String>,
    /// How long it is waited for.
    pub patience: Patience,
}

/// Asks another update service, and knows what it answered before.
#[derive(Debug)]
pub struct Upstream {
    transport: Transport,
    url: Uri,
    channels: Vec<String>,
    architectures: Vec<String>,
    clock: Clock,
    known: Mutex<Known>,
}

/// The last answers: their entity tags, and what they say together.
#[derive(Debug, Clone, Default)]
struct Known {
    tags: BTreeMap<Question, HeaderValue>,
    graph: Option<Arc<RawGraph>>,
}

/// A channel and an architecture; none is everything.
type Question = Option<(String, String)>;

/// An answer to one question.
enum Answer {
    Same,
    New(RawGraph, Option<HeaderValue>),
}

impl Upstream {
    /// Nothing was asked yet.
    pub fn new(settings: Settings, clock: Clock) -> Result<Self, UnusableSettings> {
        let transport =
            Transport::new(settings.authorities, settings.plain_http, settings.patience)?;
        // What the address asks for already is asked for as well, and for its architecture alone.
        let mut channels = settings.channels;
        channels.extend(parameter(&settings.url, "channel"));
        let architecture = parameter(&settings.url, "arch");
        let architectures = architecture.map_or(settings.architectures, |only| vec![only]);
        Ok(Self {
            transport,
            url: settings.url,
            channels,
            architectures,
            clock,
            known: Mutex::default(),
        })
    }

    /// Which service is asked.
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// What it says now. The same `Arc` as before if that has not changed.
    pub async fn ask(&self) -> Result<Arc<RawGraph>, RegistryError> {
        let known = self.with_known(|known| known.clone());
        if let Some(graph) = &known.graph
            && self.is_all_the_same(&known).await?
        {
            return Ok(graph.clone());
        }
        let fresh = self.everything().await?;
        let graph = fresh.graph.clone().unwrap_or_default();
        self.with_known(|known| *known = fresh);
        Ok(graph)
    }

    fn with_known<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether every answer is still what it was.
    async fn is_all_the_same(&self, known: &Known) -> Result<bool, RegistryError> {
        if known.tags.is_empty() {
            return Ok(false);
        }
        let asked: Vec<(Question, HeaderValue)> = known.tags.clone().into_iter().collect();
        let mut asking = futures::stream::iter(asked)
            .map(|(question, tag)| async move { self.one(question, Some(&tag)).await })
            .buffer_unordered(AT_A_TIME);
        while let Some((_, answer)) = asking.try_next().await? {
            if let Answer::New(..) = answer {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn everything(&self) -> Result<Known, RegistryError> {
        let mut known = Known::default();
        if self.channels.is_empty() {
            let (question, answer) = self.one(None, None).await?;
            if let Answer::New(graph, tag) = answer {
                known.graph = Some(Arc::new(graph));
                known.tags.extend(tag.map(|tag| (question, tag)));
            }
            return Ok(known);
        }
        let mut merged = Merged::default();
        let mut asked: BTreeSet<String> = BTreeSet::new();
        let mut next: BTreeSet<String> = self.channels.iter().cloned().collect();
        let mut tagged = true;
        while !next.is_empty() {
            if asked.len() + next.len() > CHANNELS_MAX {
                return Err(self.error(Why::TooLarge {
                    what: "channels",
                    limit: CHANNELS_MAX as u64,
                }));
            }
            let mut questions: Vec<Question> = Vec::new();
            for channel in &next {
                for architecture in &self.architectures {
                    questions.push(Some((channel.clone(), architecture.clone())));
                }
            }
            let mut asking = futures::stream::iter(questions)
                .map(|question| self.one(question, None))
                .buffered(AT_A_TIME);
            while let Some((question, answer)) = asking.try_next().await? {
                let (Some((_, architecture)), Answer::New(graph, tag)) = (&question, answer) else {
                    continue;
                };
                merged.take(graph, architecture);
                match tag {
                    Some(tag) => drop(known.tags.insert(question, tag)),
                    // One answer that cannot be asked for by its tag makes the others' of no use.
                    None => tagged = false,
                }
            }
            drop(asking);
            asked.append(&mut next);
            next = merged.channels();
            next.retain(|channel| !asked.contains(channel));
        }
        if !tagged {
            known.tags.clear();
        }
        known.graph = Some(Arc::new(merged.finish()));
        Ok(known)
    }

    async fn one(
        &self,
        question: Question,
        tag: Option<&HeaderValue>,
    ) -> Result<(Question, Answer), RegistryError> {
        let asked = self.answer(&question, tag).await;
        match asked {
            Ok(answer) => Ok((question, answer)),
            Err(Why::Refused(400, _)) if question.is_none() => Err(self.error(Why::Refused(
                400,
                "it answers for channels alone; name one with --upstream-channel".to_owned(),
            ))),
            Err(why) => Err(self.error(why)),
        }
    }

    async fn answer(&self, question: &Question, tag: Option<&HeaderValue>) -> Result<Answer, Why> {
        let mut ask = Ask::get(with_question(&self.url, question)?);
        let json = HeaderValue::from_static("application/json");
        ask.headers.insert(ACCEPT, json);
        ask.headers
            .insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(tag) = tag {
            ask.headers.insert(IF_NONE_MATCH, tag.clone());
        }
        let response = self.transport.send(&ask).await?;
        match response.status() {
            StatusCode::NOT_MODIFIED if tag.is_some() => return Ok(Answer::Same),
            StatusCode::OK => {}
            _ => return Err(session::why(&response, &self.clock)),
        }
        let tag = response.headers().get(ETAG).cloned();
        let packed = response.headers().get(CONTENT_ENCODING);
        let packed = packed.is_some_and(|encoding| encoding == "gzip");
        let body = self.transport.whole(response, ANSWER_BYTES_MAX).await?;
        let graph = tokio::task::spawn_blocking(move || read(&body, packed))
            .await
            .map_err(|error| Why::NotUnderstood(error.to_string()))??;
        Ok(Answer::New(graph, tag))
    }

    fn error(&self, why: Why) -> RegistryError {
        RegistryError {
            attempt: ATTEMPT,
            on: self.url.to_string(),
            why,
        }
    }
}

/// A parameter of an address; of several the last one, as everybody reads them.
fn parameter(url: &Uri, name: &str) -> Option<String> {
    let query = url.query()?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .rfind(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

fn read(body: &Bytes, packed: bool) -> Result<RawGraph, Why> {
    let mut unpacked = Vec::new();
    let json = if packed {
        MultiGzDecoder::new(body.as_ref())
            .take(RAW_GRAPH_BYTES_MAX + 1)
            .read_to_end(&mut unpacked)
            .map_err(|error| Why::NotUnderstood(format!("as gzip: {error}")))?;
        if unpacked.len() as u64 > RAW_GRAPH_BYTES_MAX {
            return Err(Why::TooLarge {
                what: "bytes",
                limit: RAW_GRAPH_BYTES_MAX,
            });
        }
        unpacked.as_slice()
    } else {
        body.as_ref()
    };
    // The reference's graph-builder answers 200 with nothing before its first graph.
    if json.is_empty() {
        return Err(Why::Failing(StatusCode::SERVICE_UNAVAILABLE.as_u16()));
    }
    RawGraph::read(json).map_err(|error| Why::NotUnderstood(error.says))
}

/// The address with a channel and an architecture, which stand last: the last one counts.
fn with_question(url: &Uri, question: &Question) -> Result<Uri, Why> {
    let Some((channel, architecture)) = question else {
        return Ok(url.clone());
    };
    let named = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        text.chars().all(plain)
    };
    if !named(channel) || !named(architecture) {
        return Err(Why::NotUnderstood(format!(
            "a channel or architecture of the name `{channel}` or `{architecture}`"
        )));
    }
    let between = if url.query().is_some() { '&' } else { '?' };
    format!("{url}{between}channel={channel}&arch={architecture}")
        .parse()
        .map_err(|error| Why::NotUnderstood(format!("{url} with a channel: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_added_to_the_address() {
        let ask = |url: &'static str, channel: &str| {
            let question = Some((channel.to_owned(), "amd64".to_owned()));
            with_question(&Uri::from_static(url), &question).map(|uri| uri.to_string())
        };

        assert_eq!(
            ask("https://a/graph", "stable-4.16").unwrap(),
            "https://a/graph?channel=stable-4.16&arch=amd64"
        );
        assert_eq!(
            ask("https://a/graph?id=1", "stable-4.16").unwrap(),
            "https://a/graph?id=1&channel=stable-4.16&arch=amd64"
        );
        assert!(ask("https://a/graph", "stable&arch=x").is_err());
    }

    #[test]
    fn what_an_address_asks_for_is_read_from_it() {
        let url = Uri::from_static("https://a/graph?channel=x&id=1&channel=stable-4.16&arch=");

        assert_eq!(parameter(&url, "channel").as_deref(), Some("stable-4.16"));
        assert_eq!(parameter(&url, "arch"), None);
    }

    #[test]
    fn an_answer_before_the_first_graph_is_none() {
        assert_eq!(read(&Bytes::new(), false), Err(Why::Failing(503)));
    }
}
