//! A repository of a registry, scanned for releases.
//!
//! # Guarantees
//! * An image is read once for its digest, and so is each of its blobs, for as long as a tag leads to it; a failure is never taken for an
//!   answer. See [`known`].
//! * Scanned again, it costs one request for each page of tags, one for each tag that is new, and one for each tag whose turn
//!   it is: a registry tells of a tag that was moved only who asks for it, and release tags are not meant to move. Each is
//!   asked within [`Settings::again`], at moments that its name decides, and costs no more than the question when it has
//!   not moved.
//! * Memory: [`IMAGES_AT_A_TIME`] layers are read at a time, each with [`PER_LAYER_BYTES_MAX`] at most; besides, what is
//!   known of each image.
//! * An image that cannot be read is set aside, by name, and the rest is a graph. An image that may be there the next time
//!   makes the whole scan fail, so that the last good graph goes on; what the scan has read until then is known to the next
//!   one. A tag that cannot be asked keeps its last answer.
//!
//! # Not here
//! When it is scanned: [`crate::source`].

mod assemble;
mod document;
mod known;
mod layer;
mod read;
mod tags;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::clock::Clock;
use futures::StreamExt as _;
use regex::Regex;
use serde::{Deserialize, Serialize};

pub(crate) use assemble::version_for;
pub use layer::{LAYER_FILES_MAX, LAYER_UNPACKED_BYTES_MAX, METADATA_BYTES_MAX};
pub use read::{LAYER_BYTES_MAX, REST_BYTES_MAX};
pub use tags::MISSES_MAX;

use crate::aside::Aside;
use crate::raw::RawGraph;
use crate::registry::{At, Digest, Registry, RegistryError, Repository, Why};
use document::Document;
use known::Known;
use tags::{Tagged, Verdict};

/// Images that are asked for at a time, as many as the reference asks for.
pub const IMAGES_AT_A_TIME: usize = 16;
/// What a layer that is being read needs at most: the pieces ahead and the one being read, the window of gzip, and the
/// metadata that is found.
pub const PER_LAYER_BYTES_MAX: u64 = METADATA_BYTES_MAX + (512 << 10);

/// The architecture of a release that is for several machines.
pub(crate) const MULTI: &str = "multi";

/// What is scanned.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The repository.
    pub repository: Repository,
    /// Tags of other names are left alone; none leaves none alone.
    pub tags: Option<Regex>,
    /// Within this a tag is asked again whether it has moved.
    pub again: Duration,
}

/// Scans a repository, and knows what it found before.
#[derive(Debug)]
pub struct Scanner {
    registry: Registry,
    repository: Repository,
    tags: Option<Regex>,
    again: Duration,
    clock: Clock,
    known: Known,
    tagged: Mutex<Tagged>,
}

/// A release as its image tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Release {
    document: Document,
    architecture: String,
}

/// What an image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Image {
    /// A release.
    Release(Release),
    /// One machine's part of a release for several, which is in its list.
    Part,
    /// Something else: a signature, a component.
    Other,
    /// Something that is meant to be a release, and why it is none.
    Unreadable(String),
}

/// What was found out of an image, and from which layers and configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    image: Image,
    blobs: Vec<Digest>,
}

/// Why a scan gives no graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The registry does not do what it is asked.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Images are missing that may be there the next time.
    #[error("scanning {repository}: {images} images are missing, the first because of {failure}")]
    Missing {
        /// What was scanned.
        repository: Repository,
        /// How many.
        images: usize,
        /// Why the first of them is.
        failure: Box<RegistryError>,
    },
}

impl ScanError {
    /// Why the registry failed.
    pub fn why(&self) -> &Why {
        match self {
            Self::Registry(failure) => &failure.why,
            Self::Missing { failure, .. } => &failure.why,
        }
    }
}

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    repository: String,
    /// Each image that a tag leads to, in the order of the tags.
    images: Vec<(Digest, Arc<Record>)>,
    aside: Vec<Aside>,
}

/// How many images there are of which kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds {
    /// Releases.
    pub releases: usize,
    /// One machine's part of a release for several.
    pub parts: usize,
    /// Something else.
    pub others: usize,
    /// Cannot be read.
    pub unreadable: usize,
}

impl Scanner {
    /// Nothing is known yet.
    pub fn new(registry: Registry, settings: Settings, clock: Clock) -> Self {
        Self {
            registry,
            repository: settings.repository,
            tags: settings.tags,
            again: settings.again,
            clock,
            known: Known::default(),
            tagged: Mutex::default(),
        }
    }

    /// The client that it asks with.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What it scans.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Asks the registry for what is new.
    pub async fn scan(&self) -> Result<Scanned, ScanError> {
        let mut names = self.registry.tags(&self.repository).await?.names;
        names.retain(|name| self.tags.as_ref().is_none_or(|tags| tags.is_match(name)));
        let due = self.with_tags(|tagged| {
            tagged.listed(names);
            tagged.due(self.clock.now(), self.again)
        });
        let mut asking = futures::stream::iter(due)
            .map(|(name, known)| async move {
                let asked = Box::pin(self.ask(&name, known.as_ref())).await;
                (name, asked)
            })
            .buffer_unordered(IMAGES_AT_A_TIME);
        while let Some((name, asked)) = asking.next().await {
            let now = self.clock.now();
            match asked {
                Ok(digest) => self.with_tags(|tagged| tagged.answered(&name, digest, now)),
                Err(failure) => {
                    self.with_tags(|tagged| tagged.failed(&name, failure.clone()));
                    if is_of_all(&failure.why) {
                        return Err(failure.into());
                    }
                }
            }
        }
        drop(asking);
        self.with_tags(|tagged| match tagged.verdict() {
            Verdict::Whole => Ok(self.scanned(tagged)),
            Verdict::Missing { images, failure } => Err(ScanError::Missing {
                repository: self.repository.clone(),
                images,
                failure: Box::new(failure),
            }),
        })
    }

    /// The image that a tag leads to, which is known afterwards.
    async fn ask(&self, name: &str, known: Option<&Digest>) -> Result<Digest, RegistryError> {
        let image = self.repository.at(At::Tag(name.to_owned()));
        let fetched = match (self.registry.manifest_unless(&image, known).await?, known) {
            (Some(fetched), _) => fetched,
            (None, Some(known)) => return Ok(known.clone()),
            (None, None) => self.registry.manifest(&image).await?,
        };
        let digest = fetched.digest.clone();
        self.known.image(&digest, self.read(fetched)).await?;
        Ok(digest)
    }

    fn with_tags<T>(&self, work: impl FnOnce(&mut Tagged) -> T) -> T {
        // A tag is changed as a whole, so a scan that died left whole ones.
        work(&mut self.tagged.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn scanned(&self, tagged: &Tagged) -> Scanned {
        let leads = |tag: &tags::Tag| tag.digest.clone();
        let kept: BTreeSet<Digest> = tagged.0.values().filter_map(leads).collect();
        self.known.keep(&kept.iter().collect());
        let mut scanned = Scanned {
            repository: self.repository.to_string(),
            images: Vec::new(),
            aside: Vec::new(),
        };
        let known: BTreeMap<Digest, Arc<Record>> = self.known.all();
        for (name, tag) in &tagged.0 {
            if let Some(failure) = &tag.failure {
                scanned.aside.push(Aside::Image {
                    image: format!("{}:{name}", self.repository),
                    reason: failure.why.reason(),
                    says: failure.to_string(),
                });
            }
            let record = tag.digest.as_ref().and_then(|digest| known.get(digest));
            let Some((digest, record)) = tag.digest.clone().zip(record) else {
                continue;
            };
            if let Image::Unreadable(says) = &record.image {
                scanned.aside.push(Aside::Image {
                    image: format!("{}:{name}", self.repository),
                    reason: UNREADABLE,
                    says: says.clone(),
                });
            }
            scanned.images.push((digest, record.clone()));
        }
        scanned
    }
}

/// The reason of an image that holds what cannot be read.
const UNREADABLE: &str = "UnreadableImage";

/// Whether every other question would fail in the same way, and only be a burden.
fn is_of_all(why: &Why) -> bool {
    matches!(
        why,
        Why::Unreachable(_) | Why::NotTrusted(_) | Why::Denied(_) | Why::TooManyRequests { .. }
    )
}

impl Scanned {
    /// The releases and edges, and what is set aside.
    pub fn raw(&self) -> RawGraph {
        let releases = self.images.iter();
        let releases = releases.filter_map(|(digest, record)| Some((digest, record.release()?)));
        let mut raw = assemble::assemble(&self.repository, releases);
        raw.aside.clone_from(&self.aside);
        raw
    }

    /// How many images there are of which kind; each tag counts.
    pub fn kinds(&self) -> Kinds {
        let mut kinds = Kinds::default();
        for (_, record) in &self.images {
            match record.image {
                Image::Release(_) => kinds.releases += 1,
                Image::Part => kinds.parts += 1,
                Image::Other => kinds.others += 1,
                Image::Unreadable(_) => kinds.unreadable += 1,
            }
        }
        kinds
    }
}
