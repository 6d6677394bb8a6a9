//! What the answer of any update service explains by itself: ways and known issues, and little of why not.

use semver::Version;

use super::{Explained, Explanation, Named, NoExplanation, Question, Reason, Verdict, core, parse};
use crate::client::{Offers, Roads};
use crate::data::Risk;
use crate::wire::Received;

/// Explains what an answer tells. Why an edge is missing in it only its graph data would say.
pub fn explain(question: Question<'_>, received: &Received) -> Result<Explanation, NoExplanation> {
    let from = parse(question.from)?;
    let offers = Offers::new(received);
    let roads = offers.roads();
    if offers.find(question.from).is_err() {
        return Err(NoExplanation::NotInAnswer {
            version: question.from.to_owned(),
            channel: question.channel.to_owned(),
            architecture: question.architecture.to_owned(),
        });
    }
    let asked: Vec<Version> = if let Some(to) = question.to {
        vec![parse(to)?]
    } else {
        let newer = offers.releases().map(|(version, _)| core(version));
        newer.filter(|version| *version > from).collect()
    };
    Ok(Explanation {
        channel: question.channel.to_owned(),
        arch: question.architecture.to_owned(),
        from: from.to_string(),
        releases: asked
            .iter()
            .rev()
            .map(|to| explain_one(&from, to, &roads, question))
            .collect(),
    })
}

fn explain_one(
    from: &Version,
    to: &Version,
    roads: &Roads<'_, '_>,
    question: Question<'_>,
) -> Explained {
    let mut explained = Explained::nothing(to);
    let found = roads.ways(&from.to_string(), &to.to_string());
    if to > from
        && let Ok(ways) = &found
    {
        explained.take(ways.clone());
    }
    explained.risks = issues(from, to, &explained, roads.offers());
    if explained.verdict == Verdict::No {
        explained
            .reasons
            .push(why_not(from, to, found.is_ok(), roads, question));
    }
    explained
}

/// The known issues of the edge that leads there directly, and those of the way with the fewest.
fn issues(from: &Version, to: &Version, explained: &Explained, offers: &Offers<'_>) -> Vec<Named> {
    let mut issues: Vec<Named> = Vec::new();
    let mut add = |risks: Vec<&Risk>| {
        for risk in risks {
            if !issues.iter().any(|named| named.risk == *risk) {
                issues.push(Named {
                    file: String::new(),
                    risk: risk.clone(),
                });
            }
        }
    };
    add(offers.risks(from, to));
    let mut last = from.clone();
    for hop in explained.with_risks.iter().flatten() {
        let Ok(next) = parse(&hop.to) else {
            continue;
        };
        add(offers.risks(&last, &next));
        last = next;
    }
    issues
}

fn why_not(
    from: &Version,
    to: &Version,
    is_there: bool,
    roads: &Roads<'_, '_>,
    question: Question<'_>,
) -> Reason {
    if to == from {
        Reason::new("Same", "the cluster has it".to_owned())
    } else if to < from {
        Reason::new(
            "Older",
            format!("older than {from}, and a cluster goes only forward"),
        )
    } else if let Some(why) = roads.offers().refused(from, to) {
        Reason::new(why.reason(), why.to_string())
    } else if is_there {
        let says = "the service offers no way there, and does not tell why".to_owned();
        Reason::new("NoWay", says)
    } else {
        let Question {
            channel,
            architecture,
            ..
        } = question;
        let says = format!("the service has no release {to} in {channel} for {architecture}");
        Reason::new("Unknown", says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 4.1.0 leads to 4.1.1, and on to 4.1.2 with a known issue; nothing leads to 4.1.3.
    fn answer() -> Received {
        serde_json::from_value(serde_json::json!({
            "version": 1,
            "nodes": [{"version": "4.1.0"}, {"version": "4.1.1"}, {"version": "4.1.2"}, {"version": "4.1.3"}],
            "edges": [[0, 1]],
            "conditionalEdges": [{
                "edges": [{"from": "4.1.1", "to": "4.1.2"}],
                "risks": [{"name": "Slow", "url": "https://example.com", "message": "It is slow.",
                    "matchingRules": [{"type": "Always"}]}],
            }],
        }))
        .unwrap_or_default()
    }

    fn question<'q>(from: &'q str, to: Option<&'q str>) -> Question<'q> {
        Question {
            channel: "stable-4.1",
            architecture: "amd64",
            from,
            to,
        }
    }

    #[test]
    fn an_answer_tells_ways_and_known_issues_and_that_it_does_not_tell_why() {
        let explanation = explain(question("4.1.0", None), &answer());

        let releases = explanation.map(|whole| whole.releases).unwrap_or_default();
        let told: Vec<(&str, Verdict)> = releases
            .iter()
            .map(|one| (one.version.as_str(), one.verdict))
            .collect();
        assert_eq!(
            told,
            [
                ("4.1.3", Verdict::No),
                ("4.1.2", Verdict::WithRisks),
                ("4.1.1", Verdict::Recommended)
            ]
        );
        assert_eq!(releases[0].reasons[0].reason, "NoWay");
        assert_eq!(releases[1].risks[0].risk.message, "It is slow.");
    }

    #[test]
    fn a_version_that_the_answer_lacks_is_told_without_a_guess_where_it_is() {
        let error = explain(question("4.9.9", None), &answer()).err();

        assert_eq!(
            error.map(|error| error.to_string()).unwrap_or_default(),
            "the service has no release 4.9.9 in stable-4.1 for amd64"
        );
    }
}
