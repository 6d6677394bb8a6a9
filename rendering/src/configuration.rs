//! A rendered config, read: what two of them are compared by.
//!
//! Guarantees: everything that a node is brought to, with the Ignition part as a model and in the newest spec.
//! A config that a node merely shows on its disk has the same shape, so that it can be compared with a wanted one.
//!
//! Not here: how configs are merged (`merge`, `render`), and what a difference means (`changes`, `disruption`,
//! `reconcile`).

use serde_json::{Value, json};
use thiserror::Error;

use crate::ignition::config::Config;
use crate::ignition::{self, Refusal};
use crate::spec::{KUBELET_VERSION, MachineConfig};

/// The kernel that is used where a config names none.
pub const DEFAULT_KERNEL: &str = "default";

/// All that a rendered config asks of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Name of the rendered config.
    pub name: String,
    /// The kubelet version that its kubelet part brings, if it says so.
    pub kubelet_version: Option<String>,
    /// Image of the operating system; empty where none is asked for.
    pub os_image: String,
    /// Image that holds the extensions' packages.
    pub extensions_image: String,
    /// Kernel type; empty is [`DEFAULT_KERNEL`].
    pub kernel_type: String,
    /// Kernel arguments, as entries (see [`crate::kernel_arguments`]).
    pub kernel_arguments: Vec<String>,
    /// Extensions of the operating system.
    pub extensions: Vec<String>,
    /// Whether FIPS mode is on.
    pub fips: bool,
    /// Files, units, users and the rest.
    pub ignition: Config,
}

/// A machine config whose Ignition part cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("MachineConfig {config}, spec.config")]
pub struct Unreadable {
    /// Name of the machine config.
    pub config: String,
    /// What is wrong with the Ignition part.
    #[source]
    pub refusal: Refusal,
}

impl Configuration {
    /// Reads a machine config, a rendered one or one of its sources. A missing Ignition part is refused as the
    /// reference refuses it, for no rendered config is without one.
    ///
    /// # Errors
    ///
    /// The Ignition part is missing, invalid, or of a spec that is not read.
    pub fn read(config: &MachineConfig) -> Result<Self, Unreadable> {
        let ignition = ignition::read_value(config.spec.config.as_ref().unwrap_or(&Value::Null))
            .map_err(|refusal| Unreadable {
                config: config.name.clone(),
                refusal,
            })?;
        let spec = &config.spec;
        Ok(Self {
            name: config.name.clone(),
            kubelet_version: config.annotations.get(KUBELET_VERSION).cloned(),
            os_image: spec.os_image_url.clone(),
            extensions_image: spec.base_os_extensions_container_image.clone(),
            kernel_type: spec.kernel_type.clone(),
            kernel_arguments: spec.kernel_arguments.clone(),
            extensions: spec.extensions.clone(),
            fips: spec.fips,
            ignition,
        })
    }

    /// Reads one of the machine configs that a rendered one is merged from; one without an Ignition part is fine.
    ///
    /// # Errors
    ///
    /// The Ignition part is invalid, or of a spec that is not read.
    pub fn read_source(config: &MachineConfig) -> Result<Self, Unreadable> {
        if config.spec.config.is_some() {
            return Self::read(config);
        }
        let mut with_ignition = config.clone();
        with_ignition.spec.config = Some(json!({"ignition": {"version": "3.5.0"}}));
        Self::read(&with_ignition)
    }

    /// The kernel type, with the default spelled out.
    pub fn kernel(&self) -> &str {
        if self.kernel_type.is_empty() {
            DEFAULT_KERNEL
        } else {
            &self.kernel_type
        }
    }
}
