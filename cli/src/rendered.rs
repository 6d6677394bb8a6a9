//! Pools rendered offline from manifests: what `render`, `diff` and the demo's checks share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use api::names::label::ROLE;
use api::{MachineConfig, MachineConfigPool, MachineConfiguration};
use controller::render::inputs::selected;
use kube::ResourceExt as _;
use rendering::merge::{Images, Rules};
use rendering::render::{Rendered, render};

use crate::manifests::{self, Manifest};

/// What a folder of manifests says about rendering.
pub(crate) struct Inputs {
    pub(crate) machine_configs: Vec<MachineConfig>,
    pub(crate) pools: Vec<MachineConfigPool>,
    /// The disruption policy, if a MachineConfiguration is among the manifests.
    pub(crate) policy: Option<MachineConfiguration>,
}

impl Inputs {
    /// Reads them from a file, a folder or standard input.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        Self::of(&manifests::load(path)?)
    }

    /// Picks them out of manifests that have been read.
    pub(crate) fn of(manifests: &[Manifest]) -> Result<Self> {
        let mut inputs = Self {
            machine_configs: Vec::new(),
            pools: Vec::new(),
            policy: None,
        };
        for manifest in manifests {
            match manifest.kind() {
                "MachineConfig" => inputs.machine_configs.push(manifest.read()?),
                "MachineConfigPool" => inputs.pools.push(manifest.read()?),
                "MachineConfiguration" => inputs.policy = Some(manifest.read()?),
                _ => {}
            }
        }
        Ok(inputs)
    }

    /// The machine configs of each pool, or of the one that is `wanted`; what the controller refuses to select from is
    /// refused here. Without pools among the manifests, each role is one, and every role but the control plane's inherits
    /// the workers' (machine-config.md 2.2).
    pub(crate) fn by_pool(
        &self,
        wanted: Option<&str>,
    ) -> Result<BTreeMap<String, Vec<&MachineConfig>>> {
        let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
        if self.pools.is_empty() {
            let mut by_role = self.by_role();
            by_role.retain(|name, _| is_wanted(name));
            return Ok(by_role);
        }
        let mut by_pool = BTreeMap::new();
        for pool in &self.pools {
            let name = pool.name_any();
            if is_wanted(&name) {
                by_pool.insert(name, selected(pool, self.machine_configs.iter())?);
            }
        }
        Ok(by_pool)
    }

    fn by_role(&self) -> BTreeMap<String, Vec<&MachineConfig>> {
        let roles: BTreeSet<String> = self
            .machine_configs
            .iter()
            .filter_map(|config| config.labels().get(ROLE).cloned())
            .collect();
        let inherits =
            |pool: &str, role: &str| pool == role || (role == "worker" && pool != "master");
        roles
            .into_iter()
            .map(|pool| {
                let selected = self
                    .machine_configs
                    .iter()
                    .filter(|config| {
                        config
                            .labels()
                            .get(ROLE)
                            .is_some_and(|role| inherits(&pool, role))
                    })
                    .collect();
                (pool, selected)
            })
            .collect()
    }
}

/// Renders one pool.
pub(crate) fn render_pool(pool: &str, configs: &[&MachineConfig]) -> Result<Rendered> {
    let configs: Vec<_> = configs.iter().map(|config| (*config).into()).collect();
    render(pool, &configs, &Images::default(), &Rules::default())
        .with_context(|| format!("rendering the pool {pool}"))
}

/// Whether a MachineConfig is the result of rendering, and so no source of it.
pub(crate) fn is_rendered(config: &MachineConfig) -> bool {
    config.name_any().starts_with("rendered-")
}
