//! What the service counts, under the names that dashboards of the reference know.
//!
//! Labels are bounded: paths are those that are served, reasons are words of this program.

use std::fmt;
use std::sync::Arc;

use api::clock::Clock;
use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Served;
use super::available::{Available, Cluster};
use crate::source::health::{Collected, Health};

/// The media type of the text.
pub(super) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds: an answer is a look-up, so most of it happens in the first of them.
const SERVE_SECONDS: [f64; 6] = [0.000_1, 0.001, 0.005, 0.05, 0.5, 5.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPath {
    uri_path: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfError {
    code: u32,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

/// The counters and gauges.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    clock: Clock,
    asked: Family<OfPath, Counter>,
    refused: Family<OfError, Counter>,
    duration: Histogram,
    loads: Counter,
    load_errors: Counter,
    last_success: Gauge,
    final_releases: Gauge,
    raw_releases: Gauge,
    aside: Family<OfReason, Gauge>,
    problems: Gauge,
    followers: Gauge,
    followers_dropped: Counter,
    slow_readers: Counter,
    limited: Counter,
    certificate_errors: Counter,
    available: Available,
    health: Arc<Health>,
}

impl Metrics {
    /// All of them at nothing.
    pub fn new(clock: Clock) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            health: Arc::new(Health::new(clock.clone())),
            clock,
            asked: Family::default(),
            refused: Family::default(),
            duration: Histogram::new(SERVE_SECONDS),
            loads: Counter::default(),
            load_errors: Counter::default(),
            last_success: Gauge::default(),
            final_releases: Gauge::default(),
            raw_releases: Gauge::default(),
            aside: Family::default(),
            problems: Gauge::default(),
            followers: Gauge::default(),
            followers_dropped: Counter::default(),
            slow_readers: Counter::default(),
            limited: Counter::default(),
            certificate_errors: Counter::default(),
            available: Available::default(),
        };
        metrics.register();
        metrics.register_clients();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "cincinnati_pe_graph_incoming_requests",
            "Questions for a graph",
            self.asked.clone(),
        );
        r.register(
            "cincinnati_pe_graph_response_errors",
            "Questions that were refused",
            self.refused.clone(),
        );
        r.register(
            "cincinnati_pe_graph_serve_duration_seconds",
            "From a request to its response",
            self.duration.clone(),
        );
        r.register(
            "cincinnati_gb_graph_upstream_scrapes",
            "Loads of the sources",
            self.loads.clone(),
        );
        r.register(
            "cincinnati_gb_graph_upstream_errors",
            "Loads that gave no new graph",
            self.load_errors.clone(),
        );
        r.register(
            "cincinnati_gb_graph_last_successful_refresh_timestamp",
            "When the sources last gave a graph that is served, in seconds since 1970",
            self.last_success.clone(),
        );
        r.register(
            "cincinnati_gb_graph_final_releases",
            "Releases of the graph that is served",
            self.final_releases.clone(),
        );
        r.register(
            "cincinnati_gb_graph_upstream_raw_releases",
            "Releases that the sources named",
            self.raw_releases.clone(),
        );
        r.register(
            "windlass_update_graph_set_aside",
            "What could not be part of the graph",
            self.aside.clone(),
        );
        r.register(
            "windlass_update_graph_data_problems",
            "Parts of graph data that cannot be used as they are",
            self.problems.clone(),
        );
        let build = Family::<OfBuild, Gauge>::default();
        build
            .get_or_create(&OfBuild {
                version: env!("CARGO_PKG_VERSION"),
            })
            .set(1);
        r.register("cincinnati_pe_build_info", "The program", build);
        r.register_collector(Box::new(Collected(self.health.clone())));
    }

    /// How the sources are.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// What is told of clients that stay, and of those that are limited.
    fn register_clients(&mut self) {
        let r = &mut self.registry;
        r.register(
            "windlass_update_followers",
            "Connections that follow a channel",
            self.followers.clone(),
        );
        r.register(
            "windlass_update_followers_dropped",
            "Followers that were let go because they were too late for the history",
            self.followers_dropped.clone(),
        );
        r.register(
            "windlass_update_slow_readers",
            "Connections that were let go because nothing of an answer was read for too long",
            self.slow_readers.clone(),
        );
        r.register(
            "windlass_update_rate_limited",
            "Questions that came too early after others of the same client",
            self.limited.clone(),
        );
        r.register(
            "windlass_update_certificate_errors",
            "Looks at the certificate's files that gave none that can be used",
            self.certificate_errors.clone(),
        );
        self.available.register(r);
    }

    /// Tells of these clusters whether there is an update for them.
    #[must_use]
    pub fn telling_of(mut self, clusters: Vec<Cluster>) -> Self {
        self.available.clusters = clusters;
        self
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A graph was asked for.
    pub(super) fn asked(&self, path: &str) {
        let uri_path = match path {
            "/graph" => "/graph",
            "/v1/explain" => "/v1/explain",
            "/v1/channels" => "/v1/channels",
            "/graph.svg" => "/graph.svg",
            "/graph.dot" => "/graph.dot",
            "/v1/watch" => "/v1/watch",
            "/v1/feed" => "/v1/feed",
            path if path.starts_with(super::signatures::PATH) => "/signatures",
            _ => "/v1/graph",
        };
        self.asked.get_or_create(&OfPath { uri_path }).inc();
    }

    /// A question was refused.
    pub(super) fn refused(&self, code: StatusCode, kind: &'static str) {
        let code = u32::from(code.as_u16());
        self.refused.get_or_create(&OfError { code, kind }).inc();
    }

    /// One more, or one less, follows a channel.
    pub(super) fn followers(&self, more: i64) {
        self.followers.inc_by(more);
    }

    /// A follower was too late.
    pub(super) fn follower_dropped(&self) {
        self.followers_dropped.inc();
    }

    /// A client read nothing for too long.
    pub(super) fn slow_reader(&self) {
        self.slow_readers.inc();
    }

    /// A client asked too often.
    pub(super) fn limited(&self) {
        self.limited.inc();
    }

    /// The certificate's files gave none.
    pub(super) fn no_certificate(&self) {
        self.certificate_errors.inc();
    }

    /// A response took so long to make.
    pub(super) fn took(&self, seconds: f64) {
        self.duration.observe(seconds);
    }

    /// The sources were loaded; whether that gave a graph that is served now.
    pub fn loaded(&self, raw_releases: usize, served: bool) {
        self.loads.inc();
        self.raw_releases
            .set(i64::try_from(raw_releases).unwrap_or(i64::MAX));
        if served {
            self.last_success.set(self.clock.now().as_second());
        } else {
            self.load_errors.inc();
        }
    }

    /// The sources could not be loaded.
    pub fn not_loaded(&self) {
        self.loads.inc();
        self.load_errors.inc();
    }

    /// The text that is scraped.
    pub(super) fn text(&self, served: &Served) -> Result<String, fmt::Error> {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        if let Ok(prepared) = served.current() {
            let graph = prepared.graph();
            self.final_releases.set(gauge(graph.counts().releases));
            self.problems.set(gauge(graph.problems().len()));
            self.available.count(&prepared);
            self.aside.clear();
            for aside in graph.aside() {
                self.aside
                    .get_or_create(&OfReason {
                        reason: aside.reason(),
                    })
                    .inc();
            }
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfBuild {
    version: &'static str,
}
