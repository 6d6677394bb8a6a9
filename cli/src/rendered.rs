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
    /// What each manifest is that says nothing of rendering.
    others: Vec<String>,
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
            others: Vec::new(),
        };
        for manifest in manifests {
            match manifest.kind() {
                "MachineConfig" => inputs.machine_configs.push(manifest.read()?),
                "MachineConfigPool" => inputs.pools.push(manifest.read()?),
                "MachineConfiguration" => inputs.policy = Some(manifest.read()?),
                _ => inputs.others.push(manifest.to_string()),
            }
        }
        Ok(inputs)
    }

    /// What whoever wrote the manifests should know of them before he trusts what is rendered: what is left out of it, and
    /// which pools are only guessed.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self
            .others
            .iter()
            .map(|other| format!("{other} says nothing of rendering and is left out"))
            .collect();
        let by_role = self.by_role();
        let configs = if self.pools.is_empty() {
            by_role.values().flatten().copied().collect()
        } else {
            self.selected_by_any()
        };
        let selected: BTreeSet<String> = configs.iter().map(|config| config.name_any()).collect();
        let sources = self.machine_configs.iter().filter(|it| !is_rendered(it));
        for config in sources.filter(|it| !selected.contains(&it.name_any())) {
            let role = match config.labels().get(ROLE) {
                Some(role) => format!("its label {ROLE} is {role}"),
                None => format!("it has no label {ROLE}"),
            };
            warnings.push(format!(
                "MachineConfig {} is selected by no pool ({role}) and is left out",
                config.name_any()
            ));
        }
        if self.pools.is_empty() && !by_role.is_empty() {
            let names: Vec<String> = by_role.into_keys().collect();
            warnings.push(format!(
                "no MachineConfigPool is among the manifests: one is assumed for each role ({})",
                names.join(", ")
            ));
        }
        warnings
    }

    /// What the pools select. One that selects nothing at all is refused where it is rendered.
    fn selected_by_any(&self) -> Vec<&MachineConfig> {
        let pools = self.pools.iter();
        pools
            .filter_map(|pool| selected(pool, self.machine_configs.iter()).ok())
            .flatten()
            .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Inputs {
        Inputs::of(&manifests::documents("some.yaml", text).unwrap()).unwrap()
    }

    const MISSPELT: &str = "
kind: MachineConfig
metadata: {name: 51-x, labels: {machineconfiguration.openshift.io/role: wroker}}
spec: {config: {ignition: {version: 3.5.0}}}
---
kind: ConfigMap
metadata: {name: odd}
";

    #[test]
    fn what_no_pool_selects_is_told() {
        let pool = "---\nkind: MachineConfig\nmetadata: {name: 50-y, labels: \
                    {machineconfiguration.openshift.io/role: worker}}\nspec: {config: {ignition: {version: 3.5.0}}}\n\
                    ---\nkind: MachineConfigPool\nmetadata: {name: worker}\nspec:\n  machineConfigSelector: \
                    {matchLabels: {machineconfiguration.openshift.io/role: worker}}\n";

        let warnings = of(&format!("{MISSPELT}{pool}")).warnings();

        assert_eq!(
            warnings,
            [
                "ConfigMap odd in some.yaml, document 2 says nothing of rendering and is left out",
                "MachineConfig 51-x is selected by no pool (its label machineconfiguration.openshift.io/role is wroker) \
                 and is left out"
            ]
        );
    }

    #[test]
    fn a_pool_that_is_only_guessed_is_told() {
        let warnings = of(MISSPELT).warnings();

        assert_eq!(
            warnings.last().map(String::as_str),
            Some(
                "no MachineConfigPool is among the manifests: one is assumed for each role (wroker)"
            )
        );
    }
}
