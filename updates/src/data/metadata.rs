//! `raw/metadata.json`: metadata that is added to what releases say of themselves.

use std::collections::BTreeMap;

use semver::Version;

use super::problem::{About, Problem, Unusable};
use super::{RAW_METADATA, Tree};
use crate::keys;

/// More metadata, by release; one without build metadata is every architecture's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(pub Vec<(Version, BTreeMap<String, String>)>);

/// Reads the file. An entry whose release is no version is told; every other fault is in the file as a whole.
pub(super) fn read(tree: &Tree, problems: &mut Vec<Problem>) -> Result<Metadata, Unusable> {
    let contents = tree
        .files
        .get(RAW_METADATA)
        .ok_or(Unusable::Missing { what: RAW_METADATA })?;
    let written: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_slice(contents)
        .map_err(|error| Unusable::Metadata {
            file: RAW_METADATA,
            line: error.line(),
            says: error.to_string(),
        })?;
    let mut metadata = Metadata::default();
    for (release, entries) in written {
        match Version::parse(&release) {
            Ok(version) => metadata.0.push((version, entries)),
            Err(error) => problems.push(Problem {
                file: RAW_METADATA.to_owned(),
                line: line_of_key(contents, &release),
                field: Some(release.clone()),
                says: format!("`{release}` is not a semantic version: {error}"),
                about: if entries.keys().any(|key| keys::may_take_away(key)) {
                    About::EveryEdge
                } else {
                    About::NoEdge
                },
            }),
        }
    }
    Ok(metadata)
}

pub(super) fn line_of_key(contents: &[u8], key: &str) -> Option<u64> {
    let quoted = format!("{key:?}");
    let text = std::str::from_utf8(contents).ok()?;
    let at = text.lines().position(|line| line.contains(&quoted))?;
    u64::try_from(at).ok().map(|at| at + 1)
}
