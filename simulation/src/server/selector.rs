//! Label and field selectors: their grammar, its errors, and what they match.
//!
//! The grammar is the one of the Kubernetes API conventions (labels: `=`, `==`, `!=`, `in`, `notin`, `>`, `<`, existence;
//! fields: `=`, `==`, `!=`). A selector that does not parse is a `BadRequest` in the words of the real server.

use serde_json::Value;

use super::refusal::Refusal;
use super::{naming, value};

/// A parsed label selector: all requirements must hold. None: everything matches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Sign(&'static str),
    End,
}

impl Token {
    fn shown(&self) -> &str {
        match self {
            Token::Word(word) => word,
            Token::Sign(sign) => sign,
            Token::End => "",
        }
    }
}

fn tokens(text: &str) -> Vec<Token> {
    const SIGNS: [&str; 9] = ["==", "!=", "=", "!", ",", "(", ")", ">", "<"];
    let mut rest = text;
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            found.push(Token::End);
            return found;
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            found.push(Token::Sign(sign));
            rest = rest.get(sign.len()..).unwrap_or_default();
            continue;
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || "=!,()<>".contains(c))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        found.push(Token::Word(word.to_owned()));
        rest = after;
    }
}

struct Reader {
    tokens: std::collections::VecDeque<Token>,
}

impl Reader {
    fn peek(&self) -> &Token {
        self.tokens.front().unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        self.tokens.pop_front().unwrap_or(Token::End)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == &Token::Sign("!");
        if absent {
            self.next();
        }
        let key = match self.next() {
            Token::Word(word) => word,
            other => {
                return Err(format!("found '{}', expected: identifier", other.shown()));
            }
        };
        if absent {
            return Ok(Requirement {
                key,
                rule: Rule::Absent,
            });
        }
        if matches!(self.peek(), Token::End | Token::Sign(",")) {
            return Ok(Requirement {
                key,
                rule: Rule::Exists,
            });
        }
        let operator = self.next();
        let rule = match &operator {
            Token::Sign("=" | "==") => Rule::In(vec![self.exact_value()?]),
            Token::Sign("!=") => Rule::NotIn(vec![self.exact_value()?]),
            Token::Sign(">") => Rule::Above(self.number()?),
            Token::Sign("<") => Rule::Below(self.number()?),
            Token::Word(word) if word == "in" => Rule::In(self.values()?),
            Token::Word(word) if word == "notin" => Rule::NotIn(self.values()?),
            other => {
                return Err(format!(
                    "found '{}', expected: in, notin, =, ==, !=, gt, lt",
                    other.shown()
                ));
            }
        };
        if let Rule::In(values) | Rule::NotIn(values) = &rule {
            check_values(&key, values)?;
        }
        Ok(Requirement { key, rule })
    }

    fn exact_value(&mut self) -> Result<String, String> {
        match self.peek() {
            Token::End | Token::Sign(",") => Ok(String::new()),
            Token::Word(_) => Ok(self.next().shown().to_owned()),
            other @ Token::Sign(_) => {
                Err(format!("found '{}', expected: identifier", other.shown()))
            }
        }
    }

    fn number(&mut self) -> Result<i64, String> {
        let shown = self.exact_value()?;
        shown.parse().map_err(|_| {
            format!(
                "values[0]: Invalid value: {shown:?}: for 'Gt', 'Lt' operators, the value must be an integer"
            )
        })
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.next() {
            Token::Sign("(") => {}
            other => return Err(format!("found '{}' expected: '('", other.shown())),
        }
        let mut values = Vec::new();
        loop {
            match self.next() {
                Token::Word(word) => values.push(word),
                Token::Sign(")") => {
                    // Between the parentheses stands at least one value, if only an empty one.
                    if values.is_empty() {
                        values.push(String::new());
                    }
                    return Ok(values);
                }
                Token::Sign(",") => {}
                other => return Err(format!("found '{}', expected: ',' or ')'", other.shown())),
            }
        }
    }
}

/// Values of a selector are labels' values.
fn check_values(key: &str, values: &[String]) -> Result<(), String> {
    for (place, value) in values.iter().enumerate() {
        if let Some(why) = naming::wrong_label_value(value).first() {
            return Err(format!(
                "values[{place}][{key}]: Invalid value: {value:?}: {why}"
            ));
        }
    }
    Ok(())
}

impl LabelSelector {
    /// Parses the value of `labelSelector`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut reader = Reader {
            tokens: tokens(text).into(),
        };
        let mut requirements = Vec::new();
        match reader.peek() {
            Token::End => return Ok(Self::default()),
            Token::Word(_) | Token::Sign("!") => {}
            other @ Token::Sign(_) => {
                return Err(Refusal::bad_request(format!(
                    "found '{}', expected: !, identifier, or 'end of string'",
                    other.shown()
                )));
            }
        }
        loop {
            let requirement = reader.requirement().map_err(|why| {
                Refusal::bad_request(format!("unable to parse requirement: {why}"))
            })?;
            requirements.push(requirement);
            match reader.next() {
                Token::End => return Ok(Self(requirements)),
                Token::Sign(",") => match reader.peek() {
                    Token::Word(_) | Token::Sign("!") => {}
                    other => {
                        return Err(Refusal::bad_request(format!(
                            "found '{}', expected: identifier after ','",
                            other.shown()
                        )));
                    }
                },
                other => {
                    return Err(Refusal::bad_request(format!(
                        "found '{}', expected: ',' or 'end of string'",
                        other.shown()
                    )));
                }
            }
        }
    }

    /// The selector of an object's field (`matchLabels`, `matchExpressions`). An empty one matches everything.
    pub fn from_object(selector: &Value) -> Self {
        let mut requirements = Vec::new();
        for (key, wanted) in value::map(selector, &["matchLabels"]).into_iter().flatten() {
            let wanted = wanted.as_str().unwrap_or_default().to_owned();
            requirements.push(Requirement {
                key: key.clone(),
                rule: Rule::In(vec![wanted]),
            });
        }
        for expression in value::list(selector, &["matchExpressions"]) {
            let values: Vec<String> = value::list(expression, &["values"])
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            let rule = match value::text(expression, &["operator"]) {
                "In" => Rule::In(values),
                "NotIn" => Rule::NotIn(values),
                "DoesNotExist" => Rule::Absent,
                _ => Rule::Exists,
            };
            let key = value::text(expression, &["key"]).to_owned();
            requirements.push(Requirement { key, rule });
        }
        Self(requirements)
    }

    /// Whether there is nothing to match.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the object's labels match.
    pub fn matches(&self, object: &Value) -> bool {
        let labels = value::map(object, &["metadata", "labels"]);
        self.0.iter().all(|requirement| {
            let label = labels
                .and_then(|labels| labels.get(&requirement.key))
                .and_then(Value::as_str);
            let number = || label.and_then(|label| label.parse::<i64>().ok());
            match &requirement.rule {
                Rule::Exists => label.is_some(),
                Rule::Absent => label.is_none(),
                Rule::In(values) => label.is_some_and(|label| values.iter().any(|v| v == label)),
                Rule::NotIn(values) => {
                    !label.is_some_and(|label| values.iter().any(|v| v == label))
                }
                Rule::Above(limit) => number().is_some_and(|number| number > *limit),
                Rule::Below(limit) => number().is_some_and(|number| number < *limit),
            }
        })
    }
}

/// A parsed field selector: all terms must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldSelector(Vec<FieldTerm>);

/// One term of a field selector.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldTerm {
    /// The field's path with dots.
    pub field: String,
    /// The value it is compared with.
    pub value: String,
    /// Whether it must be equal, or must not.
    pub equal: bool,
}

impl FieldSelector {
    /// Parses the value of `fieldSelector`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut terms = Vec::new();
        for term in text.split(',').filter(|term| !term.is_empty()) {
            let (field, value, equal) = if let Some((field, value)) = term.split_once("!=") {
                (field, value, false)
            } else if let Some((field, value)) = term.split_once("==") {
                (field, value, true)
            } else if let Some((field, value)) = term.split_once('=') {
                (field, value, true)
            } else {
                return Err(Refusal::bad_request(format!(
                    "invalid selector: '{text}'; can't understand '{term}'"
                )));
            };
            terms.push(FieldTerm {
                field: field.to_owned(),
                value: value.to_owned(),
                equal,
            });
        }
        Ok(Self(terms))
    }

    /// The terms.
    pub fn terms(&self) -> &[FieldTerm] {
        &self.0
    }

    /// Whether the object's fields match. An absent field reads as empty, a number or truth value as its text.
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|term| {
            let path: Vec<&str> = match term.field.as_str() {
                // An event is selected by the component that it comes from.
                "source" => vec!["source", "component"],
                field => field.split('.').collect(),
            };
            let found = match value::get(object, &path) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None if BOOLEAN_FIELDS.contains(&term.field.as_str()) => "false".to_owned(),
                None => String::new(),
            };
            (found == term.value) == term.equal
        })
    }
}

/// Fields whose absence means `false`.
const BOOLEAN_FIELDS: [&str; 2] = ["spec.unschedulable", "spec.hostNetwork"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(selector: &str, labels: &Value) -> bool {
        LabelSelector::parse(selector)
            .unwrap()
            .matches(&json!({ "metadata": { "labels": labels } }))
    }

    #[test]
    fn each_operator_selects_what_it_says() {
        let labels = json!({ "app": "a", "n": "4" });
        for selector in [
            "",
            "app",
            "app=a",
            "app==a",
            "app in (a, b)",
            "app notin (b)",
            "!x",
            "x!=1",
            "n>3",
            "app=a,n<5",
        ] {
            assert!(selects(selector, &labels), "{selector}");
        }
        for selector in [
            "x",
            "app=b",
            "app!=a",
            "app notin (a)",
            "!app",
            "n>4",
            "app=",
        ] {
            assert!(!selects(selector, &labels), "{selector}");
        }
    }

    #[test]
    fn a_selector_that_does_not_parse_is_refused_in_the_words_of_the_real_server() {
        let sentence = |selector| LabelSelector::parse(selector).unwrap_err().message;
        assert_eq!(
            sentence("bad key=1"),
            "unable to parse requirement: found 'key', expected: in, notin, =, ==, !=, gt, lt"
        );
        assert_eq!(
            sentence("app=a=b"),
            "found '=', expected: ',' or 'end of string'"
        );
    }

    #[test]
    fn a_field_that_is_absent_reads_as_empty() {
        let pod = json!({ "metadata": { "name": "p" }, "spec": { "nodeName": "n1" } });
        let selects = |text| FieldSelector::parse(text).unwrap().matches(&pod);
        assert!(selects(
            "spec.nodeName=n1,status.phase!=Failed,metadata.namespace="
        ));
        assert!(!selects("spec.nodeName!=n1"));
    }
}
