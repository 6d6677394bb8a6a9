//! The update service as a process, and what the kernel and its own metrics say of it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::super::mib;
use super::Bench;
use crate::control_plane::processes::{Process, Recipe};

/// How long it may take to be ready; the reference takes 42 seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is asked: a hundredth of what is to be reached.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long it may take to answer a small question.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// The counter of graphs that were loaded.
const LOADS: &str = "cincinnati_gb_graph_upstream_scrapes_total ";

/// A running service that is ready.
pub(super) struct Service {
    /// Where answers are, without the path below the prefix.
    pub(super) answers: String,
    /// From the start of the process.
    pub(super) ready_after: Duration,
    process: Process,
    status: SocketAddr,
}

impl Service {
    /// Starts it, and waits until it is ready.
    pub(super) fn start(bench: &Bench, raw: &Path, place: &Path) -> Result<Self> {
        let log = place.join("service.log");
        let data = bench.data.join("graph-data-2026.tar.gz");
        let arguments = [
            "update-service".as_ref(),
            "--raw".as_ref(),
            raw.as_os_str(),
            "--graph-data".as_ref(),
            data.as_os_str(),
            "--listen".as_ref(),
            "127.0.0.1:0".as_ref(),
            "--status-listen".as_ref(),
            "127.0.0.1:0".as_ref(),
        ];
        let started = stopwatch();
        let mut process = Process::start(Recipe {
            name: "windlass update-service".to_owned(),
            program: bench.windlass.clone(),
            arguments: arguments.map(ToOwned::to_owned).to_vec(),
            log: log.clone(),
        })?;
        let mut ports = None;
        while started.elapsed() < PATIENCE {
            process.alive()?;
            ports = ports.or(listening(&log));
            if let Some((answers, status)) = ports
                && get(status, "/readyz").is_ok_and(|told| told.starts_with("HTTP/1.1 200"))
            {
                return Ok(Self {
                    answers: format!("http://{answers}/api/upgrades_info"),
                    ready_after: started.elapsed(),
                    process,
                    status,
                });
            }
            pause();
        }
        bail!(
            "the update service was not ready within {PATIENCE:?}; its log ends with\n{}",
            process.log_tail()
        )
    }

    /// The most memory that it had in use so far.
    pub(super) fn peak_mib(&self) -> Result<f64> {
        let peak = self.process.resident_peak_kib();
        peak.map(|kib| mib(Some(kib))).context("it does not run")
    }

    /// Memory in use.
    pub(super) fn resident_mib(&self) -> Result<f64> {
        let resident = self.process.resident_kib();
        resident
            .map(|kib| mib(Some(kib)))
            .context("it does not run")
    }

    /// Its processor time so far.
    pub(super) fn on_processor(&mut self) -> Result<Duration> {
        self.process.alive()?;
        self.process.on_processor().context("it does not run")
    }

    /// How many graphs it has loaded.
    pub(super) fn loads(&self) -> Result<f64> {
        let metrics = get(self.status, "/metrics")?;
        let line = metrics.lines().find_map(|line| line.strip_prefix(LOADS));
        line.and_then(|value| value.parse().ok())
            .with_context(|| format!("looking for `{LOADS}` in the metrics of the update service"))
    }
}

/// A started stopwatch.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub(super) fn stopwatch() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a bench waits in real time")]
fn pause() {
    std::thread::sleep(LOOK_EVERY);
}

/// The ports of answers and of the status, as the log names them.
fn listening(log: &PathBuf) -> Option<(SocketAddr, SocketAddr)> {
    let log = fs::read_to_string(log).ok()?;
    Some((port(&log, "answers")?, port(&log, "status")?))
}

fn port(log: &str, what: &str) -> Option<SocketAddr> {
    let line = log
        .lines()
        .find(|line| line.contains("listening") && line.contains(what))?;
    let (_, address) = line.split_once("127.0.0.1:")?;
    let digits = address.split(|c: char| !c.is_ascii_digit()).next()?;
    format!("127.0.0.1:{digits}").parse().ok()
}

fn get(address: SocketAddr, path: &str) -> Result<String> {
    let attempt = || format!("asking http://{address}{path}");
    let mut stream = TcpStream::connect(address).with_context(attempt)?;
    stream
        .set_read_timeout(Some(ANSWER_WITHIN))
        .with_context(attempt)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).with_context(attempt)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(attempt)?;
    Ok(answer)
}
