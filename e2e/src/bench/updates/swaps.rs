//! A new graph each second: the raw graph's file is replaced by one of two in turn.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;

/// From one graph to the next.
const EVERY: Duration = Duration::from_secs(1);

/// Two raw graphs, and the file that is one of them.
pub(super) struct Files {
    read: PathBuf,
    next: PathBuf,
    variants: [PathBuf; 2],
}

impl Files {
    /// From the raw graph that is read: itself, and the same without its last edge.
    pub(super) fn new(read: &Path, place: &Path) -> Result<Self> {
        let files = Self {
            read: read.to_owned(),
            next: place.join("next.json.gz"),
            variants: [place.join("without.json.gz"), place.join("whole.json.gz")],
        };
        let [without, whole] = &files.variants;
        fs::copy(read, whole).with_context(|| format!("copying {}", read.display()))?;
        let attempt = || format!("making a raw graph that differs from {}", read.display());
        let mut text = String::new();
        MultiGzDecoder::new(File::open(read).with_context(attempt)?)
            .read_to_string(&mut text)
            .with_context(attempt)?;
        let mut graph: Value = serde_json::from_str(&text).with_context(attempt)?;
        let edges = graph.get_mut("edges").and_then(Value::as_array_mut);
        edges.and_then(Vec::pop).with_context(attempt)?;
        let mut packed = GzEncoder::new(
            File::create(without).with_context(attempt)?,
            Compression::fast(),
        );
        serde_json::to_writer(&mut packed, &graph).with_context(attempt)?;
        packed.finish().with_context(attempt)?;
        Ok(files)
    }

    /// Puts one in the place of the other, as people are told to.
    fn replace(&self, turn: u32) -> Result<()> {
        let variant = if turn.is_multiple_of(2) {
            &self.variants[0]
        } else {
            &self.variants[1]
        };
        let attempt = || format!("putting {} in its place", variant.display());
        fs::copy(variant, &self.next).with_context(attempt)?;
        fs::rename(&self.next, &self.read).with_context(attempt)
    }
}

/// Does something while graphs swap; tells as well whether all files could be replaced.
pub(super) fn during<T>(files: &Files, what: impl FnOnce() -> T) -> (T, Result<()>) {
    thread::scope(|scope| {
        let (ending, ended) = mpsc::channel::<()>();
        let replacing = scope.spawn(move || {
            for turn in 0.. {
                files.replace(turn)?;
                if ended.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            Ok(())
        });
        let done = what();
        drop(ending);
        let replaced = replacing.join();
        let gone = || Err(anyhow::anyhow!("replacing the raw graph ended early"));
        (done, replaced.unwrap_or_else(|_| gone()))
    })
}
