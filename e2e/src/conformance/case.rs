//! One case: reading it and judging it.

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use super::comparison::{Mismatch, compare};
use super::{Corpus, deviations};

/// One line of a corpus.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Corpus and number.
    pub id: String,
    /// How the case was made; for people.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What the reference's function was given.
    pub input: Value,
    /// What it answered.
    pub expected: Value,
}

impl Case {
    /// Reads one line.
    pub fn read(line: &str) -> anyhow::Result<Self> {
        serde_json::from_str(line).context("the line is no case of a corpus")
    }
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The answer is the expected one, or the one that these rules predict.
    Passed {
        /// Names of the deviations that changed the expectation; mostly none.
        rules: Vec<&'static str>,
    },
    /// The answer is another one.
    Failed(Vec<Mismatch>),
}

/// Asks Windlass and compares.
pub fn judge(corpus: &dyn Corpus, case: &Case) -> Verdict {
    let failed = |what: String| {
        Verdict::Failed(vec![Mismatch {
            path: "case".to_owned(),
            what,
        }])
    };
    let prediction = match deviations::predict(corpus.name(), &case.input, &case.expected) {
        Ok(prediction) => prediction,
        Err(refused) => return failed(refused.to_string()),
    };
    let answer = match corpus.answer(&case.input) {
        Ok(answer) => answer,
        Err(error) => return failed(format!("{error:#}")),
    };
    let mismatches = compare(corpus, &prediction.expected, &answer);
    if mismatches.is_empty() {
        Verdict::Passed {
            rules: prediction.rules,
        }
    } else {
        Verdict::Failed(mismatches)
    }
}
