//! The cluster that a command speaks to: the one that the kubeconfig names, else the one that it runs in.

use std::future::Future;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Which cluster.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Cluster {
    /// The kubeconfig; else the one in $KUBECONFIG, ~/.kube/config, or the cluster that this runs in
    #[arg(long, global = true)]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig
    #[arg(long, global = true)]
    context: Option<String>,
}

impl Cluster {
    /// The one of this kubeconfig; without one, as where none is named.
    pub(crate) fn of(kubeconfig: Option<PathBuf>) -> Self {
        Self {
            kubeconfig,
            context: None,
        }
    }

    /// How to reach it. What the server refuses for now is told to the caller, who knows what it means: left to itself, the
    /// client would ask for a refused eviction fifteen times, ten seconds apart, while no hold names the wait.
    pub(crate) async fn config(&self) -> Result<Config> {
        let mut config = self.found().await?;
        config.default_retry = false;
        Ok(config)
    }

    async fn found(&self) -> Result<Config> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        match (&self.kubeconfig, &self.context) {
            (Some(path), _) => {
                let read = Kubeconfig::read_from(path)
                    .with_context(|| format!("reading the kubeconfig {}", path.display()))?;
                Config::from_custom_kubeconfig(read, &options)
                    .await
                    .with_context(|| format!("using the kubeconfig {}", path.display()))
            }
            (None, Some(context)) => Config::from_kubeconfig(&options)
                .await
                .with_context(|| format!("using the context {context} of the kubeconfig")),
            (None, None) => Config::infer()
                .await
                .context("looking for a cluster: name one with --kubeconfig"),
        }
    }

    /// Who speaks: the name that the API server knows the caller by, else the kubeconfig's.
    pub(crate) async fn caller(&self, client: &Client) -> String {
        let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
        let asked = reviews
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await;
        // An older API server does not know this kind; then the kubeconfig's word has to do, for it is only a record.
        asked
            .ok()
            .and_then(|review| review.status?.user_info?.username)
            .filter(|name| !name.is_empty())
            .or_else(|| self.kubeconfig_user())
            .unwrap_or_else(|| "somebody without a name".to_owned())
    }

    fn kubeconfig_user(&self) -> Option<String> {
        let read = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let read = read.ok()?;
        let wanted = self.context.clone().or(read.current_context)?;
        let named = read
            .contexts
            .into_iter()
            .find(|context| context.name == wanted)?;
        named.context?.user
    }
}

/// Runs a command that waits for a cluster.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &str = r#"{"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}]}"#;

    #[test]
    fn a_refused_eviction_is_an_answer_and_not_asked_for_again_by_the_client() {
        let path = std::env::temp_dir().join(format!("windlass-{}.kubeconfig", std::process::id()));
        std::fs::write(&path, KUBECONFIG).unwrap();
        let cluster = Cluster::of(Some(path.clone()));

        let config = block_on(cluster.config()).unwrap();

        std::fs::remove_file(path).unwrap();
        assert!(!config.default_retry);
    }
}
