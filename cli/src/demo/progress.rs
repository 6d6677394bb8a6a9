//! The story's voice: lines, and under them the live state of each pool.
//!
//! On a terminal each pool has a line that is redrawn in place; elsewhere a plain line is printed when it changes, at
//! most once a second.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use simulation::observer::PoolSummary;
use tokio::time::Instant;

use super::stage::{Held, Stage};
use crate::output::Output;

/// How often the live lines are drawn again.
const REDRAW: Duration = Duration::from_millis(200);
/// How often plain lines are printed at most.
const PLAIN_EVERY: Duration = Duration::from_secs(1);
/// How many reasons a live line names.
const REASONS_SHOWN: usize = 3;

/// Says lines, to standard output; to standard error where that carries JSON.
#[derive(Clone)]
pub(crate) struct Teller {
    begun: Instant,
    output: Output,
    bars: MultiProgress,
    live: bool,
}

impl Teller {
    pub(crate) fn new(output: Output) -> Self {
        let live = output == Output::Text
            && std::io::stderr().is_terminal()
            && std::io::stdout().is_terminal();
        Self {
            begun: Instant::now(),
            output,
            bars: MultiProgress::new(),
            live,
        }
    }

    /// Opens a chapter.
    pub(crate) fn title(&self, title: &str) {
        self.line(&format!("\n== {title}"));
    }

    /// Says one line, with the seconds since the start.
    pub(crate) fn say(&self, line: &str) {
        self.line(&format!(
            "{:>6.1}s  {line}",
            self.begun.elapsed().as_secs_f64()
        ));
    }

    fn line(&self, line: &str) {
        if self.live {
            self.bars.println(line).ok();
        } else if self.output == Output::Text {
            crate::output::print_text(&format!("{line}\n")).ok();
        } else {
            eprintln!("{line}");
        }
    }
}

/// Shows the pools for as long as it is awaited.
pub(crate) async fn show(stage: &Stage) -> Infallible {
    let teller = stage.teller();
    let mut bars: BTreeMap<String, ProgressBar> = BTreeMap::new();
    let (mut said, mut refused) = (String::new(), String::new());
    let mut tick = tokio::time::interval(if teller.live { REDRAW } else { PLAIN_EVERY });
    loop {
        tick.tick().await;
        let refuses = stage.refusals();
        if refuses != refused {
            if !refuses.is_empty() {
                teller.say(&format!(
                    "nothing new rolls: {}",
                    refuses.trim_start_matches("; ")
                ));
            }
            refused = refuses;
        }
        let pools = stage.fleet().summary().pools;
        let holds = stage.holds();
        if teller.live {
            for pool in &pools {
                let bar = bars
                    .entry(pool.name.clone())
                    .or_insert_with(|| teller.bars.add(bar(pool)));
                bar.set_position(pool.done as u64);
                bar.set_message(state(pool, &holds));
            }
            continue;
        }
        let line: Vec<String> = pools
            .iter()
            .map(|pool| {
                format!(
                    "{} {}/{} {}",
                    pool.name,
                    pool.done,
                    pool.nodes,
                    state(pool, &holds)
                )
            })
            .collect();
        let line = line.join(" | ");
        if line != said {
            teller.say(&line);
            said = line;
        }
    }
}

fn bar(pool: &PoolSummary) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>8} {bar:24} {pos:>3}/{len:<3} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(pool.nodes as u64)
        .with_style(style)
        .with_prefix(pool.name.clone())
}

/// Budget against unavailable, who is where, and who waits for what.
fn state(pool: &PoolSummary, holds: &[Held]) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for hold in holds
        .iter()
        .filter(|hold| hold.pool == pool.name && hold.reason != "UpToDate")
    {
        *reasons.entry(&hold.reason).or_default() += 1;
    }
    let mut reasons: Vec<(&str, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(reason, nodes)| (std::cmp::Reverse(*nodes), *reason));
    let waits: Vec<String> = reasons
        .iter()
        .take(REASONS_SHOWN)
        .map(|(reason, nodes)| format!("{nodes} {reason}"))
        .collect();
    format!(
        "away {}/{} {}",
        pool.unavailable,
        pool.max_unavailable,
        waits.join(", ")
    )
}
