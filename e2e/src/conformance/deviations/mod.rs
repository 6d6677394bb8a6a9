//! Deviations: where Windlass answers other than the reference, on purpose.
//!
//! Guarantees: a rule decides from the case's input alone whether it holds, predicts the answer from input and
//! expectation alone, and changes only the fields that it names; a rule that changes another field is an error.
//! Nothing here uses the rooms under test (a test holds it), so that a prediction cannot be an echo of the answer.
//!
//! Each rule has a section of the same name in `docs/deviations.md`, which says why; a test holds the two together.

mod ignition;
mod registries;

use serde_json::Value;
use thiserror::Error;

/// One deviation.
pub struct Rule {
    /// Its name, and the heading of its section in `docs/deviations.md`.
    pub name: &'static str,
    /// The corpus whose cases it can touch.
    pub corpus: &'static str,
    /// The top-level fields of `expected` that it may change, add or take away.
    pub fields: &'static [&'static str],
    /// Whether it holds for an input.
    pub applies: fn(&Value) -> bool,
    /// From input and expectation to what Windlass answers.
    pub predict: fn(&Value, &Value) -> Value,
}

/// Every rule, in the order in which they are applied.
pub const RULES: &[Rule] = &[
    ignition::SPEC2_IS_REFUSED,
    ignition::SPEC2_IS_NOT_MERGED,
    registries::GZIP_IS_READ,
];

/// What Windlass is expected to answer to a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The expectation after the rules.
    pub expected: Value,
    /// The rules that changed it.
    pub rules: Vec<&'static str>,
}

/// A rule that does what it may not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("deviation {rule} changes field {field:?}, which it does not name")]
pub struct Overreach {
    /// The rule's name.
    pub rule: &'static str,
    /// The field that it changed.
    pub field: String,
}

/// Applies the rules of a corpus to one case.
pub fn predict(corpus: &str, input: &Value, expected: &Value) -> Result<Prediction, Overreach> {
    let mut prediction = Prediction {
        expected: expected.clone(),
        rules: Vec::new(),
    };
    for rule in RULES
        .iter()
        .filter(|rule| rule.corpus == corpus && (rule.applies)(input))
    {
        let predicted = (rule.predict)(input, &prediction.expected);
        if let Some(field) = changed(&prediction.expected, &predicted)
            .find(|field| !rule.fields.contains(&field.as_str()))
        {
            return Err(Overreach {
                rule: rule.name,
                field,
            });
        }
        if predicted != prediction.expected {
            prediction.rules.push(rule.name);
            prediction.expected = predicted;
        }
    }
    Ok(prediction)
}

/// Top-level fields in which two expectations differ.
fn changed<'a>(before: &'a Value, after: &'a Value) -> impl Iterator<Item = String> + 'a {
    let keys = |value: &'a Value| {
        value
            .as_object()
            .into_iter()
            .flat_map(|object| object.keys())
    };
    keys(before)
        .chain(keys(after))
        .filter(|key| before.get(*key) != after.get(*key))
        .cloned()
}
