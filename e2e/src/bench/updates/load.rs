//! Who asks: wrk, and what it counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// Tells what was counted as one line of JSON, for the text that wrk writes by itself rounds.
const TELL: &str = r#"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"micros":%d,"p50":%d,"p99":%d,"failed":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"#;

/// The program that asks.
pub(super) struct Load {
    wrk: PathBuf,
    tell: PathBuf,
}

/// What came of it.
pub(super) struct Got {
    pub(super) requests: f64,
    pub(super) seconds: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

#[derive(Deserialize)]
struct Told {
    requests: f64,
    micros: f64,
    p50: f64,
    p99: f64,
    failed: u64,
}

impl Load {
    /// With its script in this folder.
    pub(super) fn new(wrk: &Path, place: &Path) -> Result<Self> {
        let tell = place.join("tell.lua");
        fs::write(&tell, TELL).with_context(|| format!("writing {}", tell.display()))?;
        Ok(Self {
            wrk: wrk.to_owned(),
            tell,
        })
    }

    /// Asks the same over and over. A question that fails, fails the measurement.
    pub(super) fn ask(
        &self,
        url: &str,
        time: Duration,
        connections: usize,
        gzip: bool,
    ) -> Result<Got> {
        let encoding = if gzip { "gzip" } else { "identity" };
        let mut command = Command::new(&self.wrk);
        // One thread: it asks faster than anybody answers, and leaves a processor to the service.
        command
            .args(["--threads", "1"])
            .args(["--connections", &connections.to_string()])
            .args(["--duration", &format!("{}s", time.as_secs())])
            .args(["--header", "Accept: application/json"])
            .args(["--header", &format!("Accept-Encoding: {encoding}")])
            .arg("--script")
            .arg(&self.tell)
            .arg(url)
            .stderr(Stdio::inherit());
        let shown = format!("{command:?}");
        let output = command
            .output()
            .with_context(|| format!("running {shown}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "{shown} ended with {}:\n{text}",
            output.status
        );
        let line = text.lines().find(|line| line.starts_with('{'));
        let line = line.with_context(|| format!("{shown} told no figures:\n{text}"))?;
        let told: Told = serde_json::from_str(line).with_context(|| format!("reading {line}"))?;
        ensure!(
            told.failed == 0 && told.requests > 0.0,
            "{shown}: {} questions, {} of them failed",
            told.requests,
            told.failed
        );
        Ok(Got {
            requests: told.requests,
            seconds: told.micros / 1e6,
            p50_ms: told.p50 / 1e3,
            p99_ms: told.p99 / 1e3,
        })
    }
}
