//! What a pool is rendered from, and whether its nodes could apply the outcome.
//!
//! # Guarantees
//! Pure. A change that no node of the pool could apply is refused, with the guilty MachineConfig and field;
//! one that only some cannot apply passes here and is held on those.

use super::convert::to_rendering;
use api::names::object;
use api::{MachineConfig, MachineConfigPool};
use kube::ResourceExt;
use kube::core::{Selector, SelectorExt};
use rendering::configuration::Configuration;
use rendering::merge::{Images, Rules};
use rendering::reconcile::{Capabilities, reconcilable};
use rendering::render::{RenderError, Rendered, render};
use rendering::spec;

/// Why a pool has no new target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `spec.machineConfigSelector` is missing or cannot be read.
    #[error("MachineConfigPool {pool}: spec.machineConfigSelector {error}")]
    Selector {
        /// The pool.
        pool: String,
        /// What is wrong with it.
        error: String,
    },
    /// No MachineConfig is selected.
    #[error(
        "MachineConfigPool {pool}: spec.machineConfigSelector ({selector}) selects no MachineConfig: \
         label one, or change the selector"
    )]
    NothingSelected {
        /// The pool.
        pool: String,
        /// The selector, as kubectl writes it.
        selector: String,
    },
    /// They do not make a rendered config.
    #[error(transparent)]
    Render(Box<RenderError>),
    /// No node could be brought from the present target to the new one.
    #[error("{sentence}{}", guilt(.guilty.as_deref(), .field))]
    Irreconcilable {
        /// Why not.
        sentence: String,
        /// The MachineConfig that has to be changed; none if the change takes something away.
        guilty: Option<String>,
        /// The field of it.
        field: &'static str,
        /// The stable name of the cause.
        cause: &'static str,
    },
}

fn guilt(guilty: Option<&str>, field: &str) -> String {
    match guilty {
        Some(guilty) => format!("; change {field} of MachineConfig {guilty}"),
        None => format!("; a MachineConfig that had {field} is gone or changed"),
    }
}

impl Refused {
    /// Stable identifier: the condition's reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Selector { .. } => "InvalidSelector",
            Self::NothingSelected { .. } => "NothingSelected",
            Self::Render(_) => "RenderFailed",
            Self::Irreconcilable { .. } => "Irreconcilable",
        }
    }
}

/// The MachineConfigs that the pool selects, in the order of their names; rendered ones are never among them.
pub fn selected<'a>(
    pool: &MachineConfigPool,
    configs: impl Iterator<Item = &'a MachineConfig>,
) -> Result<Vec<&'a MachineConfig>, Refused> {
    let name = pool.name_any();
    let Some(selector) = pool.spec.machine_config_selector.clone() else {
        return Err(Refused::Selector {
            pool: name,
            error: "is missing".to_owned(),
        });
    };
    let selector = Selector::try_from(selector).map_err(|error| Refused::Selector {
        pool: name.clone(),
        error: format!("is invalid: {error}"),
    })?;
    let mut selected: Vec<_> = configs
        .filter(|it| !is_rendered(it) && selector.matches(it.labels()))
        .collect();
    selected.sort_by_key(|it| it.name_any());
    if selected.is_empty() {
        return Err(Refused::NothingSelected {
            pool: name,
            selector: selector.to_string(),
        });
    }
    Ok(selected)
}

/// Whether a MachineConfig is a rendered one, by name and owner.
pub fn is_rendered(config: &MachineConfig) -> bool {
    let owned = config
        .owner_references()
        .iter()
        .any(|owner| owner.kind == "MachineConfigPool");
    owned && config.name_any().starts_with(object::RENDERED_PREFIX)
}

/// Equal for equal inputs.
pub fn print(selected: &[&MachineConfig]) -> String {
    let one = |it: &&MachineConfig| {
        let version = it.resource_version().unwrap_or_default();
        format!(
            "{}@{}:{version}",
            it.name_any(),
            it.uid().unwrap_or_default()
        )
    };
    selected.iter().map(one).collect::<Vec<_>>().join(",")
}

/// A way on which a node may have to go: what it comes from, and what its host can apply.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// The pool's present target, or what the node has where the pool has none yet; none if that is nothing.
    pub from: Option<&'a MachineConfig>,
    /// What its host can apply.
    pub host: &'a Capabilities,
}

/// Renders, and refuses what could be applied on none of `ways`.
pub fn judge(
    pool: &str,
    selected: &[&MachineConfig],
    ways: &[Way<'_>],
) -> Result<Rendered, Refused> {
    let sources: Vec<spec::MachineConfig> = selected.iter().map(|it| to_rendering(it)).collect();
    let rendered = render(pool, &sources, &Images::default(), &Rules::default())
        .map_err(|error| Refused::Render(Box::new(error)))?;
    // A config that cannot be read was refused by rendering, or is not ours: nothing to compare then.
    let Ok(new) = Configuration::read(&rendered.config) else {
        return Ok(rendered);
    };
    let mut refusal = None;
    for way in ways {
        if way.from.is_some_and(|old| old.name_any() == new.name) {
            return Ok(rendered);
        }
        let old = way.from.map(|old| Configuration::read(&to_rendering(old)));
        let Ok(old) = old.transpose() else {
            return Ok(rendered);
        };
        match reconcilable(old.as_ref(), &new, way.host) {
            Ok(()) => return Ok(rendered),
            Err(refused) => refusal = refusal.or(Some(refused)),
        }
    }
    match refusal {
        None => Ok(rendered),
        Some(refusal) => {
            let in_order = |name: &&String| sources.iter().find(|source| source.name == **name);
            let order = rendered.sources.iter().filter_map(|name| in_order(&name));
            let read: Vec<Configuration> = order
                .filter_map(|source| Configuration::read_source(source).ok())
                .collect();
            Err(Refused::Irreconcilable {
                guilty: refusal.guilty(&read).map(str::to_owned),
                field: refusal.cause.field(),
                cause: refusal.cause.reason(),
                sentence: refusal.to_string(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(name: &str, role: &str, ignition: &serde_json::Value) -> MachineConfig {
        let mut whole = json!({"ignition": {"version": "3.5.0"}});
        for (section, value) in ignition.as_object().expect("an object") {
            whole[section] = value.clone();
        }
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"machineconfiguration.openshift.io/role": role}},
            "spec": {"config": whole},
        }))
        .expect("a machine config")
    }

    fn pool(selector: &serde_json::Value) -> MachineConfigPool {
        serde_json::from_value(json!({
            "metadata": {"name": "worker"}, "spec": {"machineConfigSelector": selector},
        }))
        .expect("a pool")
    }

    fn target_of(config: &MachineConfig) -> MachineConfig {
        let rendered = judge("worker", &[config], &[]).expect("it renders");
        super::super::convert::from_rendering(rendered.config)
    }

    fn workers() -> MachineConfigPool {
        pool(&json!({"matchLabels": {"machineconfiguration.openshift.io/role": "worker"}}))
    }

    #[test]
    fn a_pool_is_rendered_from_what_it_selects_in_the_order_of_names() {
        let all = [
            config("99-b", "worker", &json!({})),
            config("00-a", "worker", &json!({})),
            config("50-m", "master", &json!({})),
        ];

        let selected = selected(&workers(), all.iter()).expect("two are selected");

        assert_eq!(
            selected.iter().map(|it| it.name_any()).collect::<Vec<_>>(),
            ["00-a", "99-b"]
        );
    }

    #[test]
    fn a_selector_that_selects_nothing_is_named() {
        let refused = selected(&workers(), [].iter()).expect_err("there is nothing");

        assert!(
            refused
                .to_string()
                .contains("machineconfiguration.openshift.io/role"),
            "{refused}"
        );
        assert_eq!(refused.reason(), "NothingSelected");
    }

    #[test]
    fn a_change_that_no_node_can_apply_is_refused_with_the_guilty_config_and_its_field() {
        let before = [config("00-a", "worker", &json!({}))];
        let target = target_of(&before[0]);
        let disks = config(
            "99-disks",
            "worker",
            &json!({"storage": {"disks": [{"device": "/dev/sda"}]}}),
        );

        let reference = Capabilities::reference();
        let way = Way {
            from: Some(&target),
            host: &reference,
        };

        let refused = judge("worker", &[&before[0], &disks], &[way])
            .expect_err("nobody repartitions a living node");

        let sentence = refused.to_string();
        assert!(
            sentence.contains("spec.config.storage.disks of MachineConfig 99-disks"),
            "{sentence}"
        );
    }

    #[test]
    fn a_change_that_one_node_can_apply_passes() {
        let target = target_of(&config("00-a", "worker", &json!({})));
        let links = json!({"storage": {"links": [{"path": "/a", "target": "/b"}]}});
        let able = Capabilities::of([rendering::reconcile::Capability::Links]);

        let reference = Capabilities::reference();
        let way = |host| Way {
            from: Some(&target),
            host,
        };

        let judged = judge(
            "worker",
            &[&config("00-a", "worker", &links)],
            &[way(&reference), way(&able)],
        );

        assert!(judged.is_ok());
    }

    #[test]
    fn a_first_config_that_no_living_node_can_apply_is_refused_and_what_a_node_has_already_is_not()
    {
        let links = json!({"storage": {"links": [{"path": "/a", "target": "/b"}]}});
        let first = config("00-a", "worker", &links);
        let has_it = target_of(&first);
        let reference = Capabilities::reference();
        let way = |from| Way {
            from,
            host: &reference,
        };

        let on_new_nodes = judge("infra", &[&first], &[way(None)]);
        let on_moved_nodes = judge("infra", &[&first], &[way(None), way(Some(&has_it))]);
        let on_no_nodes = judge("infra", &[&first], &[]);

        assert_eq!(
            on_new_nodes.map_err(|refused| refused.reason()),
            Err("Irreconcilable")
        );
        assert!(on_moved_nodes.is_ok() && on_no_nodes.is_ok());
    }
}
