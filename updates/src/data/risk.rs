//! A known issue, and how a cluster finds out whether it has it.

use serde::{Deserialize, Serialize};

/// A known issue that an edge brings.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Risk {
    /// The rules by which a cluster finds out, in order: the first that can be evaluated decides.
    #[serde(rename = "matchingRules", default)]
    pub matching_rules: Vec<Rule>,
    /// What happens.
    #[serde(default)]
    pub message: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Where to read more.
    #[serde(default)]
    pub url: String,
}

/// One rule. Of a type that is not known only the type is kept, as the reference does.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// The query of a `PromQL` rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promql: Option<Query>,
    /// `Always`, `PromQL`, or what a later format brings.
    #[serde(rename = "type")]
    pub kind: String,
}

/// The query of a `PromQL` rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Query {
    /// It gives one sample: 1 for a cluster that has the issue, 0 for one that has not.
    pub promql: String,
}

impl Rule {
    /// Whether a client of today can evaluate it.
    pub fn is_known(&self) -> bool {
        match self.kind.as_str() {
            "Always" => true,
            "PromQL" => self
                .promql
                .as_ref()
                .is_some_and(|query| !query.promql.is_empty()),
            _ => false,
        }
    }

    /// Without parameters that do not belong to its type.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        if self.kind != "PromQL" {
            self.promql = None;
        }
        self
    }
}
