//! Whether there is an update for clusters that somebody named: a metric for an alert.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use semver::Version;

use super::Prepared;
use super::query::{Asked, DEFAULT_ARCHITECTURE};
use crate::client::Offers;
use crate::wire::Received;

/// The gauge that the alert `UpdateAvailable` asks for.
pub const GAUGE: &str = "windlass_update_available";

/// A cluster that is told of: the channel that it follows, its architecture and the version that it has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub struct Cluster {
    /// The channel.
    pub channel: String,
    /// The architecture.
    pub arch: String,
    /// The version.
    pub version: String,
}

/// The text names no cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not CHANNEL=VERSION or CHANNEL/ARCH=VERSION: {says}")]
pub struct NoCluster {
    text: String,
    says: String,
}

impl FromStr for Cluster {
    type Err = NoCluster;

    fn from_str(text: &str) -> Result<Self, NoCluster> {
        let no = |says: &str| NoCluster {
            text: text.to_owned(),
            says: says.to_owned(),
        };
        let (place, version) = text
            .split_once('=')
            .ok_or_else(|| no("there is no `=` in it"))?;
        let (channel, arch) = place
            .split_once('/')
            .unwrap_or((place, DEFAULT_ARCHITECTURE));
        let asked =
            Asked::new(channel.to_owned(), arch.to_owned()).map_err(|bad| no(&bad.told().1))?;
        Version::parse(version)
            .map_err(|error| no(&format!("`{version}` is no version: {error}")))?;
        Ok(Self {
            channel: asked.channel,
            arch: asked.architecture,
            version: version.to_owned(),
        })
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}={}", self.channel, self.arch, self.version)
    }
}

/// The gauges, and for which graph they were last counted.
#[derive(Debug, Default)]
pub(super) struct Available {
    pub(super) clusters: Vec<Cluster>,
    recommended: Family<Cluster, Gauge>,
    with_risks: Family<Cluster, Gauge>,
    unknown: Family<Cluster, Gauge>,
    /// The tags of the answers that were counted.
    counted: Mutex<BTreeMap<(String, String), String>>,
}

impl Available {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            GAUGE,
            "Releases that a named cluster may go to without reserve",
            self.recommended.clone(),
        );
        registry.register(
            "windlass_update_available_with_risks",
            "Releases that a named cluster may go to if none of their known issues concerns it",
            self.with_risks.clone(),
        );
        registry.register(
            "windlass_update_version_not_found",
            "Whether the channel of a named cluster lacks the version that the cluster has",
            self.unknown.clone(),
        );
    }

    /// Counts anew for answers that are others than those that were counted last.
    pub(super) fn count(&self, prepared: &Prepared) {
        let mut by_answer: BTreeMap<(&str, &str), Vec<&Cluster>> = BTreeMap::new();
        for cluster in &self.clusters {
            let place = (cluster.channel.as_str(), cluster.arch.as_str());
            by_answer.entry(place).or_default().push(cluster);
        }
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        for ((channel, arch), clusters) in by_answer {
            let made = prepared.answer(channel, arch);
            let place = (channel.to_owned(), arch.to_owned());
            if counted.get(&place) == Some(&made.plain.tag) {
                continue;
            }
            counted.insert(place, made.plain.tag.clone());
            // It is the own answer: whatever was written can be read.
            let received: Received = serde_json::from_slice(&made.plain.body).unwrap_or_default();
            let offers = Offers::new(&received);
            for cluster in clusters {
                self.tell(cluster, &offers);
            }
        }
    }

    fn tell(&self, cluster: &Cluster, offers: &Offers<'_>) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (recommended, with_risks, unknown) = match offers.advise(&cluster.version) {
            Ok(advice) => (
                gauge(advice.recommended.len()),
                gauge(advice.conditional.len()),
                0,
            ),
            Err(_) => (0, 0, 1),
        };
        self.recommended.get_or_create(cluster).set(recommended);
        self.with_risks.get_or_create(cluster).set(with_risks);
        self.unknown.get_or_create(cluster).set(unknown);
    }
}
