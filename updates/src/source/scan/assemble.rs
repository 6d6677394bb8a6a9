//! Releases that were scanned become a raw graph.
//!
//! # Guarantees
//! Values in, a value out. An image that has several tags is one release. Versions that releases only name are releases
//! that are known by name alone.

use std::collections::{BTreeMap, BTreeSet};

use super::Release;
use crate::keys;
use crate::raw::{RawGraph, RawRelease};
use crate::registry::Digest;

/// The raw graph of these releases of a repository.
pub(super) fn assemble<'r>(
    repository: &str,
    releases: impl IntoIterator<Item = (&'r Digest, &'r Release)>,
) -> RawGraph {
    let mut graph = RawGraph::default();
    let mut seen = BTreeSet::new();
    let mut positions: BTreeMap<String, usize> = BTreeMap::new();
    let mut names = Vec::new();
    for (digest, release) in releases {
        if !seen.insert(digest) {
            continue;
        }
        let version = version_for(&release.document.version, &release.architecture);
        let mut metadata = release.document.metadata.clone();
        metadata.insert(keys::MANIFEST.to_owned(), digest.to_string());
        metadata.insert(keys::ARCHITECTURE.to_owned(), release.architecture.clone());
        let position = graph.releases.len();
        positions.entry(version.clone()).or_insert(position);
        graph.releases.push(RawRelease {
            version,
            payload: Some(format!("{repository}@{digest}")),
            metadata,
        });
        names.push((position, release));
    }
    for (position, release) in names {
        let mut at = |version: &str| {
            let version = version_for(version, &release.architecture);
            *positions.entry(version.clone()).or_insert_with(|| {
                graph.releases.push(RawRelease {
                    version,
                    ..RawRelease::default()
                });
                graph.releases.len() - 1
            })
        };
        let before = release.document.previous.iter();
        let before: Vec<_> = before.map(|version| (at(version), position)).collect();
        let after = release.document.next.iter();
        let after: Vec<_> = after.map(|version| (position, at(version))).collect();
        graph.edges.extend(before);
        graph.edges.extend(after);
    }
    graph
}

/// A version on an architecture, which stands in the place of all build metadata.
pub(crate) fn version_for(version: &str, architecture: &str) -> String {
    let core = version.split_once('+').map_or(version, |(core, _)| core);
    format!("{core}+{architecture}")
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::*;

    fn release(version: &str, architecture: &str, previous: &[&str], next: &[&str]) -> Release {
        let list = |versions: &[&str]| versions.iter().map(|text| (*text).to_owned()).collect();
        Release {
            document: Document {
                version: version.to_owned(),
                previous: list(previous),
                next: list(next),
                metadata: BTreeMap::from([("url".to_owned(), "https://a".to_owned())]),
            },
            architecture: architecture.to_owned(),
        }
    }

    #[test]
    fn a_release_has_its_payload_by_digest_and_its_architecture_in_the_version() {
        let digest = Digest::of(b"a");
        let release = release("4.16.3", "arm64", &[], &[]);

        let graph = assemble("quay.io/a/b", [(&digest, &release)]);

        let [only] = graph.releases.as_slice() else {
            panic!("{graph:?}")
        };
        assert_eq!(only.version, "4.16.3+arm64");
        assert_eq!(only.payload, Some(format!("quay.io/a/b@{digest}")));
        assert_eq!(only.metadata.get(keys::ARCHITECTURE).unwrap(), "arm64");
        assert_eq!(only.metadata.get(keys::MANIFEST).unwrap(), digest.as_str());
        assert_eq!(only.metadata.get("url").unwrap(), "https://a");
    }

    #[test]
    fn edges_stay_within_an_architecture_and_may_start_at_a_name() {
        let digests = [b"a", b"b", b"c"].map(|bytes| Digest::of(bytes));
        let releases = [
            release("4.16.3", "amd64", &["4.16.2"], &["4.16.4"]),
            release("4.16.2", "amd64", &[], &[]),
            release("4.16.2", "arm64", &[], &[]),
        ];

        let graph = assemble("r", digests.iter().zip(&releases));

        let name = |at: usize| graph.releases[at].version.as_str();
        let edges: Vec<_> = graph
            .edges
            .iter()
            .map(|(from, to)| (name(*from), name(*to)))
            .collect();
        assert_eq!(
            edges,
            [
                ("4.16.2+amd64", "4.16.3+amd64"),
                ("4.16.3+amd64", "4.16.4+amd64")
            ]
        );
        assert_eq!(graph.releases[3].payload, None);
    }

    #[test]
    fn two_tags_of_one_image_are_one_release() {
        let digest = Digest::of(b"a");
        let release = release("4.16.3", "amd64", &[], &[]);

        let graph = assemble("r", [(&digest, &release), (&digest, &release)]);

        assert_eq!(graph.releases.len(), 1);
    }
}
