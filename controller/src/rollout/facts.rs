//! What the planner has to know of rendered configs, computed once for each.
//!
//! # Guarantees
//! Rendered configs are immutable, so a fact holds for as long as the object (by uid) is there; what is
//! gone is forgotten with it.

use crate::context::Context;
use crate::render::{convert::to_rendering, inputs::is_rendered};
use api::MachineConfig;
use api::names::{config as names, object, ours};
use api::operator::StorageOverride;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use rendering::changes::Changes;
use rendering::configuration::Configuration;
use rendering::disruption::{Policy, judge};
use rendering::reconcile::{Capabilities, reconcilable};
use rendering::render::rendered_config;
use rendering::spec;
use rendering::split::{KubeletPaths, split, withhold};
use rollout::names::{ConfigName, PoolName};
use rollout::snapshot::{AtFirst, ConfigView};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Facts on all rendered configs.
#[derive(Debug)]
pub struct Facts {
    configs: BTreeMap<ConfigName, Fact>,
    /// Whether a host with these capabilities can go from one config to another; why not, if not.
    applies: BTreeMap<Way, Option<Arc<str>>>,
    /// By which the first visits were judged.
    policy: Policy,
}

/// From one config, or from none, to another, on a host of these capabilities.
type Way = (Option<ConfigName>, ConfigName, Vec<&'static str>);

#[derive(Debug)]
struct Fact {
    uid: Option<String>,
    view: ConfigView,
    /// Whether a composed config was compared with what it withholds.
    likened: bool,
    config: spec::MachineConfig,
    /// Read for comparison; none if it cannot be read.
    configuration: Option<Configuration>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            configs: BTreeMap::new(),
            applies: BTreeMap::new(),
            policy: Policy::built_in(),
        }
    }
}

impl Facts {
    /// Takes in what is new among the rendered configs, and forgets what is gone. `policy` says what a change disturbs.
    pub fn update<'a>(&mut self, configs: impl Iterator<Item = &'a MachineConfig>, policy: Policy) {
        if self.policy != policy {
            for fact in self.configs.values_mut() {
                fact.view.at_first = at_first(fact.configuration.as_ref(), &policy);
            }
            self.policy = policy;
        }
        let mut there = BTreeSet::new();
        for config in configs.filter(|config| is_rendered(config)) {
            let name = ConfigName::from(config.name_any());
            there.insert(name.clone());
            let known = self
                .configs
                .get(&name)
                .is_some_and(|fact| fact.uid == config.uid());
            if !known && let Some(fact) = Fact::of(config, name.clone(), &self.policy) {
                self.configs.insert(name, fact);
            }
        }
        self.configs.retain(|name, _| there.contains(name));
        self.liken_compositions();
        self.applies.retain(|(from, to, _), _| {
            from.as_ref().is_none_or(|from| there.contains(from)) && there.contains(to)
        });
    }

    /// A config that is another one with its own kubelet part counts as having that one's rest. Where the
    /// container runtime's configuration had to stay with the kubelet's, the digests alone would not say so.
    fn liken_compositions(&mut self) {
        let withholding =
            |fact: &Fact| Some((fact.view.name.clone(), fact.view.withholds.clone()?));
        let pairs: Vec<(ConfigName, ConfigName)> = self
            .configs
            .values()
            .filter(|fact| !fact.likened)
            .filter_map(withholding)
            .collect();
        for (name, target) in pairs {
            let (Some(own), Some(of)) = (self.configs.get(&name), self.configs.get(&target)) else {
                continue;
            };
            let Ok(withheld) = withhold(&own.config, &of.config, &KubeletPaths::default()) else {
                continue;
            };
            let pool = own.view.pool.as_str();
            let composed = rendered_config(pool, withheld.spec, withheld.kubelet_version);
            let rest = (composed.name == name.as_str()).then(|| of.view.rest.clone());
            if let Some(fact) = self.configs.get_mut(&name) {
                fact.likened = true;
                fact.view.rest = rest.unwrap_or_else(|| fact.view.rest.clone());
            }
        }
    }

    /// What the planner sees.
    pub fn views(&self) -> BTreeMap<ConfigName, ConfigView> {
        self.configs
            .iter()
            .map(|(name, fact)| (name.clone(), fact.view.clone()))
            .collect()
    }

    /// Why a host of these capabilities cannot go from one config, or from none, to the other; none if it can, or if
    /// one of them is not known.
    pub fn cannot_apply(
        &mut self,
        from: Option<&ConfigName>,
        to: &ConfigName,
        host: &Capabilities,
    ) -> Option<Arc<str>> {
        if from == Some(to) {
            return None;
        }
        let key = (from.cloned(), to.clone(), host.names());
        if let Some(known) = self.applies.get(&key) {
            return known.clone();
        }
        let old = match from {
            Some(from) => Some(self.configs.get(from)?.configuration.as_ref()?),
            None => None,
        };
        let new = self.configs.get(to)?.configuration.as_ref()?;
        let answer = reconcilable(old, new, host).err();
        let answer = answer.map(|refusal| Arc::from(refusal.cause.to_string()));
        self.applies.insert(key, answer.clone());
        answer
    }
}

impl Fact {
    /// None if the config cannot be split, or states no kubelet version where it states one: it was not made by us, and
    /// nothing can be decided about it.
    fn of(config: &MachineConfig, name: ConfigName, policy: &Policy) -> Option<Self> {
        let read: spec::MachineConfig = to_rendering(config);
        let (kubelet_part, rest) = split(&read, &KubeletPaths::default()).ok()?;
        let annotation = |key| {
            config
                .annotations()
                .get(key)
                .filter(|value| !value.is_empty())
        };
        let pool = config
            .owner_references()
            .iter()
            .find(|o| o.kind == "MachineConfigPool")?;
        let configuration = Configuration::read(&read).ok();
        // One that cannot be read is no missing one: nobody knows what the config needs, and nobody is given it.
        let needs_kubelet = match annotation(names::KUBELET_VERSION) {
            Some(text) => Some(text.parse().ok()?),
            None => None,
        };
        let view = ConfigView {
            name,
            pool: PoolName::from(&pool.name),
            created: config.creation_timestamp().map(|time| time.0),
            needs_kubelet,
            kubelet_part: kubelet_part.digest().as_str().into(),
            rest: rest.digest().as_str().into(),
            withholds: annotation(names::WITHHOLDS).map(ConfigName::from),
            at_first: at_first(configuration.as_ref(), policy),
        };
        Some(Self {
            uid: config.uid(),
            view,
            likened: false,
            config: read,
            configuration,
        })
    }
}

/// What a config does at most to a node that has nothing of it; none where it cannot be read.
fn at_first(configuration: Option<&Configuration>, policy: &Policy) -> Option<AtFirst> {
    let new = configuration?;
    let changes = Changes::between(None, new);
    let disruption = judge(None, new, &changes, policy).ok()?;
    let paths = [&changes.files, &changes.directories, &changes.links];
    Some(AtFirst {
        paths: paths.iter().map(|section| section.entries.len()).sum(),
        units: changes.units.entries.len(),
        drains: disruption.needs_drain(),
        reboots: disruption.reboots(),
    })
}

/// What a node's host can apply, by its daemon's report, with what the owner lets pass.
pub fn capabilities(reported: Option<&str>, overrides: &[StorageOverride]) -> Capabilities {
    let host = match reported {
        None => Capabilities::reference(),
        Some(names) => Capabilities::from_names(names.split(',').map(str::trim)),
    };
    host.with_overrides(overrides)
}

/// What a node's host can apply.
pub fn host(context: &Context, node: &Node) -> rendering::reconcile::Capabilities {
    let configuration = context.stores.configuration.get(object::CLUSTER);
    let overrides = configuration.as_ref().and_then(|configuration| {
        configuration
            .spec
            .irreconcilable_validation_overrides
            .as_ref()
    });
    let overrides = overrides
        .map(|overrides| overrides.storage.as_slice())
        .unwrap_or_default();
    capabilities(
        node.annotations()
            .get(ours::CAPABILITIES)
            .map(String::as_str),
        overrides,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn rendered(annotations: &Value, spec: &Value) -> MachineConfig {
        serde_json::from_value(json!({
            "metadata": {
                "name": "rendered-worker-1", "uid": "1", "annotations": annotations,
                "ownerReferences": [{"apiVersion": "machineconfiguration.openshift.io/v1",
                    "kind": "MachineConfigPool", "name": "worker", "uid": "2", "controller": true}],
            },
            "spec": spec,
        }))
        .expect("a rendered config")
    }

    fn facts(config: &MachineConfig) -> Facts {
        let mut facts = Facts::default();
        facts.update(std::iter::once(config), Policy::built_in());
        facts
    }

    #[test]
    fn a_config_whose_kubelet_version_cannot_be_read_is_unknown_and_never_one_that_needs_nothing() {
        let config = |version: &str| {
            rendered(
                &json!({"windlass.dev/kubelet-version": version}),
                &json!({}),
            )
        };

        let (read, unread) = (facts(&config("1.34")), facts(&config("1.34.1\n")));

        assert_eq!((read.views().len(), unread.views().len()), (1, 0));
    }

    #[test]
    fn a_host_without_a_config_is_asked_too_whether_it_can_take_the_first() {
        let image = json!({
            "config": {"ignition": {"version": "3.5.0"}},
            "osImageURL": "quay.example/os@sha256:0000",
        });
        let plain = Capabilities::from_names(["files", "units"]);

        let why = facts(&rendered(&json!({}), &image)).cannot_apply(
            None,
            &"rendered-worker-1".into(),
            &plain,
        );

        let why = why.expect("it has no images");
        assert!(why.contains("OSImage"), "{why}");
    }
}
