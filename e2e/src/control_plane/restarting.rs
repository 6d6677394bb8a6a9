//! Processes that are started anew in the place that they had: as they were, of another version, or with their history forgotten.
//!
//! History is forgotten by a compaction of etcd and by API servers that begin with empty caches. An API server answers for old versions from its caches long after etcd has forgotten them. So only both together make every
//! watch, list and page of an earlier version too old, as it is for a client that was away for long.

use std::path::PathBuf;

use http::Request;
use kube::{Client, Config};
use serde::Deserialize;
use serde_json::{Value, json};

use super::assets::{self, Assets, Program};
use super::error::{ControlPlaneError, Result};
use super::{Component, ControlPlane};

/// A key of which etcd tells how far it is, whether or not it is there: the zero byte, in base64.
const ANY_KEY: &str = "AA==";

/// What every answer of etcd's gateway begins with.
#[derive(Deserialize)]
struct Answer {
    header: Header,
}

/// Where etcd is.
#[derive(Deserialize)]
struct Header {
    /// A number as text, as JSON has 64 bits.
    revision: String,
}

impl ControlPlane {
    /// Compacts etcd up to now, and starts every API server anew.
    pub async fn forget_history(&mut self) -> Result<()> {
        self.compact().await?;
        for instance in 0..self.api_servers() {
            self.restart(Component::ApiServer(instance)).await?;
        }
        Ok(())
    }

    /// Lets etcd forget all versions before the newest one.
    async fn compact(&self) -> Result<()> {
        let asked = json!({ "key": ANY_KEY, "keys_only": true });
        let newest = self.ask_etcd("range", asked).await?.header.revision;
        let compaction = json!({ "revision": newest, "physical": true });
        self.ask_etcd("compaction", compaction).await.map(drop)
    }

    /// Asks the first member through its gateway for JSON.
    async fn ask_etcd(&self, what: &'static str, body: Value) -> Result<Answer> {
        let url = self.layout.etcd_url(0);
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| ControlPlaneError::Etcd {
            what,
            url: url.clone(),
            source,
        };
        let address = url.parse().map_err(|error| failed(Box::new(error)))?;
        let config = Config::new(address);
        let client = Client::try_from(config).map_err(|error| failed(Box::new(error)))?;
        let request = Request::post(format!("/v3/kv/{what}"))
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .map_err(|error| failed(Box::new(error)))?;
        let answer = client.request(request).await;
        answer.map_err(|error| failed(Box::new(error)))
    }

    /// Kills a process and starts it again; API servers are ready when this returns.
    pub async fn restart(&mut self, component: Component) -> Result<()> {
        self.start_in_place(component, None).await
    }

    /// Kills an API server and starts one in its place that is of this version, as in `v1.35.9`, by its own word
    /// ([`assets::api_server_as`]); none: the one that all begin with.
    pub async fn change_version(
        &mut self,
        instance: usize,
        version: Option<&'static str>,
    ) -> Result<()> {
        let program = move || match version {
            Some(version) => assets::api_server_as(version),
            None => Assets::ready()?.path(Program::ApiServer),
        };
        let program = tokio::task::spawn_blocking(program)
            .await
            .map_err(ControlPlaneError::Interrupted)??;
        self.start_in_place(Component::ApiServer(instance), Some(program))
            .await
    }

    async fn start_in_place(
        &mut self,
        component: Component,
        program: Option<PathBuf>,
    ) -> Result<()> {
        if let Some(process) = self.process(component) {
            process.kill();
            if let Some(program) = program {
                process.replace_program(program);
            }
            process.start_again()?;
        }
        for instance in 0..self.api_servers() {
            self.ready(instance).await?;
        }
        Ok(())
    }
}
