//! Blobs, as streams.
//!
//! # Guarantees
//! A stream gives no more bytes than the descriptor says, and ends without an error only if they are those that its
//! digest names. Who leaves before the end has unverified bytes, and knows it. A connection that breaks is taken up where
//! it broke, [`RESUMES_MAX`] times without progress.

use bytes::{Buf as _, Bytes};
use http::header::{CONTENT_RANGE, HeaderValue, RANGE};
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Incoming;
use tracing::debug;

use super::Registry;
use super::auth::Purpose;
use super::counts::Asked;
use super::digest::Hasher;
use super::error::{RegistryError, Why};
use super::manifest::Descriptor;
use super::reference::Repository;
use super::transport::Ask;

/// How often a stream is taken up again without [`PROGRESS`] between.
pub const RESUMES_MAX: u32 = 4;
/// So many bytes show that going on leads somewhere.
const PROGRESS: u64 = 1 << 20;

/// How far a blob was read before.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The bytes that are there.
    pub bytes: u64,
    /// What has hashed them.
    pub hasher: Hasher,
}

impl Begun {
    /// Nothing was read.
    pub fn nothing(of: &Descriptor) -> Self {
        Self {
            bytes: 0,
            hasher: of.digest.hasher(),
        }
    }
}

/// A blob that is being read.
#[derive(Debug)]
pub struct BlobStream {
    registry: Registry,
    repository: Repository,
    descriptor: Descriptor,
    read: u64,
    hasher: Option<Hasher>,
    body: Option<Incoming>,
    /// Bytes at the beginning of the body that are known: the registry gives no ranges.
    known: u64,
    resumes: u32,
    resumed_at: u64,
}

impl Registry {
    /// Reads a blob from its beginning. More than `limit` bytes are not begun.
    pub async fn blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
    ) -> Result<BlobStream, RegistryError> {
        self.blob_from(repository, blob, limit, Begun::nothing(blob))
            .await
    }

    /// Goes on reading a blob.
    pub async fn blob_from(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
        begun: Begun,
    ) -> Result<BlobStream, RegistryError> {
        let mut stream = BlobStream {
            registry: self.clone(),
            repository: repository.clone(),
            descriptor: blob.clone(),
            read: begun.bytes,
            hasher: Some(begun.hasher),
            body: None,
            known: 0,
            resumes: 0,
            resumed_at: begun.bytes,
        };
        if blob.size > limit {
            return Err(stream.error(Why::TooLarge {
                what: "bytes",
                limit,
            }));
        }
        self.0.counts.asked(Asked::Blob);
        stream.open().await?;
        Ok(stream)
    }

    /// Reads a small blob whole; it is verified.
    pub async fn blob_bytes(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut stream = self.blob(repository, blob, limit).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = stream.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

impl BlobStream {
    /// How many bytes were given, those that were there before included.
    pub fn position(&self) -> u64 {
        self.read
    }

    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.descriptor.size.saturating_sub(self.read)
    }

    /// The next bytes; none when all were given and are those that were meant.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        loop {
            if self.left() == 0 {
                return self.end();
            }
            let Some(body) = &mut self.body else {
                self.open().await?;
                continue;
            };
            let broke = match self.registry.0.transport.piece(body).await {
                Ok(Some(piece)) => match self.take(piece)? {
                    Some(piece) => return Ok(Some(piece)),
                    None => continue,
                },
                Ok(None) => Why::BrokenOff(format!("{} bytes are missing", self.left())),
                Err(why) => why,
            };
            self.take_up(broke).await?;
        }
    }

    fn end(&mut self) -> Result<Option<Bytes>, RegistryError> {
        self.body = None;
        let Some(hasher) = self.hasher.take() else {
            return Ok(None);
        };
        let came = hasher.finish();
        if came == self.descriptor.digest {
            return Ok(None);
        }
        Err(self.error(Why::WrongDigest {
            named: self.descriptor.digest.clone(),
            came,
        }))
    }

    /// A piece of the body, without what is known.
    fn take(&mut self, mut piece: Bytes) -> Result<Option<Bytes>, RegistryError> {
        self.registry.0.counts.came(piece.len());
        let known = self.known.min(piece.len() as u64);
        self.known -= known;
        piece.advance(usize::try_from(known).unwrap_or(piece.len()));
        if piece.is_empty() {
            return Ok(None);
        }
        if piece.len() as u64 > self.left() {
            return Err(self.error(Why::TooLarge {
                what: "bytes, as its descriptor says",
                limit: self.descriptor.size,
            }));
        }
        self.read += piece.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&piece);
        }
        Ok(Some(piece))
    }

    /// Goes on after the connection broke.
    async fn take_up(&mut self, why: Why) -> Result<(), RegistryError> {
        self.body = None;
        if self.read.saturating_sub(self.resumed_at) >= PROGRESS {
            self.resumes = 0;
        }
        if self.resumes >= RESUMES_MAX {
            return Err(self.error(why));
        }
        self.resumes += 1;
        self.resumed_at = self.read;
        debug!(blob = %self.descriptor.digest, at = self.read, %why, "taking up a blob where it broke off");
        self.registry.0.counts.asked(Asked::Rest);
        self.open().await
    }

    async fn open(&mut self) -> Result<(), RegistryError> {
        let (registry, from) = (&self.registry, self.read);
        let digest = &self.descriptor.digest;
        let response = registry
            .anywhere(
                "reading the blob",
                &self.repository,
                &self.name(),
                |at| async move {
                    let path = format!("/v2/{}/blobs/{digest}", at.path());
                    let mut ask = Ask::get(registry.0.transport.uri(at.registry(), &path).await?);
                    if from > 0
                        && let Ok(range) = HeaderValue::from_str(&format!("bytes={from}-"))
                    {
                        ask.headers.insert(RANGE, range);
                    }
                    registry.0.ask(&at, Purpose::Pull, &ask).await
                },
            )
            .await?;
        let known = skipped(&response, from).map_err(|why| self.error(why))?;
        self.known = known;
        self.body = Some(response.into_body());
        Ok(())
    }

    /// What it is, for who tells of it.
    pub fn name(&self) -> String {
        format!("{}@{}", self.repository, self.descriptor.digest)
    }

    fn error(&self, why: Why) -> RegistryError {
        RegistryError::new("reading the blob", self.name(), why)
    }
}

/// How many bytes of a response come before those that were asked for.
fn skipped(response: &Response<Incoming>, from: u64) -> Result<u64, Why> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Ok(from);
    }
    match range_start(response.headers()) {
        Some(start) if start <= from => Ok(from - start),
        _ => Err(Why::NotUnderstood(
            "another part of the blob than was asked for".to_owned(),
        )),
    }
}

/// Where `bytes 5-9/10` begins.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (start, _) = value.strip_prefix("bytes ")?.split_once('-')?;
    start.trim().parse().ok()
}
