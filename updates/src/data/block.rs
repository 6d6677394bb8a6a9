//! A file of `blocked-edges`: edges into one release that are blocked, or bring a known issue.
//!
//! # Guarantees
//! A file with exactly `to` and `from` blocks; one with all six fields names a known issue (others are passed over:
//! `fixedIn` and `autoExtend` are for the people who keep the data). Whatever is neither is a [`Problem`], about the
//! release of its `to` if that can be read, else about those of its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use regex::{Regex, RegexBuilder};
use semver::Version;
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::place::{line_of, unreadable};
use super::problem::{About, Problem};
use super::risk::{Risk, Rule};

/// Edges into one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The file that says so, below the graph-data folder.
    pub file: String,
    /// The release; without build metadata it is every architecture's.
    pub to: Version,
    /// A regular expression, not anchored, over version and architecture (`4.16.20+amd64`) of where edges start.
    pub from: String,
    /// The known issue of such an edge; none: the edge is blocked for everybody.
    pub risk: Option<Risk>,
}

/// A compiled pattern takes no more memory than this: ten times the largest of the real repository.
const PATTERN_BYTES_MAX: usize = 4 << 20;

/// Compiles a pattern of graph data or metadata within its bound.
pub(crate) fn pattern(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .size_limit(PATTERN_BYTES_MAX)
        .build()
}

/// The fields of a file, each as it is written.
#[derive(Default)]
struct Fields {
    to: Option<String>,
    from: Option<String>,
    url: Option<String>,
    name: Option<String>,
    message: Option<String>,
    rules: Option<Vec<Rule>>,
    others: BTreeSet<String>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping with `to` and `from`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "to" => fields.to = Some(map.next_value()?),
                "from" => fields.from = Some(map.next_value()?),
                "url" => fields.url = Some(map.next_value()?),
                "name" => fields.name = Some(map.next_value()?),
                "message" => fields.message = Some(map.next_value()?),
                "matchingRules" => fields.rules = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    fields.others.insert(key);
                }
            }
        }
        Ok(fields)
    }
}

/// Reads one file.
pub(super) fn read(file: &str, contents: &[u8]) -> Result<Block, Problem> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let Ok(text) = std::str::from_utf8(contents) else {
        return Err(Problem {
            file: file.to_owned(),
            line: None,
            field: None,
            says: "it is not UTF-8 text".to_owned(),
            about: About::of_name(name),
        });
    };
    let about = about(name, text);
    let fields: Fields = serde_saphyr::from_str(text)
        .map_err(|error| unreadable(file, text, &error, about.clone()))?;
    let wrong = |field: &str, says: String| Problem {
        file: file.to_owned(),
        line: line_of(text, field).or(Some(1)),
        field: Some(field.to_owned()),
        says,
        about: about.clone(),
    };
    let missing = |field: &str| wrong(field, format!("`{field}` is missing"));
    let to = fields.to.as_deref().ok_or_else(|| missing("to"))?;
    let to = Version::parse(to)
        .map_err(|error| wrong("to", format!("`{to}` is not a semantic version: {error}")))?;
    let from = fields.from.clone().ok_or_else(|| missing("from"))?;
    pattern(&from).map_err(|error| {
        let error = error.to_string();
        let last = error.lines().last().unwrap_or_default();
        wrong(
            "from",
            format!("`{from}` is not a regular expression: {last}"),
        )
    })?;
    Ok(Block {
        file: file.to_owned(),
        to,
        from,
        risk: fields.risk().map_err(|(field, says)| wrong(&field, says))?,
    })
}

impl Fields {
    /// The known issue; none if the file is a block for everybody. An error names the field and what is wrong with it.
    fn risk(self) -> Result<Option<Risk>, (String, String)> {
        match (self.url, self.name, self.message, self.rules) {
            (None, None, None, None) => match self.others.into_iter().next() {
                None => Ok(None),
                Some(other) => {
                    let says = format!(
                        "`{other}` beside `to` and `from` alone: a file blocks with exactly those two, and names a known issue with `url`, `name`, `message` and `matchingRules`"
                    );
                    Err((other, says))
                }
            },
            (Some(url), Some(name), Some(message), Some(rules)) => Ok(Some(Risk {
                matching_rules: rules.into_iter().map(Rule::trimmed).collect(),
                message,
                name,
                url,
            })),
            (url, name, message, rules) => {
                let has = BTreeMap::from([
                    ("url", url.is_some()),
                    ("name", name.is_some()),
                    ("message", message.is_some()),
                    ("matchingRules", rules.is_some()),
                ]);
                let field = has.into_iter().find(|(_, has)| !has).map_or("", |(f, _)| f);
                let slip = match self.others.iter().next() {
                    Some(other) => format!(" (is `{other}` a slip?)"),
                    None => String::new(),
                };
                let says = format!("`{field}` is missing, so the known issue is not whole{slip}");
                Err((field.to_owned(), says))
            }
        }
    }
}

/// Which release a file is about, whatever else is wrong with it.
fn about(name: &str, text: &str) -> About {
    let written = text
        .lines()
        .filter_map(|line| line.strip_prefix("to:"))
        .map(|value| value.split(" #").next().unwrap_or_default())
        .map(|value| value.trim().trim_matches(['"', '\'']));
    let mut versions = BTreeSet::new();
    for value in written {
        match Version::parse(value) {
            Ok(version) => {
                versions.insert(version);
            }
            // A `to` that is no version might have been any.
            Err(_) => return About::of_name(name),
        }
    }
    if versions.is_empty() {
        About::of_name(name)
    } else {
        About::Into(versions)
    }
}
