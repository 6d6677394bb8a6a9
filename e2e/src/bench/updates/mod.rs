//! What the update service costs at today's size: `cargo xtask bench updates`.
//!
//! # How it is measured
//! The service is the real binary as a process of its own, which reads the recorded raw graph and graph data of 2026 and is
//! asked over loopback for one channel by `wrk`, from Debian's packages. Time to ready is from the start of the process to the
//! first answer that it is ready. Memory is what the kernel counts for the process: the peak when it is ready, what is resident
//! after all questions. Processor time is the service's own, all threads together, by the answers that were given.
//!
//! A scan is measured on a real registry with 600 releases, by the requests that the client counts.
//!
//! While graphs swap, the raw graph's file is replaced each second by one that differs in one edge, so that answers differ too.
//!
//! # Assumes
//! Nothing else that is heavy runs on the machine: the service and who asks it share its processors.
//!
//! # Not here
//! Whether answers are right: the recordings, in `e2e/tests/update_graph.rs`.

mod load;
pub mod scan;
mod service;
mod swaps;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use load::Load;
use scan::{Cost, Scan};
use service::Service;

/// Connections that stay, at a time.
const CONNECTIONS: [usize; 3] = [1, 8, 64];
/// For so long each figure is measured.
const MEASURED: Duration = Duration::from_secs(5);
/// For so long the service is asked before anything is measured.
const WARMED: Duration = Duration::from_secs(1);
/// What is asked for.
const QUERY: &str = "/v1/graph?channel=stable-4.16&arch=amd64";

/// What is measured, and with what.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The binary `windlass`.
    pub windlass: PathBuf,
    /// Who asks.
    pub wrk: PathBuf,
    /// The folder of `raw-2026.json.gz` and `graph-data-2026.tar.gz`.
    pub data: PathBuf,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// From the start of the process to ready.
    pub build_seconds: f64,
    /// The most memory that it had in use until then, in MiB.
    pub build_peak_mib: f64,
    /// Memory in use after all questions, in MiB.
    pub rss_mib: f64,
    /// While one graph is served.
    pub serve: Vec<Served>,
    /// While graphs swap.
    pub while_swapping: Swapping,
    /// What a scan of a registry costs.
    pub scan: Scan,
}

/// What one number of connections got.
#[derive(Clone, Debug, Serialize)]
pub struct Served {
    /// Connections that stay, at a time.
    pub connections: usize,
    /// Whether answers were packed.
    pub gzip: bool,
    /// Whole answers.
    pub requests_per_second: f64,
    /// Half of the answers came within this.
    pub p50_ms: f64,
    /// All but one in a hundred came within this.
    pub p99_ms: f64,
    /// Processor time of the service.
    pub cpu_ms_per_request: f64,
}

/// The same while graphs swap.
#[derive(Clone, Debug, Serialize)]
pub struct Swapping {
    /// Graphs that took over in each second.
    pub swaps_per_second: f64,
    /// The most memory that was in use, in MiB.
    pub peak_mib: f64,
    /// Memory in use at the end, in MiB.
    pub rss_mib: f64,
    /// As without swaps.
    pub serve: Vec<Served>,
}

/// Measures.
pub fn run(bench: &Bench) -> Result<Figures> {
    let place = tempfile::tempdir().context("making a folder for the bench")?;
    let raw = bench.data.join("raw-2026.json.gz");
    let swapped = place.path().join("raw.json.gz");
    std::fs::copy(&raw, &swapped)
        .with_context(|| format!("copying {} to {}", raw.display(), swapped.display()))?;
    let mut service = Service::start(bench, &swapped, place.path())?;
    let load = Load::new(&bench.wrk, place.path())?;
    let (build_seconds, build_peak_mib) = (service.ready_after.as_secs_f64(), service.peak_mib()?);
    ask(&load, &mut service, WARMED, (8, true))?;
    let serve = all(&load, &mut service)?;
    let rss_mib = service.resident_mib()?;
    Ok(Figures {
        build_seconds,
        build_peak_mib,
        rss_mib,
        serve,
        while_swapping: while_swapping(&load, &mut service, &swapped, place.path())?,
        scan: {
            // It costs memory and time that are not the scan's.
            drop(service);
            let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
            runtime.block_on(scan::run())?
        },
    })
}

fn while_swapping(
    load: &Load,
    service: &mut Service,
    raw: &Path,
    place: &Path,
) -> Result<Swapping> {
    let files = swaps::Files::new(raw, place)?;
    let loads = service.loads()?;
    let started = service::stopwatch();
    let (serve, replaced) = swaps::during(&files, || all(load, service));
    let (serve, seconds) = (serve?, started.elapsed().as_secs_f64());
    replaced?;
    Ok(Swapping {
        swaps_per_second: (service.loads()? - loads) / seconds,
        peak_mib: service.peak_mib()?,
        rss_mib: service.resident_mib()?,
        serve,
    })
}

fn all(load: &Load, service: &mut Service) -> Result<Vec<Served>> {
    let mut served = Vec::new();
    for connections in CONNECTIONS {
        for gzip in [true, false] {
            eprintln!("{connections} connections, gzip {gzip}: measuring");
            served.push(ask(load, service, MEASURED, (connections, gzip))?);
        }
    }
    Ok(served)
}

fn ask(
    load: &Load,
    service: &mut Service,
    time: Duration,
    (connections, gzip): (usize, bool),
) -> Result<Served> {
    let url = format!("{}{QUERY}", service.answers);
    let before = service.on_processor()?;
    let got = load.ask(&url, time, connections, gzip)?;
    let spent = service.on_processor()?.saturating_sub(before);
    Ok(Served {
        connections,
        gzip,
        requests_per_second: got.requests / got.seconds,
        p50_ms: got.p50_ms,
        p99_ms: got.p99_ms,
        cpu_ms_per_request: spent.as_secs_f64() * 1000.0 / got.requests,
    })
}

/// The figures as people read them.
pub fn text(figures: &Figures) -> String {
    let Figures {
        build_seconds,
        build_peak_mib,
        rss_mib,
        serve,
        while_swapping: swapping,
        scan,
    } = figures;
    let mut lines = vec![
        format!("files to ready: {build_seconds:.2} s, at most {build_peak_mib:.0} MiB"),
        format!("in use after all questions: {rss_mib:.0} MiB"),
    ];
    lines.extend(serve.iter().map(line));
    lines.push(format!(
        "with {:.2} new graphs a second: at most {:.0} MiB, {:.0} MiB at the end",
        swapping.swaps_per_second, swapping.peak_mib, swapping.rss_mib
    ));
    lines.extend(swapping.serve.iter().map(line));
    lines.push(format!(
        "a registry with {} releases and {} other images:",
        scan.releases, scan.others
    ));
    let scans = [
        ("first scan", &scan.cold),
        ("scan with nothing new", &scan.again),
        ("scan with one new tag", &scan.one_new),
    ];
    lines.extend(scans.map(|(what, cost)| scan_line(what, cost)));
    lines.join("\n")
}

fn scan_line(what: &str, cost: &Cost) -> String {
    format!(
        "  {what}: {:.2} s; {} pages of tags, {} manifests, {} that were the same, {} blobs of {:.1} MiB",
        cost.seconds, cost.tag_pages, cost.manifests, cost.unchanged, cost.blobs, cost.blob_mib
    )
}

fn line(served: &Served) -> String {
    format!(
        "  {:>2} connections, {}: {:>7.0} requests/s, half within {:.2} ms, 99 of 100 within {:.2} ms, {:.3} ms of processor time each",
        served.connections,
        if served.gzip { "gzip " } else { "plain" },
        served.requests_per_second,
        served.p50_ms,
        served.p99_ms,
        served.cpu_ms_per_request
    )
}
