//! Explanations as lines for people: the answer first, then at most fifteen lines of what it rests on.

use super::answer::{Explanation, Has, Slots};
use super::pool::PoolExplanation;

/// So many names are listed in a line; the rest is counted.
const NAMES_MAX: usize = 4;
/// So many blockers are listed; a person mends them one by one.
const BLOCKERS_MAX: usize = 3;

/// The lines of a node's explanation.
pub(crate) fn node(explained: &Explanation) -> String {
    let mut lines = Lines(format!("{}\n", explained.answer));
    if let Some(now) = &explained.planned_now {
        lines.line("by now", &format!("it {now}"));
    }
    match &explained.has {
        Some(has) => lines.line("has", &has_line(has, explained.target.as_deref())),
        None => lines.line("has", "no config of ours yet"),
    }
    if let Some(assigned) = &explained.assigned {
        lines.line("goes to", assigned);
    }
    let has = explained.has.as_ref().map(|has| has.config.as_str());
    match (&explained.target, &explained.pool) {
        (Some(target), Some(pool)) if Some(target.as_str()) != has => {
            lines.line("wants", &format!("{target}, the target of pool {pool}"));
        }
        (_, Some(pool)) => lines.line("pool", pool),
        (_, None) => {}
    }
    if let Some(asked) = &explained.asked {
        lines.line("asked for", asked);
    }
    if let Some(until) = &explained.until {
        let time = explained.until_time.map(|at| format!(" ({at})"));
        lines.line("until", &format!("{until}{}", time.unwrap_or_default()));
    }
    lines.line("then", &explained.next);
    if let Some(slots) = &explained.slots
        && !explained.updated
    {
        lines.line("slots", &slots_line(slots));
    }
    if let Some(disturbs) = &explained.disturbs {
        lines.line("disturbs", &disturbs.line());
    }
    let label = if explained.draining {
        "blocked"
    } else {
        "would block"
    };
    let drains = explained
        .disturbs
        .as_ref()
        .is_some_and(|disturbs| disturbs.disruption.needs_drain());
    if explained.draining || drains {
        lines.some(label, &explained.blockers, BLOCKERS_MAX);
    }
    for note in &explained.notes {
        lines.line("note", note);
    }
    lines.0
}

/// The lines of a pool's explanation.
pub(crate) fn pool(explained: &PoolExplanation) -> String {
    let mut lines = Lines(format!("{}\n", explained.answer));
    match &explained.target {
        Some(target) => lines.line("wants", target),
        None => lines.line("wants", "nothing: no rendered config yet"),
    }
    if let Some(slots) = &explained.slots {
        lines.line("slots", &slots_line(slots));
    }
    for (reason, waiting) in &explained.waiting {
        let words = format!("{} ({reason}): {}", listed(&waiting.nodes), waiting.message);
        lines.line(&format!("{} wait", waiting.nodes.len()), &words);
    }
    if !explained.next.is_empty() {
        lines.line("next", &listed(&explained.next));
    }
    lines.some("says", &explained.conditions, BLOCKERS_MAX);
    for note in &explained.notes {
        lines.line("note", note);
    }
    lines.0
}

struct Lines(String);

impl Lines {
    fn line(&mut self, label: &str, text: &str) {
        self.0.push_str(&format!("  {label:<11} {text}\n"));
    }

    fn some(&mut self, label: &str, texts: &[String], max: usize) {
        for text in texts.iter().take(max) {
            self.line(label, text);
        }
        if texts.len() > max {
            self.line(label, &format!("and {} more", texts.len() - max));
        }
    }
}

fn has_line(has: &Has, target: Option<&str>) -> String {
    let ready = if has.ready { "Ready" } else { "not Ready" };
    let mut line = format!("{} ({}, {ready})", has.config, has.state);
    match (&has.withholds, target) {
        (Some(_), Some(target)) if has.config != target => {
            line.push_str(": a config without its kubelet part");
        }
        (_, Some(target)) if has.config == target => line.push_str(", its pool's target"),
        _ => {}
    }
    line
}

fn slots_line(slots: &Slots) -> String {
    let who: Vec<String> = slots
        .taken
        .iter()
        .map(|taken| {
            let own = if taken.ours {
                ""
            } else {
                ", not on our account"
            };
            format!("{} ({}{own})", taken.node, taken.reason)
        })
        .collect();
    let max = match slots.max {
        Some(max) => format!("of {}", max.max(0)),
        None => "of an unreadable number".to_owned(),
    };
    let mut line = match who.len() {
        0 => format!("none {max} taken"),
        taken => format!("{taken} {max} taken: {}", listed(&who)),
    };
    if slots.candidates > 0 {
        line.push_str(&format!("; {} in line", slots.candidates));
    }
    line
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>();
    let more = names.len().saturating_sub(NAMES_MAX);
    if more == 0 {
        shown.join(", ")
    } else {
        format!("{} and {more} more", shown.join(", "))
    }
}
