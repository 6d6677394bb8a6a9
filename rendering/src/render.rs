//! A pool's machine configs, checked and merged into its rendered config.
//!
//! Guarantees: what [`render`] gives is a config whose Ignition part is valid, whose files have
//! contents that a node can write, that fits into the API, and whose name follows from its content
//! alone (`crate::names`). What no node could apply is refused, with the guilty machine config and
//! its field named. Where two valid machine configs are invalid together, all that have a part in
//! it are named.
//! Not here: whether a node can get from its present config to this one (`reconcile`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::contents::{ContentsError, contents};
use crate::ignition::{self, Entry, Severity};
use crate::merge::{self, Images, MergeError, Merged, Rules, Source};
use crate::names;
use crate::spec::{KUBELET_VERSION, MachineConfig, MachineConfigSpec};

/// How large a rendered config may be, in bytes of its JSON: etcd takes no larger object.
pub const SIZE_LIMIT: usize = 1_572_864;
/// From this share of the limit on, in percent, a warning says so.
pub const SIZE_WARNING_PERCENT: usize = 80;
/// The unit whose change makes a machine config one about the kubelet.
const KUBELET_UNIT: &str = "kubelet.service";

/// A rendered config, and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The rendered config: its name, its annotations (the kubelet version), its spec.
    pub config: MachineConfig,
    /// The machine configs that it was merged from, in merge order.
    pub sources: Vec<String>,
    /// What its owner should know, though it is rendered.
    pub warnings: Vec<Warning>,
    /// Its size, in bytes of JSON.
    pub size: usize,
}

/// Something that is not as its author may think.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A finding about one machine config's Ignition config, such as an unused key.
    Ignition {
        /// The machine config.
        config: String,
        /// The finding.
        entry: Entry,
    },
    /// The rendered config is near the limit.
    NearSizeLimit {
        /// Its bytes.
        size: usize,
    },
    /// A machine config ships a kubelet unit and names no version, so that no gate holds it.
    KubeletVersionMissing {
        /// The machine config.
        config: String,
    },
}

impl Warning {
    /// The stable name of the warning.
    pub fn reason(&self) -> &'static str {
        match self {
            Warning::Ignition { .. } => "IgnitionWarning",
            Warning::NearSizeLimit { .. } => "NearSizeLimit",
            Warning::KubeletVersionMissing { .. } => "KubeletVersionMissing",
        }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Warning::Ignition { config, entry } => {
                write!(formatter, "MachineConfig {config}, spec.config: {entry}")
            }
            Warning::NearSizeLimit { size } => write!(
                formatter,
                "the rendered config has {size} bytes, more than {SIZE_WARNING_PERCENT}% of the \
                 {SIZE_LIMIT} that the API takes"
            ),
            Warning::KubeletVersionMissing { config } => write!(
                formatter,
                "MachineConfig {config} ships {KUBELET_UNIT} but has no annotation \
                 {KUBELET_VERSION}: no gate holds it until the API is upgraded"
            ),
        }
    }
}

/// Why a pool has no rendered config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A machine config cannot be used, or some not together.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The merged Ignition config is invalid though each single one is valid.
    #[error(
        "the machine configs are valid alone but not together: {message} at {field} (MachineConfig \
         {})", configs.join(", ")
    )]
    Together {
        /// The machine configs that have a part in it, in merge order.
        configs: Vec<String>,
        /// Where in the merged config, `spec.config…`.
        field: String,
        /// The broken rule.
        message: String,
    },
    /// A file whose contents no node could write.
    #[error("MachineConfig {config}, file {path}: {error}")]
    Contents {
        /// The machine config that names the contents.
        config: String,
        /// The file.
        path: String,
        /// Why.
        error: ContentsError,
    },
    /// Too large for the API.
    #[error(
        "the rendered config would have {size} bytes, the API takes {SIZE_LIMIT}: the largest part \
         is MachineConfig {config} with {part}; ship large files in an image or fetch them"
    )]
    TooLarge {
        /// Bytes of the whole.
        size: usize,
        /// The machine config with the largest spec.
        config: String,
        /// Bytes of that spec.
        part: usize,
    },
}

impl RenderError {
    /// The stable name of the error.
    pub fn class(&self) -> &'static str {
        match self {
            RenderError::Merge(error) => error.class(),
            RenderError::Together { .. } => "merged-invalid",
            RenderError::Contents { .. } => "contents",
            RenderError::TooLarge { .. } => "too-large",
        }
    }

    /// The guilty machine configs, in merge order.
    pub fn configs(&self) -> Vec<&str> {
        match self {
            RenderError::Merge(error) => vec![error.config()],
            RenderError::Together { configs, .. } => configs.iter().map(String::as_str).collect(),
            RenderError::Contents { config, .. } | RenderError::TooLarge { config, .. } => {
                vec![config]
            }
        }
    }

    /// The guilty field.
    pub fn field(&self) -> String {
        match self {
            RenderError::Merge(error) => error.field(),
            RenderError::Together { field, .. } => field.clone(),
            RenderError::Contents { .. } => "spec.config.storage.files".to_owned(),
            RenderError::TooLarge { .. } => "spec".to_owned(),
        }
    }
}

/// Renders the machine configs of a pool.
///
/// # Errors
/// Why no node of the pool could use the result.
pub fn render(
    pool: &str,
    configs: &[MachineConfig],
    defaults: &Images,
    rules: &Rules,
) -> Result<Rendered, RenderError> {
    let sources = merge::sources(configs)?;
    for source in &sources {
        merge::validate_source(source, rules)?;
    }
    let merged = merge::merge_sources(&sources, defaults)?;
    check_together(&merged, &sources)?;
    check_contents(&merged, &sources)?;
    let config = rendered_config(pool, merged.spec, merged.kubelet_version);
    let size = size_of(&config);
    if size > SIZE_LIMIT {
        let specs = sources.iter().map(|it| it.machine_config);
        let largest = specs.map(|it| (spec_size(&it.spec), &it.name)).max();
        let (part, config) = largest.map_or((0, String::new()), |(part, it)| (part, it.clone()));
        return Err(RenderError::TooLarge { size, config, part });
    }
    Ok(Rendered {
        warnings: warnings(&sources, size),
        config,
        sources: merged.sources,
        size,
    })
}

/// The rendered config with that content: named, and annotated with its kubelet version.
pub fn rendered_config(
    pool: &str,
    spec: MachineConfigSpec,
    kubelet_version: Option<String>,
) -> MachineConfig {
    let name = names::rendered_name(pool, &spec, kubelet_version.as_deref());
    let annotations = kubelet_version
        .filter(|version| !version.is_empty())
        .map(|version| (KUBELET_VERSION.to_owned(), version));
    MachineConfig {
        name,
        labels: BTreeMap::new(),
        annotations: annotations.into_iter().collect(),
        spec,
    }
}

fn check_together(merged: &Merged, sources: &[Source<'_>]) -> Result<(), RenderError> {
    let findings = merged.findings();
    let Some(error) = findings
        .into_iter()
        .find(|entry| entry.severity == Severity::Error)
    else {
        return Ok(());
    };
    let path = error.path.unwrap_or_default();
    let path = path.strip_prefix('$').unwrap_or("").to_owned();
    Err(RenderError::Together {
        configs: configs_with(&path, merged, sources),
        field: format!("spec.config{path}"),
        message: error.message,
    })
}

/// The machine configs that have the item of a list that a path of the merged config leads to.
fn configs_with(path: &str, merged: &Merged, sources: &[Source<'_>]) -> Vec<String> {
    let segments: Vec<&str> = path
        .split('.')
        .filter(|segment| !segment.is_empty())
        .collect();
    let list_length = segments.iter().position(|it| it.parse::<usize>().is_ok());
    let list = segments
        .get(..list_length.unwrap_or(segments.len()))
        .unwrap_or_default();
    let item = list_length.and_then(|at| segments.get(at)?.parse::<usize>().ok());
    let whole = ignition::to_value(&merged.config);
    let wanted = item.and_then(|item| key_of(at(&whole, list)?.get(item)?));
    sources
        .iter()
        .filter(|source| {
            let value = source.config().ok().flatten().map(ignition::to_value);
            let found = value.as_ref().and_then(|value| at(value, list));
            match (found, &wanted) {
                (Some(Value::Array(items)), Some(key)) => {
                    items.iter().any(|item| key_of(item).as_ref() == Some(key))
                }
                (found, None) => found.is_some(),
                _ => false,
            }
        })
        .map(|source| source.machine_config.name.clone())
        .collect()
}

fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

fn key_of(item: &Value) -> Option<String> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    text("path")
        .or_else(|| text("name"))
        .or_else(|| text("device"))
        .map(str::to_owned)
}

fn check_contents(merged: &Merged, sources: &[Source<'_>]) -> Result<(), RenderError> {
    for file in &merged.config.storage.files {
        for resource in std::iter::once(&file.contents).chain(&file.append) {
            if let Err(error) = contents(resource) {
                let config = last_with_source(&file.path, sources);
                return Err(RenderError::Contents {
                    config,
                    path: file.path.clone(),
                    error,
                });
            }
        }
    }
    Ok(())
}

fn last_with_source(path: &str, sources: &[Source<'_>]) -> String {
    let names_source = |source: &&Source<'_>| {
        source.config().ok().flatten().is_some_and(|config| {
            config.storage.files.iter().any(|file| {
                file.path == path && (file.contents.source.is_some() || !file.append.is_empty())
            })
        })
    };
    let last = sources.iter().rev().find(names_source);
    last.map(|source| source.machine_config.name.clone())
        .unwrap_or_default()
}

fn warnings(sources: &[Source<'_>], size: usize) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for source in sources {
        let config = || source.machine_config.name.clone();
        let Some(report) = &source.ignition else {
            continue;
        };
        let entries = report.entries.iter().cloned();
        warnings.extend(entries.map(|entry| Warning::Ignition {
            config: config(),
            entry,
        }));
        let units = report.config.iter().flat_map(|it| it.systemd.units.iter());
        let ships_kubelet = units
            .into_iter()
            .any(|unit| unit.name == KUBELET_UNIT && unit.contents.is_some());
        let names_version = source
            .machine_config
            .annotations
            .contains_key(KUBELET_VERSION);
        if ships_kubelet && !names_version {
            warnings.push(Warning::KubeletVersionMissing { config: config() });
        }
    }
    if size > SIZE_LIMIT / 100 * SIZE_WARNING_PERCENT {
        warnings.push(Warning::NearSizeLimit { size });
    }
    warnings
}

/// The bytes of the object as the API stores it, less what the API server itself adds.
fn size_of(config: &MachineConfig) -> usize {
    let metadata = serde_json::json!({
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfig",
        "metadata": {"name": config.name, "annotations": config.annotations},
        "spec": {},
    });
    metadata.to_string().len() + spec_size(&config.spec)
}

fn spec_size(spec: &MachineConfigSpec) -> usize {
    serde_json::to_string(spec).map_or(0, |text| text.len())
}
