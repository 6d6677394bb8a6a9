//! How an API server instance is asked what it serves.

use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::time::Duration;

/// Asks one API server instance for its version.
pub trait AskVersion: Send + Sync {
    /// The `gitVersion` of `/version`, as in `v1.34.2`; or why there is none.
    fn ask<'a>(&'a self, instance: &'a str) -> BoxFuture<'a, Result<String, String>>;
}

/// Asks all instances at once; one that takes longer than `patience` has not answered.
pub async fn ask_all(
    ask: &dyn AskVersion,
    instances: &[String],
    patience: Duration,
) -> BTreeMap<String, Result<String, String>> {
    let asks: Vec<_> = instances
        .iter()
        .map(|instance| ask_one(ask, instance, patience))
        .collect();
    futures::future::join_all(asks).await.into_iter().collect()
}

async fn ask_one(
    ask: &dyn AskVersion,
    instance: &str,
    patience: Duration,
) -> (String, Result<String, String>) {
    let answer = tokio::time::timeout(patience, ask.ask(instance)).await;
    let late = || format!("no answer within {} s", patience.as_secs());
    (instance.to_owned(), answer.unwrap_or_else(|_| Err(late())))
}

/// Asks over the network, at the instance's own address and under the name of the service.
#[derive(Clone, Debug)]
pub struct AskOverNetwork {
    config: kube::Config,
}

impl AskOverNetwork {
    /// With the trust and the credential of `config`.
    pub fn new(config: kube::Config) -> Self {
        Self { config }
    }

    async fn version(&self, instance: &str) -> Result<String, String> {
        let mut config = self.config.clone();
        let said = |error: &dyn std::error::Error| error.to_string();
        config.cluster_url = format!("https://{instance}")
            .parse()
            .map_err(|e| said(&e))?;
        // The instance's certificate names the service and not its address.
        config.tls_server_name = Some("kubernetes.default.svc".to_owned());
        let client = kube::Client::try_from(config).map_err(|e| said(&e))?;
        let info = client.apiserver_version().await.map_err(|e| said(&e))?;
        Ok(info.git_version)
    }
}

impl AskVersion for AskOverNetwork {
    fn ask<'a>(&'a self, instance: &'a str) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(self.version(instance))
    }
}

/// Asks whatever the controller's own client is connected to: for API servers whose balancer's answer counts.
#[derive(Clone)]
pub struct AskOwnServer(pub kube::Client);

impl AskVersion for AskOwnServer {
    fn ask<'a>(&'a self, _instance: &'a str) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let info = self
                .0
                .apiserver_version()
                .await
                .map_err(|error| error.to_string())?;
            Ok(info.git_version)
        })
    }
}
