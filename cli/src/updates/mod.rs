//! `windlass updates`: where a cluster may go, and why not elsewhere, from files or from an update service.
//!
//! # Guarantees
//! Only reads. Ends with 0 if there is a recommended release or way, with 3 if there is one only with known issues, with 4 if
//! there is none, and with 1 if the question cannot be answered.

mod asked;
mod told;

use std::process::ExitCode;

use ::updates::client::Offers;
use ::updates::explain::{Explanation, Verdict};
use anyhow::Result;
use clap::Subcommand;

use crate::output::{Output, print_json, print_text};
use asked::Asked;
use told::Ink;

/// There is something to go to only with known issues.
const WITH_RISKS: u8 = 3;
/// There is nothing to go to.
const NOWHERE: u8 = 4;

/// Tells where a cluster may go, and why not elsewhere.
///
/// Ends with 0 if there is something recommended, with 3 if there is something only with known issues, with 4 if there is
/// nothing, and with 1 if the question cannot be answered.
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
    let advice = asked.of_channel(offers.advise(&asked.from))?;
    let code = code(
        !advice.recommended.is_empty(),
        !advice.conditional.is_empty(),
    );
    match asked.output {
        Output::Json => print_json(&advice)?,
        Output::Text => print_text(&told::advice(&advice, &asked.channel, Ink::of_stdout()))?,
    }
    Ok(code)
}

fn path(asked: &Asked, to: &str) -> Result<u8> {
    let answer = asked.answer()?;
    let offers = Offers::new(&answer);
    let ways = asked.of_channel(offers.ways(&asked.from, to))?;
    let code = code(!ways.recommended.is_empty(), ways.with_risks.is_some());
    match asked.output {
        Output::Json => print_json(&ways)?,
        Output::Text => print_text(&told::ways(&ways, &asked.channel, Ink::of_stdout()))?,
    }
    Ok(code)
}

fn explain(asked: &Asked, to: Option<&str>) -> Result<u8> {
    let explanation = asked.explanation(to)?;
    match (asked.output, to) {
        (Output::Json, _) => print_json(&explanation)?,
        (Output::Text, None) => print_text(&told::all(&explanation, Ink::of_stdout()))?,
        (Output::Text, Some(_)) => {
            let ink = Ink::of_stdout();
            for explained in &explanation.releases {
                print_text(&told::one(&explanation.from, explained, ink))?;
            }
        }
    }
    Ok(code_of(&explanation))
}

fn code_of(explanation: &Explanation) -> u8 {
    let any = |verdict| {
        let mut releases = explanation.releases.iter();
        releases.any(|one| one.verdict == verdict)
    };
    code(any(Verdict::Recommended), any(Verdict::WithRisks))
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
}
