//! The releases of a graph: each version once, in the order of versions, with all metadata.

use std::collections::BTreeMap;

use semver::{BuildMetadata, Version};

use super::{Release, ReleaseId};
use crate::aside::Aside;
use crate::data::{GraphData, Verification};
use crate::keys;
use crate::raw::RawRelease;

/// The releases, and how to find them.
#[derive(Default)]
pub(super) struct Releases {
    pub(super) all: Vec<Release>,
    pub(super) by_text: BTreeMap<String, ReleaseId>,
    by_core: BTreeMap<Version, Vec<ReleaseId>>,
    /// For each raw release, its place; none if it is set aside.
    pub(super) places: Vec<Option<ReleaseId>>,
}

/// What became of a raw release.
enum Fate {
    /// It is the release of its version, or as good as that.
    Is(String),
    /// It is set aside.
    Aside,
}

/// An architecture that was once written into the version itself: `4.2.11-s390x` is 4.2.11 on s390x.
const WRITTEN_INTO_VERSION: &str = "s390x";

/// The version without build metadata.
pub(super) fn core(version: &Version) -> Version {
    Version {
        build: BuildMetadata::EMPTY,
        ..version.clone()
    }
}

impl Releases {
    /// Each version once; what is no version, there twice, or not verified where it has to be, is set aside.
    pub(super) fn new(
        raw: Vec<RawRelease>,
        verification: &Verification,
        aside: &mut Vec<Aside>,
    ) -> Self {
        let mut by_version: BTreeMap<Version, Release> = BTreeMap::new();
        let fates: Vec<Fate> = raw
            .into_iter()
            .map(|release| admit(release, verification, &mut by_version, aside))
            .collect();
        let mut releases = Self {
            all: by_version.into_values().collect(),
            ..Self::default()
        };
        for (place, release) in releases.all.iter().enumerate() {
            releases.by_text.insert(release.text.clone(), place);
            releases
                .by_core
                .entry(core(&release.version))
                .or_default()
                .push(place);
        }
        releases.places = fates
            .into_iter()
            .map(|fate| match fate {
                Fate::Is(text) => releases.by_text.get(&text).copied(),
                Fate::Aside => None,
            })
            .collect();
        releases
    }

    pub(super) fn find(&self, text: &str) -> Option<ReleaseId> {
        self.by_text.get(text).copied()
    }

    /// The releases that graph data means by a version: with build metadata that one, else every architecture's.
    pub(super) fn meant(&self, version: &Version) -> Vec<ReleaseId> {
        if version.build.is_empty() {
            self.by_core.get(version).cloned().unwrap_or_default()
        } else {
            self.find(&version.to_string()).into_iter().collect()
        }
    }

    /// As [`Self::meant`], for blocked edges: a version with an architecture written into it is that architecture's.
    pub(super) fn blocked(&self, version: &Version) -> Vec<ReleaseId> {
        if version.build.is_empty() && version.pre.as_str() == WRITTEN_INTO_VERSION {
            let text = format!("{version}+{WRITTEN_INTO_VERSION}");
            return self.find(&text).into_iter().collect();
        }
        self.meant(version)
    }

    /// Adds the metadata of graph data to what releases say of themselves.
    pub(super) fn add_metadata(&mut self, data: &GraphData) {
        for (version, entries) in &data.metadata.0 {
            for place in self.meant(version) {
                for (key, value) in entries {
                    self.append(place, key, value, ',');
                }
            }
        }
    }

    /// Writes channels into the metadata of the releases that they hold, in the order that clients know: by what
    /// follows the first `-`, then by name.
    pub(super) fn add_channels(&mut self, data: &GraphData) {
        for channel in &data.channels {
            for version in &channel.versions {
                for place in self.meant(version) {
                    self.append(place, keys::CHANNELS, &channel.name, ',');
                }
            }
        }
        for release in &mut self.all {
            if let Some(value) = release.metadata.get_mut(keys::CHANNELS) {
                let mut channels: Vec<&str> = value.split(',').collect();
                let family = |channel: &str| {
                    channel
                        .split_once('-')
                        .map_or("", |(_, rest)| rest)
                        .to_owned()
                };
                channels.sort_by_cached_key(|channel| (family(channel), (*channel).to_owned()));
                *value = channels.join(",");
            }
        }
    }

    /// Appends to a value of a release's metadata, or sets it. A release that is known by name alone has none.
    pub(super) fn append(&mut self, place: ReleaseId, key: &str, value: &str, between: char) {
        let Some(release) = self
            .all
            .get_mut(place)
            .filter(|release| release.payload.is_some())
        else {
            return;
        };
        match release.metadata.get_mut(key) {
            Some(present) => {
                present.push(between);
                present.push_str(value);
            }
            None => {
                release.metadata.insert(key.to_owned(), value.to_owned());
            }
        }
    }
}

fn admit(
    raw: RawRelease,
    verification: &Verification,
    by_version: &mut BTreeMap<Version, Release>,
    aside: &mut Vec<Aside>,
) -> Fate {
    let Ok(version) = Version::parse(&raw.version) else {
        aside.push(Aside::VersionNotSemantic {
            version: raw.version,
        });
        return Fate::Aside;
    };
    if let Some(payload) = &raw.payload
        && let Some(says) = verification.refusal(payload)
    {
        aside.push(Aside::NotVerified {
            version: raw.version,
            payload: payload.clone(),
            says,
        });
        return Fate::Aside;
    }
    let release = Release {
        version: version.clone(),
        text: raw.version,
        payload: raw.payload,
        metadata: raw.metadata,
    };
    let text = release.text.clone();
    let Some(present) = by_version.get_mut(&version) else {
        by_version.insert(version, release);
        return Fate::Is(text);
    };
    match (&present.payload, release.payload) {
        // A name in somebody's `previous` says nothing more.
        (_, None) => Fate::Is(text),
        (None, Some(payload)) => {
            present.payload = Some(payload);
            present.metadata = release.metadata;
            Fate::Is(text)
        }
        (Some(kept), Some(payload)) => {
            let same = *kept == payload;
            aside.push(Aside::Duplicate {
                version: text.clone(),
                kept: kept.clone(),
                payload,
            });
            // The same image twice is one release; of another image, nothing is taken, its edges included.
            if same { Fate::Is(text) } else { Fate::Aside }
        }
    }
}
