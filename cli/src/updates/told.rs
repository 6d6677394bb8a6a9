//! Answers as a person reads them on a terminal.

use std::io::{IsTerminal as _, stdout};

use ::updates::client::{Advice, Hop, Ways};
use ::updates::data::Rule;
use ::updates::explain::{Explained, Explanation, Named, Verdict};

/// Messages are broken before this column, so that they can be read on a wide terminal too.
const COLUMNS: usize = 100;

/// Colours, if somebody can see them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ink(bool);

impl Ink {
    /// On a terminal whose owner has not asked for none.
    pub(super) fn of_stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(stdout().is_terminal() && !unwanted)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn of(self, verdict: Verdict, text: &str) -> String {
        let code = match verdict {
            Verdict::Recommended => "32",
            Verdict::WithRisks => "33",
            Verdict::No => "31",
        };
        self.paint(code, text)
    }

    fn sign(self, verdict: Verdict) -> String {
        let sign = match verdict {
            Verdict::Recommended => "\u{2713}",
            Verdict::WithRisks => "!",
            Verdict::No => "\u{2715}",
        };
        self.of(verdict, sign)
    }
}

/// A release, what it comes to, and the rest of its line.
type Row<'r> = (Verdict, &'r str, String);

fn rows(rows: &[Row<'_>], ink: Ink) -> String {
    let widest = rows.iter().map(|(_, version, _)| version.len()).max();
    let width = widest.unwrap_or_default();
    rows.iter()
        .map(|(verdict, version, rest)| {
            let sign = ink.sign(*verdict);
            let line = format!("{sign} {version:width$}  {rest}");
            format!("{}\n", line.trim_end())
        })
        .collect()
}

/// The releases that one step leads to.
pub(super) fn advice(advice: &Advice<'_>, channel: &str, ink: Ink) -> String {
    let mut lines: Vec<Row<'_>> = Vec::new();
    for target in &advice.recommended {
        lines.push((Verdict::Recommended, target.version, String::new()));
    }
    for conditional in &advice.conditional {
        let names: Vec<&str> = conditional.risks.iter().map(|r| r.name.as_str()).collect();
        let rest = format!("unless {}", names.join(", "));
        lines.push((Verdict::WithRisks, conditional.target.version, rest));
    }
    for refused in &advice.not_offered {
        lines.push((Verdict::No, &refused.version, refused.why.to_string()));
    }
    if lines.is_empty() {
        return format!("no edge leads on from {} in {channel}\n", advice.from);
    }
    format!(
        "{}\n{}{} recommended, {} with known issues, {} not offered\n",
        ink.bold(&format!("{} in {channel}, one step", advice.from)),
        rows(&lines, ink),
        advice.recommended.len(),
        advice.conditional.len(),
        advice.not_offered.len(),
    )
}

/// The ways to a release.
pub(super) fn ways(ways: &Ways, channel: &str, ink: Ink) -> String {
    let (from, to) = (&ways.from, &ways.to);
    let verdict = if !ways.recommended.is_empty() {
        Verdict::Recommended
    } else if ways.with_risks.is_some() {
        Verdict::WithRisks
    } else {
        return format!(
            "{} no way leads from {from} to {to} in {channel}\n",
            ink.sign(Verdict::No)
        );
    };
    ways.recommended
        .iter()
        .chain(&ways.with_risks)
        .map(|way| format!("{} {}\n", ink.sign(verdict), hops(from, way)))
        .collect()
}

fn hops(from: &str, way: &[Hop]) -> String {
    let mut text = from.to_owned();
    for hop in way {
        text.push_str(&format!(" > {}", hop.to));
        if !hop.risks.is_empty() {
            text.push_str(&format!(" (unless {})", hop.risks.join(", ")));
        }
    }
    text
}

/// Every newer release, a line each.
pub(super) fn all(explanation: &Explanation, ink: Ink) -> String {
    let from = &explanation.from;
    let of = format!("{from} in {} for {}", explanation.channel, explanation.arch);
    if explanation.releases.is_empty() {
        return format!("{of}: there is no newer release\n");
    }
    let releases = &explanation.releases;
    let lines: Vec<Row<'_>> = releases
        .iter()
        .map(|one| (one.verdict, one.version.as_str(), brief(one)))
        .collect();
    let count = |verdict| releases.iter().filter(|one| one.verdict == verdict).count();
    format!(
        "{}\n{}{} recommended, {} only with known issues, {} without a way; --to VERSION tells all of one\n",
        ink.bold(&of),
        rows(&lines, ink),
        count(Verdict::Recommended),
        count(Verdict::WithRisks),
        count(Verdict::No),
    )
}

/// How one comes there, in a few words.
fn brief(explained: &Explained) -> String {
    let Some(way) = best(explained) else {
        let first = explained.reasons.first();
        return first.map_or_else(String::new, |reason| {
            format!("{}: {}", reason.reason, reason.message)
        });
    };
    let over: Vec<&str> = way
        .iter()
        .rev()
        .skip(1)
        .rev()
        .map(|hop| hop.to.as_str())
        .collect();
    let mut text = steps(way.len());
    if !over.is_empty() {
        text.push_str(&format!(" over {}", over.join(", ")));
    }
    let mut risks: Vec<&str> = Vec::new();
    for risk in way.iter().flat_map(|hop| &hop.risks) {
        if !risks.contains(&risk.as_str()) {
            risks.push(risk);
        }
    }
    if !risks.is_empty() {
        text.push_str(&format!(", unless {}", risks.join(", ")));
    }
    text
}

fn best(explained: &Explained) -> Option<&Vec<Hop>> {
    explained
        .recommended
        .first()
        .or(explained.with_risks.as_ref())
}

fn steps(count: usize) -> String {
    format!("{count} step{}", if count == 1 { "" } else { "s" })
}

/// All that is known of one release.
pub(super) fn one(from: &str, explained: &Explained, ink: Ink) -> String {
    let verdict = match explained.verdict {
        Verdict::Recommended => "recommended",
        Verdict::WithRisks => "only with known issues",
        Verdict::No => "no way",
    };
    let mut text = format!(
        "{} {}: {}",
        ink.sign(explained.verdict),
        ink.bold(&format!("{from} to {}", explained.version)),
        ink.of(explained.verdict, verdict),
    );
    if let Some(way) = best(explained) {
        text.push_str(&format!(", in {}", steps(way.len())));
    }
    text.push('\n');
    for way in explained.recommended.iter().chain(&explained.with_risks) {
        text.push_str(&format!("  way: {}\n", hops(from, way)));
    }
    for named in &explained.risks {
        text.push_str(&issue(named, ink));
    }
    for reason in &explained.reasons {
        let head = if best(explained).is_some() {
            "not directly, "
        } else {
            ""
        };
        text.push_str(&wrapped(
            &format!("{head}{}: {}", reason.reason, reason.message),
            2,
        ));
    }
    text
}

fn issue(named: &Named, ink: Ink) -> String {
    let risk = &named.risk;
    let mut text = format!("\n  known issue {}", ink.bold(&risk.name));
    if !named.file.is_empty() {
        text.push_str(&format!(" ({})", named.file));
    }
    text.push('\n');
    text.push_str(&wrapped(risk.message.trim(), 4));
    text.push_str(&format!("    {}\n", risk.url));
    for rule in &risk.matching_rules {
        text.push_str(&wrapped(&concerns(rule), 4));
    }
    text
}

fn concerns(rule: &Rule) -> String {
    match &rule.promql {
        _ if rule.kind == "Always" => "concerns every cluster".to_owned(),
        Some(query) => format!("concerns clusters where this is 1: {}", query.promql),
        None => format!("concerns clusters by the rule {}", rule.kind),
    }
}

/// A text in lines that are indented and not too long; a word that is longer stays whole.
fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let length = indent + line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > COLUMNS {
            lines.push_str(&format!("{:indent$}{line}\n", ""));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push_str(&format!("{:indent$}{line}\n", ""));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Ink = Ink(false);

    fn hop(to: &str, risks: &[&str]) -> Hop {
        Hop {
            to: to.to_owned(),
            risks: risks.iter().map(|risk| (*risk).to_owned()).collect(),
        }
    }

    #[test]
    fn a_way_names_the_known_issues_of_its_hops() {
        let way = [hop("4.1.1", &[]), hop("4.2.0", &["Slow", "Loud"])];

        assert_eq!(
            hops("4.1.0", &way),
            "4.1.0 > 4.1.1 > 4.2.0 (unless Slow, Loud)"
        );
    }

    #[test]
    fn releases_stand_in_columns_and_lines_end_where_their_text_does() {
        let lines = [
            (Verdict::Recommended, "4.16.3", String::new()),
            (Verdict::WithRisks, "4.16.20", "unless Slow".to_owned()),
        ];

        assert_eq!(
            rows(&lines, PLAIN),
            "\u{2713} 4.16.3\n! 4.16.20  unless Slow\n"
        );
        assert!(rows(&lines, Ink(true)).starts_with("\u{1b}[32m\u{2713}\u{1b}[0m 4.16.3"));
    }

    #[test]
    fn a_message_is_broken_between_words() {
        let text = "word ".repeat(40);

        let lines = wrapped(&text, 4);

        assert_eq!(lines.lines().count(), 3);
        assert!(
            lines
                .lines()
                .all(|line| line.starts_with("    word") && line.len() <= COLUMNS)
        );
    }
}
