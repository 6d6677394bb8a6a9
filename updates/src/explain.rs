//! Why: for one version of a channel, the way to each newer release, or everything that stands in it.
//!
//! # Guarantees
//! A release is told with a recommended way, with a way that brings known issues, or with at least one [`Reason`]. What
//! stands against the edge that leads there directly is told in every case: file, known issue, link and message.

mod received;

use std::borrow::Cow;
use std::collections::BTreeMap;

use semver::{BuildMetadata, Version};
use serde::{Deserialize, Serialize};

use crate::Graph;
use crate::client::{Offers, Roads, Way, Ways};
use crate::data::Risk;
use crate::graph::{Known, Release, ReleaseId, Standing, Why};
use crate::wire::Received;

pub use received::explain as received;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The channel that the cluster follows.
    pub channel: &'q str,
    /// Its architecture.
    pub architecture: &'q str,
    /// The version that it has.
    pub from: &'q str,
    /// The release that is asked about; none is every newer one of the channel.
    pub to: Option<&'q str>,
}

/// The question cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum NoExplanation {
    /// A version is none.
    #[error("`{version}` is not a semantic version")]
    InvalidVersion {
        /// As it was given.
        version: String,
    },
    /// The answer of a service does not hold the version that the cluster has.
    #[error("the service has no release {version} in {channel} for {architecture}")]
    NotInAnswer {
        /// The version that the cluster has.
        version: String,
        /// The channel that was asked for.
        channel: String,
        /// The architecture.
        architecture: String,
    },
    /// The channel does not hold the version that the cluster has.
    #[error(
        "{channel} has no release {version} for {architecture}; {}",
        held_by(channels)
    )]
    VersionNotFound {
        /// The version that the cluster has.
        version: String,
        /// The channel that was asked for.
        channel: String,
        /// The architecture.
        architecture: String,
        /// The channels that hold it.
        channels: Vec<String>,
    },
}

impl NoExplanation {
    /// The reason as a word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidVersion { .. } => "invalid_params",
            Self::NotInAnswer { .. } | Self::VersionNotFound { .. } => "version_not_found",
        }
    }
}

fn held_by(channels: &[String]) -> String {
    if channels.is_empty() {
        "no channel has it".to_owned()
    } else {
        format!("it is in {}", channels.join(", "))
    }
}

/// The whole explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The channel.
    pub channel: String,
    /// The architecture.
    pub arch: String,
    /// The version that the cluster has.
    pub from: String,
    /// Each release that was asked about, newest first.
    pub releases: Vec<Explained>,
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Its version.
    pub version: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// The shortest recommended ways there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommended: Vec<Way>,
    /// If there are none: the way with the fewest known issues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_risks: Option<Way>,
    /// The known issues of the edge that leads there directly, and those of the way with the fewest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<Named>,
    /// Why one cannot go there, or not directly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// What it comes to for one release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// There is a way without known issues.
    Recommended,
    /// There is a way only with known issues.
    WithRisks,
    /// There is no way.
    No,
}

/// A known issue and the file that names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The file; empty where only the answer of a service is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The known issue.
    #[serde(flatten)]
    pub risk: Risk,
}

/// One thing that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// As a word.
    pub reason: Cow<'static, str>,
    /// As a sentence.
    pub message: String,
}

impl Explained {
    fn nothing(version: &Version) -> Self {
        Self {
            version: version.to_string(),
            verdict: Verdict::No,
            recommended: Vec::new(),
            with_risks: None,
            risks: Vec::new(),
            reasons: Vec::new(),
        }
    }

    /// Takes the ways there, and what they come to.
    fn take(&mut self, ways: Ways) {
        self.recommended = ways.recommended;
        self.with_risks = ways.with_risks;
        if !self.recommended.is_empty() {
            self.verdict = Verdict::Recommended;
        } else if self.with_risks.is_some() {
            self.verdict = Verdict::WithRisks;
        }
    }
}

impl Reason {
    fn new(reason: &'static str, message: String) -> Self {
        Self {
            reason: Cow::Borrowed(reason),
            message,
        }
    }
}

impl Graph {
    /// Explains what a cluster may do, and why not the rest.
    pub fn explain(&self, question: Question<'_>) -> Result<Explanation, NoExplanation> {
        let from = parse(question.from)?;
        let received = Received::from(&self.answer(question.channel, question.architecture));
        let offers = Offers::new(&received);
        let roads = offers.roads();
        let known = self.by_version(question.architecture);
        let Some(start) = self.in_channel(&from, question) else {
            return Err(NoExplanation::VersionNotFound {
                version: question.from.to_owned(),
                channel: question.channel.to_owned(),
                architecture: question.architecture.to_owned(),
                channels: self.channels_of(&from, question.architecture),
            });
        };
        let mut asked: Vec<Version> = match question.to {
            Some(to) => vec![parse(to)?],
            None => received
                .nodes
                .iter()
                .filter_map(|release| parse(&release.version).ok())
                .filter(|version| *version > from)
                .collect(),
        };
        asked.sort_by(|one, other| other.cmp(one));
        asked.dedup();
        Ok(Explanation {
            channel: question.channel.to_owned(),
            arch: question.architecture.to_owned(),
            from: from.to_string(),
            releases: asked
                .iter()
                .map(|to| self.explain_one(&from, start, to, question, (&roads, &known)))
                .collect(),
        })
    }

    fn explain_one(
        &self,
        from: &Version,
        start: ReleaseId,
        to: &Version,
        question: Question<'_>,
        (roads, known): (&Roads<'_, '_>, &BTreeMap<Version, ReleaseId>),
    ) -> Explained {
        let mut explained = Explained::nothing(to);
        if to > from
            && let Ok(ways) = roads.ways(&from.to_string(), &to.to_string())
        {
            explained.take(ways);
        }
        let target = known.get(to).copied();
        match target.and_then(|place| self.edge(start, place)) {
            Some(Standing::Conditional { risks, .. }) => explained.risks = named(&risks),
            Some(Standing::Blocked(why)) => explained.reasons.extend(why.iter().map(told)),
            Some(Standing::Safe) | None => {}
        }
        if let Some(way) = &explained.with_risks {
            let more = self.issues_of(start, way, known);
            for named in more {
                if !explained.risks.contains(&named) {
                    explained.risks.push(named);
                }
            }
        }
        if explained.verdict == Verdict::No {
            let release = target.and_then(|place| self.releases().get(place));
            let more = self.why_not(from, to, release, question);
            explained.reasons.extend(more);
            if to > from
                && let Some(why) = roads.offers().refused(from, to)
            {
                explained
                    .reasons
                    .push(Reason::new(why.reason(), why.to_string()));
            }
            if explained.reasons.is_empty() {
                let message = "no edge and no way over other releases leads there".to_owned();
                explained.reasons.push(Reason::new("NoWay", message));
            }
        }
        explained
    }

    /// The known issues of a way's hops.
    fn issues_of(
        &self,
        start: ReleaseId,
        way: &Way,
        known: &BTreeMap<Version, ReleaseId>,
    ) -> Vec<Named> {
        let mut issues = Vec::new();
        let mut last = Some(start);
        for hop in way {
            let next = parse(&hop.to).ok().and_then(|to| known.get(&to).copied());
            if let (Some(last), Some(next)) = (last, next)
                && let Some(Standing::Conditional { risks, .. }) = self.edge(last, next)
            {
                issues.extend(named(&risks));
            }
            last = next;
        }
        issues
    }

    /// What stands against a release itself.
    fn why_not(
        &self,
        from: &Version,
        to: &Version,
        release: Option<&Release>,
        question: Question<'_>,
    ) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let mut add = |reason, message| reasons.push(Reason::new(reason, message));
        if to == from {
            add("Same", "the cluster has it".to_owned());
        } else if to < from {
            add(
                "Older",
                format!("older than {from}, and a cluster goes only forward"),
            );
        }
        match release {
            None => add(
                "Unknown",
                format!("there is no release {to} for {}", question.architecture),
            ),
            Some(release) if release.payload.is_none() => {
                add(
                    "NameOnly",
                    "it is known by name alone: there is no image".to_owned(),
                );
            }
            Some(release) if release.is_removed() => {
                add(
                    "Removed",
                    "its metadata takes it out of the graph".to_owned(),
                );
            }
            Some(release)
                if !release
                    .channels()
                    .any(|channel| channel == question.channel) =>
            {
                let channels = held_by(&self.channels_of(to, question.architecture));
                add(
                    "NotInChannel",
                    format!("not in {}; {channels}", question.channel),
                );
            }
            Some(_) => {}
        }
        for aside in self.aside() {
            let about = aside.version().and_then(|version| parse(version).ok());
            if about.as_ref() == Some(to) {
                add("SetAside", aside.to_string());
            }
        }
        reasons
    }

    /// The releases for an architecture, by version without build metadata.
    fn by_version(&self, architecture: &str) -> BTreeMap<Version, ReleaseId> {
        let mut known = BTreeMap::new();
        for (place, release) in self.releases().iter().enumerate() {
            if is_for(release, architecture) {
                known.entry(core(&release.version)).or_insert(place);
            }
        }
        known
    }

    /// The releases of a version for an architecture.
    fn on(
        &self,
        version: &Version,
        architecture: &str,
    ) -> impl Iterator<Item = (ReleaseId, &Release)> {
        self.releases()
            .iter()
            .enumerate()
            .filter(move |(_, release)| {
                is_for(release, architecture) && core(&release.version) == *version
            })
    }

    fn in_channel(&self, version: &Version, question: Question<'_>) -> Option<ReleaseId> {
        let held = self.held(question.channel, question.architecture);
        self.on(version, question.architecture)
            .map(|(place, _)| place)
            .find(|place| held.contains(place))
    }

    fn channels_of(&self, version: &Version, architecture: &str) -> Vec<String> {
        self.on(version, architecture)
            .flat_map(|(_, release)| release.channels())
            .map(str::to_owned)
            .collect()
    }
}

/// Whether a release is for an architecture; one that is known by name alone says so in its version.
fn is_for(release: &Release, architecture: &str) -> bool {
    release.architectures().any(|name| name == architecture)
        || (release.payload.is_none() && release.version.build.as_str() == architecture)
}

fn named(risks: &[Known<'_>]) -> Vec<Named> {
    risks
        .iter()
        .map(|known| Named {
            file: known.file.to_owned(),
            risk: known.risk.clone(),
        })
        .collect()
}

fn told(why: &Why<'_>) -> Reason {
    Reason::new(why.reason(), why.to_string())
}

fn core(version: &Version) -> Version {
    Version {
        build: BuildMetadata::EMPTY,
        ..version.clone()
    }
}

fn parse(version: &str) -> Result<Version, NoExplanation> {
    match Version::parse(version) {
        Ok(version) => Ok(core(&version)),
        Err(_) => Err(NoExplanation::InvalidVersion {
            version: version.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
