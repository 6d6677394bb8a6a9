//! The answer on the wire: graph JSON version 1, as clients and other update services read it.
//!
//! # Guarantees
//! One answer gives one text: keys and groups are in a fixed order, so that replicas agree on its hash. Reading ignores
//! keys that are not known.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};

use crate::answer::{Answer, Shown};
use crate::data::Risk;
use crate::graph::RiskList;
use crate::keys;

/// What a query holds as it is: all that channels, architectures and versions have but `+`.
pub(crate) const IN_A_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
/// The version of the format.
pub const FORMAT: u32 = 1;

/// Writes an answer.
pub fn write(answer: &Answer<'_>) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&OnTheWire(answer))
}

struct OnTheWire<'a>(&'a Answer<'a>);

impl Serialize for OnTheWire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let answer = self.0;
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("version", &FORMAT)?;
        map.serialize_entry("nodes", &Nodes(&answer.releases))?;
        map.serialize_entry("edges", &answer.edges)?;
        map.serialize_entry("conditionalEdges", &Groups(answer))?;
        map.end()
    }
}

struct Nodes<'a>(&'a [Shown<'a>]);

impl Serialize for Nodes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        for shown in self.0 {
            seq.serialize_element(&Node {
                version: &shown.version,
                payload: shown.release.payload.as_deref().unwrap_or_default(),
                metadata: Shared(&shown.release.metadata),
            })?;
        }
        seq.end()
    }
}

#[derive(Serialize)]
struct Node<'a> {
    version: &'a str,
    payload: &'a str,
    metadata: Shared<'a>,
}

/// Metadata without the architecture, which the client has asked for.
struct Shared<'a>(&'a BTreeMap<String, String>);

impl Serialize for Shared<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(shared(self.0))
    }
}

fn shared(metadata: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    let kept = |(key, _): &(&String, &String)| *key != keys::ARCHITECTURE;
    metadata.iter().filter(kept)
}

/// Conditional edges, those with the same known issues together.
struct Groups<'a>(&'a Answer<'a>);

impl Serialize for Groups<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let groups = groups(self.0);
        let mut seq = serializer.serialize_seq(Some(groups.len()))?;
        for group in &groups {
            seq.serialize_element(group)?;
        }
        seq.end()
    }
}

fn groups<'a>(answer: &'a Answer<'_>) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<RiskList, Vec<Pair<'_>>> = BTreeMap::new();
    for (from, to, risks) in &answer.conditional {
        groups.entry(*risks).or_default().push(Pair {
            from: answer.version(*from),
            to: answer.version(*to),
        });
    }
    let risks = |list| {
        let risks = answer.graph.risk_list(list).iter();
        risks
            .filter_map(|risk| answer.graph.risks().get(*risk as usize))
            .collect()
    };
    groups
        .into_iter()
        .map(|(list, edges)| Group {
            edges,
            risks: risks(list),
        })
        .collect()
}

#[derive(Serialize)]
struct Group<'a> {
    edges: Vec<Pair<'a>>,
    risks: Vec<&'a Risk>,
}

#[derive(Serialize)]
struct Pair<'a> {
    from: &'a str,
    to: &'a str,
}

/// An answer as a client reads it, from any update service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Received {
    /// The releases.
    pub nodes: Vec<ReceivedRelease>,
    /// From, to: places among [`Self::nodes`].
    pub edges: Vec<(usize, usize)>,
    /// Edges with known issues.
    #[serde(default, rename = "conditionalEdges")]
    pub conditional: Option<Vec<ReceivedGroup>>,
}

/// A release as a client reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ReceivedRelease {
    /// Its version, without architecture.
    pub version: String,
    /// Its image.
    #[serde(default)]
    pub payload: String,
    /// What is said of it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// Edges with the same known issues, as a client reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ReceivedGroup {
    /// The edges.
    pub edges: Vec<ReceivedPair>,
    /// The known issues.
    pub risks: Vec<Risk>,
}

/// An edge by version, as a client reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ReceivedPair {
    /// Where it starts.
    pub from: String,
    /// Where it leads.
    pub to: String,
}

impl From<&Answer<'_>> for Received {
    /// What a client reads of an answer, without its bytes in between.
    fn from(answer: &Answer<'_>) -> Self {
        let release = |shown: &Shown<'_>| ReceivedRelease {
            version: shown.version.clone(),
            payload: shown.release.payload.clone().unwrap_or_default(),
            metadata: shared(&shown.release.metadata)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        };
        let group = |group: Group<'_>| ReceivedGroup {
            edges: group
                .edges
                .iter()
                .map(|pair| ReceivedPair {
                    from: pair.from.to_owned(),
                    to: pair.to.to_owned(),
                })
                .collect(),
            risks: group.risks.into_iter().cloned().collect(),
        };
        Self {
            nodes: answer.releases.iter().map(release).collect(),
            edges: answer.edges.clone(),
            conditional: Some(groups(answer).into_iter().map(group).collect()),
        }
    }
}
