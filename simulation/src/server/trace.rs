//! Everything that crosses the server's door, in order: requests, answers and watch events, with virtual time.
//!
//! Two runs of one seed give the same trace, byte for byte; that is what determinism of the simulation means and how it is
//! tested. A trace is also how a failed run is read.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// One thing that crossed the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// A request arrived.
    Request {
        /// The request's method and path with its query.
        line: String,
        /// Its body as text.
        body: String,
    },
    /// A request was answered. A watch is answered when it begins.
    Answer {
        /// The HTTP status code; 0 for a connection that broke.
        code: u16,
        /// The body as text; empty for watches.
        body: String,
    },
    /// A watcher was told of an event.
    WatchEvent {
        /// The event as sent, one JSON object.
        body: String,
    },
    /// A watch ended.
    WatchEnd,
}

/// A passage with its circumstances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Virtual time.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Counts requests; an answer and the events of a watch bear the number of their request.
    pub request: u64,
    /// What.
    pub passage: Passage,
}

impl Entry {
    /// The entry as one line of text, without a line break.
    pub fn line(&self) -> String {
        let (sign, text) = match &self.passage {
            Passage::Request { line, body } => (">", format!("{line} {body}")),
            Passage::Answer { code, body } => ("<", format!("{code} {body}")),
            Passage::WatchEvent { body } => ("~", body.clone()),
            Passage::WatchEnd => ("|", String::new()),
        };
        format!(
            "{} #{} {} {sign} {}",
            self.at,
            self.request,
            self.actor,
            text.replace('\n', "\\n")
        )
    }
}

/// Receives what crosses the door. Called in order, while the server waits: be quick.
pub trait TraceSink: Send + Sync {
    /// Takes one entry.
    fn record(&self, entry: &Entry);
}

impl<F: Fn(&Entry) + Send + Sync> TraceSink for F {
    fn record(&self, entry: &Entry) {
        self(entry);
    }
}

/// A sink that keeps all lines in memory.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// The lines so far.
    pub fn taken(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl TraceSink for Lines {
    fn record(&self, entry: &Entry) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(entry.line());
    }
}
