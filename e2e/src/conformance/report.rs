//! Counting and telling.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::case::{Case, Verdict, judge};
use super::comparison::Mismatch;
use super::corpus_of;

/// Failing ids shown per corpus unless all are asked for: enough to see the pattern on one screen.
const MAX_SHOWN: usize = 20;

/// What became of all cases, by corpus.
#[derive(Debug, Default)]
pub struct Report {
    corpora: BTreeMap<String, Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: Vec<(String, Vec<Mismatch>)>,
    rules: BTreeMap<&'static str, usize>,
    deviating: usize,
}

/// How much the report says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Telling {
    /// All failing ids, not only the first ones.
    pub all: bool,
    /// Where each failing case differs.
    pub why: bool,
}

impl Report {
    /// Judges one case and counts it. A case of no known corpus fails under the name that its id gives.
    pub fn judge(&mut self, case: &Case) {
        let (name, verdict) = if let Some(corpus) = corpus_of(&case.id) {
            (corpus.name().to_owned(), judge(corpus, case))
        } else {
            let name = case
                .id
                .rsplit_once('-')
                .map_or(case.id.as_str(), |(name, _)| name);
            let what = "Windlass answers no corpus of this name".to_owned();
            (
                name.to_owned(),
                Verdict::Failed(vec![Mismatch {
                    path: "id".to_owned(),
                    what,
                }]),
            )
        };
        let tally = self.corpora.entry(name).or_default();
        match verdict {
            Verdict::Passed { rules } => {
                tally.passed += 1;
                tally.deviating += usize::from(!rules.is_empty());
                for rule in rules {
                    *tally.rules.entry(rule).or_default() += 1;
                }
            }
            Verdict::Failed(mismatches) => tally.failed.push((case.id.clone(), mismatches)),
        }
    }

    /// Whether there were cases, and all passed.
    pub fn passed(&self) -> bool {
        !self.corpora.is_empty() && self.corpora.values().all(|tally| tally.failed.is_empty())
    }

    /// The report for people.
    pub fn tell(&self, telling: Telling) -> String {
        let mut text = String::new();
        for (name, tally) in &self.corpora {
            tally.tell(name, telling, &mut text);
        }
        let sum = |count: fn(&Tally) -> usize| self.corpora.values().map(count).sum::<usize>();
        line(
            &mut text,
            &format!(
                "total: {} passed, {} failed, {} of the passed by a named deviation",
                sum(|tally| tally.passed),
                sum(|tally| tally.failed.len()),
                sum(|tally| tally.deviating),
            ),
        );
        text
    }
}

impl Tally {
    fn tell(&self, name: &str, telling: Telling, text: &mut String) {
        line(
            text,
            &format!(
                "{name}: {} passed, {} failed",
                self.passed,
                self.failed.len()
            ),
        );
        for (rule, cases) in &self.rules {
            line(text, &format!("  deviation {rule}: {cases} cases"));
        }
        let shown = if telling.all {
            self.failed.len()
        } else {
            MAX_SHOWN
        };
        for (id, mismatches) in self.failed.iter().take(shown) {
            line(text, &format!("  failed {id}"));
            for mismatch in mismatches.iter().filter(|_| telling.why) {
                line(text, &format!("    {mismatch}"));
            }
        }
        if self.failed.len() > shown {
            line(
                text,
                &format!(
                    "  and {} more (--all shows them)",
                    self.failed.len() - shown
                ),
            );
        }
    }
}

fn line(text: &mut String, content: &str) {
    // Writing to a String cannot fail.
    if writeln!(text, "{content}").is_err() {
        text.push('\n');
    }
}
