//! A graph with its answers, each made once.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use crate::{Graph, wire};

/// A graph and its answers.
#[derive(Debug)]
pub struct Prepared {
    graph: Graph,
    /// By channel and architecture: what the graph knows, so that questions cannot make it grow.
    answers: BTreeMap<String, BTreeMap<String, OnceLock<Made>>>,
    /// The answer to what it does not know.
    empty: OnceLock<Made>,
}

/// An answer as it goes out.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    pub(super) plain: Form,
    pub(super) gzip: Form,
}

/// One form of an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Form {
    pub(super) body: Bytes,
    /// The entity tag, in its quotes: the hash of the plain answer, so that replicas agree.
    pub(super) tag: String,
}

impl Prepared {
    /// Nothing is made yet.
    pub fn new(graph: Graph) -> Self {
        let architectures: Vec<String> = graph
            .architectures()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let answers = graph
            .channels()
            .map(|channel| {
                let empty = architectures
                    .iter()
                    .map(|name| (name.clone(), OnceLock::new()));
                (channel.to_owned(), empty.collect())
            })
            .collect();
        Self {
            graph,
            answers,
            empty: OnceLock::new(),
        }
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Whether that answer is made already.
    pub(super) fn is_made(&self, channel: &str, architecture: &str) -> bool {
        let place = self
            .answers
            .get(channel)
            .and_then(|channel| channel.get(architecture));
        place.unwrap_or(&self.empty).get().is_some()
    }

    /// The answer for a channel and an architecture.
    pub(super) fn answer(&self, channel: &str, architecture: &str) -> &Made {
        let place = self
            .answers
            .get(channel)
            .and_then(|channel| channel.get(architecture));
        place
            .unwrap_or(&self.empty)
            .get_or_init(|| Made::of(&self.graph, channel, architecture))
    }

    /// Makes the answers that another graph was asked for.
    pub(super) fn make_what_was_asked(&self, last: &Self) {
        for (channel, architectures) in &last.answers {
            for (architecture, made) in architectures {
                if made.get().is_some() {
                    self.answer(channel, architecture);
                }
            }
        }
    }
}

impl Made {
    fn of(graph: &Graph, channel: &str, architecture: &str) -> Self {
        // Maps with text for keys and numbers that are finite can always be written; memory is never refused here.
        let plain = wire::write(&graph.answer(channel, architecture)).unwrap_or_default();
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        let packed = match packed.write_all(&plain) {
            Ok(()) => packed.finish().unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let hash: String = Sha256::digest(&plain)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            plain: Form {
                body: plain.into(),
                tag: format!("\"{hash}\""),
            },
            gzip: Form {
                body: packed.into(),
                tag: format!("\"{hash}-gzip\""),
            },
        }
    }
}
