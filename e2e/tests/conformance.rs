//! The conformance program judges as it says: on cases of our own making, each with an answer known by heart.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it cannot read")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use e2e::conformance::case::Case;
use e2e::conformance::deviations::{self, RULES};
use e2e::conformance::report::{Report, Telling};
use e2e::conformance::{files, self_check};
use serde_json::{Value, json};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn own_cases() -> Vec<Case> {
    files::read(&here("tests/conformance/cases.jsonl")).unwrap()
}

fn judged(cases: &[Case]) -> Report {
    let mut report = Report::default();
    for case in cases {
        report.judge(case);
    }
    report
}

fn told(report: &Report) -> String {
    report.tell(Telling {
        all: true,
        why: true,
    })
}

fn case(id: &str, input: Value, expected: Value) -> Case {
    Case {
        id: id.to_owned(),
        tags: Vec::new(),
        input,
        expected,
    }
}

#[test]
fn cases_of_our_own_making_pass() {
    let report = judged(&own_cases());
    assert!(report.passed(), "{}", told(&report));
}

#[test]
fn every_wrong_answer_to_them_would_be_seen() {
    let outcome = self_check::check(&own_cases());
    assert!(outcome.passed(), "{:#?}", outcome.unseen);
}

#[test]
fn a_wrong_answer_fails_its_case_by_id_and_field() {
    let report = judged(&[case(
        "kargs-7",
        json!({"old": [], "new": ["quiet"]}),
        json!({"args": ["--append=loud"], "changed": true}),
    )]);
    assert!(!report.passed());
    assert!(
        told(&report).contains("kargs: 0 passed, 1 failed\n  failed kargs-7\n    args[0]:"),
        "{}",
        told(&report)
    );
}

#[test]
fn a_field_that_windlass_does_not_answer_is_a_failure() {
    let report = judged(&[case(
        "kargs-8",
        json!({"old": [], "new": []}),
        json!({"args": [], "changed": false, "colour": "red"}),
    )]);
    assert!(
        told(&report).contains("colour: expected \"red\", not answered"),
        "{}",
        told(&report)
    );
}

#[test]
fn a_corpus_that_windlass_does_not_answer_is_a_failure() {
    assert!(!judged(&[case("poems-1", json!({}), json!({}))]).passed());
}

#[test]
fn no_cases_are_no_proof() {
    assert!(!Report::default().passed());
}

#[test]
fn a_case_under_a_deviation_is_counted_by_its_rule() {
    let report = judged(&own_cases());
    assert!(
        told(&report).contains("  deviation gzip-registries-are-read: 2 cases\n"),
        "{}",
        told(&report)
    );
}

#[test]
fn a_packed_corpus_reads_as_a_plain_one() {
    let plain = here("tests/conformance/cases.jsonl");
    let packed = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cases.jsonl.gz");
    let mut gzip = flate2::write::GzEncoder::new(
        fs::File::create(&packed).unwrap(),
        flate2::Compression::fast(),
    );
    gzip.write_all(&fs::read(&plain).unwrap()).unwrap();
    gzip.finish().unwrap();
    let ids = |path: &Path| {
        files::read(path)
            .unwrap()
            .into_iter()
            .map(|case| case.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&packed), ids(&plain));
}

#[test]
fn deviations_know_nothing_of_the_rooms_under_test() {
    for entry in fs::read_dir(here("src/conformance/deviations")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let way_out = if path.ends_with("mod.rs") {
            "super::"
        } else {
            "super::super"
        };
        assert!(
            !text.contains(way_out),
            "{} leaves its folder",
            path.display()
        );
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for (number, line) in code.enumerate() {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            let seen = words
                .into_iter()
                .find(|word| ["rendering", "rollout", "api", "crate"].contains(word));
            assert_eq!(
                seen,
                None,
                "{}, code line {}: {line}",
                path.display(),
                number + 1
            );
        }
    }
}

#[test]
fn every_deviation_is_explained_and_every_explanation_has_its_rule() {
    let page = fs::read_to_string(here("../docs/deviations.md")).unwrap();
    let rules_end = "# Beyond the recorded cases";
    let mut explained: Vec<&str> = page
        .lines()
        .take_while(|line| *line != rules_end)
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let mut rules: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    explained.sort_unstable();
    rules.sort_unstable();
    assert_eq!(rules, explained);
}

#[test]
fn a_rule_leaves_the_fields_that_it_does_not_name() {
    for case in own_cases() {
        let corpus = case.id.rsplit_once('-').unwrap().0;
        assert!(
            deviations::predict(corpus, &case.input, &case.expected).is_ok(),
            "{}",
            case.id
        );
    }
}
