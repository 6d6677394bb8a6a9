//! How often registries were asked, and for what.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// One page of tags.
    TagPage,
    /// A manifest, which came.
    Manifest,
    /// A manifest, which is the one that is known.
    Unchanged,
    /// A blob.
    Blob,
    /// A token.
    Token,
    /// To take something.
    Push,
    /// The same as before, because it failed.
    Again,
    /// The rest of a blob, because the connection broke off.
    Rest,
}

impl Asked {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::TagPage,
        Self::Manifest,
        Self::Unchanged,
        Self::Blob,
        Self::Token,
        Self::Push,
        Self::Again,
        Self::Rest,
    ];

    /// The metric label.
    pub fn name(self) -> &'static str {
        match self {
            Self::TagPage => "tag_page",
            Self::Manifest => "manifest",
            Self::Unchanged => "unchanged",
            Self::Blob => "blob",
            Self::Token => "token",
            Self::Push => "push",
            Self::Again => "again",
            Self::Rest => "rest",
        }
    }
}

/// The counts since the client was made. `Again` and `Rest` are counted besides what is asked for.
#[derive(Debug, Default)]
pub struct Counts {
    asked: [AtomicU64; Asked::ALL.len()],
    bytes: AtomicU64,
}

impl Counts {
    /// How often it was asked.
    pub fn of(&self, asked: Asked) -> u64 {
        let place = self.asked.get(asked as usize);
        place.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// How many bytes of blobs came.
    pub fn blob_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn asked(&self, asked: Asked) {
        if let Some(count) = self.asked.get(asked as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn came(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
