//! The stage of a measurement: a control plane with Windlass's manifests, and the controller as a process of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use api::names::{install, label, pool};
use api::{MachineConfig, MachineConfigPool};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::Tools;
use super::requests::Requests;
use crate::control_plane::processes::{Process, Recipe};
use crate::control_plane::{ControlPlane, Options};
use crate::machines::clock;

/// What the one MachineConfig is called.
const CONFIG: &str = "50-bench";
/// Field manager of all that people would write.
const PEOPLE: &str = "bench";
/// Who the controller is among the replicas.
const IDENTITY: &str = "bench";
/// How long anything may take that is waited for outside a measurement, on a machine that does other things too.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);
/// How often such a thing is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A controller that has written nothing for so long has nothing more to write.
const QUIET: Duration = Duration::from_secs(4);

/// A control plane on which Windlass is installed.
pub(super) struct Stage {
    // First: it ends before what it speaks to.
    pub(super) controller: Option<Process>,
    pub(super) cluster: ControlPlane,
    pub(super) admin: Client,
    tools: Tools,
}

impl Stage {
    /// Starts a control plane and applies the kustomize base, as a user does.
    pub(super) async fn set(options: Options, tools: &Tools) -> Result<Self> {
        let cluster = ControlPlane::start(options).await?;
        let admin = cluster.admin().await?;
        let stage = Self {
            controller: None,
            cluster,
            admin,
            tools: tools.clone(),
        };
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kustomize/base");
        stage.kubectl(&["apply", "--server-side", "-k", &base.display().to_string()])?;
        stage.kubectl(&["wait", "--for=condition=Established", "crd", "--all"])?;
        Ok(stage)
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<()> {
        let told = self.cluster.kubectl()?.args(arguments).output()?;
        let error = String::from_utf8_lossy(&told.stderr);
        ensure!(told.status.success(), "kubectl {arguments:?}: {error}");
        Ok(())
    }

    /// Starts the controller with the token that ships and these settings.
    pub(super) async fn start_controller(&mut self, settings: &Value) -> Result<()> {
        let token = self
            .cluster
            .token_of(install::NAMESPACE, install::CONTROLLER, None)
            .await?;
        let kubeconfig = self
            .cluster
            .kubeconfig_of("controller.kubeconfig", 0, &token)?;
        let config = self.cluster.folder().join("controller-config.yaml");
        // JSON is YAML.
        fs::write(&config, settings.to_string()).context("writing the controller's settings")?;
        let mut arguments: Vec<std::ffi::OsString> = vec!["controller".into()];
        for (flag, value) in [
            ("--kubeconfig", kubeconfig.as_os_str()),
            ("--config", config.as_os_str()),
            ("--identity", IDENTITY.as_ref()),
            ("--listen", "127.0.0.1:0".as_ref()),
            ("--log", self.tools.log.as_ref()),
        ] {
            arguments.push(flag.into());
            arguments.push(value.into());
        }
        let recipe = Recipe {
            name: "windlass controller".to_owned(),
            program: self.tools.windlass.clone(),
            arguments,
            log: self.cluster.folder().join("controller.log"),
        };
        self.controller = Some(Process::start(recipe)?);
        Ok(())
    }

    /// Ends the controller as its pod is ended, which gives the lease back; its log is kept where somebody wants it.
    pub(super) fn end_controller(&mut self) -> Result<()> {
        if let Some(mut controller) = self.controller.take() {
            controller.alive()?;
            controller.terminate();
        }
        let log = self.cluster.folder().join("controller.log");
        if let Some(kept) = &self.tools.keep_log {
            fs::copy(&log, kept).with_context(|| format!("copying to {}", kept.display()))?;
        }
        Ok(())
    }

    /// An error if a process of the stage has ended.
    pub(super) fn alive(&mut self) -> Result<()> {
        self.cluster.alive()?;
        if let Some(controller) = &mut self.controller {
            controller.alive()?;
        }
        Ok(())
    }

    /// The controller's settings: the instance is asked where it really listens.
    pub(super) fn settings(&self, defaults: bool) -> Value {
        let (address, port) = self.cluster.listens_at(0);
        let mut settings = json!({"instances": {"addresses": [format!("{address}:{port}")]}});
        if !defaults {
            settings["quiet"] = json!({"period": "0s"});
        }
        settings
    }

    /// Writes the one MachineConfig with this content.
    pub(super) async fn configure(&self, content: &str) -> Result<()> {
        let object = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
            "metadata": {"name": CONFIG, "labels": {label::ROLE: pool::WORKER}},
            "spec": {"config": {"ignition": {"version": "3.4.0"}, "storage": {"files": [{
                "path": "/etc/bench.conf", "mode": 420, "overwrite": true,
                "contents": {"source": format!("data:,{content}")},
            }]}}},
        });
        let configs = Api::<MachineConfig>::all(self.admin.clone());
        let params = PatchParams::apply(PEOPLE);
        let written = configs.patch(CONFIG, &params, &Patch::Apply(&object)).await;
        written.context("writing the MachineConfig")?;
        Ok(())
    }

    /// Writes the pool of all workers, and what governs it.
    pub(super) async fn pool(
        &self,
        max_unavailable: Value,
        first_alone: Option<u32>,
    ) -> Result<()> {
        let params = PatchParams::apply(PEOPLE);
        let object = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
            "metadata": {"name": pool::WORKER},
            "spec": {
                "maxUnavailable": max_unavailable,
                "machineConfigSelector": {"matchLabels": {label::ROLE: pool::WORKER}},
                "nodeSelector": {"matchLabels": {label::NODE_ROLE_WORKER: ""}},
            },
        });
        let pools = Api::<MachineConfigPool>::all(self.admin.clone());
        let written = pools
            .patch(pool::WORKER, &params, &Patch::Apply(&object))
            .await;
        written.context("writing the pool")?;
        let mut spec = json!({"poolSelector": {}});
        if let Some(first_alone) = first_alone {
            spec["firstAlone"] = first_alone.into();
        }
        let object = json!({
            "apiVersion": "windlass.dev/v1alpha1", "kind": "RolloutPolicy",
            "metadata": {"name": "bench"}, "spec": spec,
        });
        let policies = Api::<api::RolloutPolicy>::all(self.admin.clone());
        let written = policies
            .patch("bench", &params, &Patch::Apply(&object))
            .await;
        written.context("writing the policy")?;
        Ok(())
    }

    /// Approves the pool's first config, once there is one; tells which.
    pub(super) async fn approve(&mut self) -> Result<String> {
        let pools = Api::<MachineConfigPool>::all(self.admin.clone());
        let read = async || {
            let pool = pools.get(pool::WORKER).await.ok()?;
            let config = pool.spec.configuration.name;
            (!config.is_empty()).then_some(config)
        };
        self.until("the pool has its first config", async || {
            read().await.is_some()
        })
        .await?;
        let config = read().await.context("the pool has lost its config")?;
        let patch = json!({"metadata": {"annotations": {pool::APPROVE_FIRST: config}}});
        let written = pools
            .patch(pool::WORKER, &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        written.context("approving the first config")?;
        Ok(config)
    }

    /// Waits until the controller leads: then it has seen all there is.
    pub(super) async fn until_leads(&mut self) -> Result<()> {
        let leases = Api::<Lease>::namespaced(self.admin.clone(), install::NAMESPACE);
        self.until("the controller leads", async || {
            let lease = leases.get(install::CONTROLLER).await;
            let holder = lease.ok().and_then(|lease| lease.spec?.holder_identity);
            holder.as_deref() == Some(IDENTITY)
        })
        .await
    }

    /// Waits until the controller has nothing more to write.
    pub(super) async fn until_quiet(&mut self) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let log = self.cluster.audit().from_now()?;
            tokio::time::sleep(QUIET).await;
            self.alive()?;
            let requests = Requests::of(&log.events()?, &controller(), clock().now());
            let writes: BTreeMap<_, _> = requests
                .counted
                .iter()
                .filter(|(name, _)| !name.starts_with("get ") && !name.starts_with("list "))
                .collect();
            if writes.is_empty() {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                bail!("the controller never rests; in {QUIET:?} it asked for {writes:?}");
            }
        }
    }

    /// Waits until something is so.
    pub(super) async fn until(&mut self, story: &str, what: impl AsyncFn() -> bool) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !what().await {
            self.alive()?;
            if tokio::time::Instant::now() > deadline {
                let tail = self.controller.as_ref().map(Process::log_tail);
                bail!(
                    "never, within {PATIENCE:?}: {story}; the controller's log ends with\n{}",
                    tail.unwrap_or_default()
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Makes an object of a kind that is known by its path alone.
    pub(super) async fn post(&self, path: &str, object: &Value) -> Result<Value> {
        let body = serde_json::to_vec(object)?;
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(body)?;
        let made = self.admin.request::<Value>(request).await;
        made.with_context(|| format!("creating {path}"))
    }

    /// A namespace in which pods may be made.
    pub(super) async fn namespace(&self, name: &str) -> Result<()> {
        let object = json!({"metadata": {"name": name}});
        self.post("/api/v1/namespaces", &object).await?;
        // Whether a controller makes it too does not matter.
        let accounts =
            Api::<k8s_openapi::api::core::v1::ServiceAccount>::namespaced(self.admin.clone(), name);
        let account = serde_json::from_value(json!({"metadata": {"name": "default"}}))?;
        match accounts.create(&PostParams::default(), &account).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            made => made.map(drop).context("creating the ServiceAccount"),
        }
    }
}

/// The controller as the API server knows it.
pub(super) fn controller() -> String {
    account(install::CONTROLLER)
}

/// The daemons as the API server knows them.
pub(super) fn daemon() -> String {
    account(install::DAEMON)
}

fn account(name: &str) -> String {
    format!("{}{}:{name}", install::ACCOUNT_PREFIX, install::NAMESPACE)
}
