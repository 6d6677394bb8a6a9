//! Label selectors, with the API server's rules: what it refuses is refused here, with the same words.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A label selector, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(Result<Vec<Requirement>, Arc<str>>);

/// One thing that a label must be. All of a selector's must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

/// Longest name and value of a label: the API server's limit.
const LABEL_CHARS_MAX: usize = 63;
/// Longest prefix of a label's key: the API server's limit, that of a DNS name.
const PREFIX_CHARS_MAX: usize = 253;

impl Selector {
    /// Selects nothing: what an absent or empty node selector means to a pool (2.2).
    pub const fn nothing() -> Self {
        Self(Ok(Vec::new()))
    }

    /// Selects what has this label, of any value.
    pub fn has(key: &str) -> Self {
        Self(Ok(vec![Requirement {
            key: key.to_owned(),
            operator: Operator::Exists,
        }]))
    }

    /// Reads a selector; what is wrong with it is kept and told by [`Self::matches`].
    pub fn read(selector: Option<&LabelSelector>) -> Self {
        Self(selector.map_or_else(|| Ok(Vec::new()), requirements))
    }

    /// Whether labels are selected; an empty selector selects nothing. The error is what is wrong with the selector.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> Result<bool, &Arc<str>> {
        let requirements = self.0.as_ref()?;
        Ok(!requirements.is_empty() && requirements.iter().all(|one| one.holds(labels)))
    }

    /// As [`Self::matches`], but an empty selector selects everything: what it means in a RolloutPolicy.
    pub fn matches_or_is_empty(
        &self,
        labels: &BTreeMap<String, String>,
    ) -> Result<bool, &Arc<str>> {
        Ok(self.0.as_ref()?.iter().all(|one| one.holds(labels)))
    }

    /// The keys of the labels that it looks at.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let requirements = self.0.iter().flatten();
        requirements.map(|requirement| requirement.key.as_str())
    }

    /// Whether it asks for nothing, and so selects nothing.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_ok_and(Vec::is_empty)
    }
}

impl fmt::Display for Selector {
    /// As `kubectl get -l` takes it: `tier in (a,b),!gpu`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requirements = match &self.0 {
            Ok(requirements) => requirements,
            Err(error) => return f.write_str(error),
        };
        for (index, Requirement { key, operator }) in requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match operator {
                Operator::In(values) => match values.as_slice() {
                    [value] => write!(f, "{key}={value}")?,
                    values => write!(f, "{key} in ({})", values.join(","))?,
                },
                Operator::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Operator::Exists => f.write_str(key)?,
                Operator::DoesNotExist => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

fn requirements(selector: &LabelSelector) -> Result<Vec<Requirement>, Arc<str>> {
    let labels = selector.match_labels.iter().flatten().map(|(key, value)| {
        let operator = Operator::In(vec![value.clone()]);
        Requirement {
            key: key.clone(),
            operator,
        }
    });
    let mut all: Vec<Requirement> = labels.collect();
    for expression in selector.match_expressions.iter().flatten() {
        let values = expression.values.clone().unwrap_or_default();
        let operator = match expression.operator.as_str() {
            "In" => Operator::In(values),
            "NotIn" => Operator::NotIn(values),
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                return Err("values: must be empty for Exists and DoesNotExist".into());
            }
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => return Err(format!("{other:?} is not a valid label selector operator").into()),
        };
        all.push(Requirement {
            key: expression.key.clone(),
            operator,
        });
    }
    for Requirement { key, operator } in &all {
        if !is_key(key) {
            return Err(format!("key: {key:?} is not the key of a label").into());
        }
        if let Operator::In(values) | Operator::NotIn(values) = operator {
            if values.is_empty() {
                return Err("values: must not be empty for In and NotIn".into());
            }
            if let Some(value) = values
                .iter()
                .find(|value| !(value.is_empty() || is_word(value)))
            {
                return Err(format!("values: {value:?} is not the value of a label").into());
            }
        }
    }
    Ok(all)
}

/// `name` or `prefix/name`.
fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_word(key),
        Some((prefix, name)) => is_prefix(prefix) && is_word(name),
    }
}

/// Letters, digits, `-`, `_` and `.`, of which the first and last must be letter or digit.
fn is_word(word: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = word.as_bytes();
    bytes.len() <= LABEL_CHARS_MAX
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().copied().all(inner)
}

/// A DNS name (RFC 1123), in lower case.
fn is_prefix(prefix: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        let bytes = label.as_bytes();
        let ends = |byte: Option<&u8>| byte.is_some_and(|byte| *byte != b'-');
        bytes.iter().all(inner) && ends(bytes.first()) && ends(bytes.last())
    };
    prefix.len() <= PREFIX_CHARS_MAX && prefix.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selector(json: serde_json::Value) -> Selector {
        Selector::read(Some(&serde_json::from_value(json).expect("a selector")))
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn all_requirements_must_hold() {
        let selector = selector(json!({
            "matchLabels": {"tier": "a"},
            "matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}],
        }));

        assert_eq!(selector.matches(&labels(&[("tier", "a")])), Ok(true));
        assert_eq!(
            selector.matches(&labels(&[("tier", "a"), ("gpu", "")])),
            Ok(false)
        );
        assert_eq!(selector.to_string(), "tier=a,!gpu");
    }

    #[test]
    fn a_label_that_is_not_there_is_not_in_a_set() {
        let json =
            json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a"]}]});
        let selector = selector(json);

        assert_eq!(selector.matches(&labels(&[])), Ok(true));
        assert_eq!(selector.matches(&labels(&[("tier", "a")])), Ok(false));
    }

    #[test]
    fn what_the_api_server_refuses_is_refused() {
        for bad in [
            json!({"matchExpressions": [{"key": "tier", "operator": "In"}]}),
            json!({"matchExpressions": [{"key": "tier", "operator": "Bogus"}]}),
            json!({"matchExpressions": [{"key": "tier", "operator": "Exists", "values": ["x"]}]}),
            json!({"matchLabels": {"bad key!": "x"}}),
            json!({"matchLabels": {"Upper.example/x": "x"}}),
            json!({"matchLabels": {"ok": "not a valid value!"}}),
        ] {
            let read = selector(bad.clone());
            assert!(read.matches(&labels(&[])).is_err(), "{bad}");
        }
    }
}
