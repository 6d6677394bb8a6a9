//! How a process of this program is told to end.

use std::future::Future;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// Completes when the process is told to end, by SIGTERM or Ctrl-C. SIGTERM is listened for from now on.
pub(crate) fn told_to_end() -> Result<impl Future<Output = ()>> {
    let mut told = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = told.recv() => info!("told to end"),
            _ = tokio::signal::ctrl_c() => info!("interrupted"),
        }
    })
}
