//! The update graph's answers against recorded ones: normalised, as lines with their hashes.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use sha2::{Digest, Sha256};
use updates::normal::Normal;
use updates::{Graph, GraphData, RawGraph, files};

/// Names the folder of the recordings.
const FOLDER: &str = "WINDLASS_UPDATE_GRAPH";
/// Where they lie beside a checkout.
const BESIDE: &str = "../../shared/data/update-graph";

/// The folder of the recordings, which are not part of the repository.
pub fn recordings() -> PathBuf {
    env::var_os(FOLDER).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join(BESIDE),
        PathBuf::from,
    )
}

/// A recording; an error that names what is missing.
pub fn recorded(name: &str) -> Result<PathBuf> {
    let path = recordings().join(name);
    ensure!(
        path.exists(),
        "{} is missing: set {FOLDER} to the folder that holds the recordings",
        path.display()
    );
    Ok(path)
}

/// The architectures that answers are compared for.
pub const ARCHITECTURES: [&str; 5] = ["amd64", "arm64", "multi", "ppc64le", "s390x"];

/// One answer, by its numbers and its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line<'g> {
    /// The channel.
    pub channel: &'g str,
    /// The architecture.
    pub arch: &'g str,
    /// How many releases.
    pub nodes: usize,
    /// How many edges for everybody.
    pub edges: usize,
    /// How many conditional edges.
    pub conditional: usize,
    /// The SHA-256 of the normalised answer, in hex.
    pub sha256: String,
}

/// The graph of a raw graph file and graph data (a folder, or an archive).
pub fn graph(raw: &Path, graph_data: &Path) -> Result<Graph> {
    let bytes = files::raw_graph(raw)?;
    let raw = RawGraph::read(&bytes).with_context(|| format!("in {}", raw.display()))?;
    drop(bytes);
    let tree = files::graph_data(graph_data)?;
    let data = GraphData::read(&tree).with_context(|| format!("in {}", graph_data.display()))?;
    Ok(Graph::build(raw, data))
}

/// The line of one answer.
pub fn line<'g>(
    normal: &Normal<'g>,
    graph: &'g Graph,
    channel: &'g str,
    arch: &'g str,
) -> Result<Line<'g>> {
    let answer = graph.answer(channel, arch);
    let mut hash = Hashed(Sha256::new());
    normal.write(&answer, &mut hash)?;
    Ok(Line {
        channel,
        arch,
        nodes: answer.releases.len(),
        edges: answer.edges.len(),
        conditional: answer.conditional.len(),
        sha256: hex(&hash.0.finalize()),
    })
}

/// A digest in hex.
pub fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Hashed(Sha256);

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
