//! Fills a repository with releases as they are: several architectures, lists, layers in which nothing is found, signatures,
//! and images that are no releases at all.
//!
//! # Guarantees
//! The same plan gives the same images, by digest. Nothing is pushed that is there already.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use updates::registry::manifest::media_type;
use updates::registry::{At, Content, Descriptor, Digest, Registry, Repository};

/// Releases of each version: four for one machine, one for all of them.
pub const FLAVOURS: [(&str, &str); 5] = [
    ("amd64", "x86_64"),
    ("arm64", "aarch64"),
    ("ppc64le", "ppc64le"),
    ("s390x", "s390x"),
    (MULTI, MULTI),
];
const MULTI: &str = "multi";
/// Versions of a minor.
const PATCHES: usize = 20;
/// Images that are pushed at a time.
const AT_A_TIME: usize = 8;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const SIGNATURE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// What a repository is filled with.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Versions; each has a release for every one of [`FLAVOURS`].
    pub versions: usize,
    /// Every so many releases there is a signature beside them, and an image that is none. None of either if 0.
    pub others_every: usize,
}

/// What was pushed.
#[derive(Debug, Clone, Default)]
pub struct Filled {
    /// Releases: tag and digest.
    pub releases: BTreeMap<String, Digest>,
    /// Tags of what is no release.
    pub others: Vec<String>,
    /// The versions, the oldest first.
    pub versions: Vec<String>,
}

/// The version of this number.
pub fn version(number: usize) -> String {
    format!("4.{}.{}", 12 + number / PATCHES, number % PATCHES)
}

/// Fills a repository.
pub async fn fill(registry: &Registry, repository: &Repository, plan: Plan) -> Result<Filled> {
    let pusher = Pusher {
        registry,
        repository,
    };
    // Layers that all images share are pushed once, before everybody asks for them.
    for shared in [base(), decoy()] {
        pusher.blob(shared?, LAYER).await?;
    }
    let releases = (0..plan.versions).flat_map(|number| FLAVOURS.map(|flavour| (number, flavour)));
    let pushed: Vec<(String, Digest)> = futures::stream::iter(releases)
        .map(|(number, (architecture, suffix))| async move {
            let version = version(number);
            let tag = format!("{version}-{suffix}");
            let digest = if architecture == MULTI {
                pusher.list(&tag, number).await?
            } else {
                let image = pusher.release(number, architecture, false).await?;
                pusher.manifest(At::Tag(tag.clone()), &image).await?
            };
            Ok::<_, anyhow::Error>((tag, digest))
        })
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    let mut filled = Filled {
        versions: (0..plan.versions).map(version).collect(),
        ..Filled::default()
    };
    let every = plan.others_every.max(1);
    let some = pushed
        .iter()
        .step_by(every)
        .filter(|_| plan.others_every > 0);
    for (tag, digest) in some {
        filled.others.push(pusher.signature(digest).await?);
        filled.others.push(pusher.component(tag).await?);
    }
    filled.releases = pushed.into_iter().collect();
    Ok(filled)
}

/// Gives a tag to a release of another version than it had.
pub async fn move_tag(
    registry: &Registry,
    repository: &Repository,
    tag: &str,
    number: usize,
) -> Result<Digest> {
    let pusher = Pusher {
        registry,
        repository,
    };
    let image = pusher.release(number, "amd64", false).await?;
    pusher.manifest(At::Tag(tag.to_owned()), &image).await
}

/// Pushes an image with these layers, the lowest first, under a tag.
pub async fn push_layers(
    registry: &Registry,
    repository: &Repository,
    tag: &str,
    layers: Vec<Vec<u8>>,
) -> Result<Digest> {
    let pusher = Pusher {
        registry,
        repository,
    };
    let mut pushed = Vec::new();
    for layer in layers {
        pushed.push(pusher.blob(layer, LAYER).await?);
    }
    let image = pusher.image("amd64", pushed).await?;
    pusher.manifest(At::Tag(tag.to_owned()), &image).await
}

#[derive(Clone, Copy)]
struct Pusher<'r> {
    registry: &'r Registry,
    repository: &'r Repository,
}

impl Pusher<'_> {
    async fn blob(&self, bytes: Vec<u8>, kind: &str) -> Result<Value> {
        let descriptor = Descriptor {
            media_type: kind.to_owned(),
            digest: Digest::of(&bytes),
            size: bytes.len() as u64,
            platform: None,
            annotations: None,
        };
        let content = Content::Bytes(Bytes::from(bytes));
        self.registry
            .push_blob(self.repository, &descriptor, &content)
            .await?;
        Ok(serde_json::to_value(descriptor)?)
    }

    async fn manifest(&self, at: At, manifest: &Value) -> Result<Digest> {
        let kind = manifest["mediaType"].as_str().unwrap_or_default();
        let bytes = Bytes::from(serde_json::to_vec(manifest)?);
        let image = self.repository.at(at);
        Ok(self.registry.push_manifest(&image, kind, &bytes).await?)
    }

    async fn image(&self, architecture: &str, layers: Vec<Value>) -> Result<Value> {
        let config = json!({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}});
        let config = self.blob(serde_json::to_vec(&config)?, CONFIG).await?;
        Ok(json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_IMAGE,
            "config": config,
            "layers": layers,
        }))
    }

    /// A release for one machine, or that machine's part of a release for several.
    async fn release(&self, number: usize, architecture: &str, part: bool) -> Result<Value> {
        let layers = [base(), metadata(number, architecture, part), decoy()];
        let mut pushed = Vec::new();
        for layer in layers {
            pushed.push(self.blob(layer?, LAYER).await?);
        }
        self.image(architecture, pushed).await
    }

    async fn list(&self, tag: &str, number: usize) -> Result<Digest> {
        let mut images = Vec::new();
        for (architecture, _) in FLAVOURS.iter().filter(|(name, _)| *name != MULTI) {
            let image = self.release(number, architecture, true).await?;
            let bytes = serde_json::to_vec(&image)?;
            let digest = Digest::of(&bytes);
            self.manifest(At::Digest(digest.clone()), &image).await?;
            images.push(json!({
                "mediaType": media_type::OCI_IMAGE,
                "digest": digest,
                "size": bytes.len(),
                "platform": {"architecture": architecture, "os": "linux"},
            }));
        }
        let list =
            json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": images});
        self.manifest(At::Tag(tag.to_owned()), &list).await
    }

    async fn signature(&self, of: &Digest) -> Result<String> {
        let payload = json!({"critical": {"image": {"docker-manifest-digest": of}}});
        let layer = self.blob(serde_json::to_vec(&payload)?, SIGNATURE).await?;
        let image = self.image("", vec![layer]).await?;
        let (algorithm, hash) = of.parts();
        let tag = format!("{algorithm}-{hash}.sig");
        self.manifest(At::Tag(tag.clone()), &image).await?;
        Ok(tag)
    }

    async fn component(&self, beside: &str) -> Result<String> {
        let files = [("usr/bin/component", beside)];
        let layers = [base(), packed(&files)];
        let mut pushed = Vec::new();
        for layer in layers {
            pushed.push(self.blob(layer?, LAYER).await?);
        }
        let image = self.image("amd64", pushed).await?;
        let tag = format!("component-{beside}");
        self.manifest(At::Tag(tag.clone()), &image).await?;
        Ok(tag)
    }
}

/// What lies below all images.
fn base() -> Result<Vec<u8>> {
    packed(&[("etc/os-release", "NAME=any\n"), ("usr/bin/any", "binary")])
}

/// What lies on top of all releases, and looks like what is looked for.
fn decoy() -> Result<Vec<u8>> {
    packed(&[
        ("release-manifests/release-metadata.bak", "{}"),
        ("etc/release-manifests/release-metadata", "{}"),
        ("release-manifests/image-references", "{}"),
    ])
}

/// The layer that is looked for. A release comes from the two before it.
fn metadata(number: usize, architecture: &str, part: bool) -> Result<Vec<u8>> {
    let previous: Vec<String> = (1..=2)
        .filter_map(|back| number.checked_sub(back))
        .map(version)
        .collect();
    let mut more = json!({"url": format!("https://errata.example/{number}")});
    if part {
        more["release.openshift.io/architecture"] = json!(MULTI);
    }
    let document = json!({
        "kind": "cincinnati-metadata-v0",
        "version": version(number),
        "previous": previous,
        "metadata": more,
    });
    let first = format!("manifest of {number} on {architecture}");
    packed(&[
        ("release-manifests/0000_00_first.yaml", &first),
        ("release-manifests/release-metadata", &document.to_string()),
        ("release-manifests/zzz.yaml", "after it"),
    ])
}

/// Files as a layer.
pub fn packed(files: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, name, content.as_bytes())
            .with_context(|| format!("packing {name}"))?;
    }
    let mut packed = archive.into_inner().context("packing a layer")?;
    packed.flush()?;
    Ok(packed.finish()?)
}
