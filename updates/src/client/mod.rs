//! The client's half: what an answer means for a cluster that has one version.
//!
//! # Guarantees
//! Every edge from a version of the answer is offered, offered with its known issues, or [refused](NotOffered) by name.
//! An entry that makes no sense spoils itself alone. Releases are found by their versions as semantic versions, build
//! metadata apart. Works on the answer of any update service.
//!
//! # Not here
//! Why an edge is not in the answer at all: [`crate::explain`], which needs the graph.

mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use semver::{BuildMetadata, Version};
use serde::Serialize;

pub use ways::{Hop, Roads, WAYS_MAX, Way, Ways};

use crate::data::Risk;
use crate::wire::{Received, ReceivedRelease};

/// An answer, made ready for questions.
#[derive(Debug, Clone)]
pub struct Offers<'a> {
    releases: BTreeMap<Version, &'a ReceivedRelease>,
    out: BTreeMap<Version, BTreeMap<Version, Offer<'a>>>,
}

/// What an answer says of one edge.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Offer<'a> {
    Recommended,
    WithRisks(BTreeSet<&'a Risk>),
    Refused(NotOffered),
}

/// Why an edge of the answer is not offered to the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "reason")]
pub enum NotOffered {
    /// It leads to an older version, and a cluster goes only forward.
    Older,
    /// It leads to a version of which the answer has no release.
    NoRelease,
    /// No rule of one of its known issues can be evaluated.
    NoKnownRule {
        /// The known issue.
        risk: String,
    },
}

impl NotOffered {
    /// The reason as a word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Older => "Older",
            Self::NoRelease => "NoRelease",
            Self::NoKnownRule { .. } => "NoKnownRule",
        }
    }
}

impl fmt::Display for NotOffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Older => f.write_str("older than the version that the cluster has"),
            Self::NoRelease => f.write_str("the answer names it, and has no such release"),
            Self::NoKnownRule { risk } => write!(
                f,
                "nobody can find out whether {risk} concerns the cluster: none of its rules is known"
            ),
        }
    }
}

/// The answer cannot be used for this cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAdvice {
    /// The version is none.
    #[error("`{version}` is not a semantic version")]
    InvalidVersion {
        /// As it was given.
        version: String,
    },
    /// The answer has no such release.
    #[error("the channel has no release {version} for this architecture")]
    VersionNotFound {
        /// As it was given.
        version: String,
    },
}

impl NoAdvice {
    /// The reason as a word, as a cluster's conditions have it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidVersion { .. } => "InvalidCurrentVersion",
            Self::VersionNotFound { .. } => "VersionNotFound",
        }
    }
}

/// What a cluster with one version may do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice<'a> {
    /// The version that it has.
    pub from: String,
    /// Releases to go to without reserve, newest first.
    pub recommended: Vec<Target<'a>>,
    /// Releases to go to if none of their known issues concerns the cluster, newest first.
    pub conditional: Vec<Conditional<'a>>,
    /// Releases that the answer names and nobody should go to, newest first.
    pub not_offered: Vec<Refused>,
}

/// A release that one may go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target<'a> {
    /// Its version.
    pub version: &'a str,
    /// Its image.
    pub payload: &'a str,
    /// What it brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<&'a str>,
}

/// A release that one may go to with known issues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conditional<'a> {
    /// The release.
    #[serde(flatten)]
    pub target: Target<'a>,
    /// The known issues, with the rules that can be evaluated.
    pub risks: Vec<Risk>,
}

/// A release that nobody should go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Its version.
    pub version: String,
    /// Why.
    #[serde(flatten)]
    pub why: NotOffered,
}

impl<'a> Offers<'a> {
    /// Reads an answer.
    pub fn new(answer: &'a Received) -> Self {
        let mut offers = Self {
            releases: BTreeMap::new(),
            out: BTreeMap::new(),
        };
        for release in &answer.nodes {
            if let Ok(version) = parse(&release.version) {
                offers.releases.insert(version, release);
            }
        }
        for (from, to) in &answer.edges {
            if let (Some(from), Some(to)) = (answer.nodes.get(*from), answer.nodes.get(*to)) {
                offers.add(&from.version, &to.version, Offer::Recommended);
            }
        }
        for group in answer.conditional.iter().flatten() {
            for edge in &group.edges {
                offers.add(
                    &edge.from,
                    &edge.to,
                    Offer::WithRisks(group.risks.iter().collect()),
                );
            }
        }
        offers
    }

    /// Adds what one entry says: of several, known issues win over a recommendation, and add up.
    fn add(&mut self, from: &str, to: &str, offer: Offer<'a>) {
        let (Ok(from), Ok(to)) = (parse(from), parse(to)) else {
            return;
        };
        let refused = if to <= from {
            Some(NotOffered::Older)
        } else if self.releases.contains_key(&to) {
            match &offer {
                Offer::WithRisks(risks) => risks
                    .iter()
                    .find(|risk| !risk.matching_rules.iter().any(crate::data::Rule::is_known))
                    .map(|risk| NotOffered::NoKnownRule {
                        risk: risk.name.clone(),
                    }),
                _ => None,
            }
        } else {
            Some(NotOffered::NoRelease)
        };
        let offer = refused.map_or(offer, Offer::Refused);
        let present = self
            .out
            .entry(from)
            .or_default()
            .entry(to)
            .or_insert(Offer::Recommended);
        match (present, offer) {
            (Offer::Refused(_), _) | (_, Offer::Recommended) => {}
            (Offer::WithRisks(present), Offer::WithRisks(more)) => present.extend(more),
            (present, offer) => *present = offer,
        }
    }

    /// The release of a version.
    pub fn find(&self, version: &str) -> Result<(Version, &'a ReceivedRelease), NoAdvice> {
        let parsed = parse(version).map_err(|_| NoAdvice::InvalidVersion {
            version: version.to_owned(),
        })?;
        match self.releases.get(&parsed) {
            Some(release) => Ok((parsed, release)),
            None => Err(NoAdvice::VersionNotFound {
                version: version.to_owned(),
            }),
        }
    }

    /// The releases, oldest first, by their versions.
    pub fn releases(&self) -> impl Iterator<Item = (&Version, &'a ReceivedRelease)> {
        self.releases
            .iter()
            .map(|(version, release)| (version, *release))
    }

    /// The edges that a cluster may take, with the names of their known issues: by where they start, then by where they
    /// lead.
    pub fn edges(&self) -> impl Iterator<Item = (&Version, &Version, Vec<&'a str>)> {
        self.out.iter().flat_map(|(from, offers)| {
            offers.iter().filter_map(move |(to, offer)| {
                let risks = match offer {
                    Offer::Recommended => Vec::new(),
                    Offer::WithRisks(risks) => {
                        risks.iter().map(|risk| risk.name.as_str()).collect()
                    }
                    Offer::Refused(_) => return None,
                };
                Some((from, to, risks))
            })
        })
    }

    /// Why the edge between two versions is not offered, though the answer names it.
    pub fn refused(&self, from: &Version, to: &Version) -> Option<&NotOffered> {
        match self.out.get(from)?.get(to)? {
            Offer::Refused(why) => Some(why),
            Offer::Recommended | Offer::WithRisks(_) => None,
        }
    }

    /// The known issues of the edge between two versions.
    pub fn risks(&self, from: &Version, to: &Version) -> Vec<&'a Risk> {
        match self.out.get(from).and_then(|out| out.get(to)) {
            Some(Offer::WithRisks(risks)) => risks.iter().copied().collect(),
            _ => Vec::new(),
        }
    }

    /// What a cluster with this version may do next.
    pub fn advise(&self, from: &str) -> Result<Advice<'a>, NoAdvice> {
        let (version, release) = self.find(from)?;
        let mut advice = Advice {
            from: release.version.clone(),
            recommended: Vec::new(),
            conditional: Vec::new(),
            not_offered: Vec::new(),
        };
        for (to, offer) in self.out.get(&version).into_iter().flatten().rev() {
            match (offer, self.releases.get(to)) {
                (Offer::Recommended, Some(release)) => advice.recommended.push(target(release)),
                (Offer::WithRisks(risks), Some(release)) => advice.conditional.push(Conditional {
                    target: target(release),
                    risks: by_name(risks),
                }),
                (Offer::Refused(why), _) => advice.not_offered.push(Refused {
                    version: to.to_string(),
                    why: why.clone(),
                }),
                (_, None) => {}
            }
        }
        Ok(advice)
    }
}

/// A version without build metadata: an answer is for one architecture.
fn parse(version: &str) -> Result<Version, semver::Error> {
    Version::parse(version).map(|version| Version {
        build: BuildMetadata::EMPTY,
        ..version
    })
}

fn target(release: &ReceivedRelease) -> Target<'_> {
    Target {
        version: &release.version,
        payload: &release.payload,
        url: release.metadata.get("url").map(String::as_str),
    }
}

/// Known issues by name, with the rules that can be evaluated.
fn by_name(risks: &BTreeSet<&Risk>) -> Vec<Risk> {
    let mut risks: Vec<Risk> = risks
        .iter()
        .map(|risk| Risk {
            matching_rules: risk
                .matching_rules
                .iter()
                .filter(|rule| rule.is_known())
                .cloned()
                .collect(),
            ..(*risk).clone()
        })
        .collect();
    risks.sort_by(|one, other| one.name.cmp(&other.name));
    risks
}

#[cfg(test)]
mod tests;
