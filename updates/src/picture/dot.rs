//! The picture as a graph description for Graphviz.

use std::fmt;

use super::{Mark, Picture, Way};

impl Picture {
    /// The picture as `dot` reads it: lanes are clusters, and edges lead upwards.
    pub fn dot(&self) -> String {
        Dot(self).to_string()
    }

    fn write_dot(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = quoted(&format!("{} {}", self.channel, self.architecture));
        writeln!(out, "digraph {name} {{")?;
        writeln!(out, "  graph [rankdir=BT, label={name}, labelloc=t];")?;
        writeln!(
            out,
            "  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=monospace];"
        )?;
        for (number, lane) in self.lanes.iter().enumerate() {
            writeln!(out, "  subgraph \"cluster_{number}\" {{")?;
            writeln!(out, "    label={};", quoted(lane))?;
            for release in self.releases.iter().filter(|one| one.lane == number) {
                let thick = if release.on_way { ", penwidth=3" } else { "" };
                writeln!(
                    out,
                    "    {} [fillcolor=\"{}\"{thick}];",
                    quoted(&release.version),
                    colour(release.mark)
                )?;
            }
            writeln!(out, "  }}")?;
        }
        for edge in &self.edges {
            let mut attributes = Vec::new();
            if !edge.risks.is_empty() {
                attributes.push("style=dashed, color=\"#9a6700\"".to_owned());
                attributes.push(format!("tooltip={}", quoted(&edge.risks.join(", "))));
            }
            match edge.way {
                Way::First => attributes.push("penwidth=3".to_owned()),
                Way::Other => attributes.push("penwidth=2".to_owned()),
                Way::None => {}
            }
            let (from, to) = (self.version(edge.from), self.version(edge.to));
            let attributes = attributes.join(", ");
            writeln!(out, "  {} -> {} [{attributes}];", quoted(from), quoted(to))?;
        }
        writeln!(out, "}}")
    }
}

struct Dot<'p>(&'p Picture);

impl fmt::Display for Dot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_dot(f)
    }
}

fn colour(mark: Mark) -> &'static str {
    match mark {
        Mark::Plain => "#ffffff",
        Mark::Here => "#b6d8ff",
        Mark::Recommended => "#d3f5db",
        Mark::WithRisks => "#fff1b8",
        Mark::No => "#ffd9d6",
        Mark::Older => "#eef0f2",
    }
}

/// A quoted text: of what has a meaning in it, nothing is left.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
