//! The kubelet gate: which config a node may have now (design, section 5).
//!
//! # Guarantees
//! A package-mode node is never given a config whose kubelet part needs more than every instance serves, steadily; it is given
//! the target's rest with the kubelet part that it has. What is withheld is computed from the node's current config and the
//! pool's target alone, so nothing is remembered.

use super::step::Compose;
use crate::hold::{ClusterFact, Hold, MachinePackagesFact, Withheld, shown};
use crate::names::{ConfigName, PartHash, PoolName};
use crate::policy::{KubeletGate, MachinePackages};
use crate::snapshot::{ApiServers, ConfigView, Heard, NodeView, Snapshot};
use crate::version::Version;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// On these, fact (a) is required by default: their vendors upgrade the API packages of a machine before its kubelet.
const MACHINE_FIRST: [&str; 4] = ["rhel", "centos", "rocky", "almalinux"];

/// What a node is to have now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// This config.
    Config {
        /// Its name.
        config: ConfigName,
        /// Set if it is less than the target: what the rest waits for.
        withheld: Option<Withheld>,
    },
    /// Nothing new: it stays as it is.
    Nothing(Hold),
    /// A config that has to be made first.
    Compose(Compose),
}

/// All that the answer depends on besides the node.
pub(super) struct Gate<'a> {
    snapshot: &'a Snapshot,
    now: Timestamp,
    control_plane_nodes: usize,
    /// Configs by what they consist of.
    by_parts: BTreeMap<(&'a PoolName, &'a PartHash, &'a PartHash), &'a ConfigName>,
}

impl<'a> Gate<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, control_plane_nodes: usize, now: Timestamp) -> Self {
        let parts = |config: &'a ConfigView| {
            (
                (&config.pool, &config.kubelet_part, &config.rest),
                &config.name,
            )
        };
        let by_parts = snapshot.configs.values().map(parts).collect();
        Self {
            snapshot,
            now,
            control_plane_nodes,
            by_parts,
        }
    }

    /// What `node` is to have on its way to `target`, given that it was assigned `assigned`.
    pub(super) fn wanted(
        &self,
        node: &NodeView,
        assigned: Option<&ConfigName>,
        target: &ConfigName,
        gate: Option<&KubeletGate>,
    ) -> Wanted {
        let whole = || Wanted::Config {
            config: target.clone(),
            withheld: None,
        };
        let wanted = match gate {
            Some(gate) if node.package_mode && assigned != Some(target) => {
                self.wanted_behind(gate, node, target)
            }
            _ => whole(),
        };
        if let Wanted::Config { config, .. } = &wanted
            && assigned != Some(config)
            && let Some(hold) = unsupported(node, config)
        {
            return Wanted::Nothing(hold);
        }
        wanted
    }

    /// Why `node` may not be given `config` at a person's request; `None`: it may.
    pub(super) fn forbids(
        &self,
        node: &NodeView,
        config: &ConfigName,
        gate: Option<&KubeletGate>,
    ) -> Option<Hold> {
        if let Some(hold) = unsupported(node, config) {
            return Some(hold);
        }
        let Some(view) = self.snapshot.configs.get(config) else {
            return Some(Hold::ConfigUnknown {
                config: config.clone(),
            });
        };
        let gate = gate.filter(|_| node.package_mode)?;
        let needs = view.needs_kubelet.as_ref()?;
        self.missing(gate, node, needs).map(Hold::KubeletWithheld)
    }

    /// Whether a node that has what it shall have is ahead of the API: an API server went back below its kubelet.
    pub(super) fn has_gone_ahead(
        &self,
        node: &NodeView,
        gate: Option<&KubeletGate>,
    ) -> Option<Hold> {
        let gate = gate.filter(|_| node.package_mode)?;
        let current = node.current.as_ref()?;
        self.ahead(gate, self.snapshot.configs.get(current)?)
    }

    fn wanted_behind(&self, gate: &KubeletGate, node: &NodeView, target: &ConfigName) -> Wanted {
        let whole = Wanted::Config {
            config: target.clone(),
            withheld: None,
        };
        let unknown = |config: &ConfigName| {
            Wanted::Nothing(Hold::ConfigUnknown {
                config: config.clone(),
            })
        };
        let Some(to) = self.snapshot.configs.get(target) else {
            return unknown(target);
        };
        let Some(needs) = &to.needs_kubelet else {
            return whole;
        };
        let Some(withheld) = self.missing(gate, node, needs) else {
            return whole;
        };
        let Some(current) = &node.current else {
            // There is no kubelet part of ours to keep: the whole config waits.
            return Wanted::Nothing(Hold::KubeletWithheld(withheld));
        };
        let Some(from) = self.snapshot.configs.get(current) else {
            return unknown(current);
        };
        if let Some(ahead) = self.ahead(gate, from) {
            return Wanted::Nothing(ahead);
        }
        if from.kubelet_part == to.kubelet_part {
            return whole;
        }
        if from.rest == to.rest {
            return Wanted::Config {
                config: current.clone(),
                withheld: Some(withheld),
            };
        }
        // What is composed has the target's rest, which is what such a host refuses.
        if let Some(hold) = unsupported(node, target) {
            return Wanted::Nothing(hold);
        }
        match self.by_parts.get(&(&to.pool, &from.kubelet_part, &to.rest)) {
            Some(config) => Wanted::Config {
                config: (*config).clone(),
                withheld: Some(withheld),
            },
            None => Wanted::Compose(Compose {
                pool: to.pool.clone(),
                kubelet_part_of: current.clone(),
                rest_of: target.clone(),
            }),
        }
    }

    /// What is missing for a kubelet part that needs `needs`; `None`: nothing, the gate is open.
    pub(super) fn missing(
        &self,
        gate: &KubeletGate,
        node: &NodeView,
        needs: &Version,
    ) -> Option<Withheld> {
        let machine = machine_fact(gate, node, needs);
        let cluster = self.cluster_fact(gate, needs);
        (machine.is_some() || cluster.is_some()).then(|| Withheld {
            kubelet: *needs,
            machine,
            cluster,
            ready: node.fresh_ready(),
        })
    }

    fn cluster_fact(&self, gate: &KubeletGate, needs: &Version) -> Option<ClusterFact> {
        let instances = instances(gate, &self.snapshot.api_servers);
        if instances.is_empty() {
            return Some(ClusterFact::NoInstance);
        }
        if let Some(behind) = behind(&instances, needs) {
            return Some(behind);
        }
        if let Some((name, _)) = instances.iter().find(|(_, heard)| serves(*heard).is_none()) {
            return Some(ClusterFact::Silent {
                instance: name.clone(),
            });
        }
        let expected = gate
            .expected_instances
            .map_or(self.control_plane_nodes, |n| n as usize)
            .max(1);
        if instances.len() < expected {
            return Some(ClusterFact::TooFew {
                answer: instances.len(),
                expected,
            });
        }
        let last = instances
            .iter()
            .filter_map(|(_, heard)| heard.map(|heard| heard.since))
            .max()?;
        let until = last.saturating_add(gate.steady).unwrap_or(Timestamp::MAX);
        (self.now < until).then_some(ClusterFact::NotSteady { until })
    }

    /// A kubelet part that needs more than an instance serves that answers: it came to be so because an API server went
    /// back. One that is silent says nothing about a kubelet that runs already.
    fn ahead(&self, gate: &KubeletGate, config: &ConfigView) -> Option<Hold> {
        let needs = config.needs_kubelet.as_ref()?;
        let instances = instances(gate, &self.snapshot.api_servers);
        match behind(&instances, needs)? {
            ClusterFact::Behind {
                instance, serves, ..
            } => Some(Hold::KubeletAhead {
                kubelet: *needs,
                instance,
                serves,
            }),
            _ => None,
        }
    }
}

/// The instances that count, with what they said.
fn instances<'a>(
    gate: &KubeletGate,
    servers: &'a ApiServers,
) -> Vec<(Arc<str>, Option<&'a Heard>)> {
    if gate.instances.is_empty() {
        let all = servers.instances.iter();
        return all
            .map(|(name, heard)| (name.clone(), Some(heard)))
            .collect();
    }
    let listed = gate.instances.iter();
    listed
        .map(|name| {
            (
                Arc::from(name.as_str()),
                servers.instances.get(name.as_str()),
            )
        })
        .collect()
}

fn serves(heard: Option<&Heard>) -> Option<Version> {
    heard.and_then(|heard| heard.serves)
}

/// The oldest of the instances that serve less than `needs`.
fn behind(instances: &[(Arc<str>, Option<&Heard>)], needs: &Version) -> Option<ClusterFact> {
    let mut oldest: Option<(&Arc<str>, Version)> = None;
    let mut count = 0;
    for (name, heard) in instances {
        let Some(version) = serves(*heard).filter(|version| !version.satisfies(needs)) else {
            continue;
        };
        count += 1;
        if oldest.is_none_or(|(_, known)| !version.satisfies(&known)) {
            oldest = Some((name, version));
        }
    }
    oldest.map(|(name, serves)| ClusterFact::Behind {
        instance: name.clone(),
        serves,
        count,
    })
}

/// Fact (a): the machine's own API packages, where they are required and not new enough.
fn machine_fact(
    gate: &KubeletGate,
    node: &NodeView,
    needs: &Version,
) -> Option<MachinePackagesFact> {
    let required = match gate.machine {
        MachinePackages::Always => true,
        MachinePackages::Never => false,
        MachinePackages::Auto => node
            .os_id
            .as_deref()
            .is_some_and(|id| MACHINE_FIRST.contains(&id)),
    };
    match &node.api_packages {
        _ if !required => None,
        None => Some(MachinePackagesFact::Unknown),
        Some(version) if version.satisfies(needs) => None,
        Some(version) => Some(MachinePackagesFact::Old(*version)),
    }
}

/// That the node's host cannot apply a config, if so.
fn unsupported(node: &NodeView, config: &ConfigName) -> Option<Hold> {
    let reason = shown(node.cannot_apply.get(config)?);
    let config = config.clone();
    Some(Hold::UnsupportedChange { config, reason })
}
