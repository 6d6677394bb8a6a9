//! A raw graph file, and graph data in files.
//!
//! # Guarantees
//! A look reads names, sizes and times, nothing else. A load that fails, or holds edges back, leaves the last good graph in
//! its place; the reason is logged, and counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tracing::{error, info, warn};

use crate::data::Unusable;
use crate::files::{self, Unreadable};
use crate::graph::may_take_over;
use crate::raw::NotAGraph;
use crate::registry::error::chain;
use crate::serve::House;
use crate::{Graph, GraphData, RawGraph};

/// How often the files are looked at: a person who replaced them waits no longer than a breath.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What is set aside is logged so far; all of it is counted.
const LOGGED_MAX: usize = 20;

/// A raw graph file, and graph data in a folder or an archive.
#[derive(Debug, Clone)]
pub struct Files {
    /// The raw graph, packed or not.
    pub raw: PathBuf,
    /// The graph data.
    pub graph_data: PathBuf,
}

/// Why the files gave no graph.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The raw graph is none.
    #[error("the raw graph {}", path.display())]
    Raw {
        /// The file.
        path: PathBuf,
        /// Why.
        source: NotAGraph,
    },
    /// Nothing of the graph data can be trusted.
    #[error("the graph data {}", path.display())]
    Data {
        /// The folder or archive.
        path: PathBuf,
        /// Why.
        source: Unusable,
    },
    /// The same, from an image.
    #[error("the graph data of the image")]
    Image {
        /// Why.
        source: Unusable,
    },
}

/// The raw graph of a file.
pub(super) fn raw_of(path: &Path) -> Result<RawGraph, LoadError> {
    let bytes = files::raw_graph(path)?;
    RawGraph::read(&bytes).map_err(|source| LoadError::Raw {
        path: path.to_owned(),
        source,
    })
}

/// The graph data of a folder or archive.
pub(super) fn data_of(path: &Path) -> Result<GraphData, LoadError> {
    let tree = files::graph_data(path)?;
    GraphData::read(&tree).map_err(|source| LoadError::Data {
        path: path.to_owned(),
        source,
    })
}

impl Files {
    /// Loads them: the graph, and how many raw releases there were.
    pub fn load(&self) -> Result<(Graph, usize), LoadError> {
        let raw = raw_of(&self.raw)?;
        let data = data_of(&self.graph_data)?;
        let releases = raw.releases.len();
        Ok((Graph::build(raw, data), releases))
    }
}

/// What changes when a file does.
pub(super) fn looks_of_raw(path: &Path) -> Look {
    vec![of_file(path)]
}

/// What changes when a folder or archive does: names, sizes and times of all files that are read.
pub(super) fn looks_of_data(path: &Path) -> Look {
    let mut look = vec![of_file(path)];
    for folder in ["", "raw", "channels", "blocked-edges"] {
        let Ok(entries) = fs::read_dir(path.join(folder)) else {
            continue;
        };
        look.extend(entries.flatten().map(|entry| of_file(&entry.path())));
    }
    look.sort();
    look
}

/// Names, sizes and times.
pub(super) type Look = Vec<(PathBuf, Option<(u64, SystemTime)>)>;

fn of_file(path: &Path) -> (PathBuf, Option<(u64, SystemTime)>) {
    let metadata = fs::metadata(path).ok();
    let seen = metadata.and_then(|metadata| Some((metadata.len(), metadata.modified().ok()?)));
    (path.to_owned(), seen)
}

/// Loads the files once, and lets the graph take over if it may.
pub fn load_into(files: &Files, house: &House) {
    build_into(|| files.load(), house);
}

/// Makes a graph, of so many raw releases, and lets it take over if it may.
pub(super) fn build_into(make: impl FnOnce() -> Result<(Graph, usize), LoadError>, house: &House) {
    let (graph, raw_releases) = match make() {
        Ok(loaded) => loaded,
        Err(failure) => {
            let reason = chain(&failure);
            error!(
                reason,
                "no new update graph; the last good one goes on, if there is one"
            );
            house.metrics.not_loaded();
            house.served.failed(reason);
            return;
        }
    };
    for problem in graph.problems().iter().take(LOGGED_MAX) {
        warn!(%problem, "graph data");
    }
    for aside in graph.aside().iter().take(LOGGED_MAX) {
        warn!(%aside, reason = aside.reason(), "set aside");
    }
    let last = house.served.current();
    if last.is_ok_and(|last| !may_take_over(&graph, last.graph())) {
        error!("graph data that may block edges cannot be read: the last good graph goes on");
        house.metrics.loaded(raw_releases, false);
        return;
    }
    let counts = graph.counts();
    house.served.swap(graph, house.metrics.clock().now());
    house.metrics.loaded(raw_releases, true);
    info!(
        releases = counts.releases,
        safe = counts.safe,
        conditional = counts.conditional,
        blocked = counts.blocked,
        "a new update graph is served"
    );
}
