//! Keeping up with the sources: each is asked in its own time, and what they give together becomes the graph.
//!
//! # Guarantees
//! * A source that fails leaves its last answer in its place, and is asked again after a wait that doubles, that chance
//!   spreads, and that is not shorter than what a server asks for. One failure is logged once for each reason.
//! * A graph is made when something is new, never twice from the same.
//! * The sources do not wait for one another.
//!
//! # Not here
//! How they are asked: [`super::scan`], [`super::upstream`], [`super::data_image`], [`super::files`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use super::data_image::DataImage;
use super::files::{
    LOOK_EVERY, LoadError, Look, build_into, data_of, looks_of_data, looks_of_raw, raw_of,
};
use super::health::{Health, Of};
use super::scan::{ScanError, Scanned, Scanner};
use super::upstream::Upstream;
use crate::data::Tree;
use crate::keys;
use crate::patience::{Backoff, Chance};
use crate::raw::RawGraph;
use crate::registry::{RegistryError, Why};
use crate::serve::House;
use crate::{Graph, GraphData};

/// The wait after the first failure of a source, for who has no reason to choose another.
pub const FIRST_WAIT: Duration = Duration::from_secs(5);

/// Where releases and edges come from.
#[derive(Debug)]
pub enum Releases {
    /// A raw graph file.
    File(PathBuf),
    /// A repository of release images.
    Scan(Box<Scanner>),
    /// Another update service.
    Upstream(Box<Upstream>),
}

/// Where graph data comes from.
#[derive(Debug)]
pub enum Data {
    /// From nowhere: another update service has applied it.
    None,
    /// A folder or an archive.
    Files(PathBuf),
    /// An image.
    Image(DataImage),
}

/// All that a graph is made from, and how it is kept up with.
#[derive(Debug)]
pub struct Sources {
    /// Releases and edges.
    pub releases: Releases,
    /// Graph data.
    pub data: Data,
    /// How often registries and other services are asked; files are looked at every [`LOOK_EVERY`].
    pub every: Duration,
    /// The wait after the first failure; it doubles up to [`Self::every`].
    pub first_wait: Duration,
    /// Spreads the waits after failures.
    pub chance: Chance,
    /// Whether releases that graph data does not call verified are set aside.
    pub require_signatures: bool,
}

/// What releases came as, which is kept in the smallest form that it has.
#[derive(Debug, Clone)]
enum RawNow {
    File(PathBuf, Arc<Look>),
    Scanned(Arc<Scanned>),
    Graph(Arc<RawGraph>),
}

/// What graph data came as.
#[derive(Debug, Clone)]
enum DataNow {
    None,
    Files(PathBuf, Arc<Look>),
    Tree(Arc<Tree>),
}

/// Why a source gave nothing.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error("looking at the files ended early")]
    Ended(#[from] tokio::task::JoinError),
}

impl NoAnswer {
    fn why(&self) -> Option<&Why> {
        match self {
            Self::Registry(failure) => Some(&failure.why),
            Self::Scan(failure) => Some(failure.why()),
            Self::Ended(_) => None,
        }
    }

    fn reason(&self) -> &'static str {
        self.why().map_or("Ended", Why::reason)
    }
}

impl RawNow {
    fn is(&self, last: &Self) -> bool {
        match (self, last) {
            (Self::File(_, now), Self::File(_, last)) => now == last,
            (Self::Scanned(now), Self::Scanned(last)) => now == last,
            (Self::Graph(now), Self::Graph(last)) => Arc::ptr_eq(now, last),
            _ => false,
        }
    }

    fn raw(&self) -> Result<RawGraph, LoadError> {
        match self {
            Self::File(path, _) => raw_of(path),
            Self::Scanned(scanned) => Ok(scanned.raw()),
            Self::Graph(graph) => Ok((**graph).clone()),
        }
    }
}

impl DataNow {
    fn is(&self, last: &Self) -> bool {
        match (self, last) {
            (Self::None, Self::None) => true,
            (Self::Files(_, now), Self::Files(_, last)) => now == last,
            (Self::Tree(now), Self::Tree(last)) => Arc::ptr_eq(now, last),
            _ => false,
        }
    }

    fn read(&self) -> Result<GraphData, LoadError> {
        match self {
            Self::None => Ok(GraphData::default()),
            Self::Files(path, _) => data_of(path),
            Self::Tree(tree) => GraphData::read(tree).map_err(|source| LoadError::Image { source }),
        }
    }
}

impl Releases {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Scan(scanner) => scanner.repository().to_string(),
            Self::Upstream(upstream) => upstream.url().to_string(),
        }
    }

    async fn ask(&self, health: &Health) -> Result<RawNow, NoAnswer> {
        match self {
            Self::File(path) => {
                let looked_at = path.clone();
                let look = spawn_blocking(move || looks_of_raw(&looked_at)).await?;
                Ok(RawNow::File(path.clone(), Arc::new(look)))
            }
            Self::Scan(scanner) => {
                let scanned = scanner.scan().await?;
                health.found(scanned.kinds());
                Ok(RawNow::Scanned(Arc::new(scanned)))
            }
            Self::Upstream(upstream) => Ok(RawNow::Graph(upstream.ask().await?)),
        }
    }
}

impl Data {
    fn name(&self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Files(path) => path.display().to_string(),
            Self::Image(image) => image.image().to_string(),
        }
    }

    async fn ask(&self) -> Result<DataNow, NoAnswer> {
        match self {
            Self::None => Ok(DataNow::None),
            Self::Files(path) => {
                let looked_at = path.clone();
                let look = spawn_blocking(move || looks_of_data(&looked_at)).await?;
                Ok(DataNow::Files(path.clone(), Arc::new(look)))
            }
            Self::Image(image) => Ok(DataNow::Tree(image.ask().await?)),
        }
    }

    fn digest(&self) -> Option<String> {
        match self {
            Self::Image(image) => image.digest().map(|digest| digest.to_string()),
            Self::None | Self::Files(_) => None,
        }
    }
}

/// Keeps the graph that is served up with its sources, for as long as it is polled.
pub async fn follow(sources: Sources, house: House) {
    let health = house.metrics.health();
    if let Releases::Scan(scanner) = &sources.releases {
        health.asks_with(scanner.registry().clone());
    } else if let Data::Image(image) = &sources.data {
        health.asks_with(image.registry().clone());
    }
    let backoff = || {
        let longest = sources.every.max(sources.first_wait);
        Backoff::new(sources.first_wait, longest, sources.chance.clone())
    };
    let often = |often: bool| if often { LOOK_EVERY } else { sources.every };
    let releases = Pace {
        of: Of::Releases,
        every: often(matches!(sources.releases, Releases::File(_))),
        house: &house,
    };
    let graph_data = Pace {
        of: Of::GraphData,
        every: often(matches!(sources.data, Data::Files(_))),
        house: &house,
    };
    health.begins(Of::Releases, sources.releases.name());
    health.begins(Of::GraphData, sources.data.name());
    let (raw_came, raw) = watch::channel(None::<RawNow>);
    let (data_came, data) = watch::channel(None::<DataNow>);
    tokio::join!(
        releases.keep_asking(backoff(), || async {
            let now = sources.releases.ask(health).await?;
            Ok((is_news(&raw_came, now, RawNow::is), None))
        }),
        graph_data.keep_asking(backoff(), || async {
            let now = sources.data.ask().await?;
            let news = is_news(&data_came, now, DataNow::is);
            Ok((news, sources.data.digest()))
        }),
        build(raw, data, sources.require_signatures, &house),
    );
}

/// How a source is asked again and again.
struct Pace<'h> {
    of: Of,
    every: Duration,
    house: &'h House,
}

/// Whether an answer is new, and its digest, if it has one.
type Told = (bool, Option<String>);

impl Pace<'_> {
    async fn keep_asking<R>(&self, mut backoff: Backoff, ask: impl Fn() -> R)
    where
        R: Future<Output = Result<Told, NoAnswer>>,
    {
        loop {
            let wait = match ask().await {
                Ok((news, digest)) => {
                    backoff.answered();
                    let health = self.house.metrics.health();
                    health.answered(self.of, news, digest);
                    self.every
                }
                Err(failure) => self.failed(&failure, &mut backoff),
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Tells of a failure, and how long to wait after it.
    fn failed(&self, failure: &NoAnswer, backoff: &mut Backoff) -> Duration {
        let wait = backoff.after_failure(failure.why().and_then(Why::retry_after));
        let (reason, message) = (failure.reason(), failure.to_string());
        let health = self.house.metrics.health();
        if health.failed(self.of, reason, message.clone(), wait) {
            let seconds = wait.as_secs();
            warn!(
                source = self.of.name(),
                reason,
                message,
                seconds,
                "a source gives nothing; its last answer goes on, and it is asked again"
            );
        }
        self.house.metrics.not_loaded();
        self.house.served.failed(message);
        wait
    }
}

/// Hands an answer on if it is another than the last one.
fn is_news<T>(came: &watch::Sender<Option<T>>, now: T, is: impl Fn(&T, &T) -> bool) -> bool {
    came.send_if_modified(|last| {
        let news = last.as_ref().is_none_or(|last| !is(&now, last));
        if news {
            *last = Some(now);
        }
        news
    })
}

/// Makes a graph whenever both sources have answered and one of them has something new.
async fn build(
    mut raw: watch::Receiver<Option<RawNow>>,
    mut data: watch::Receiver<Option<DataNow>>,
    signed: bool,
    house: &House,
) {
    loop {
        let both = (
            raw.borrow_and_update().clone(),
            data.borrow_and_update().clone(),
        );
        if let (Some(raw), Some(data)) = both {
            let house = house.clone();
            let built =
                spawn_blocking(move || build_into(|| made(&raw, &data, signed), &house)).await;
            if let Err(error) = built {
                error!(%error, "making the update graph ended early");
            }
        }
        let changed = tokio::select! {
            changed = raw.changed() => changed,
            changed = data.changed() => changed,
        };
        if changed.is_err() {
            info!("nobody asks the sources any more");
            return;
        }
    }
}

fn made(raw: &RawNow, data: &DataNow, signed: bool) -> Result<(Graph, usize), LoadError> {
    let told_channels = matches!(raw, RawNow::Graph(_));
    let mut raw = raw.raw()?;
    let mut data = data.read()?;
    if signed {
        data.require_signatures();
    }
    let releases = raw.releases.len();
    if told_channels {
        forget_channels(&mut raw, &data);
    }
    Ok((Graph::build(raw, data), releases))
}

/// Another update service tells the channels of a release in its metadata; those that our graph data has too would stand
/// there twice.
fn forget_channels(raw: &mut RawGraph, data: &GraphData) {
    let ours = |name: &str| data.channels.iter().any(|channel| channel.name == name);
    for release in &mut raw.releases {
        if let Some(channels) = release.metadata.remove(keys::CHANNELS) {
            let left: Vec<&str> = keys::list(&channels).filter(|name| !ours(name)).collect();
            if !left.is_empty() {
                let left = left.join(",");
                release.metadata.insert(keys::CHANNELS.to_owned(), left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aside::Aside;
    use crate::data::Channel;
    use crate::raw::RawRelease;

    #[test]
    fn a_channel_that_our_graph_data_has_is_told_once() {
        let mut raw = RawGraph {
            releases: vec![RawRelease {
                version: "4.16.3+amd64".to_owned(),
                payload: Some("p".to_owned()),
                metadata: [
                    (
                        keys::CHANNELS.to_owned(),
                        "fast-4.16,stable-4.16".to_owned(),
                    ),
                    (keys::ARCHITECTURE.to_owned(), "amd64".to_owned()),
                ]
                .into(),
            }],
            ..RawGraph::default()
        };
        let data = GraphData {
            channels: vec![Channel {
                file: "channels/stable-4.16.yaml".to_owned(),
                name: "stable-4.16".to_owned(),
                versions: vec![semver::Version::new(4, 16, 3)],
            }],
            ..GraphData::default()
        };

        forget_channels(&mut raw, &data);

        let graph = Graph::build(raw, data);
        let answer = graph.answer("stable-4.16", "amd64");
        assert_eq!(answer.releases.len(), 1);
        assert_eq!(graph.answer("fast-4.16", "amd64").releases.len(), 1);
    }

    #[test]
    fn where_signatures_are_required_a_release_without_a_result_is_set_aside() {
        let release = RawRelease {
            version: "4.16.3+amd64".to_owned(),
            payload: Some("registry.example.com/releases@sha256:0".to_owned()),
            ..RawRelease::default()
        };
        let raw = RawNow::Graph(Arc::new(RawGraph {
            releases: vec![release],
            ..RawGraph::default()
        }));

        let (open, _) = made(&raw, &DataNow::None, false).unwrap();
        let (strict, _) = made(&raw, &DataNow::None, true).unwrap();

        assert_eq!(open.aside(), []);
        let reasons: Vec<&str> = strict.aside().iter().map(Aside::reason).collect();
        assert_eq!(reasons, ["NotVerified"]);
    }

    #[test]
    fn what_is_the_same_as_before_makes_no_graph() {
        let (came, _kept) = watch::channel(None);
        let tree = Arc::new(Tree::default());
        let now = || DataNow::Tree(tree.clone());

        assert!(is_news(&came, now(), DataNow::is));
        assert!(!is_news(&came, now(), DataNow::is));
        assert!(is_news(&came, DataNow::Tree(Arc::default()), DataNow::is));
    }
}
