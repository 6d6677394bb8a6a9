//! Proof that a wrong answer would be seen.
//!
//! Each kind of field of `expected` is altered once in each way that its type allows, in the first case that has it
//! and passes as it is; the comparison has to fail then. Where a deviation holds, it is the prediction that is
//! altered. Free wording is only ever taken away. A kind that no passing case has was not proven, and counts as
//! unseen.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::case::{Case, Verdict, judge};
use super::comparison::{Place, Strictness, compare};
use super::{Corpus, corpus_of, deviations};

/// One way to make an expectation wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Alteration {
    Flip,
    Increase,
    Reword,
    Replace,
    DropItem,
    AddItem,
    SwapItems,
    DropField,
    AddField,
}

impl Alteration {
    /// What an operator of the check reads.
    fn describe(self) -> &'static str {
        match self {
            Self::Flip => "flipped",
            Self::Increase => "increased",
            Self::Reword => "reworded",
            Self::Replace => "replaced by text",
            Self::DropItem => "without its first item",
            Self::AddItem => "with an item more",
            Self::SwapItems => "with two items swapped",
            Self::DropField => "taken away",
            Self::AddField => "with an unknown field",
        }
    }
}

/// What the check saw.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many kinds of fields were altered, in all ways, by corpus.
    pub seen: BTreeMap<String, usize>,
    /// Alterations that no comparison noticed.
    pub unseen: Vec<String>,
}

impl Outcome {
    /// Whether something was altered, and every alteration was noticed.
    pub fn passed(&self) -> bool {
        !self.seen.is_empty() && self.unseen.is_empty()
    }
}

/// A corpus, a kind of field, and a way to alter it.
type Trial = (&'static str, String, Alteration);

/// Alters each kind of field of `expected` once, over all these cases.
pub fn check(cases: &[Case]) -> Outcome {
    let mut outcome = Outcome::default();
    let (mut met, mut tried) = (BTreeMap::new(), BTreeSet::new());
    for case in cases {
        match corpus_of(&case.id) {
            Some(corpus) => check_case(corpus, case, &mut met, &mut tried, &mut outcome),
            None => outcome.unseen.push(format!(
                "{}: Windlass answers no corpus of this name",
                case.id
            )),
        }
    }
    for (trial, id) in met.iter().filter(|(trial, _)| !tried.contains(*trial)) {
        let (corpus, kind, alteration) = trial;
        let what = format!(
            "{corpus}: {kind} {} was never tried ({id} has it)",
            alteration.describe()
        );
        outcome.unseen.push(what);
    }
    outcome
}

fn check_case(
    corpus: &'static dyn Corpus,
    case: &Case,
    met: &mut BTreeMap<Trial, String>,
    tried: &mut BTreeSet<Trial>,
    outcome: &mut Outcome,
) {
    let Ok(prediction) = deviations::predict(corpus.name(), &case.input, &case.expected) else {
        return;
    };
    let trials: Vec<(Place, Trial, Value)> = alterations(corpus, &prediction.expected)
        .into_iter()
        .map(|(place, way, altered)| {
            let trial = (corpus.name(), place.kind.clone(), way);
            (place, trial, altered)
        })
        .filter(|(_, trial, _)| !tried.contains(trial))
        .collect();
    for (_, trial, _) in &trials {
        met.entry(trial.clone()).or_insert_with(|| case.id.clone());
    }
    if trials.is_empty() || !matches!(judge(corpus, case), Verdict::Passed { .. }) {
        return;
    }
    let Ok(answer) = corpus.answer(&case.input) else {
        return;
    };
    for (place, trial, altered) in trials {
        let alteration = trial.2;
        if same_meaning(corpus, &prediction.expected, &altered) || !tried.insert(trial) {
            continue;
        }
        *outcome.seen.entry(corpus.name().to_owned()).or_default() += 1;
        if compare(corpus, &altered, &answer).is_empty() {
            let what = format!(
                "{}: {} {} goes unnoticed",
                case.id,
                place.path,
                alteration.describe()
            );
            outcome.unseen.push(what);
        }
    }
}

/// Whether the corpus takes two expectations for the same: what was altered is free there, and proves nothing.
fn same_meaning(corpus: &dyn Corpus, one: &Value, other: &Value) -> bool {
    let (mut one, mut other) = (one.clone(), other.clone());
    corpus.normalise(&mut one);
    corpus.normalise(&mut other);
    one == other
}

/// Every alteration of an expectation, with the expectation that it gives.
fn alterations(corpus: &dyn Corpus, expected: &Value) -> Vec<(Place, Alteration, Value)> {
    let mut places = Vec::new();
    collect(corpus, expected, expected, &Place::root(), "", &mut places);
    places
        .into_iter()
        .flat_map(|(place, pointer, ways)| {
            ways.into_iter()
                .map(move |way| (place.clone(), pointer.clone(), way))
        })
        .filter_map(|(place, pointer, way)| {
            let mut altered = expected.clone();
            alter(&mut altered, &pointer, way).then_some((place, way, altered))
        })
        .collect()
}

fn collect(
    corpus: &dyn Corpus,
    whole: &Value,
    value: &Value,
    place: &Place,
    pointer: &str,
    places: &mut Vec<(Place, String, Vec<Alteration>)>,
) {
    let strictness = corpus.strictness(&place.kind, whole);
    let mut ways = if matches!(strictness, Strictness::Wording) {
        Vec::new()
    } else {
        ways_to_alter(value, strictness)
    };
    let optional = corpus.answers_if_expected().contains(&place.path.as_str());
    if !optional
        && pointer
            .rsplit_once('/')
            .is_some_and(|(_, last)| last.parse::<usize>().is_err())
    {
        ways.push(Alteration::DropField);
    }
    places.push((place.clone(), pointer.to_owned(), ways));
    match value {
        Value::Object(object) => {
            for (key, field) in object {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                collect(
                    corpus,
                    whole,
                    field,
                    &place.field(corpus, key),
                    &format!("{pointer}/{escaped}"),
                    places,
                );
            }
        }
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                collect(
                    corpus,
                    whole,
                    item,
                    &place.item(index),
                    &format!("{pointer}/{index}"),
                    places,
                );
            }
        }
        _ => {}
    }
}

fn ways_to_alter(value: &Value, strictness: Strictness) -> Vec<Alteration> {
    match value {
        Value::Null => vec![Alteration::Replace],
        Value::Bool(_) => vec![Alteration::Flip],
        Value::Number(_) => vec![Alteration::Increase],
        Value::String(_) => vec![Alteration::Reword],
        Value::Object(_) => vec![Alteration::AddField],
        Value::Array(list) => {
            let mut ways = vec![Alteration::AddItem];
            if !list.is_empty() {
                ways.push(Alteration::DropItem);
            }
            let ordered = matches!(strictness, Strictness::Exact);
            if let (true, [first, second, ..]) = (ordered, list.as_slice())
                && first != second
            {
                ways.push(Alteration::SwapItems);
            }
            ways
        }
    }
}

/// Alters what lies at `pointer`; false if there is nothing that can be altered so.
fn alter(whole: &mut Value, pointer: &str, way: Alteration) -> bool {
    if way == Alteration::DropField {
        let Some((parent, key)) = pointer.rsplit_once('/') else {
            return false;
        };
        let key = key.replace("~1", "/").replace("~0", "~");
        let parent = whole.pointer_mut(parent).and_then(Value::as_object_mut);
        return parent.is_some_and(|object| object.remove(&key).is_some());
    }
    let Some(value) = whole.pointer_mut(pointer) else {
        return false;
    };
    match (way, value) {
        (Alteration::Flip, Value::Bool(flag)) => *flag = !*flag,
        (Alteration::Increase, value) => match value.as_i64() {
            Some(number) => *value = json!(number.saturating_add(1)),
            None => return false,
        },
        (Alteration::Reword, Value::String(text)) => text.push('~'),
        (Alteration::Replace, value) => *value = json!("~"),
        (Alteration::DropItem, Value::Array(list)) if !list.is_empty() => drop(list.remove(0)),
        (Alteration::AddItem, Value::Array(list)) => list.push(json!("~")),
        (Alteration::SwapItems, Value::Array(list)) if list.len() > 1 => list.swap(0, 1),
        (Alteration::AddField, Value::Object(object)) => {
            drop(object.insert("~".to_owned(), json!("~")));
        }
        _ => return false,
    }
    true
}
