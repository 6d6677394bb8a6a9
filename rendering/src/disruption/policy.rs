//! The node disruption policy: which change asks for which actions.
//!
//! Guarantees: [`Policy::cluster`] is the built-in table merged with the user's entries, in the order in which it is
//! published (reference, machine-config.md 2.13). Reading a policy refuses, by field, what the schema refuses.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::path;

/// Most entries of a user's policy for files, and for units; the schema's limit (reference, crds.md).
pub const MAX_USER_ENTRIES: usize = 50;
/// Most entries of a published policy: the user's and the built-in ones.
pub const MAX_ENTRIES: usize = 100;
/// Most actions of one entry; the schema's limit.
pub const MAX_ACTIONS: usize = 10;
/// Longest name of a unit; systemd's limit.
const MAX_UNIT_NAME: usize = 255;
/// The endings of systemd's unit types.
const UNIT_TYPES: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];

/// One thing done to a node after a change has been written to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "RawAction", into = "RawAction")]
pub enum Action {
    /// Nothing.
    None,
    /// The node is drained, and rebooted after the change.
    Reboot,
    /// The node is drained before the change.
    Drain,
    /// systemd reads its units anew.
    DaemonReload,
    /// The service reads its configuration anew.
    Reload(String),
    /// The service is restarted.
    Restart(String),
    /// registries.conf: the container runtime reads it anew, and the node is drained if the change is unsafe. Only the
    /// built-in table has it.
    Special,
}

/// An action as the API writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAction {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reload: Option<Service>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restart: Option<Service>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Service {
    service_name: String,
}

/// What a policy gets wrong, with the field that has it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// The action's type is none of the known ones.
    #[error(
        "type {found:?} is no action; one of Reboot, Drain, Reload, Restart, DaemonReload, None is needed"
    )]
    UnknownAction {
        /// The type given.
        found: String,
    },
    /// `reload` and `restart` have to be there exactly with the type of that name.
    #[error("{field} has to be there exactly if type is {kind}")]
    ServiceMisplaced {
        /// The field, `reload` or `restart`.
        field: &'static str,
        /// The type that wants it.
        kind: &'static str,
    },
    /// A unit's name that systemd would not take.
    #[error("{found:?} is no name of a systemd unit, such as crio.service")]
    UnitName {
        /// The name given.
        found: String,
    },
    /// The policy does not have the API's shape.
    #[error("{reason}")]
    Shape {
        /// What the reader says.
        reason: String,
    },
    /// An entry breaks a rule of the schema.
    #[error("{field}: {problem}")]
    Entry {
        /// Path of the entry, such as `files[3].actions`.
        field: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl TryFrom<RawAction> for Action {
    type Error = PolicyError;

    fn try_from(raw: RawAction) -> Result<Self, PolicyError> {
        let misplaced = [
            ("reload", "Reload", raw.reload.is_some()),
            ("restart", "Restart", raw.restart.is_some()),
        ]
        .into_iter()
        .find(|(_, kind, given)| *given != (raw.kind == *kind));
        if let Some((field, kind, _)) = misplaced {
            return Err(PolicyError::ServiceMisplaced { field, kind });
        }
        let service = raw
            .reload
            .or(raw.restart)
            .map(|service| service.service_name);
        if let Some(found) = service.as_ref().filter(|name| !is_unit_name(name)) {
            return Err(PolicyError::UnitName {
                found: found.clone(),
            });
        }
        match (raw.kind.as_str(), service) {
            ("None", _) => Ok(Self::None),
            ("Reboot", _) => Ok(Self::Reboot),
            ("Drain", _) => Ok(Self::Drain),
            ("DaemonReload", _) => Ok(Self::DaemonReload),
            ("Special", _) => Ok(Self::Special),
            ("Reload", Some(service)) => Ok(Self::Reload(service)),
            ("Restart", Some(service)) => Ok(Self::Restart(service)),
            _ => Err(PolicyError::UnknownAction { found: raw.kind }),
        }
    }
}

impl From<Action> for RawAction {
    fn from(action: Action) -> Self {
        let raw = |kind: &str| Self {
            kind: kind.to_owned(),
            reload: None,
            restart: None,
        };
        match action {
            Action::None => raw("None"),
            Action::Reboot => raw("Reboot"),
            Action::Drain => raw("Drain"),
            Action::DaemonReload => raw("DaemonReload"),
            Action::Special => raw("Special"),
            Action::Reload(service_name) => Self {
                reload: Some(Service { service_name }),
                ..raw("Reload")
            },
            Action::Restart(service_name) => Self {
                restart: Some(Service { service_name }),
                ..raw("Restart")
            },
        }
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("nothing"),
            Self::Reboot => f.write_str("drain and reboot"),
            Self::Drain => f.write_str("drain"),
            Self::DaemonReload => f.write_str("reload systemd's units"),
            Self::Reload(service) => write!(f, "reload {service}"),
            Self::Restart(service) => write!(f, "restart {service}"),
            Self::Special => f.write_str("reload crio.service with the new registries"),
        }
    }
}

/// Actions for a file, or for all files under a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePolicy {
    /// What is done, in order.
    pub actions: Vec<Action>,
    /// The path of the file or directory.
    pub path: String,
}

/// Actions for a systemd unit and its drop-ins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitPolicy {
    /// What is done, in order.
    pub actions: Vec<Action>,
    /// The unit's whole name.
    pub name: String,
}

/// Actions for a change of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsersPolicy {
    /// What is done, in order.
    pub actions: Vec<Action>,
}

/// What a user writes into MachineConfiguration's `spec.nodeDisruptionPolicy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserPolicy {
    /// By path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FilePolicy>,
    /// By name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<UnitPolicy>,
    /// For users, keys and passwords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sshkey: Option<UsersPolicy>,
}

/// A whole policy, as it is published in `status.nodeDisruptionPolicyStatus.clusterPolicies`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// By path.
    #[serde(default)]
    pub files: Vec<FilePolicy>,
    /// For users, keys and passwords.
    pub sshkey: UsersPolicy,
    /// By name.
    #[serde(default)]
    pub units: Vec<UnitPolicy>,
}

impl UserPolicy {
    /// Reads and checks a user's policy from its JSON.
    pub fn read(json: &serde_json::Value) -> Result<Self, PolicyError> {
        let policy: Self =
            serde_json::from_value(json.clone()).map_err(|error| PolicyError::Shape {
                reason: error.to_string(),
            })?;
        policy.check()?;
        Ok(policy)
    }

    /// What the schema asks of a user's policy.
    fn check(&self) -> Result<(), PolicyError> {
        let sizes = [("files", self.files.len()), ("units", self.units.len())];
        if let Some((field, _)) = sizes.into_iter().find(|(_, size)| *size > MAX_USER_ENTRIES) {
            return Err(PolicyError::Entry {
                field: field.to_owned(),
                problem: "more than 50 entries",
            });
        }
        unique("files", self.files.iter().map(|entry| entry.path.as_str()))?;
        unique("units", self.units.iter().map(|entry| entry.name.as_str()))?;
        for (index, entry) in self.units.iter().enumerate() {
            if !is_unit_name(&entry.name) {
                let field = format!("units[{index}].name");
                return Err(PolicyError::Entry {
                    field,
                    problem: "no name of a systemd unit",
                });
            }
        }
        let files = self
            .files
            .iter()
            .enumerate()
            .map(|(i, e)| (format!("files[{i}].actions"), &e.actions));
        let units = self
            .units
            .iter()
            .enumerate()
            .map(|(i, e)| (format!("units[{i}].actions"), &e.actions));
        let users = self
            .sshkey
            .iter()
            .map(|entry| ("sshkey.actions".to_owned(), &entry.actions));
        files
            .chain(units)
            .chain(users)
            .try_for_each(|(field, actions)| check_actions(field, actions))
    }
}

fn unique<'a>(field: &str, names: impl Iterator<Item = &'a str>) -> Result<(), PolicyError> {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            let field = format!("{field}[{index}]");
            return Err(PolicyError::Entry {
                field,
                problem: "listed twice",
            });
        }
    }
    Ok(())
}

fn check_actions(field: String, actions: &[Action]) -> Result<(), PolicyError> {
    let alone = |action: &Action| matches!(action, Action::Reboot | Action::None);
    let problem = if actions.is_empty() {
        "at least one action is needed; None says that nothing is done"
    } else if actions.len() > MAX_ACTIONS {
        "more than 10 actions"
    } else if actions.len() > 1 && actions.iter().any(alone) {
        "Reboot and None can only stand alone"
    } else if actions.contains(&Action::Special) {
        "Special is only for the built-in table"
    } else {
        return Ok(());
    };
    Err(PolicyError::Entry { field, problem })
}

fn is_unit_name(name: &str) -> bool {
    let allowed =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '_' | '\\' | '-' | '@');
    name.len() <= MAX_UNIT_NAME
        && name.chars().all(allowed)
        && name
            .rsplit_once('.')
            .is_some_and(|(stem, kind)| !stem.is_empty() && UNIT_TYPES.contains(&kind))
}

impl Policy {
    /// Reads a published policy from its JSON.
    pub fn read(json: &serde_json::Value) -> Result<Self, PolicyError> {
        serde_json::from_value(json.clone()).map_err(|error| PolicyError::Shape {
            reason: error.to_string(),
        })
    }

    /// The built-in table merged with the user's entries: one of a built-in path or name takes that entry's place,
    /// others are appended in their order.
    pub fn cluster(user: &UserPolicy) -> Self {
        let mut policy = Self::built_in();
        for entry in &user.files {
            match policy
                .files
                .iter_mut()
                .find(|built_in| built_in.path == entry.path)
            {
                Some(built_in) => built_in.actions.clone_from(&entry.actions),
                None => policy.files.push(entry.clone()),
            }
        }
        for entry in &user.units {
            match policy
                .units
                .iter_mut()
                .find(|built_in| built_in.name == entry.name)
            {
                Some(built_in) => built_in.actions.clone_from(&entry.actions),
                None => policy.units.push(entry.clone()),
            }
        }
        if let Some(users) = &user.sshkey {
            policy.sshkey = users.clone();
        }
        policy
    }

    /// The built-in table (reference, machine-config.md 2.13), which also holds where no MachineConfiguration is
    /// installed.
    pub fn built_in() -> Self {
        let crio = || vec![Action::Reload("crio.service".to_owned())];
        let restart = |services: &[&str]| -> Vec<Action> {
            services
                .iter()
                .map(|service| Action::Restart((*service).to_owned()))
                .collect()
        };
        let units_then =
            |service: &str| vec![Action::DaemonReload, Action::Restart(service.to_owned())];
        let trust = "coreos-update-ca-trust.service";
        let registry = "iri-registry.service";
        let kubelet = "kubelet.service";
        let files = [
            ("/var/lib/kubelet/config.json", vec![Action::None]),
            (
                "/etc/machine-config-daemon/no-reboot/containers-gpg.pub",
                crio(),
            ),
            ("/etc/containers/policy.json", crio()),
            (super::REGISTRIES_CONF, vec![Action::Special]),
            ("/etc/containers/registries.d", crio()),
            ("/etc/crio/policies", crio()),
            ("/etc/nmstate/openshift", vec![Action::None]),
            (
                "/etc/pki/ca-trust/source/anchors/openshift-config-user-ca-bundle.crt",
                restart(&[trust, "crio.service"]),
            ),
            ("/etc/kubernetes/credential-providers", restart(&[kubelet])),
            (
                "/etc/systemd/system/kubelet.service.d/40-kubelet-crio-image-credential-provider.conf",
                units_then(kubelet),
            ),
            ("/etc/iri-registry", restart(&[registry])),
            (
                "/usr/local/bin/load-registry-image.sh",
                restart(&[registry]),
            ),
            (
                "/etc/pki/ca-trust/source/anchors/iri-root-ca.crt",
                restart(&[trust]),
            ),
        ];
        Self {
            files: files
                .into_iter()
                .map(|(path, actions)| FilePolicy {
                    actions,
                    path: path.to_owned(),
                })
                .collect(),
            sshkey: UsersPolicy {
                actions: vec![Action::None],
            },
            units: vec![UnitPolicy {
                actions: units_then(registry),
                name: registry.to_owned(),
            }],
        }
    }

    /// The actions for a changed path: those of the entry with exactly this path, else of the one with the longest
    /// path that is a directory above it; of several equally long the first. `/` is above nothing.
    pub fn for_path(&self, changed: &str) -> Option<&[Action]> {
        if let Some(exact) = self.files.iter().find(|entry| entry.path == changed) {
            return Some(&exact.actions);
        }
        let mut longest: Option<&FilePolicy> = None;
        for entry in self
            .files
            .iter()
            .filter(|entry| path::is_above(&entry.path, changed))
        {
            if longest.is_none_or(|found| entry.path.len() > found.path.len()) {
                longest = Some(entry);
            }
        }
        longest.map(|entry| entry.actions.as_slice())
    }

    /// The actions for a changed unit.
    pub fn for_unit(&self, name: &str) -> Option<&[Action]> {
        self.units
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| entry.actions.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(json: &serde_json::Value) -> UserPolicy {
        UserPolicy::read(json).unwrap()
    }

    #[test]
    fn a_users_entry_takes_the_place_of_the_built_in_one() {
        let policy = Policy::cluster(&user(&json!({"files": [
            {"path": "/etc/containers/policy.json", "actions": [{"type": "Drain"}]},
            {"path": "/etc/chrony.conf", "actions": [{"type": "Restart", "restart": {"serviceName": "chronyd.service"}}]}
        ]})));
        assert_eq!(policy.files[2].actions, [Action::Drain]);
        assert_eq!(policy.files.len(), Policy::built_in().files.len() + 1);
        assert_eq!(
            policy.for_path("/etc/chrony.conf"),
            Some([Action::Restart("chronyd.service".into())].as_slice())
        );
    }

    #[test]
    fn the_longest_directory_above_a_file_decides() {
        let policy = Policy::cluster(&user(&json!({"files": [
            {"path": "/", "actions": [{"type": "None"}]},
            {"path": "/etc", "actions": [{"type": "Drain"}]},
            {"path": "/etc/app/", "actions": [{"type": "DaemonReload"}]}
        ]})));
        assert_eq!(
            policy.for_path("/etc/app/a.conf"),
            Some([Action::DaemonReload].as_slice())
        );
        assert_eq!(
            policy.for_path("/etc/application"),
            Some([Action::Drain].as_slice())
        );
        assert_eq!(policy.for_path("/opt/x"), None);
    }

    #[test]
    fn a_policy_that_the_schema_refuses_is_refused_by_field() {
        let refused =
            |policy: serde_json::Value| UserPolicy::read(&policy).unwrap_err().to_string();
        assert_eq!(
            refused(
                json!({"units": [{"name": "a.service", "actions": [{"type": "Reboot"}, {"type": "Drain"}]}]})
            ),
            "units[0].actions: Reboot and None can only stand alone"
        );
        assert_eq!(
            refused(json!({"files": [{"path": "/a", "actions": [{"type": "Restart"}]}]})),
            "restart has to be there exactly if type is Restart"
        );
        assert!(refused(json!({"sshkey": {"actions": [{"type": "Explode"}]}})).contains("Explode"));
    }
}
