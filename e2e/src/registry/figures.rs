//! What a scan costs, over a registry with 600 releases: cold, and again.

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::time::Instant;
use updates::registry::Asked;
use updates::source::scan::{Scanner, Settings};

use super::filler::{FLAVOURS, Plan, fill};
use super::{Options, Server, clock};

/// Versions; with five releases each that is the size that is asked for.
const VERSIONS: usize = 120;
const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

/// Two scans of the same repository.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Releases that were found, by both.
    pub releases: usize,
    /// Tags that lead to something else.
    pub others: usize,
    /// The first scan.
    pub cold: Scan,
    /// The second one, when nothing has changed.
    pub again: Scan,
}

/// One scan.
#[derive(Debug, Clone, Serialize)]
pub struct Scan {
    /// How long it took.
    pub seconds: f64,
    /// Pages of tags that were asked for.
    pub tag_pages: u64,
    /// Manifests that came.
    pub manifests: u64,
    /// Manifests that were asked for and had not changed.
    pub unchanged: u64,
    /// Blobs that were begun.
    pub blobs: u64,
    /// Bytes of them that came.
    pub blob_bytes: u64,
}

/// Fills a registry, and scans it twice.
pub async fn figures() -> Result<Figures> {
    let server = Server::start(Options::default()).await?;
    let repository = server.repository("openshift/release")?;
    let plan = Plan {
        versions: VERSIONS,
        others_every: 20,
    };
    let filled = fill(&server.client()?, &repository, plan).await?;
    let settings = Settings {
        repository,
        tags: None,
        again: HOUR,
    };
    let scanner = Scanner::new(server.client()?, settings, clock());
    let (found, cold) = scan(&scanner).await?;
    let (found_again, again) = scan(&scanner).await?;
    ensure!(
        found == VERSIONS * FLAVOURS.len() && found == found_again,
        "scanning a registry with {} releases: {found} were found, and {found_again} again",
        filled.releases.len()
    );
    Ok(Figures {
        releases: found,
        others: filled.others.len(),
        cold,
        again,
    })
}

async fn scan(scanner: &Scanner) -> Result<(usize, Scan)> {
    let counts = scanner.registry().counts();
    let of = |asked| counts.of(asked);
    let before = Asked::ALL.map(of);
    let bytes_before = counts.blob_bytes();
    let started = Instant::now();
    let scanned = scanner.scan().await?;
    let seconds = started.elapsed().as_secs_f64();
    let since = |asked: Asked| {
        let before = before.get(asked as usize).copied().unwrap_or_default();
        of(asked) - before
    };
    let scan = Scan {
        seconds,
        tag_pages: since(Asked::TagPage),
        manifests: since(Asked::Manifest),
        unchanged: since(Asked::Unchanged),
        blobs: since(Asked::Blob),
        blob_bytes: counts.blob_bytes() - bytes_before,
    };
    Ok((scanned.kinds().releases, scan))
}
