//! Whether a simulated kubelet starts with what it finds on its machine.
//!
//! Judges as the real one does: the configuration file is decoded strictly (an unknown field is fatal), an unknown flag
//! is fatal, and a container runtime that does not serve this kubelet leaves it running but not ready.
//!
//! # Assumptions
//! The simulated runtime knows one key that real ones do not: `oldest_kubelet = "1.34"` in one of its configuration
//! files names the oldest kubelet that it still serves. It stands for all the ways in which the rest of a node's
//! configuration can be too new for the kubelet that is installed.

use crate::kubelet::fields::{FLAGS, Field, Kind};
use crate::machine::FileTree;
use crate::version::Version;
use serde_json::Value;

/// Where kubelets look for their configuration: OpenShift's path, and kubeadm's.
const CONFIG_FILES: [&str; 2] = [
    "/etc/kubernetes/kubelet.conf",
    "/var/lib/kubelet/config.yaml",
];
/// Fragments that are merged over the configuration file.
const CONFIG_DIRECTORY: &str = "/etc/kubernetes/kubelet.conf.d";
/// The unit, and the directory of its drop-ins.
const UNIT: &str = "/etc/systemd/system/kubelet.service";
const UNIT_DROPINS: &str = "/etc/systemd/system/kubelet.service.d";
/// Configuration of the container runtimes.
const RUNTIME_DIRECTORIES: [&str; 2] = ["/etc/crio/crio.conf.d", "/etc/containerd/conf.d"];

/// What becomes of a kubelet that is started now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It runs, and its node becomes Ready.
    Ready,
    /// It runs and says that its node is not ready.
    NotReady(Refusal),
    /// It exits at once, and says nothing to the API server.
    Dead(Refusal),
}

/// Why a kubelet does not make its node Ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The service manager does not start it.
    #[error("kubelet.service is {state}")]
    NotStarted {
        /// How the unit is set up.
        state: &'static str,
    },
    /// The configuration is no YAML mapping.
    #[error("failed to load kubelet config file {path}: {problem}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the parser said.
        problem: String,
    },
    /// The strict decoder knows no such field, or not yet.
    #[error("strict decoding error in {path}: unknown field \"{field}\"")]
    UnknownField {
        /// The file.
        path: String,
        /// The field.
        field: String,
    },
    /// The field holds a value of the wrong kind.
    #[error("cannot decode {path}: field \"{field}\" must be {wanted}")]
    WrongKind {
        /// The file.
        path: String,
        /// The field.
        field: String,
        /// What would fit.
        wanted: &'static str,
    },
    /// The command line holds a flag that does not exist.
    #[error("failed to parse kubelet flag: unknown flag: --{flag} (from {path})")]
    UnknownFlag {
        /// The unit or drop-in.
        path: String,
        /// The flag without its dashes.
        flag: String,
    },
    /// The runtime does not serve a kubelet as old as this one.
    #[error(
        "container runtime is down: {path} wants kubelet {wanted} or newer, this is {installed}"
    )]
    RuntimeTooNew {
        /// The runtime's configuration file.
        path: String,
        /// The oldest kubelet that it serves.
        wanted: Version,
        /// The kubelet that is installed.
        installed: Version,
    },
}

/// Judges the files of a machine for the kubelet of version `installed`.
pub fn judge(files: &FileTree, installed: Version) -> Verdict {
    if let Err(refusal) = check_configuration(files, installed).and_then(|()| check_units(files)) {
        return Verdict::Dead(refusal);
    }
    match check_runtime(files, installed) {
        Ok(()) => Verdict::Ready,
        Err(refusal) => Verdict::NotReady(refusal),
    }
}

fn check_configuration(files: &FileTree, installed: Version) -> Result<(), Refusal> {
    let fragments = files.below(CONFIG_DIRECTORY).unwrap_or_default();
    let present = CONFIG_FILES
        .iter()
        .map(|path| (*path).to_owned())
        .chain(fragments);
    for path in present {
        let Some(text) = files.text(&path) else {
            continue;
        };
        let unreadable = |problem: String| Refusal::Unreadable {
            path: path.clone(),
            problem,
        };
        let document: Value = serde_saphyr::from_str(&text).map_err(|error| {
            unreadable(
                error
                    .to_string()
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            )
        })?;
        let Value::Object(fields) = document else {
            return Err(unreadable("not a mapping".to_owned()));
        };
        // kubeadm keeps a kubeconfig under the first of these names.
        if fields.get("kind").and_then(Value::as_str) == Some("Config") {
            continue;
        }
        for (name, value) in &fields {
            check_field(&path, name, value, installed)?;
        }
    }
    Ok(())
}

fn check_field(path: &str, name: &str, value: &Value, installed: Version) -> Result<(), Refusal> {
    let unknown = || Refusal::UnknownField {
        path: path.to_owned(),
        field: name.to_owned(),
    };
    let field = Field::named(name).ok_or_else(unknown)?;
    if (1, field.since_minor) > installed.minor_only() {
        return Err(unknown());
    }
    if !field.kind.fits(value) {
        return Err(Refusal::WrongKind {
            path: path.to_owned(),
            field: name.to_owned(),
            wanted: field.kind.name(),
        });
    }
    Ok(())
}

fn check_units(files: &FileTree) -> Result<(), Refusal> {
    let dropins = files.below(UNIT_DROPINS).unwrap_or_default();
    for path in std::iter::once(UNIT.to_owned()).chain(dropins) {
        let Some(text) = files.text(&path) else {
            continue;
        };
        for flag in flags(&text) {
            if !FLAGS.contains(&flag.as_str()) {
                return Err(Refusal::UnknownFlag { path, flag });
            }
        }
    }
    Ok(())
}

/// The long flags on lines that reach the kubelet's command line.
fn flags(unit: &str) -> Vec<String> {
    unit.replace("\\\n", " ")
        .lines()
        .filter(|line| {
            let line = line.trim_start();
            // Other programs have command lines too; only the kubelet's own matter.
            (line.starts_with("ExecStart=") && line.contains("kubelet"))
                || (line.starts_with("Environment=") && line.contains("KUBELET"))
        })
        .flat_map(str::split_whitespace)
        .filter_map(|word| word.trim_matches(['"', '\'']).split_once("--"))
        // `Environment="KUBELET_EXTRA_ARGS=--flag"` has its first flag in the middle of a word.
        .filter(|(before, _)| before.is_empty() || before.ends_with('='))
        .filter_map(|(_, flag)| {
            flag.split('=')
                .next()
                .map(|flag| flag.trim_matches(['"', '\'']).to_owned())
        })
        .filter(|flag| !flag.is_empty())
        .collect()
}

fn check_runtime(files: &FileTree, installed: Version) -> Result<(), Refusal> {
    for path in RUNTIME_DIRECTORIES
        .iter()
        .flat_map(|at| files.below(at).unwrap_or_default())
    {
        let text = files.text(&path).unwrap_or_default();
        let wanted = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("oldest_kubelet"))
            .filter_map(|rest| rest.trim_start().strip_prefix('='))
            .filter_map(|value| Version::parse(value.trim().trim_matches('"')))
            .max();
        if let Some(wanted) = wanted
            && wanted > installed
        {
            return Err(Refusal::RuntimeTooNew {
                path,
                wanted,
                installed,
            });
        }
    }
    Ok(())
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Flag => value.is_boolean(),
            Self::Number => value.is_number(),
            // Durations and quantities may be written as numbers in YAML and are refused as such by Go.
            Self::Text => value.is_string(),
            Self::List => value.is_array() || value.is_null(),
            Self::Map => value.is_object() || value.is_null(),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Flag => "true or false",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::List => "a list",
            Self::Map => "a mapping",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Version = Version {
        major: 1,
        minor: 33,
        patch: 4,
    };
    const NEW: Version = Version {
        major: 1,
        minor: 34,
        patch: 1,
    };

    fn machine_with(path: &str, text: &str) -> FileTree {
        let files = FileTree::in_memory();
        files.write(path, text).unwrap();
        files
    }

    #[test]
    fn a_machine_without_kubelet_files_starts_its_kubelet() {
        assert_eq!(judge(&FileTree::in_memory(), OLD), Verdict::Ready);
    }

    #[test]
    fn an_ordinary_configuration_starts() {
        let files = machine_with(
            "/etc/kubernetes/kubelet.conf",
            "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nmaxPods: 250\n",
        );

        assert_eq!(judge(&files, OLD), Verdict::Ready);
    }

    #[test]
    fn a_misspelt_field_kills_the_kubelet() {
        let files = machine_with("/etc/kubernetes/kubelet.conf", "maxPodz: 250\n");

        let Verdict::Dead(refusal) = judge(&files, OLD) else {
            panic!("it should not start")
        };
        assert!(refusal.to_string().contains("maxPodz"), "{refusal}");
    }

    #[test]
    fn a_number_where_words_stand_kills_the_kubelet() {
        let files = machine_with("/etc/kubernetes/kubelet.conf", "maxPods: many\n");

        assert!(matches!(
            judge(&files, OLD),
            Verdict::Dead(Refusal::WrongKind { .. })
        ));
    }

    #[test]
    fn a_broken_fragment_kills_the_kubelet() {
        let files = machine_with("/etc/kubernetes/kubelet.conf.d/50-x.conf", "a: [1\n");

        assert!(matches!(
            judge(&files, OLD),
            Verdict::Dead(Refusal::Unreadable { .. })
        ));
    }

    #[test]
    fn a_field_of_a_later_version_kills_only_the_older_kubelet() {
        let files = machine_with(
            "/etc/kubernetes/kubelet.conf",
            "mergeDefaultEvictionSettings: true\n",
        );

        assert!(matches!(
            judge(&files, OLD),
            Verdict::Dead(Refusal::UnknownField { .. })
        ));
        assert_eq!(judge(&files, NEW), Verdict::Ready);
    }

    #[test]
    fn a_kubeconfig_under_kubeadms_name_is_no_kubelet_configuration() {
        let files = machine_with(
            "/etc/kubernetes/kubelet.conf",
            "kind: Config\nclusters: []\n",
        );

        assert_eq!(judge(&files, OLD), Verdict::Ready);
    }

    #[test]
    fn an_unknown_flag_in_a_dropin_kills_the_kubelet() {
        let files = machine_with(
            "/etc/systemd/system/kubelet.service.d/20-args.conf",
            "[Service]\nEnvironment=\"KUBELET_EXTRA_ARGS=--v=2 --no-such-flag=1\"\n",
        );

        let Verdict::Dead(Refusal::UnknownFlag { flag, .. }) = judge(&files, OLD) else {
            panic!("it should not start")
        };
        assert_eq!(flag, "no-such-flag");
    }

    #[test]
    fn known_flags_start_it() {
        let files = machine_with(
            "/etc/systemd/system/kubelet.service",
            "[Service]\nExecStart=/usr/bin/kubelet --config=/etc/kubernetes/kubelet.conf \\\n  --v=2\n",
        );

        assert_eq!(judge(&files, OLD), Verdict::Ready);
    }

    #[test]
    fn a_runtime_that_is_too_new_leaves_the_kubelet_alive_and_not_ready() {
        let files = machine_with(
            "/etc/crio/crio.conf.d/20-runtime.conf",
            "[crio.runtime]\noldest_kubelet = \"1.34\"\n",
        );

        assert!(matches!(
            judge(&files, OLD),
            Verdict::NotReady(Refusal::RuntimeTooNew { .. })
        ));
        assert_eq!(judge(&files, NEW), Verdict::Ready);
    }
}
