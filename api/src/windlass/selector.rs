//! A label selector read strictly.
//!
//! The field's own type skips what it does not know, and an empty selector selects everything: a
//! misspelt `matchLabel` would turn a policy for one pool into one for all.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Strict {
    #[serde(default)]
    match_labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    match_expressions: Option<Vec<StrictRequirement>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictRequirement {
    key: String,
    operator: String,
    #[serde(default)]
    values: Option<Vec<String>>,
}

/// Reads a label selector and refuses fields that it does not have.
pub(crate) fn strict<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<LabelSelector, D::Error> {
    let strict = Strict::deserialize(deserializer)?;
    let requirement = |strict: StrictRequirement| LabelSelectorRequirement {
        key: strict.key,
        operator: strict.operator,
        values: strict.values,
    };
    Ok(LabelSelector {
        match_labels: strict.match_labels,
        match_expressions: strict
            .match_expressions
            .map(|expressions| expressions.into_iter().map(requirement).collect()),
    })
}
