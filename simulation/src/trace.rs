//! The trace of a run as bytes and as a hash: all that crossed the API server's door, in order, with virtual time.
//!
//! # Guarantees
//! Two runs that did the same have the same bytes. The hash costs no memory; the bytes are kept only where asked for.
//! # Not here
//! What is recorded: see [`crate::server`]. Judging it: the observer does that on the server's store.

use crate::machine::lock;
use crate::server::{Entry, TraceSink};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Mutex;
use tokio::sync::watch;

/// How many of the newest lines are kept in any case: enough to see how a failed run ended.
const TAIL_LINES: usize = 40;

/// Takes what crosses the door of one cluster's API server.
#[derive(Debug)]
pub struct Trace {
    keep: bool,
    recorded: Mutex<Recorded>,
    /// How many entries there are.
    grown: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Recorded {
    hash: Sha256,
    kept: Vec<u8>,
    tail: VecDeque<String>,
}

impl Trace {
    /// An empty trace. It keeps the bytes where `keep` is set, and always their hash.
    pub fn new(keep: bool) -> Self {
        Self {
            keep,
            recorded: Mutex::default(),
            grown: watch::Sender::new(0),
        }
    }

    /// How many entries there are.
    pub fn entries(&self) -> u64 {
        *self.grown.borrow()
    }

    /// Waits until there are so many entries. A run whose actors answer each other without end lets no virtual time pass;
    /// this is what ends it.
    pub async fn reaches(&self, entries: u64) {
        let mut grown = self.grown.subscribe();
        // The sender lives as long as this trace, so the wait cannot fail.
        grown.wait_for(|now| *now >= entries).await.ok();
    }

    /// The SHA-256 of all bytes so far, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        let hash = lock(&self.recorded).hash.clone().finalize();
        hash.iter().fold(String::new(), |mut text, byte| {
            let written = write!(text, "{byte:02x}");
            debug_assert!(written.is_ok(), "a String takes everything");
            text
        })
    }

    /// The newest lines, oldest first.
    pub fn tail(&self) -> Vec<String> {
        lock(&self.recorded).tail.iter().cloned().collect()
    }

    /// All bytes so far; empty where they are not kept.
    pub fn bytes(&self) -> Vec<u8> {
        lock(&self.recorded).kept.clone()
    }
}

impl TraceSink for Trace {
    fn record(&self, entry: &Entry) {
        let line = entry.line();
        let mut recorded = lock(&self.recorded);
        self.grown.send_modify(|entries| *entries += 1);
        for part in [line.as_bytes(), b"\n"] {
            recorded.hash.update(part);
            if self.keep {
                recorded.kept.extend_from_slice(part);
            }
        }
        if recorded.tail.len() == TAIL_LINES {
            recorded.tail.pop_front();
        }
        recorded.tail.push_back(line);
    }
}
