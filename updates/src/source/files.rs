//! A raw graph file, and graph data in files.
//!
//! # Guarantees
//! A change of the files is noticed within [`LOOK_EVERY`] and loaded without a restart. A load that fails, or holds edges
//! back, leaves the last good graph in its place; the reason is logged once, and counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use crate::data::Unusable;
use crate::files::{self, Unreadable};
use crate::graph::may_take_over;
use crate::raw::NotAGraph;
use crate::serve::House;
use crate::{Graph, GraphData, RawGraph};

/// How often the files are looked at: a person who replaced them waits no longer than a breath. A look reads names and
/// times, nothing else.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);
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
}

impl Files {
    /// Loads them: the graph, and how many raw releases there were.
    pub fn load(&self) -> Result<(Graph, usize), LoadError> {
        let bytes = files::raw_graph(&self.raw)?;
        let raw = RawGraph::read(&bytes).map_err(|source| LoadError::Raw {
            path: self.raw.clone(),
            source,
        })?;
        drop(bytes);
        let tree = files::graph_data(&self.graph_data)?;
        let data = GraphData::read(&tree).map_err(|source| LoadError::Data {
            path: self.graph_data.clone(),
            source,
        })?;
        let releases = raw.releases.len();
        Ok((Graph::build(raw, data), releases))
    }

    /// What changes when they do: names, sizes and times of all files that are read.
    fn looks(&self) -> Look {
        let mut look = vec![of_file(&self.raw), of_file(&self.graph_data)];
        for folder in ["", "raw", "channels", "blocked-edges"] {
            let Ok(entries) = fs::read_dir(self.graph_data.join(folder)) else {
                continue;
            };
            look.extend(entries.flatten().map(|entry| of_file(&entry.path())));
        }
        look.sort();
        look
    }
}

/// Names, sizes and times.
type Look = Vec<(PathBuf, Option<(u64, SystemTime)>)>;

fn of_file(path: &Path) -> (PathBuf, Option<(u64, SystemTime)>) {
    let metadata = fs::metadata(path).ok();
    let seen = metadata.and_then(|metadata| Some((metadata.len(), metadata.modified().ok()?)));
    (path.to_owned(), seen)
}

/// Loads the files, and again whenever they change, for as long as it is polled.
pub async fn follow(files: Files, house: House) {
    let files = Arc::new(files);
    let mut seen: Option<Look> = None;
    loop {
        let looking = files.clone();
        let look = spawn_blocking(move || looking.looks()).await.ok();
        if look.is_none() || look != seen {
            let (files, house) = (files.clone(), house.clone());
            if let Err(error) = spawn_blocking(move || load_into(&files, &house)).await {
                error!(%error, "loading the update graph ended early");
            }
            seen = look;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Loads the files once, and lets the graph take over if it may.
pub fn load_into(files: &Files, house: &House) {
    let (graph, raw_releases) = match files.load() {
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

/// An error with its sources, as one sentence.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
