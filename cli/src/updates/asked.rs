//! What is asked, and of whom: files, or an update service.

use std::future::Future;
use std::path::PathBuf;

use ::updates::Graph;
use ::updates::explain::{self, Explanation, Question};
use ::updates::registry;
use ::updates::server::Server;
use ::updates::source::Files;
use ::updates::wire::Received;
use anyhow::{Context as _, Result, bail};

use crate::output::Output;

#[derive(clap::Args, Debug)]
pub(super) struct Asked {
    /// Releases and edges: a raw graph, .json or .json.gz
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "server",
        requires = "graph_data"
    )]
    raw: Option<PathBuf>,
    /// Channels and blocked edges: a graph-data folder, .tar or .tar.gz
    #[arg(long, value_name = "PATH", requires = "raw")]
    graph_data: Option<PathBuf>,
    /// An update service instead of files, by the address that clusters have of it: https://HOST/api/upgrades_info/v1/graph
    #[arg(long, value_name = "URL", conflicts_with = "raw")]
    server: Option<String>,
    /// Whom to trust besides those whom this machine trusts: certificates of authorities, PEM
    #[arg(long, value_name = "FILE", requires = "server")]
    server_ca: Option<PathBuf>,
    /// The channel that the cluster follows
    #[arg(long)]
    pub(super) channel: String,
    /// Its architecture
    #[arg(long, default_value = "amd64")]
    pub(super) arch: String,
    /// The version that it has
    #[arg(long, value_name = "VERSION")]
    pub(super) from: String,
    /// The form of the answer
    #[arg(short, long, default_value_t, value_enum)]
    pub(super) output: Output,
}

impl Asked {
    /// The answer of the channel.
    pub(super) fn answer(&self) -> Result<Received> {
        match self.server()? {
            Some(server) => waited(server.graph(&self.channel, &self.arch)),
            None => Ok(Received::from(
                &self.graph()?.answer(&self.channel, &self.arch),
            )),
        }
    }

    /// The explanation: of the files, of the service, or of what the service's answer tells.
    pub(super) fn explanation(&self, to: Option<&str>) -> Result<Explanation> {
        let question = Question {
            channel: &self.channel,
            architecture: &self.arch,
            from: &self.from,
            to,
        };
        let Some(server) = self.server()? else {
            return self.of_channel(self.graph()?.explain(question));
        };
        if let Some(explanation) = waited(server.explain(question))? {
            return Ok(explanation);
        }
        let answer = waited(server.graph(&self.channel, &self.arch))?;
        self.of_channel(explain::received(question, &answer))
    }

    /// Says what was asked, where there is no answer.
    pub(super) fn of_channel<T, E>(&self, answer: Result<T, E>) -> Result<T>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        answer
            .with_context(|| format!("asking {} for {} on {}", self.channel, self.from, self.arch))
    }

    fn server(&self) -> Result<Option<Server>> {
        let Some(address) = &self.server else {
            return Ok(None);
        };
        let authorities = match &self.server_ca {
            None => Vec::new(),
            Some(path) => {
                let text = std::fs::read(path)
                    .with_context(|| format!("reading the authorities {}", path.display()))?;
                registry::authorities(&text)
                    .with_context(|| format!("reading the authorities {}", path.display()))?
            }
        };
        Server::new(address, authorities)
            .context("reading --server")
            .map(Some)
    }

    /// The graph; what is wrong with its sources goes to standard error.
    fn graph(&self) -> Result<Graph> {
        let (Some(raw), Some(graph_data)) = (self.raw.clone(), self.graph_data.clone()) else {
            bail!("reading the update graph: name --raw and --graph-data, or --server");
        };
        let files = Files { raw, graph_data };
        let (graph, _) = files.load().context("reading the update graph")?;
        for problem in graph.problems() {
            eprintln!("windlass: graph data: {problem}");
        }
        for aside in graph.aside() {
            eprintln!("windlass: set aside: {aside}");
        }
        Ok(graph)
    }
}

/// Waits for an answer of the service.
fn waited<T, E>(answer: impl Future<Output = Result<T, E>>) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    tokio::runtime::Runtime::new()
        .context("starting the runtime")?
        .block_on(answer)
        .context("asking the update service")
}
