//! `windlass updates`: where a cluster may go, and why not elsewhere, from files.
//!
//! # Guarantees
//! Only reads. Ends with 0 if there is a recommended release or way, with 3 if there is one only with known issues, with 4 if
//! there is none, and with 1 if the question cannot be answered.

use std::path::PathBuf;
use std::process::ExitCode;

use ::updates::Graph;
use ::updates::client::{Hop, Offers};
use ::updates::explain::{Explained, Explanation, Question, Verdict};
use ::updates::source::Files;
use ::updates::wire::Received;
use anyhow::{Context as _, Result};
use clap::Subcommand;

use crate::output::{Output, print_json, print_text};

/// There is something to go to only with known issues.
const WITH_RISKS: u8 = 3;
/// There is nothing to go to.
const NOWHERE: u8 = 4;

/// Tells where a cluster may go, and why not elsewhere.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists the releases that one step leads to
    List(Asked),
    /// Tells the ways to a release
    Path(AskedWithTarget),
    /// Tells for a release, or each newer one, the way there or all that stands in it
    Explain(AskedWithChoice),
}

#[derive(clap::Args, Debug)]
struct Asked {
    /// Releases and edges: a raw graph, .json or .json.gz
    #[arg(long, value_name = "FILE")]
    raw: PathBuf,
    /// Channels and blocked edges: a graph-data folder, .tar or .tar.gz
    #[arg(long, value_name = "PATH")]
    graph_data: PathBuf,
    /// The channel that the cluster follows
    #[arg(long)]
    channel: String,
    /// Its architecture
    #[arg(long, default_value = "amd64")]
    arch: String,
    /// The version that it has
    #[arg(long, value_name = "VERSION")]
    from: String,
    /// The form of the answer
    #[arg(short, long, default_value_t, value_enum)]
    output: Output,
}

#[derive(clap::Args, Debug)]
struct AskedWithTarget {
    #[command(flatten)]
    asked: Asked,
    /// The release to go to
    #[arg(long, value_name = "VERSION")]
    to: String,
}

#[derive(clap::Args, Debug)]
struct AskedWithChoice {
    #[command(flatten)]
    asked: Asked,
    /// The release that is asked about; every newer one of the channel, if there is none
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let code = match &args.what {
        What::List(asked) => list(asked),
        What::Path(with) => path(&with.asked, &with.to),
        What::Explain(with) => explain(&with.asked, with.to.as_deref()),
    }?;
    Ok(ExitCode::from(code))
}

impl Asked {
    /// The graph; what is wrong with its sources goes to standard error.
    fn graph(&self) -> Result<Graph> {
        let files = Files {
            raw: self.raw.clone(),
            graph_data: self.graph_data.clone(),
        };
        let (graph, _) = files.load().context("reading the update graph")?;
        for problem in graph.problems() {
            eprintln!("windlass: graph data: {problem}");
        }
        for aside in graph.aside() {
            eprintln!("windlass: set aside: {aside}");
        }
        Ok(graph)
    }

    fn answer(&self) -> Result<Received> {
        let graph = self.graph()?;
        Ok(Received::from(&graph.answer(&self.channel, &self.arch)))
    }
}

fn code(recommended: bool, with_risks: bool) -> u8 {
    match (recommended, with_risks) {
        (true, _) => 0,
        (false, true) => WITH_RISKS,
        (false, false) => NOWHERE,
    }
}

fn list(asked: &Asked) -> Result<u8> {
    let answer = asked.answer()?;
    let offers = Offers::new(&answer);
    let advice = offers
        .advise(&asked.from)
        .with_context(|| of_channel(asked))?;
    let code = code(
        !advice.recommended.is_empty(),
        !advice.conditional.is_empty(),
    );
    if asked.output == Output::Json {
        print_json(&advice)?;
        return Ok(code);
    }
    let mut text = String::new();
    for target in &advice.recommended {
        text.push_str(&format!("{}\trecommended\n", target.version));
    }
    for conditional in &advice.conditional {
        let names: Vec<&str> = conditional
            .risks
            .iter()
            .map(|risk| risk.name.as_str())
            .collect();
        text.push_str(&format!(
            "{}\tunless {}\n",
            conditional.target.version,
            names.join(", ")
        ));
    }
    for refused in &advice.not_offered {
        text.push_str(&format!("{}\tnot: {}\n", refused.version, refused.why));
    }
    if text.is_empty() {
        text = format!(
            "no edge leads on from {} in {}\n",
            asked.from, asked.channel
        );
    }
    print_text(&text)?;
    Ok(code)
}

fn path(asked: &Asked, to: &str) -> Result<u8> {
    let answer = asked.answer()?;
    let offers = Offers::new(&answer);
    let ways = offers
        .ways(&asked.from, to)
        .with_context(|| of_channel(asked))?;
    let code = code(!ways.recommended.is_empty(), ways.with_risks.is_some());
    if asked.output == Output::Json {
        print_json(&ways)?;
        return Ok(code);
    }
    let mut text = String::new();
    for way in ways.recommended.iter().chain(&ways.with_risks) {
        text.push_str(&format!("{} > {}\n", ways.from, hops(way)));
    }
    if text.is_empty() {
        text = format!(
            "no way leads from {} to {to} in {}\n",
            asked.from, asked.channel
        );
    }
    print_text(&text)?;
    Ok(code)
}

fn explain(asked: &Asked, to: Option<&str>) -> Result<u8> {
    let graph = asked.graph()?;
    let explanation = graph
        .explain(Question {
            channel: &asked.channel,
            architecture: &asked.arch,
            from: &asked.from,
            to,
        })
        .with_context(|| of_channel(asked))?;
    let any = |verdict| {
        explanation
            .releases
            .iter()
            .any(|one| one.verdict == verdict)
    };
    let code = code(any(Verdict::Recommended), any(Verdict::WithRisks));
    match asked.output {
        Output::Json => print_json(&explanation)?,
        Output::Text => print_text(&told(&explanation))?,
    }
    Ok(code)
}

fn of_channel(asked: &Asked) -> String {
    format!(
        "asking {} for {} on {}",
        asked.channel, asked.from, asked.arch
    )
}

fn hops(way: &[Hop]) -> String {
    let hops: Vec<String> = way
        .iter()
        .map(|hop| {
            if hop.risks.is_empty() {
                hop.to.clone()
            } else {
                format!("{} (unless {})", hop.to, hop.risks.join(", "))
            }
        })
        .collect();
    hops.join(" > ")
}

fn told(explanation: &Explanation) -> String {
    explanation
        .releases
        .iter()
        .map(|one| release(&explanation.from, one))
        .collect()
}

fn release(from: &str, explained: &Explained) -> String {
    let verdict = match explained.verdict {
        Verdict::Recommended => "recommended",
        Verdict::WithRisks => "only with known issues",
        Verdict::No => "no way",
    };
    let mut text = format!("{}: {verdict}\n", explained.version);
    for way in explained.recommended.iter().chain(&explained.with_risks) {
        text.push_str(&format!("  way: {from} > {}\n", hops(way)));
    }
    for named in &explained.risks {
        let risk = &named.risk;
        text.push_str(&format!(
            "  known issue {} ({}): {}\n",
            risk.name,
            named.file,
            risk.message.trim()
        ));
        text.push_str(&format!("    {}\n", risk.url));
    }
    for reason in &explained.reasons {
        text.push_str(&format!("  {}: {}\n", reason.reason, reason.message));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_learns_from_the_status_whether_there_is_something_to_go_to() {
        assert_eq!(
            [code(true, true), code(false, true), code(false, false)],
            [0, 3, 4]
        );
    }

    #[test]
    fn a_way_names_the_known_issues_of_its_hops() {
        let hop = |to: &str, risks: &[&str]| Hop {
            to: to.to_owned(),
            risks: risks.iter().map(|risk| (*risk).to_owned()).collect(),
        };

        assert_eq!(
            hops(&[hop("4.1.1", &[]), hop("4.2.0", &["Slow", "Loud"])]),
            "4.1.1 > 4.2.0 (unless Slow, Loud)"
        );
    }
}
