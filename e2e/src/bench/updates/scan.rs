//! What a scan of a registry costs, the first time and again.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use updates::registry::{Asked, Registry};
use updates::source::scan::{Scanner, Settings};

use super::service::stopwatch;
use crate::registry::filler::{FLAVOURS, Plan, fill, move_tag, version};
use crate::registry::{Options, Server, clock};

/// So many releases there are.
const RELEASES: usize = 600;
/// Every so many of them there is a signature, and an image that is no release.
const OTHERS_EVERY: usize = 10;
/// The service's own default: within this a tag is asked again whether it was moved.
const TAGS_AGAIN: Duration = Duration::from_secs(3600);
/// What is filled.
const REPOSITORY: &str = "releases/images";

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Scan {
    /// Releases that were found.
    pub releases: usize,
    /// Tags that lead to something else.
    pub others: usize,
    /// The first scan.
    pub cold: Cost,
    /// A scan when nothing is new.
    pub again: Cost,
    /// A scan when there is one new tag.
    pub one_new: Cost,
}

/// What a scan cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// From start to end.
    pub seconds: f64,
    /// Pages of tags.
    pub tag_pages: u64,
    /// Manifests that came.
    pub manifests: u64,
    /// Manifests that were asked for and were still the same.
    pub unchanged: u64,
    /// Layers and configurations that were read, as far as they were.
    pub blobs: u64,
    /// What came of them.
    pub blob_mib: f64,
}

/// Fills a registry, and scans it.
pub async fn run() -> Result<Scan> {
    let server = Server::start(Options::default()).await?;
    let repository = server.repository(REPOSITORY)?;
    let plan = Plan {
        versions: RELEASES.div_ceil(FLAVOURS.len()),
        others_every: OTHERS_EVERY,
    };
    eprintln!("a registry of {RELEASES} releases: filling");
    let pusher = server.client()?;
    fill(&pusher, &repository, plan)
        .await
        .context("filling the registry")?;
    let registry = server.client()?;
    let settings = Settings {
        repository: repository.clone(),
        tags: None,
        again: TAGS_AGAIN,
    };
    let scanner = Scanner::new(registry.clone(), settings, clock());
    eprintln!("a registry of {RELEASES} releases: scanning");
    let cold = cost(&scanner, &registry).await?;
    let again = cost(&scanner, &registry).await?;
    let new = plan.versions;
    move_tag(
        &pusher,
        &repository,
        &format!("{}-x86_64", version(new)),
        new,
    )
    .await?;
    let one_new = cost(&scanner, &registry).await?;
    let kinds = scanner.scan().await.context("scanning once more")?.kinds();
    ensure!(
        kinds.unreadable == 0,
        "{} images of the filled registry cannot be read",
        kinds.unreadable
    );
    Ok(Scan {
        releases: kinds.releases,
        others: kinds.others + kinds.parts,
        cold,
        again,
        one_new,
    })
}

async fn cost(scanner: &Scanner, registry: &Registry) -> Result<Cost> {
    let counts = registry.counts();
    let of = |asked| counts.of(asked);
    let before = [
        Asked::TagPage,
        Asked::Manifest,
        Asked::Unchanged,
        Asked::Blob,
    ]
    .map(of);
    let (bytes, started) = (counts.blob_bytes(), stopwatch());
    scanner.scan().await.context("scanning the registry")?;
    let seconds = started.elapsed().as_secs_f64();
    let [tag_pages, manifests, unchanged, blobs] = before;
    Ok(Cost {
        seconds,
        tag_pages: of(Asked::TagPage) - tag_pages,
        manifests: of(Asked::Manifest) - manifests,
        unchanged: of(Asked::Unchanged) - unchanged,
        blobs: of(Asked::Blob) - blobs,
        blob_mib: mib(counts.blob_bytes() - bytes),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "what a scan reads is far below 2^52 bytes"
)]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
