//! Figures as people read them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Figures, Spread};

/// All about one scenario: a line of what matters, then where the requests went.
pub fn text(figures: &Figures) -> String {
    let mut text = String::new();
    let Figures {
        scenario,
        nodes,
        max_unavailable,
        pods_per_node,
        ..
    } = figures;
    // Writing to a string does not fail.
    let mut line = |words: String| writeln!(text, "{words}").unwrap_or_default();
    line(format!(
        "{scenario}: {nodes} nodes, maxUnavailable {max_unavailable}, {pods_per_node} pods a node"
    ));
    line(format!(
        "  total {} s, ideal {} s, first node after {} s",
        shown(figures.total_seconds),
        shown(figures.ideal_seconds),
        shown(figures.first_target_seconds)
    ));
    if let Some(Spread { median, mean, max }) = figures.visit_waiting_seconds {
        line(format!(
            "  waiting that we add to a visit: median {median:.2} s, mean {mean:.2} s, longest {max:.2} s"
        ));
    }
    line(format!(
        "  requests a node: controller {}, of them {} evictions; daemon {}",
        shown(figures.controller_requests_per_node),
        shown(figures.evicted_pods_per_node),
        shown(figures.daemon_requests_per_node)
    ));
    line(format!(
        "  controller: {:.0} MiB, at most {:.0} MiB; {:.2} s of processor time",
        figures.controller_rss_mib, figures.controller_rss_peak_mib, figures.controller_cpu_seconds
    ));
    for (who, requests) in [
        ("controller", &figures.controller_requests),
        ("daemons", &figures.daemon_requests),
    ] {
        for (what, counts) in [
            ("a node", &requests.counted),
            ("apart (watches and their lists, leases)", &requests.apart),
            ("after the end", &requests.afterwards),
        ] {
            if !counts.is_empty() {
                line(format!("  {who}, {what}:"));
            }
            for words in lines(counts, *nodes) {
                line(words);
            }
        }
    }
    text
}

fn lines(counts: &BTreeMap<String, usize>, nodes: usize) -> Vec<String> {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
    let line = |(name, count): (&String, &usize)| {
        format!(
            "    {:>8.2}  {count:>6}  {name}",
            super::per_node(*count, nodes)
        )
    };
    counts.into_iter().map(line).collect()
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}
