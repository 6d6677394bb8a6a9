//! What came of a demo: the observer's numbers and the chapters.

use std::fmt;

use serde::Serialize;
use simulation::fleet::Fleet;
use simulation::observer::Summary;

/// What came of one chapter.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Told {
    /// Its stable name.
    pub(crate) name: &'static str,
    /// Whether it went as it should.
    pub(crate) passed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl Told {
    pub(crate) fn new(name: &'static str, came: anyhow::Result<()>) -> Self {
        match came {
            Ok(()) => Self {
                name,
                passed: true,
                error: None,
            },
            Err(error) => Self::failed(name, &error),
        }
    }

    pub(crate) fn failed(name: &'static str, error: &anyhow::Error) -> Self {
        Self {
            name,
            passed: false,
            error: Some(format!("{error:#}")),
        }
    }
}

/// The whole verdict; its fields are the JSON object's.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    #[serde(flatten)]
    summary: Summary,
    chapters: Vec<Told>,
    /// The first violations, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violated: Vec<String>,
}

/// How many violations a verdict tells in words; the number counts all.
const VIOLATIONS_SHOWN: usize = 10;

impl Verdict {
    pub(crate) fn new(fleet: &Fleet, chapters: Vec<Told>) -> Self {
        let violated = fleet.observe(|observer| {
            observer
                .violations()
                .iter()
                .take(VIOLATIONS_SHOWN)
                .map(ToString::to_string)
                .collect()
        });
        Self {
            summary: fleet.summary(),
            chapters,
            violated,
        }
    }

    /// Whether all converged, every chapter passed and no promise was broken.
    pub(crate) fn is_clean(&self) -> bool {
        self.summary.converged
            && self.summary.violations == 0
            && self.chapters.iter().all(|told| told.passed)
    }

    /// What is wrong, in one line.
    pub(crate) fn complaint(&self) -> String {
        let mut complaints: Vec<String> = self
            .chapters
            .iter()
            .filter(|told| !told.passed)
            .map(|told| {
                format!(
                    "{}: {}",
                    told.name,
                    told.error.as_deref().unwrap_or("failed")
                )
            })
            .collect();
        if !self.summary.converged {
            complaints.push("not all nodes have their pool's config".to_owned());
        }
        complaints.extend(self.violated.iter().cloned());
        complaints.join("; ")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            summary,
            chapters,
            violated,
        } = self;
        writeln!(out)?;
        for told in chapters {
            writeln!(
                out,
                "{:<18} {}",
                told.name,
                if told.passed { "passed" } else { "FAILED" }
            )?;
        }
        writeln!(out)?;
        writeln!(
            out,
            "{:<10} {:>5} {:>8} {:>11} {:>9}",
            "pool", "nodes", "updated", "most away", "allowed"
        )?;
        for pool in &summary.pools {
            let updated = if pool.updated { "yes" } else { "NO" };
            writeln!(
                out,
                "{:<10} {:>5} {updated:>8} {:>11} {:>9}",
                pool.name, pool.nodes, pool.peak_unavailable, pool.max_unavailable
            )?;
        }
        writeln!(out)?;
        writeln!(out, "why nodes waited")?;
        for hold in summary
            .holds
            .iter()
            .filter(|hold| hold.reason != "UpToDate")
        {
            writeln!(
                out,
                "{:<24} {:>4} nodes {:>9.1} s",
                hold.reason, hold.nodes, hold.seconds
            )?;
        }
        writeln!(out)?;
        let checked: Vec<String> = summary
            .promises
            .iter()
            .map(|promise| format!("{} {}x", promise.name, promise.checked))
            .collect();
        writeln!(out, "promises checked: {}", checked.join(", "))?;
        for violation in violated {
            writeln!(out, "BROKEN: {violation}")?;
        }
        writeln!(
            out,
            "{} nodes, {:.0} s, {} promises broken, {} nodes broken by a config, {}",
            summary.nodes,
            summary.duration_seconds,
            summary.violations,
            summary.nodes_broken,
            if summary.converged {
                "all converged"
            } else {
                "NOT CONVERGED"
            }
        )
    }
}
