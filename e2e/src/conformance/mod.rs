//! Conformance: recorded cases of the reference's own functions, answered by Windlass.
//!
//! Guarantees: every field of a case's `expected` is compared with what Windlass answers; a field that Windlass does
//! not answer is a failure, and so is one that it answers in excess. What is exempt (wording, order where the
//! original has none) is said in one place per corpus, [`Corpus::strictness`]. Where Windlass deviates on purpose, a
//! named rule of [`deviations`] predicts its answer from the case alone, and the prediction is compared as strictly.
//!
//! Assumes: a case's id is its corpus's name, a dash and digits.
//!
//! | file | what is there |
//! | --- | --- |
//! | one per corpus | how Windlass is asked, and how its answer is brought into the shape of `expected` |
//! | `comparison` | two JSON values and where they differ |
//! | `deviations` | the rules; may not use the rooms under test |
//! | `case` | one case: reading it, judging it |
//! | `files` | the cases of a file |
//! | `report` | counting and telling |
//! | `self_check` | proof that a wrong answer would be seen, for each kind of field |

pub mod case;
pub mod comparison;
pub mod deviations;
pub mod files;
pub mod report;
pub mod self_check;

mod candidates;
mod disruption;
mod ignition_validate;
mod kargs;
mod machine_config;
mod merge;
mod objects;
mod pools;
mod reconcilable;
mod registries;
mod status;

use serde_json::Value;

pub use comparison::Strictness;

/// A set of cases about one function.
pub trait Corpus: Sync {
    /// The name, which the ids of its cases begin with.
    fn name(&self) -> &'static str;

    /// What Windlass answers to `input`, in the shape of `expected`.
    ///
    /// # Errors
    ///
    /// The input is not of the shape that this corpus has. That is a failed case, too.
    fn answer(&self, input: &Value) -> anyhow::Result<Value>;

    /// How strictly the value at `path` counts. `path` has `[]` for any position in a list and `*` for any key of
    /// an object in [`Corpus::keyed`]; `expected` is the whole expectation, which may say how strictly it is meant.
    fn strictness(&self, path: &str, expected: &Value) -> Strictness {
        let _ = (path, expected);
        Strictness::Exact
    }

    /// Paths of objects whose keys are names that the case chose.
    fn keyed(&self) -> &'static [&'static str] {
        &[]
    }

    /// Brings equal meanings into equal values before a comparison; applied to expectation and answer alike.
    fn normalise(&self, value: &mut Value) {
        let _ = value;
    }

    /// Top-level fields that Windlass always answers and that only some cases expect.
    fn answers_if_expected(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Every corpus that Windlass answers.
pub const CORPORA: &[&dyn Corpus] = &[
    &candidates::Candidates,
    &disruption::Disruption,
    &ignition_validate::IgnitionValidate,
    &kargs::Kargs,
    &merge::Merge,
    &pools::Pools,
    &reconcilable::Reconcilable,
    &registries::Registries,
    &status::Status,
];

/// The corpus of a case, from its id.
pub fn corpus_of(id: &str) -> Option<&'static dyn Corpus> {
    let (name, number) = id.rsplit_once('-')?;
    let numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    CORPORA
        .iter()
        .copied()
        .find(|corpus| numbered && corpus.name() == name)
}
