//! How the processes of this program log: to standard error, for people or for machines.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result};
use tracing_subscriber::EnvFilter;

/// What is logged, and in which form.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Logs {
    /// The form of log lines
    #[arg(long, default_value_t, value_enum)]
    log_format: LogFormat,
    /// What is logged, as in `info` or `controller=debug,info`
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log: String,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Logs {
    /// Starts the log of this process.
    pub(crate) fn start(&self) -> Result<()> {
        let filter = &self.log;
        let filter =
            EnvFilter::try_new(filter).with_context(|| format!("reading --log {filter}"))?;
        let logs = tracing_subscriber::fmt()
            .with_env_filter(filter)
            // Colours are for people at a terminal, and not for a journal.
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr);
        let started = match self.log_format {
            LogFormat::Text => logs.try_init(),
            LogFormat::Json => logs.json().try_init(),
        };
        started.map_err(|error| anyhow::anyhow!("starting the log: {error}"))
    }
}
