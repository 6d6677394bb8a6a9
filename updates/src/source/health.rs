//! How the sources are: what they last gave and when, and what went wrong since.
//!
//! # Guarantees
//! One record for each source, which feeds the metrics and the status alike. Labels are words of this program.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use api::clock::Clock;
use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use serde::Serialize;

use super::scan::Kinds;
use crate::registry::{Asked, Registry};

/// What a source is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// Releases and edges.
    Releases,
    /// Graph data.
    GraphData,
}

impl Of {
    /// The metric label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Releases => "releases",
            Self::GraphData => "graph_data",
        }
    }
}

/// How the sources are.
#[derive(Debug)]
pub struct Health {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sources: BTreeMap<Of, Source>,
    registry: Option<Registry>,
    kinds: Kinds,
}

/// How one source is.
#[derive(Debug, Clone, Default)]
struct Source {
    from: String,
    answered: Option<Timestamp>,
    changed: Option<Timestamp>,
    digest: Option<String>,
    failure: Option<Failure>,
    failures: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Clone, Serialize)]
struct Failure {
    reason: &'static str,
    message: String,
    /// Since when it fails without a break.
    since: Timestamp,
    /// How often it has failed since.
    times: u64,
    /// When it is asked again.
    next: Timestamp,
}

/// What the status tells of a source.
#[derive(Serialize)]
struct Told<'s> {
    source: &'static str,
    from: &'s str,
    /// The last answer, new or the same as before.
    answered: Option<Timestamp>,
    age_seconds: Option<i64>,
    /// The last answer that was new.
    changed: Option<Timestamp>,
    digest: Option<&'s str>,
    failure: Option<&'s Failure>,
}

impl Health {
    /// Before any source was asked.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// There is a source, and what it is.
    pub(super) fn begins(&self, of: Of, from: String) {
        self.with(|state| state.sources.entry(of).or_default().from = from);
    }

    /// The client whose requests are counted.
    pub(super) fn asks_with(&self, registry: Registry) {
        self.with(|state| state.registry = Some(registry));
    }

    /// A scan found these.
    pub(super) fn found(&self, kinds: Kinds) {
        self.with(|state| state.kinds = kinds);
    }

    /// A source answered; whether with something new, and its digest, if it has one.
    pub(super) fn answered(&self, of: Of, new: bool, digest: Option<String>) {
        let now = self.clock.now();
        self.with(|state| {
            let source = state.sources.entry(of).or_default();
            source.answered = Some(now);
            source.failure = None;
            source.digest = digest;
            if new {
                source.changed = Some(now);
            }
        });
    }

    /// A source failed, and is asked again after this. True if it is the first time, or for another reason than before.
    pub(super) fn failed(
        &self,
        of: Of,
        reason: &'static str,
        message: String,
        wait: std::time::Duration,
    ) -> bool {
        let now = self.clock.now();
        let next = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        self.with(|state| {
            let source = state.sources.entry(of).or_default();
            *source.failures.entry(reason).or_default() += 1;
            let last = source.failure.take();
            let news = last.as_ref().is_none_or(|last| last.reason != reason);
            source.failure = Some(Failure {
                reason,
                message,
                since: last.as_ref().map_or(now, |last| last.since),
                times: last.map_or(0, |last| last.times) + 1,
                next,
            });
            news
        })
    }

    /// All of it, as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        let now = self.clock.now();
        self.with(|state| {
            let told = state.sources.iter().map(|(of, source)| Told {
                source: of.name(),
                from: &source.from,
                answered: source.answered,
                age_seconds: source.age(now),
                changed: source.changed,
                digest: source.digest.as_deref(),
                failure: source.failure.as_ref(),
            });
            serde_json::json!({ "sources": told.collect::<Vec<_>>() })
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source {
    fn age(&self, now: Timestamp) -> Option<i64> {
        let since = now.duration_since(self.answered?);
        Some(since.as_secs().max(0))
    }
}

#[derive(Debug, EncodeLabelSet)]
struct OfSource {
    source: &'static str,
}

#[derive(Debug, EncodeLabelSet)]
struct OfReason {
    source: &'static str,
    reason: &'static str,
}

#[derive(Debug, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

/// Tells the metrics.
#[derive(Debug)]
pub(crate) struct Collected(pub(crate) std::sync::Arc<Health>);

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let now = self.0.clock.now();
        self.0.with(|state| {
            ages(state, now, &mut encoder)?;
            failures(state, &mut encoder)?;
            scans(state, &mut encoder)
        })
    }
}

fn ages(state: &State, now: Timestamp, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let gauge = ConstGauge::new(0_i64).metric_type();
    let mut family = encoder.encode_descriptor(
        "windlass_update_source_age_seconds",
        "Since a source last answered, with something new or with what is served already",
        None,
        gauge,
    )?;
    for (of, source) in &state.sources {
        if let Some(age) = source.age(now) {
            let labels = OfSource { source: of.name() };
            ConstGauge::new(age).encode(family.encode_family(&labels)?)?;
        }
    }
    let mut family = encoder.encode_descriptor(
        "windlass_update_source_failing",
        "1 if a source failed when it was last asked",
        None,
        gauge,
    )?;
    for (of, source) in &state.sources {
        let labels = OfSource { source: of.name() };
        let failing = i64::from(source.failure.is_some());
        ConstGauge::new(failing).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn failures(state: &State, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let counter = ConstCounter::new(0_u64).metric_type();
    let mut family = encoder.encode_descriptor(
        "windlass_update_source_failures",
        "Questions that a source did not answer",
        None,
        counter,
    )?;
    for (of, source) in &state.sources {
        for (reason, count) in &source.failures {
            let labels = OfReason {
                source: of.name(),
                reason,
            };
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn scans(state: &State, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let Some(registry) = &state.registry else {
        return Ok(());
    };
    let counter = ConstCounter::new(0_u64).metric_type();
    let mut family = encoder.encode_descriptor(
        "windlass_update_registry_requests",
        "What registries were asked for; `again` and `rest` count besides",
        None,
        counter,
    )?;
    for asked in Asked::ALL {
        let labels = OfKind { kind: asked.name() };
        let count = registry.counts().of(asked);
        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
    }
    let bytes = ConstCounter::new(registry.counts().blob_bytes());
    let family = encoder.encode_descriptor(
        "windlass_update_registry_blob_bytes",
        "Bytes of blobs that came",
        None,
        counter,
    )?;
    bytes.encode(family)?;
    let mut family = encoder.encode_descriptor(
        "windlass_update_scan_images",
        "Images that the tags of the scanned repository lead to",
        None,
        ConstGauge::new(0_i64).metric_type(),
    )?;
    let kinds = state.kinds;
    for (kind, count) in [
        ("release", kinds.releases),
        ("part", kinds.parts),
        ("other", kinds.others),
        ("unreadable", kinds.unreadable),
    ] {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        ConstGauge::new(count).encode(family.encode_family(&OfKind { kind })?)?;
    }
    Ok(())
}
