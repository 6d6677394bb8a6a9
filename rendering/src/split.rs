//! The two halves of a config: the kubelet part and the rest (design section 5, ADR 4).
//!
//! Guarantees: [`compose`] of what [`split`] gives has the same content, and so the same name;
//! the composition of two configs' halves splits into those halves again. Every file, directory,
//! link and unit is in exactly one half, by its path or name alone, whichever config it is in.
//! What is no file and no unit (kernel arguments, images, users, extensions …) is in the rest.
//! Assumes: a rendered config, whose Ignition part is valid; another one is refused.
//! Not here: when a half is withheld (`rollout`).

use crate::contents::{Contents, contents};
use crate::ignition::config::{Directory, File, Link, Unit};
use crate::ignition::{self, Config, Refusal};
use crate::names;
use crate::spec::{KUBELET_VERSION, MachineConfig, MachineConfigSpec};

/// Where the kubelet and the container runtime keep what belongs to them. A path that ends in `/`
/// means all below it; any other path means itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeletPaths {
    /// The kubelet's binary, configuration and drop-ins.
    pub paths: Vec<String>,
    /// The kubelet's units, with all their drop-ins.
    pub units: Vec<String>,
    /// The container runtime's configuration, which must agree with the kubelet's on cgroup driver
    /// and socket.
    pub runtime_paths: Vec<String>,
    /// The container runtime's units.
    pub runtime_units: Vec<String>,
}

impl Default for KubeletPaths {
    fn default() -> Self {
        let all = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        Self {
            paths: all(&[
                "/etc/default/kubelet",
                "/etc/kubernetes/kubelet.conf",
                "/etc/kubernetes/kubelet.conf.d/",
                "/etc/kubernetes/kubelet/",
                "/etc/sysconfig/kubelet",
                "/etc/systemd/system/kubelet.service",
                "/etc/systemd/system/kubelet.service.d/",
                "/opt/bin/kubelet",
                "/usr/bin/kubelet",
                "/usr/lib/systemd/system/kubelet.service",
                "/usr/lib/systemd/system/kubelet.service.d/",
                "/usr/local/bin/kubelet",
                "/var/lib/kubelet/config.yaml",
                "/var/lib/kubelet/kubeadm-flags.env",
            ]),
            units: all(&["kubelet.service"]),
            runtime_paths: all(&[
                "/etc/containerd/",
                "/etc/crictl.yaml",
                "/etc/crio/",
                "/etc/docker/daemon.json",
                "/etc/systemd/system/containerd.service.d/",
                "/etc/systemd/system/cri-docker.service.d/",
                "/etc/systemd/system/crio.service.d/",
            ]),
            runtime_units: all(&[
                "containerd.service",
                "cri-docker.service",
                "cri-docker.socket",
                "crio.service",
            ]),
        }
    }
}

impl KubeletPaths {
    /// The same, the runtime's counted among the kubelet's.
    fn with_runtime(&self) -> Self {
        Self {
            paths: [self.paths.as_slice(), &self.runtime_paths].concat(),
            units: [self.units.as_slice(), &self.runtime_units].concat(),
            ..self.clone()
        }
    }

    fn has_path(&self, path: &str) -> bool {
        is_among(path, &self.paths)
    }

    fn has_unit(&self, unit: &str) -> bool {
        self.units.iter().any(|it| it == unit)
    }
}

fn is_among(path: &str, paths: &[String]) -> bool {
    paths.iter().any(|it| {
        if it.ends_with('/') {
            path.starts_with(it.as_str()) || path == it.trim_end_matches('/')
        } else {
            path == it
        }
    })
}

/// The half that waits for its API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubeletPart {
    /// The kubelet version that the config needs.
    pub version: Option<String>,
    /// Its directories.
    pub directories: Vec<Directory>,
    /// Its files.
    pub files: Vec<File>,
    /// Its links.
    pub links: Vec<Link>,
    /// Its units.
    pub units: Vec<Unit>,
}

impl KubeletPart {
    /// A digest of its content: equal for equal content.
    pub fn digest(&self) -> String {
        let rest = Rest {
            spec: MachineConfigSpec::default(),
            config: Config::default(),
        };
        names::content_digest(&compose(self, &rest), self.version.as_deref())
    }

    /// Whether the config says nothing about the kubelet.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The half that a node gets at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Rest {
    /// The spec without its Ignition config.
    spec: MachineConfigSpec,
    config: Config,
}

impl Rest {
    /// A digest of its content: equal for equal content.
    pub fn digest(&self) -> String {
        names::content_digest(&compose(&KubeletPart::default(), self), None)
    }
}

/// Splits a config.
///
/// # Errors
/// Its Ignition part is not valid.
pub fn split(config: &MachineConfig, paths: &KubeletPaths) -> Result<(KubeletPart, Rest), Refusal> {
    let mut ignition = match config
        .spec
        .config
        .as_ref()
        .filter(|config| !config.is_null())
    {
        Some(value) => ignition::read_value(value)?,
        None => Config::default(),
    };
    let storage = &mut ignition.storage;
    let (files, rest_files) = halves(&storage.files, |it| paths.has_path(&it.path));
    let (links, rest_links) = halves(&storage.links, |it| paths.has_path(&it.path));
    let (directories, rest_directories) =
        halves(&storage.directories, |it| paths.has_path(&it.path));
    let (units, rest_units) = halves(&ignition.systemd.units, |it| paths.has_unit(&it.name));
    storage.files = rest_files.into();
    storage.links = rest_links.into();
    storage.directories = rest_directories.into();
    ignition.systemd.units = rest_units.into();
    let version = config
        .annotations
        .get(KUBELET_VERSION)
        .filter(|it| !it.is_empty())
        .cloned();
    let spec = MachineConfigSpec {
        config: None,
        ..config.spec.clone()
    };
    let kubelet_part = KubeletPart {
        version,
        directories,
        files,
        links,
        units,
    };
    Ok((
        kubelet_part,
        Rest {
            spec,
            config: ignition,
        },
    ))
}

fn halves<T: Clone>(items: &[T], is_kubelet: impl Fn(&T) -> bool) -> (Vec<T>, Vec<T>) {
    items.iter().cloned().partition(is_kubelet)
}

/// Puts two halves together: the spec of the composed config, whose kubelet version is the part's.
pub fn compose(kubelet_part: &KubeletPart, rest: &Rest) -> MachineConfigSpec {
    let mut config = rest.config.clone();
    config.ignition.version = ignition::SpecVersion::NEWEST.to_string();
    let storage = &mut config.storage;
    storage
        .directories
        .make_mut()
        .extend_from_slice(&kubelet_part.directories);
    storage
        .files
        .make_mut()
        .extend_from_slice(&kubelet_part.files);
    storage
        .links
        .make_mut()
        .extend_from_slice(&kubelet_part.links);
    config
        .systemd
        .units
        .make_mut()
        .extend_from_slice(&kubelet_part.units);
    MachineConfigSpec {
        config: Some(ignition::to_value(&config)),
        ..rest.spec.clone()
    }
}

/// The composition that a node is given while its gate is shut.
#[derive(Debug, Clone, PartialEq)]
pub struct Withheld {
    /// The spec of the composed config: the present kubelet part, the target's rest.
    pub spec: MachineConfigSpec,
    /// The kubelet version that the composed config needs.
    pub kubelet_version: Option<String>,
    /// Whether anything is withheld at all: the kubelet parts differ.
    pub withholds: bool,
    /// Whether the container runtime's configuration is withheld too, because both sides change.
    pub with_runtime: bool,
}

/// Composes the kubelet part of the current config with the rest of the target.
///
/// Where both the kubelet part and the container runtime's cgroup driver or socket change, the
/// runtime's configuration is withheld with the kubelet's: the old kubelet would not find the new
/// runtime.
///
/// # Errors
/// A half cannot be read, or the two are not valid together.
pub fn withhold(
    current: &MachineConfig,
    target: &MachineConfig,
    paths: &KubeletPaths,
) -> Result<Withheld, Refusal> {
    let (current_part, _) = split(current, paths)?;
    let (target_part, _) = split(target, paths)?;
    let withholds = current_part.digest() != target_part.digest();
    let with_runtime =
        withholds && runtime_agreement(current, paths)? != runtime_agreement(target, paths)?;
    let paths = if with_runtime {
        paths.with_runtime()
    } else {
        paths.clone()
    };
    let (kubelet_part, _) = split(current, &paths)?;
    let (_, rest) = split(target, &paths)?;
    let spec = compose(&kubelet_part, &rest);
    if let Some(config) = &spec.config {
        ignition::accept_value(config)?;
    }
    Ok(Withheld {
        spec,
        kubelet_version: kubelet_part.version,
        withholds,
        with_runtime,
    })
}

/// The lines of the runtime's configuration that the kubelet must agree with: those that name a
/// cgroup driver or a socket.
fn runtime_agreement(config: &MachineConfig, paths: &KubeletPaths) -> Result<Vec<String>, Refusal> {
    let runtime = KubeletPaths {
        paths: paths.runtime_paths.clone(),
        units: paths.runtime_units.clone(),
        ..KubeletPaths::default()
    };
    let (part, _) = split(config, &runtime)?;
    let mut lines = Vec::new();
    for file in &part.files {
        match contents(&file.contents) {
            Ok(Contents::Inline(bytes)) => {
                let text = String::from_utf8_lossy(&bytes);
                lines.extend(agreed_lines(&file.path, &text));
            }
            // Nobody can look inside: another place or another fault is another content.
            Ok(Contents::Remote(remote)) => {
                lines.push(format!("{}: {} {:?}", file.path, remote.url, remote.hash));
            }
            Err(error) => lines.push(format!("{}: {error}", file.path)),
        }
    }
    for unit in &part.units {
        let texts = unit
            .dropins
            .iter()
            .map(|it| &it.contents)
            .chain([&unit.contents]);
        for text in texts.flatten() {
            lines.extend(agreed_lines(&unit.name, text));
        }
    }
    lines.sort();
    Ok(lines)
}

fn agreed_lines<'a>(place: &'a str, text: &'a str) -> impl Iterator<Item = String> + 'a {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter(|line| {
            let line = line.to_ascii_lowercase();
            line.contains("cgroup") || line.contains(".sock")
        })
        .map(move |line| format!("{place}: {line}"))
}
