//! `raw/verification.json`: which release images somebody has verified the signatures of.
//!
//! # Guarantees
//! A result is about an image by its digest, never about a version: what is pushed under the same version later is not
//! verified by it. Where verification is required, all that cannot be read verifies nothing.
//!
//! # Not here
//! Signatures and keys: whoever writes the file has checked them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::problem::{About, Problem};
use super::{Tree, VERIFICATION};

/// Results, and whether they are required.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// By digest, as `sha256:<hex>`.
    results: BTreeMap<String, Checked>,
    required: bool,
    /// Whether the file is there and could be read at all.
    state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Missing,
    Unreadable,
    Read,
}

/// One result.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checked {
    /// Whether a trusted key has signed it.
    verified: bool,
    /// Who says so, or why not: for people.
    #[serde(default)]
    says: String,
}

/// Reads the file, which may be missing.
pub(super) fn read(tree: &Tree, problems: &mut Vec<Problem>) -> Verification {
    let mut verification = Verification::default();
    let Some(contents) = tree.files.get(VERIFICATION) else {
        return verification;
    };
    let problem = |line, field, says| Problem {
        file: VERIFICATION.to_owned(),
        line,
        field,
        says,
        about: About::NoEdge,
    };
    let written: BTreeMap<String, Value> = match serde_json::from_slice(contents) {
        Ok(written) => written,
        Err(error) => {
            verification.state = State::Unreadable;
            let line = u64::try_from(error.line()).ok();
            problems.push(problem(line, None, error.to_string()));
            return verification;
        }
    };
    verification.state = State::Read;
    for (digest, result) in written {
        match serde_json::from_value(result) {
            Ok(checked) => {
                verification.results.insert(digest, checked);
            }
            Err(error) => {
                let line = super::metadata::line_of_key(contents, &digest);
                problems.push(problem(line, Some(digest), error.to_string()));
            }
        }
    }
    verification
}

impl Verification {
    /// From now on releases that are not verified are set aside. Without any results that can be read, that is all of them,
    /// so the graph must not take the place of a better one.
    pub(super) fn require(&mut self, problems: &mut Vec<Problem>) {
        self.required = true;
        match self.state {
            State::Read => {}
            State::Missing => problems.push(Problem {
                file: VERIFICATION.to_owned(),
                line: None,
                field: None,
                says: "signatures are required, and graph data has no such file".to_owned(),
                about: About::EveryEdge,
            }),
            State::Unreadable => {
                let of_file = |problem: &&mut Problem| problem.file == VERIFICATION;
                for problem in problems.iter_mut().filter(of_file) {
                    problem.about = About::EveryEdge;
                }
            }
        }
    }

    /// Why the release with this image must be set aside; none if it need not.
    pub(crate) fn refusal(&self, payload: &str) -> Option<String> {
        if !self.required {
            return None;
        }
        let Some((_, digest)) = payload.split_once('@') else {
            return Some("its image is not named by a digest".to_owned());
        };
        match self.results.get(digest) {
            None => Some(format!("{VERIFICATION} has no result for {digest}")),
            Some(Checked {
                verified: false,
                says,
            }) if says.is_empty() => Some(format!("{VERIFICATION} says that it is not")),
            Some(Checked {
                verified: false,
                says,
            }) => Some(format!("{VERIFICATION} says: {says}")),
            Some(_) => None,
        }
    }
}
