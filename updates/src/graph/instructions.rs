//! Instructions in releases' metadata that add edges or take them away.
//!
//! # Guarantees
//! A release that is named but not there is nothing to do. An entry that nobody can read is told; if it might have taken
//! edges away, all that it could have meant are held back.

use semver::{BuildMetadata, Version};

use super::edges::{Edges, number};
use super::releases::Releases;
use super::{Release, ReleaseId, Taken};
use crate::aside::Aside;
use crate::keys;

/// The other end of an instruction.
enum Named {
    Is(ReleaseId),
    NotThere,
    Unreadable(String),
}

/// The edges that metadata adds.
pub(super) fn added(releases: &Releases, aside: &mut Vec<Aside>) -> Vec<(u32, u32)> {
    let mut added = Vec::new();
    for (key, is_previous) in [(keys::PREVIOUS_ADD, true), (keys::NEXT_ADD, false)] {
        for (place, release, value) in with_key(releases, key) {
            for entry in keys::list(value).filter(|entry| !entry.is_empty()) {
                match named(entry, release, releases) {
                    Named::Is(other) if is_previous => added.push((number(other), number(place))),
                    Named::Is(other) => added.push((number(place), number(other))),
                    Named::NotThere => {}
                    Named::Unreadable(says) => aside.push(Aside::Instruction {
                        version: release.text.clone(),
                        key,
                        says,
                    }),
                }
            }
        }
    }
    added
}

/// Takes away the edges that metadata removes by version.
pub(super) fn remove(releases: &Releases, edges: &mut Edges, aside: &mut Vec<Aside>) {
    for (key, is_previous) in [(keys::PREVIOUS_REMOVE, true), (keys::NEXT_REMOVE, false)] {
        let taken = if is_previous {
            Taken::PreviousRemove
        } else {
            Taken::NextRemove
        };
        let take_all = |edges: &mut Edges, place: ReleaseId, taken: Taken| {
            if is_previous {
                edges.take_into(place, taken);
            } else {
                edges.take_from(place, taken);
            }
        };
        for (place, release, value) in with_key(releases, key) {
            for entry in keys::list(value).filter(|entry| !entry.is_empty()) {
                if entry == keys::ALL {
                    take_all(edges, place, taken);
                    continue;
                }
                match named(entry, release, releases) {
                    Named::Is(other) => {
                        let (from, to) = if is_previous {
                            (other, place)
                        } else {
                            (place, other)
                        };
                        if let Some(edge) = edges.find(from, to) {
                            edges.take(edge, taken);
                        }
                    }
                    Named::NotThere => {}
                    Named::Unreadable(says) => {
                        let at = number(aside.len());
                        aside.push(Aside::Instruction {
                            version: release.text.clone(),
                            key,
                            says,
                        });
                        take_all(edges, place, Taken::Instruction(at));
                    }
                }
            }
        }
    }
}

fn with_key<'r>(
    releases: &'r Releases,
    key: &'static str,
) -> impl Iterator<Item = (ReleaseId, &'r Release, &'r str)> {
    releases
        .all
        .iter()
        .enumerate()
        .filter_map(move |(place, release)| {
            let value = release.metadata.get(key)?;
            Some((place, release, value.as_str()))
        })
}

/// The release that an entry means: on the same architecture as the release that says it.
fn named(entry: &str, by: &Release, releases: &Releases) -> Named {
    let text = match by.metadata.get(keys::ARCHITECTURE) {
        None => entry.to_owned(),
        Some(architecture) => match (Version::parse(entry), BuildMetadata::new(architecture)) {
            (Ok(version), Ok(build)) => Version { build, ..version }.to_string(),
            (Err(error), _) => {
                return Named::Unreadable(format!("`{entry}` is not a semantic version: {error}"));
            }
            (_, Err(_)) => {
                return Named::Unreadable(format!(
                    "`{entry}` names no release, because `{architecture}` is not one architecture"
                ));
            }
        },
    };
    releases.find(&text).map_or(Named::NotThere, Named::Is)
}
