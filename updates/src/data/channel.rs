//! A file of `channels`: which releases a channel holds.

use semver::Version;
use serde::Deserialize;

use super::place::{line_of, unreadable};
use super::problem::{About, Problem};

/// A channel. Its `feeder` and `tombstones` are for the people who promote releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// The file that says so.
    pub file: String,
    /// Its name.
    pub name: String,
    /// The releases; one without build metadata is every architecture's.
    pub versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Written {
    name: String,
    versions: Vec<String>,
}

/// Reads one file. An entry that is no version is told, and the others are the channel's.
pub(super) fn read(
    file: &str,
    contents: &[u8],
    problems: &mut Vec<Problem>,
) -> Result<Channel, Problem> {
    let text = std::str::from_utf8(contents).map_err(|_| Problem {
        file: file.to_owned(),
        line: None,
        field: None,
        says: "it is not UTF-8 text".to_owned(),
        about: About::NoEdge,
    })?;
    let written: Written = serde_saphyr::from_str(text)
        .map_err(|error| unreadable(file, text, &error, About::NoEdge))?;
    let mut versions = Vec::with_capacity(written.versions.len());
    for entry in written.versions {
        match Version::parse(&entry) {
            Ok(version) => versions.push(version),
            Err(error) => problems.push(Problem {
                file: file.to_owned(),
                line: line_holding(text, &entry).or_else(|| line_of(text, "versions")),
                field: Some("versions".to_owned()),
                says: format!("`{entry}` is not a semantic version: {error}"),
                about: About::NoEdge,
            }),
        }
    }
    Ok(Channel {
        file: file.to_owned(),
        name: written.name,
        versions,
    })
}

fn line_holding(text: &str, entry: &str) -> Option<u64> {
    let at = text.lines().position(|line| {
        let item = line.trim_start().strip_prefix("- ").unwrap_or_default();
        let item = item.split(" #").next().unwrap_or_default();
        item.trim().trim_matches(['"', '\'']) == entry
    })?;
    u64::try_from(at).ok().map(|at| at + 1)
}
