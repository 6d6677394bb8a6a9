//! The machine configs of a pool, merged into one spec.
//!
//! Guarantees: the reference's order and rules (`reference/machine-config.md` 2.8, corpora section
//! 4): machine configs with the role `worker` by name, then all others by name, bytewise; a later
//! one wins. [`validate`] is the reference's check of a single machine config, [`merge`] its merge;
//! neither depends on the other, and the merge does not care for what only the check refuses.
//! Every refusal names the machine config and the field.
//! An absent Ignition config is an empty one. Where the reference is wrong and this is not, it is a
//! field of [`Rules`].
//! Not here: names, sizes, what a node can apply (`crate::render`).

mod ignition;

use std::collections::BTreeMap;

use serde_json::Map;

use crate::ignition::{self as config, Config, Entry, Refusal, Report};
use crate::spec::{GENERATED_BY, KUBELET_VERSION, MachineConfig, MachineConfigSpec, ROLE_LABEL};
use api::version::{NotAVersion, Version};

/// The role whose machine configs every pool starts from.
const BASE_ROLE: &str = "worker";
/// The kernel types; an empty one means the first.
const KERNEL_TYPES: [&str; 3] = ["default", "realtime", "64k-pages"];
const DEFAULT_KERNEL: &str = "default";
/// Headers of the default kernel only.
const KERNEL_DEVEL: &str = "kernel-devel";

/// What may be set besides the reference's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The extensions that machines of this fleet know.
    pub extensions: Vec<String>,
    /// Whether extensions count only beside an Ignition config. The reference has it so by
    /// mistake (machine-config.md 2.8 **[bug]**): an unknown extension then reaches the nodes.
    pub extensions_checked_only_with_ignition: bool,
}

impl Rules {
    /// The reference's ways, mistakes included: what the corpora judge.
    pub fn reference() -> Self {
        Self {
            extensions_checked_only_with_ignition: true,
            ..Self::default()
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        let extensions = [
            "two-node-ha",
            "ipsec",
            "usbguard",
            "kerberos",
            KERNEL_DEVEL,
            "sandboxed-containers",
            "sysstat",
        ];
        Self {
            extensions: extensions.map(str::to_owned).to_vec(),
            extensions_checked_only_with_ignition: false,
        }
    }
}

/// The images that hold where no machine config of a person names others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images {
    /// The image of the operating system.
    pub base_os: String,
    /// The image that extensions come from.
    pub extensions: String,
}

/// Why a machine config, or several together, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// It has no label at all, so nobody can say which role it is for.
    #[error("MachineConfig {config} has no labels: set {ROLE_LABEL}")]
    LabelMissing {
        /// The machine config.
        config: String,
    },
    /// Its kubelet version is none: no gate could read it, and a daemon might.
    #[error("MachineConfig {config}, metadata.annotations[{KUBELET_VERSION}]: {error}")]
    KubeletVersion {
        /// The machine config.
        config: String,
        /// What is wrong with it.
        error: NotAVersion,
    },
    /// Its Ignition config is refused.
    #[error("MachineConfig {config}, spec.config: {refusal}")]
    Ignition {
        /// The machine config.
        config: String,
        /// Why.
        refusal: Refusal,
    },
    /// No such kernel.
    #[error(
        "MachineConfig {config}, spec.kernelType: {kernel_type:?} is invalid; known are default, \
         realtime and 64k-pages"
    )]
    KernelType {
        /// The machine config.
        config: String,
        /// What it asks for.
        kernel_type: String,
    },
    /// Extensions that machines do not know.
    #[error("MachineConfig {config}, spec.extensions: invalid extensions found: [{}]", unknown.join(" "))]
    Extensions {
        /// The machine config.
        config: String,
        /// Those that are unknown.
        unknown: Vec<String>,
    },
    /// Headers of the default kernel beside another kernel.
    #[error(
        "installing the kernel-devel extension is not supported with kernelType {kernel_type}: \
         MachineConfig {config} (spec.kernelType) or MachineConfig {extension_config} \
         (spec.extensions) must change"
    )]
    KernelDevel {
        /// The machine config that chose the kernel.
        config: String,
        /// The kernel.
        kernel_type: String,
        /// The machine config with the extension.
        extension_config: String,
    },
}

impl MergeError {
    /// The stable name of the error.
    pub fn class(&self) -> &'static str {
        match self {
            MergeError::LabelMissing { .. } => "label-missing",
            MergeError::KubeletVersion { .. } => "kubelet-version-invalid",
            MergeError::Ignition { refusal, .. } => refusal.class(),
            MergeError::KernelType { .. } => "kernel-type-invalid",
            MergeError::Extensions { .. } => "extension-unsupported",
            MergeError::KernelDevel { .. } => "kernel-devel-with-nondefault-kernel",
        }
    }

    /// The guilty machine config.
    pub fn config(&self) -> &str {
        match self {
            MergeError::LabelMissing { config }
            | MergeError::KubeletVersion { config, .. }
            | MergeError::Ignition { config, .. }
            | MergeError::KernelType { config, .. }
            | MergeError::Extensions { config, .. }
            | MergeError::KernelDevel { config, .. } => config,
        }
    }

    /// The guilty field of it.
    pub fn field(&self) -> String {
        match self {
            MergeError::LabelMissing { .. } => "metadata.labels".to_owned(),
            MergeError::KubeletVersion { .. } => {
                format!("metadata.annotations[{KUBELET_VERSION}]")
            }
            MergeError::Ignition { refusal, .. } => refusal
                .field()
                .and_then(|path| path.strip_prefix('$'))
                .map_or_else(
                    || "spec.config".to_owned(),
                    |path| format!("spec.config{path}"),
                ),
            MergeError::KernelType { .. } | MergeError::KernelDevel { .. } => {
                "spec.kernelType".to_owned()
            }
            MergeError::Extensions { .. } => "spec.extensions".to_owned(),
        }
    }
}

/// The merged spec, and what it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The spec; its Ignition config is of spec 3.5.0 and need not be valid.
    pub spec: MachineConfigSpec,
    /// The same Ignition config, typed.
    pub config: Config,
    /// The kubelet version that the last machine config naming one asks for.
    pub kubelet_version: Option<String>,
    /// The names of the machine configs, in merge order.
    pub sources: Vec<String>,
}

impl Merged {
    /// Whether the merged Ignition config would be accepted like that of a single machine config.
    ///
    /// # Errors
    /// Why it would not.
    pub fn check(&self) -> Result<(), Refusal> {
        config::check_translated(&self.config)
    }

    /// All findings about the merged Ignition config: two valid ones can make an invalid one.
    pub fn findings(&self) -> Vec<Entry> {
        config::findings(&self.config)
    }
}

/// A machine config with its Ignition part read, so that a render reads each only once.
pub(crate) struct Source<'a> {
    pub(crate) machine_config: &'a MachineConfig,
    /// What reading its Ignition part found; absent if there is none.
    pub(crate) ignition: Option<Report>,
}

impl<'a> Source<'a> {
    fn read(machine_config: &'a MachineConfig) -> Self {
        let ignition = machine_config
            .spec
            .config
            .as_ref()
            .filter(|it| !it.is_null());
        Self {
            machine_config,
            ignition: ignition.map(config::parse_value),
        }
    }

    /// Its Ignition config, or that it has none.
    pub(crate) fn config(&self) -> Result<Option<&Config>, MergeError> {
        let config = self.ignition.as_ref().map(Report::accepted).transpose();
        config.map_err(|refusal| self.refused(refusal))
    }

    fn refused(&self, refusal: Refusal) -> MergeError {
        MergeError::Ignition {
            config: self.machine_config.name.clone(),
            refusal,
        }
    }
}

/// The machine configs in merge order, read.
///
/// # Errors
/// One of them has no labels.
pub(crate) fn sources(configs: &[MachineConfig]) -> Result<Vec<Source<'_>>, MergeError> {
    Ok(merge_order(configs)?
        .into_iter()
        .map(Source::read)
        .collect())
}

/// Checks one machine config by itself.
///
/// # Errors
/// The first reason to refuse it.
pub fn validate(machine_config: &MachineConfig, rules: &Rules) -> Result<(), MergeError> {
    validate_source(&Source::read(machine_config), rules)
}

pub(crate) fn validate_source(source: &Source<'_>, rules: &Rules) -> Result<(), MergeError> {
    let config = || source.machine_config.name.clone();
    let spec = &source.machine_config.spec;
    if !spec.kernel_type.is_empty() && !KERNEL_TYPES.contains(&spec.kernel_type.as_str()) {
        let kernel_type = spec.kernel_type.clone();
        return Err(MergeError::KernelType {
            config: config(),
            kernel_type,
        });
    }
    if let Some(ignition) = source.config()? {
        config::check_translated(ignition).map_err(|refusal| source.refused(refusal))?;
    } else if rules.extensions_checked_only_with_ignition {
        return Ok(());
    }
    let unknown: Vec<String> = spec
        .extensions
        .iter()
        .filter(|it| !rules.extensions.contains(it))
        .cloned()
        .collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(MergeError::Extensions {
            config: config(),
            unknown,
        })
    }
}

/// Merges the machine configs of a pool; none at all give an empty spec with the default images.
///
/// # Errors
/// The first machine config, in merge order, that cannot be merged.
pub fn merge(configs: &[MachineConfig], images: &Images) -> Result<Merged, MergeError> {
    merge_sources(&sources(configs)?, images)
}

pub(crate) fn merge_sources(sources: &[Source<'_>], images: &Images) -> Result<Merged, MergeError> {
    refuse_spec2(sources)?;
    let config = merged_ignition(sources)?;
    let order: Vec<&MachineConfig> = sources.iter().map(|it| it.machine_config).collect();
    let spec = MachineConfigSpec {
        base_os_extensions_container_image: image(&order, &images.extensions, |spec| {
            &spec.base_os_extensions_container_image
        }),
        config: Some(config::to_value(&config)),
        extensions: order
            .iter()
            .flat_map(|it| it.spec.extensions.iter().cloned())
            .collect(),
        fips: order.iter().any(|it| it.spec.fips),
        kernel_arguments: order
            .iter()
            .flat_map(|it| it.spec.kernel_arguments.iter().cloned())
            .collect(),
        kernel_type: kernel_type(&order)?,
        os_image_url: image(&order, &images.base_os, |spec| &spec.os_image_url),
    };
    Ok(Merged {
        spec,
        config,
        kubelet_version: kubelet_version(&order)?,
        sources: order.iter().map(|it| it.name.clone()).collect(),
    })
}

/// The last kubelet version that is stated; each has to be one.
fn kubelet_version(order: &[&MachineConfig]) -> Result<Option<String>, MergeError> {
    let mut last = None;
    for config in order {
        let stated = config.annotations.get(KUBELET_VERSION);
        let Some(version) = stated.filter(|version| !version.is_empty()) else {
            continue;
        };
        if let Err(error) = version.parse::<Version>() {
            let config = config.name.clone();
            return Err(MergeError::KubeletVersion { config, error });
        }
        last = Some(version.clone());
    }
    Ok(last)
}

/// The Ignition configs joined, as written to nodes: version 3.5.0, and every file replaces what is
/// there unless it says no.
fn merged_ignition(sources: &[Source<'_>]) -> Result<Config, MergeError> {
    let mut ignition = Map::new();
    let mut joined = false;
    for (index, source) in sources.iter().enumerate() {
        let Some(config) = source.config()? else {
            continue;
        };
        let later = config::to_map(config);
        if index == 0 {
            ignition = later;
        } else {
            ignition = self::ignition::join(ignition, later);
            joined = true;
        }
    }
    if joined {
        self::ignition::drop_empty_compression(&mut ignition);
    }
    let mut config = config::from_map(ignition);
    config.ignition.version = config::SpecVersion::NEWEST.to_string();
    if !config.storage.files.is_empty() {
        for file in config.storage.files.make_mut() {
            file.overwrite.get_or_insert(true);
        }
    }
    Ok(config)
}

/// Base role first, then the others, each by name.
fn merge_order(configs: &[MachineConfig]) -> Result<Vec<&MachineConfig>, MergeError> {
    if let Some(nameless) = configs.iter().find(|it| it.labels.is_empty()) {
        return Err(MergeError::LabelMissing {
            config: nameless.name.clone(),
        });
    }
    let mut order: Vec<&MachineConfig> = configs.iter().collect();
    order.sort_by_key(|it| {
        let base = it.labels.get(ROLE_LABEL).map(String::as_str) == Some(BASE_ROLE);
        (!base, it.name.as_str())
    });
    Ok(order)
}

/// Spec 2 is refused before anything else, so that its owner hears of it whatever else is wrong.
fn refuse_spec2(sources: &[Source<'_>]) -> Result<(), MergeError> {
    let refusals = sources.iter().filter_map(|source| source.config().err());
    let is_spec2 = |error: &MergeError| {
        matches!(
            error,
            MergeError::Ignition {
                refusal: Refusal::Spec2 { .. },
                ..
            }
        )
    };
    refusals.into_iter().find(is_spec2).map_or(Ok(()), Err)
}

/// The last kernel that is not the default one. Unknown kernels are `validate`'s business.
fn kernel_type(order: &[&MachineConfig]) -> Result<String, MergeError> {
    let chosen = order.iter().rev().find(|it| {
        KERNEL_TYPES
            .iter()
            .skip(1)
            .any(|known| *known == it.spec.kernel_type)
    });
    let Some(chosen) = chosen else {
        return Ok(DEFAULT_KERNEL.to_owned());
    };
    let with_headers = order
        .iter()
        .find(|it| it.spec.extensions.iter().any(|name| name == KERNEL_DEVEL));
    match with_headers {
        None => Ok(chosen.spec.kernel_type.clone()),
        Some(with_headers) => Err(MergeError::KernelDevel {
            config: chosen.name.clone(),
            kernel_type: chosen.spec.kernel_type.clone(),
            extension_config: with_headers.name.clone(),
        }),
    }
}

/// The last image that a person set; what a controller generated does not count.
fn image(
    order: &[&MachineConfig],
    default: &str,
    of: impl Fn(&MachineConfigSpec) -> &String,
) -> String {
    order
        .iter()
        .rev()
        .filter(|it| {
            it.annotations
                .get(GENERATED_BY)
                .is_none_or(String::is_empty)
        })
        .map(|it| of(&it.spec))
        .find(|image| !image.is_empty())
        .cloned()
        .unwrap_or_else(|| default.to_owned())
}

/// The findings of each machine config by itself: what the reference calls validation errors.
pub fn validate_all(configs: &[MachineConfig], rules: &Rules) -> BTreeMap<String, MergeError> {
    configs
        .iter()
        .filter_map(|it| {
            validate(it, rules)
                .err()
                .map(|error| (it.name.clone(), error))
        })
        .collect()
}
