//! Two JSON values and where they differ.
//!
//! Guarantees: two values without a mismatch have the same keys, the same lengths and the same scalars everywhere,
//! except where the corpus says that less counts. Absent and null are not the same.

use serde_json::{Map, Value};

use super::Corpus;

/// How strictly a value counts.
#[derive(Clone, Copy)]
pub enum Strictness {
    /// Equal to the last character and in order.
    Exact,
    /// A list whose order does not count.
    Unordered,
    /// Text whose wording is free: that there is one, and that it says something, is all that counts.
    Wording,
    /// Judged by the whole expectation and the whole answer: what is wrong with it, if anything.
    Judged(fn(&Value, &Value) -> Option<String>),
}

/// One place where an answer is not what was expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// Where, with real keys and positions.
    pub path: String,
    /// What is wrong there.
    pub what: String,
}

/// Longest JSON shown of one side of a mismatch: enough to see the difference, short enough for a terminal.
const MAX_SHOWN: usize = 300;

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// All places where `answer` is not what `expected` says.
pub fn compare(corpus: &dyn Corpus, expected: &Value, answer: &Value) -> Vec<Mismatch> {
    let (mut expected, mut answer) = (expected.clone(), answer.clone());
    for field in corpus.answers_if_expected() {
        if let (None, Some(answer)) = (expected.get(field), answer.as_object_mut()) {
            answer.remove(*field);
        }
    }
    corpus.normalise(&mut expected);
    corpus.normalise(&mut answer);
    let mut walk = Walk {
        corpus,
        expected: &expected,
        answer: &answer,
        mismatches: Vec::new(),
    };
    walk.value(&Place::root(), &expected, &answer);
    walk.mismatches
}

/// Where a value lies: its own path, and the path of its kind.
#[derive(Clone)]
pub struct Place {
    /// With real keys and positions.
    pub path: String,
    /// With `[]` and `*`, as [`Corpus::strictness`] wants it.
    pub kind: String,
}

impl Place {
    /// The whole value.
    pub fn root() -> Self {
        Self {
            path: String::new(),
            kind: String::new(),
        }
    }

    /// The field `key` of the object here.
    #[must_use]
    pub fn field(&self, corpus: &dyn Corpus, key: &str) -> Self {
        let kind = if corpus.keyed().contains(&self.kind.as_str()) {
            "*"
        } else {
            key
        };
        Self {
            path: dotted(&self.path, key),
            kind: dotted(&self.kind, kind),
        }
    }

    /// The item at `index` of the list here.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        Self {
            path: format!("{}[{index}]", self.path),
            kind: format!("{}[]", self.kind),
        }
    }
}

fn dotted(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

struct Walk<'a> {
    corpus: &'a dyn Corpus,
    expected: &'a Value,
    answer: &'a Value,
    mismatches: Vec<Mismatch>,
}

impl Walk<'_> {
    fn note(&mut self, place: &Place, what: String) {
        self.mismatches.push(Mismatch {
            path: place.path.clone(),
            what,
        });
    }

    fn value(&mut self, place: &Place, expected: &Value, answer: &Value) {
        match (
            self.corpus.strictness(&place.kind, self.expected),
            expected,
            answer,
        ) {
            (Strictness::Judged(judge), _, _) => {
                if let Some(what) = judge(self.expected, self.answer) {
                    self.note(place, what);
                }
            }
            (Strictness::Wording, Value::String(_), Value::String(said)) => {
                if said.trim().is_empty() {
                    self.note(place, "says nothing".to_owned());
                }
            }
            (Strictness::Unordered, Value::Array(expected), Value::Array(answer)) => {
                if sorted(expected) != sorted(answer) {
                    self.differ(
                        place,
                        &Value::Array(expected.clone()),
                        &Value::Array(answer.clone()),
                    );
                }
            }
            (_, Value::Object(expected), Value::Object(answer)) => {
                self.object(place, expected, answer);
            }
            (_, Value::Array(expected), Value::Array(answer)) => self.list(place, expected, answer),
            (_, expected, answer) if expected == answer => {}
            (_, expected, answer) => self.differ(place, expected, answer),
        }
    }

    fn differ(&mut self, place: &Place, expected: &Value, answer: &Value) {
        self.note(
            place,
            format!("expected {}, answered {}", shown(expected), shown(answer)),
        );
    }

    fn object(
        &mut self,
        place: &Place,
        expected: &Map<String, Value>,
        answer: &Map<String, Value>,
    ) {
        for (key, value) in expected {
            let place = place.field(self.corpus, key);
            match answer.get(key) {
                Some(answered) => self.value(&place, value, answered),
                None => self.note(&place, format!("expected {}, not answered", shown(value))),
            }
        }
        for (key, value) in answer
            .iter()
            .filter(|(key, _)| !expected.contains_key(*key))
        {
            let place = place.field(self.corpus, key);
            self.note(&place, format!("not expected, answered {}", shown(value)));
        }
    }

    fn list(&mut self, place: &Place, expected: &[Value], answer: &[Value]) {
        if expected.len() != answer.len() {
            self.differ(
                place,
                &Value::Array(expected.to_vec()),
                &Value::Array(answer.to_vec()),
            );
            return;
        }
        for (index, (expected, answer)) in expected.iter().zip(answer).enumerate() {
            self.value(&place.item(index), expected, answer);
        }
    }
}

fn sorted(list: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> = list.iter().map(Value::to_string).collect();
    texts.sort();
    texts
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
