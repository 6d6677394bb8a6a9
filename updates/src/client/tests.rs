//! What an answer means for a cluster, story by story.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use serde_json::{Value, json};

use super::*;

fn received(versions: &[&str], edges: &Value, conditional: &Value) -> Received {
    let nodes: Vec<Value> = versions
        .iter()
        .map(|version| json!({"version": version, "payload": format!("image:{version}"), "metadata": {}}))
        .collect();
    serde_json::from_value(json!({"version": 1, "nodes": nodes, "edges": edges, "conditionalEdges": conditional, "later": 1}))
        .unwrap()
}

fn group(edges: &[(&str, &str)], risks: &Value) -> Value {
    let edges: Vec<Value> = edges
        .iter()
        .map(|(from, to)| json!({"from": from, "to": to}))
        .collect();
    json!({"edges": edges, "risks": risks})
}

fn risk(name: &str) -> Value {
    json!({"name": name, "url": "https://example.com", "message": "m", "matchingRules": [{"type": "Always"}]})
}

/// The advice in words.
fn advised(answer: &Received, from: &str) -> Vec<String> {
    let advice = Offers::new(answer).advise(from).unwrap();
    let mut words: Vec<String> = advice
        .recommended
        .iter()
        .map(|target| format!("go to {}", target.version))
        .collect();
    words.extend(advice.conditional.iter().map(|conditional| {
        let names: Vec<&str> = conditional
            .risks
            .iter()
            .map(|risk| risk.name.as_str())
            .collect();
        format!(
            "go to {} unless {}",
            conditional.target.version,
            names.join(" or ")
        )
    }));
    words.extend(
        advice
            .not_offered
            .iter()
            .map(|refused| format!("not to {}: {}", refused.version, refused.why.reason())),
    );
    words
}

#[test]
fn edges_from_the_version_are_recommended_newest_first() {
    let answer = received(
        &["4.1.0", "4.1.9", "4.1.10", "4.2.0"],
        &json!([[0, 1], [0, 2], [2, 3]]),
        &json!([]),
    );

    assert_eq!(advised(&answer, "4.1.0"), ["go to 4.1.10", "go to 4.1.9"]);
    assert_eq!(
        advised(&answer, "4.1.0+amd64"),
        ["go to 4.1.10", "go to 4.1.9"]
    );
}

#[test]
fn an_answer_without_conditional_edges_can_be_read() {
    let answer: Received =
        serde_json::from_str(r#"{"nodes":[{"version":"4.1.0"}],"edges":[]}"#).unwrap();

    assert_eq!(advised(&answer, "4.1.0"), Vec::<String>::new());
}

#[test]
fn known_issues_win_over_a_recommendation_of_the_same_edge() {
    let answer = received(
        &["4.1.0", "4.1.1"],
        &json!([[0, 1]]),
        &json!([group(&[("4.1.0", "4.1.1")], &json!([risk("Slow")]))]),
    );

    assert_eq!(advised(&answer, "4.1.0"), ["go to 4.1.1 unless Slow"]);
}

#[test]
fn known_issues_of_two_entries_for_one_edge_add_up() {
    let groups = json!([
        group(&[("4.1.0", "4.1.1")], &json!([risk("Slow")])),
        group(&[("4.1.0", "4.1.1")], &json!([risk("Loud")])),
    ]);

    assert_eq!(
        advised(&received(&["4.1.0", "4.1.1"], &json!([]), &groups), "4.1.0"),
        ["go to 4.1.1 unless Loud or Slow"]
    );
}

#[test]
fn an_issue_that_nobody_can_judge_refuses_the_release_by_name() {
    let mut future = risk("Strange");
    future["matchingRules"] = json!([{"type": "Future"}, {"type": "PromQL"}]);
    let groups = json!([group(&[("4.1.0", "4.1.1")], &json!([risk("Slow"), future]))]);

    let answer = received(&["4.1.0", "4.1.1"], &json!([]), &groups);

    assert_eq!(advised(&answer, "4.1.0"), ["not to 4.1.1: NoKnownRule"]);
}

#[test]
fn rules_that_nobody_knows_are_left_out_where_another_can_be_judged() {
    let mut mixed = risk("Slow");
    mixed["matchingRules"] = json!([{"type": "Future"}, {"type": "Always"}]);
    let answer = received(
        &["4.1.0", "4.1.1"],
        &json!([]),
        &json!([group(&[("4.1.0", "4.1.1")], &json!([mixed]))]),
    );

    let offers = Offers::new(&answer);

    let rules = &offers.advise("4.1.0").unwrap().conditional[0].risks[0].matching_rules;
    assert_eq!(
        rules
            .iter()
            .map(|rule| rule.kind.as_str())
            .collect::<Vec<_>>(),
        ["Always"]
    );
}

#[test]
fn an_edge_to_a_release_that_is_not_there_spoils_itself_alone() {
    let groups = json!([group(
        &[("4.1.0", "4.1.7"), ("4.1.0", "4.1.1")],
        &json!([risk("Slow")])
    )]);

    let answer = received(&["4.1.0", "4.1.1"], &json!([[0, 9]]), &groups);

    assert_eq!(
        advised(&answer, "4.1.0"),
        ["go to 4.1.1 unless Slow", "not to 4.1.7: NoRelease"]
    );
}

#[test]
fn a_cluster_is_never_sent_back() {
    let answer = received(&["4.1.0", "4.1.1"], &json!([[1, 0]]), &json!([]));

    assert_eq!(advised(&answer, "4.1.1"), ["not to 4.1.0: Older"]);
}

#[test]
fn a_version_that_the_channel_lacks_is_not_found() {
    let answer = received(&["4.1.0"], &json!([]), &json!([]));
    let offers = Offers::new(&answer);

    assert_eq!(
        offers.advise("4.0.0").unwrap_err().reason(),
        "VersionNotFound"
    );
    assert_eq!(
        offers.advise("four").unwrap_err().reason(),
        "InvalidCurrentVersion"
    );
}

/// A way in words.
fn told(way: &[Hop]) -> String {
    let hops: Vec<String> = way
        .iter()
        .map(|hop| {
            if hop.risks.is_empty() {
                hop.to.clone()
            } else {
                format!("{} ({})", hop.to, hop.risks.join(", "))
            }
        })
        .collect();
    hops.join(" > ")
}

#[test]
fn a_recommended_way_has_the_fewest_hops_and_the_newest_releases_first() {
    let versions = ["4.1.0", "4.1.1", "4.1.2", "4.2.0", "4.2.1"];
    let edges = json!([[0, 1], [0, 2], [1, 2], [1, 3], [2, 3], [3, 4]]);
    let answer = received(&versions, &edges, &json!([]));

    let ways = Offers::new(&answer).ways("4.1.0", "4.2.1").unwrap();

    let told: Vec<String> = ways.recommended.iter().map(|way| told(way)).collect();
    assert_eq!(told, ["4.1.2 > 4.2.0 > 4.2.1", "4.1.1 > 4.2.0 > 4.2.1"]);
    assert_eq!(ways.with_risks, None);
}

#[test]
fn where_no_way_is_recommended_the_one_with_the_fewest_risky_hops_is_told() {
    let versions = ["4.1.0", "4.1.1", "4.2.0", "4.3.0"];
    let groups = json!([group(
        &[("4.1.0", "4.3.0"), ("4.1.0", "4.2.0"), ("4.2.0", "4.3.0")],
        &json!([risk("Slow")])
    )]);
    let answer = received(&versions, &json!([[0, 1], [1, 2]]), &groups);

    let ways = Offers::new(&answer).ways("4.1.0", "4.3.0").unwrap();

    assert!(ways.recommended.is_empty());
    assert_eq!(told(&ways.with_risks.unwrap()), "4.3.0 (Slow)");
}

#[test]
fn where_there_is_no_way_none_is_told() {
    let answer = received(&["4.1.0", "4.2.0"], &json!([]), &json!([]));

    let ways = Offers::new(&answer).ways("4.1.0", "4.2.0").unwrap();

    assert!(ways.recommended.is_empty() && ways.with_risks.is_none());
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    const SIZE: usize = 7;

    fn versions() -> Vec<String> {
        (0..SIZE).map(|patch| format!("4.1.{patch}")).collect()
    }

    /// Hops of the shortest way, found by growing a set.
    fn hops(edges: &[(usize, usize)], from: usize, to: usize) -> Option<usize> {
        let mut reached = vec![from];
        for hops in 0..=SIZE {
            if reached.contains(&to) {
                return Some(hops);
            }
            let next: Vec<usize> = edges
                .iter()
                .filter(|(from, to)| from < to && reached.contains(from))
                .map(|(_, to)| *to)
                .collect();
            reached.extend(next);
        }
        None
    }

    proptest! {
        #[test]
        fn recommended_ways_are_as_short_as_can_be_and_made_of_edges(
            edges in proptest::collection::vec((0..SIZE, 0..SIZE), 0..25),
            (from, to) in (0..SIZE, 0..SIZE),
        ) {
            let versions = versions();
            let names: Vec<&str> = versions.iter().map(String::as_str).collect();
            let answer = received(&names, &json!(edges), &json!([]));

            let ways = Offers::new(&answer).ways(names[from], names[to]).unwrap();

            let shortest = hops(&edges, from, to);
            prop_assert_eq!(ways.recommended.is_empty(), shortest.is_none());
            for way in &ways.recommended {
                prop_assert_eq!(Some(way.len()), shortest);
                let mut at = from;
                for hop in way {
                    let next = names.iter().position(|name| *name == hop.to).unwrap();
                    prop_assert!(edges.contains(&(at, next)));
                    at = next;
                }
                prop_assert_eq!(at, to);
            }
        }
    }
}
