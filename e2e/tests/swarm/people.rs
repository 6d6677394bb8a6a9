//! What people want of the fleet, how they tell the API server, and whether the machines are so in the end.

use crate::fleet::{API_PACKAGE, API_SERVERS, NEW};
use api::names::{config, label, pool};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use simulation::fleet::Fleet;
use simulation::machine::Machine;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What one MachineConfig says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) role: &'static str,
    pub(crate) file: Option<(&'static str, String)>,
    pub(crate) argument: Option<&'static str>,
    /// The kubelet that it needs.
    pub(crate) kubelet: Option<&'static str>,
}

/// The people of one run, and what they want at present.
pub(crate) struct People {
    client: Client,
    configs: BTreeMap<&'static str, Config>,
    /// Every path that was ever configured.
    paths: BTreeSet<&'static str>,
}

impl People {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            configs: BTreeMap::new(),
            paths: BTreeSet::new(),
        }
    }

    /// Whether they want a MachineConfig of this name at present.
    pub(crate) fn want(&self, name: &str) -> bool {
        self.configs.contains_key(name)
    }

    /// Creates or replaces a MachineConfig.
    pub(crate) async fn apply(&mut self, name: &'static str, wanted: Config) {
        let mut spec = json!({ "config": { "ignition": { "version": "3.4.0" } } });
        if let Some((path, text)) = &wanted.file {
            self.paths.insert(path);
            let source = format!("data:,{}", encoded(text));
            spec["config"]["storage"]["files"] = json!([
                { "path": path, "mode": 420, "overwrite": true, "contents": { "source": source } }
            ]);
        }
        if let Some(argument) = wanted.argument {
            spec["kernelArguments"] = json!([argument]);
        }
        let annotations = match wanted.kubelet {
            Some(version) => json!({ config::KUBELET_VERSION: version }),
            None => json!({}),
        };
        let object = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
            "metadata": { "name": name, "labels": { label::ROLE: wanted.role }, "annotations": annotations },
            "spec": spec,
        });
        let configs: Api<api::MachineConfig> = Api::all(self.client.clone());
        let params = PatchParams::apply("people").force();
        configs
            .patch(name, &params, &Patch::Apply(object))
            .await
            .unwrap();
        self.configs.insert(name, wanted);
    }

    /// Deletes a MachineConfig.
    pub(crate) async fn withdraw(&mut self, name: &'static str) {
        let configs: Api<api::MachineConfig> = Api::all(self.client.clone());
        configs
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
        self.configs.remove(name);
    }

    /// Says that the service of some files is restarted, and nothing else is disturbed by them.
    pub(crate) async fn say_what_disturbs(&self) {
        let restart = |path: &str, service: &str| {
            json!({
                "path": path, "actions": [{ "type": "Restart", "restart": { "serviceName": service } }],
            })
        };
        let object = json!({
            "apiVersion": "operator.openshift.io/v1", "kind": "MachineConfiguration",
            "metadata": { "name": "cluster" },
            "spec": { "nodeDisruptionPolicy": { "files": [
                restart("/etc/chrony.conf", "chronyd.service"),
                restart("/etc/kubernetes/kubelet.conf", "kubelet.service"),
            ] } },
        });
        let all: Api<api::MachineConfiguration> = Api::all(self.client.clone());
        let params = PatchParams::apply("people").force();
        all.patch("cluster", &params, &Patch::Apply(object))
            .await
            .unwrap();
    }

    /// Changes a pool.
    pub(crate) async fn change_pool(&self, name: &str, change: Value) {
        let pools: Api<api::MachineConfigPool> = Api::all(self.client.clone());
        pools
            .patch(name, &PatchParams::default(), &Patch::Merge(change))
            .await
            .unwrap();
    }

    /// Lets a stopped rollout of a pool go on with its target.
    pub(crate) async fn approve(&self, name: &str) {
        let pools: Api<api::MachineConfigPool> = Api::all(self.client.clone());
        let target = json!(pools.get(name).await.unwrap().spec.configuration.name);
        let change = json!({ "metadata": { "annotations": { pool::APPROVE_CONFIG: target } } });
        self.change_pool(name, change).await;
    }

    /// Changes a PodDisruptionBudget.
    pub(crate) async fn change_budget(&self, name: &str, spec: Value) {
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(self.client.clone(), "prod");
        let change = Patch::Merge(json!({ "spec": spec }));
        budgets
            .patch(name, &PatchParams::default(), &change)
            .await
            .unwrap();
    }

    /// What of the machines is not as their owners want it, in words.
    pub(crate) fn complaints(&self, fleet: &Fleet) -> Vec<String> {
        let machines = fleet.machines().values();
        machines
            .flat_map(|machine| self.complaints_of(machine))
            .collect()
    }

    fn complaints_of(&self, machine: &Machine) -> Vec<String> {
        let name = machine.name();
        let group = name.split('-').next().unwrap_or_default();
        let for_it = |wanted: &&Config| {
            wanted.role == group || (wanted.role == "worker" && group != "master")
        };
        let wanted: Vec<&Config> = self.configs.values().filter(for_it).collect();
        let mut complaints = Vec::new();
        for path in &self.paths {
            let mut texts = wanted.iter().filter_map(|config| config.file.as_ref());
            let text = texts.find(|(of, _)| of == path).map(|(_, text)| text);
            let found = machine.files().text(path);
            // The vendor's own file comes back where there was one.
            let vendors = text.is_none() && *path == "/etc/chrony.conf";
            if found.as_ref() != text && !vendors {
                complaints.push(format!(
                    "{name} has {found:?} in {path}, wanted is {text:?}"
                ));
            }
        }
        for argument in wanted.iter().filter_map(|config| config.argument) {
            if !machine.kernel_arguments().iter().any(|has| has == argument) {
                complaints.push(format!(
                    "{name} runs without the kernel argument {argument}"
                ));
            }
        }
        // Their versions are written alike, so that the newest is the greatest.
        let needed = wanted.iter().filter_map(|config| config.kubelet).max();
        let kubelet = machine.kubelet_version().to_string();
        if let Some(needed) = needed
            && !kubelet.starts_with(needed)
        {
            complaints.push(format!(
                "{name} has the kubelet {kubelet}, wanted is {needed}"
            ));
        }
        complaints
    }
}

/// Upgrades what the kubelets wait for, in the order in which people do it.
pub(crate) fn upgrade(fleet: &Fleet, step: usize) {
    match API_SERVERS.get(step) {
        Some(address) => fleet.upgrade_api_server(address, NEW),
        None => fleet.upgrade_package(API_PACKAGE, NEW),
    }
}

/// How many steps [`upgrade`] knows.
pub(crate) const UPGRADES: usize = API_SERVERS.len() + 1;

/// Percent-encoded, as data URLs are.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
        out
    })
}
