//! The node disruption policy: which change asks for which actions.
//!
//! Guarantees: [`Policy::cluster`] is the built-in table merged with the owner's entries, in the order in which it is
//! published (reference, machine-config.md 2.13). Reading a policy refuses, by field, what the schema refuses.

use api::MachineConfiguration;
use api::operator::{
    ACTIONS_LIMIT as MAX_ACTIONS, DisruptionAction, DisruptionActionType, FilePolicy,
    NodeDisruptionPolicy, SPEC_POLICY_LIMIT as MAX_USER_ENTRIES,
    STATUS_POLICY_LIMIT as MAX_ENTRIES, SshKeyPolicy, UnitPolicy,
};
use thiserror::Error;

use super::action::{Action, is_unit_name};
use super::path;

/// What a policy gets wrong, with the field that has it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// `reload` and `restart` have to be there exactly with the type of that name.
    #[error("{field} has to be there exactly if type is {kind:?}")]
    ServiceMisplaced {
        /// The field, `reload` or `restart`.
        field: &'static str,
        /// The type that wants it.
        kind: DisruptionActionType,
    },
    /// A unit's name that systemd would not take.
    #[error("{found:?} is no name of a systemd unit, such as crio.service")]
    UnitName {
        /// The name given.
        found: String,
    },
    /// An entry breaks a rule of the schema.
    #[error("{field}: {problem}")]
    Entry {
        /// Path of the entry, such as `files[3].actions`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Actions for a file, or for all files under a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRule {
    /// The path of the file or directory.
    pub path: String,
    /// What is done, in order.
    pub actions: Vec<Action>,
}

/// Actions for a systemd unit and its drop-ins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitRule {
    /// The unit's whole name.
    pub name: String,
    /// What is done, in order.
    pub actions: Vec<Action>,
}

/// A whole policy: what a change of any file, unit or user asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// By path.
    pub files: Vec<PathRule>,
    /// By name.
    pub units: Vec<UnitRule>,
    /// For users, keys and passwords.
    pub users: Vec<Action>,
}

impl Policy {
    /// The published policy, where it is that of the present spec; else the owner's over the built-in table, as whoever
    /// publishes it will make it; without either, the built-in table.
    ///
    /// # Errors
    ///
    /// The policy says what no policy can, by field.
    pub fn of(object: Option<&MachineConfiguration>) -> Result<Self, PolicyError> {
        let Some(object) = object else {
            return Ok(Self::built_in());
        };
        let status = object.status.as_ref();
        let generation = status.and_then(|status| status.observed_generation);
        let is_present = generation.is_none() || generation == object.metadata.generation;
        let published = status.and_then(|status| status.node_disruption_policy_status.as_ref());
        match (published, &object.spec.node_disruption_policy) {
            (Some(published), _) if is_present => Self::published(&published.cluster_policies),
            (_, Some(owner)) => Self::cluster(owner),
            (_, None) => Ok(Self::built_in()),
        }
    }

    /// The built-in table merged with the owner's entries: one of a built-in path or name takes that entry's place,
    /// others are appended in their order.
    ///
    /// # Errors
    ///
    /// What the schema refuses, too, by field.
    pub fn cluster(owner: &NodeDisruptionPolicy) -> Result<Self, PolicyError> {
        let owner = Read::policy(owner, MAX_USER_ENTRIES)?;
        owner.check_actions()?;
        let mut policy = Self::built_in();
        for rule in owner.files {
            match policy
                .files
                .iter_mut()
                .find(|built_in| built_in.path == rule.path)
            {
                Some(built_in) => built_in.actions = rule.actions,
                None => policy.files.push(rule),
            }
        }
        for rule in owner.units {
            match policy
                .units
                .iter_mut()
                .find(|built_in| built_in.name == rule.name)
            {
                Some(built_in) => built_in.actions = rule.actions,
                None => policy.units.push(rule),
            }
        }
        if let Some(users) = owner.users {
            policy.users = users;
        }
        Ok(policy)
    }

    /// Reads a published policy, which is a whole one; where it says nothing of users, the built-in table does.
    ///
    /// # Errors
    ///
    /// What the schema refuses, too, by field.
    pub fn published(policy: &NodeDisruptionPolicy) -> Result<Self, PolicyError> {
        let Read {
            files,
            units,
            users,
        } = Read::policy(policy, MAX_ENTRIES)?;
        let users = users.unwrap_or_else(|| Self::built_in().users);
        Ok(Self {
            files,
            units,
            users,
        })
    }

    /// The policy as it is published for daemons, in MachineConfiguration's
    /// `status.nodeDisruptionPolicyStatus.clusterPolicies`.
    pub fn to_api(&self) -> NodeDisruptionPolicy {
        let actions = |actions: &[Action]| actions.iter().cloned().map(Into::into).collect();
        let file = |rule: &PathRule| FilePolicy {
            path: rule.path.clone(),
            actions: actions(&rule.actions),
        };
        let unit = |rule: &UnitRule| UnitPolicy {
            name: rule.name.clone(),
            actions: actions(&rule.actions),
        };
        NodeDisruptionPolicy {
            files: self.files.iter().map(file).collect(),
            units: self.units.iter().map(unit).collect(),
            sshkey: Some(SshKeyPolicy {
                actions: actions(&self.users),
            }),
        }
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
        let rule = |(path, actions): (&str, Vec<Action>)| PathRule {
            path: path.to_owned(),
            actions,
        };
        Self {
            files: files.into_iter().map(rule).collect(),
            units: vec![UnitRule {
                name: registry.to_owned(),
                actions: units_then(registry),
            }],
            users: vec![Action::None],
        }
    }

    /// The actions for a changed path: those of the entry with exactly this path, else of the one with the longest
    /// path that is a directory above it; of several equally long the first. `/` is above nothing.
    pub fn for_path(&self, changed: &str) -> Option<&[Action]> {
        if let Some(exact) = self.files.iter().find(|entry| entry.path == changed) {
            return Some(&exact.actions);
        }
        let mut longest: Option<&PathRule> = None;
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

/// A policy as it was written, read.
struct Read {
    files: Vec<PathRule>,
    units: Vec<UnitRule>,
    users: Option<Vec<Action>>,
}

impl Read {
    fn policy(policy: &NodeDisruptionPolicy, limit: usize) -> Result<Self, PolicyError> {
        at_most("files", policy.files.len(), limit)?;
        at_most("units", policy.units.len(), limit)?;
        let mut files: Vec<PathRule> = Vec::new();
        for (index, entry) in policy.files.iter().enumerate() {
            once(
                format!("files[{index}].path"),
                files.iter().any(|rule| rule.path == entry.path),
            )?;
            let actions = actions(format!("files[{index}].actions"), &entry.actions)?;
            files.push(PathRule {
                path: entry.path.clone(),
                actions,
            });
        }
        let mut units: Vec<UnitRule> = Vec::new();
        for (index, entry) in policy.units.iter().enumerate() {
            let field = format!("units[{index}].name");
            once(
                field.clone(),
                units.iter().any(|rule| rule.name == entry.name),
            )?;
            if !is_unit_name(&entry.name) {
                let problem = PolicyError::UnitName {
                    found: entry.name.clone(),
                }
                .to_string();
                return Err(PolicyError::Entry { field, problem });
            }
            let actions = actions(format!("units[{index}].actions"), &entry.actions)?;
            units.push(UnitRule {
                name: entry.name.clone(),
                actions,
            });
        }
        let users = policy.sshkey.as_ref();
        let users = users
            .map(|users| actions("sshkey.actions".to_owned(), &users.actions))
            .transpose()?;
        Ok(Self {
            files,
            units,
            users,
        })
    }

    /// Special is only for the built-in table.
    fn check_actions(&self) -> Result<(), PolicyError> {
        let files = self
            .files
            .iter()
            .enumerate()
            .map(|(i, rule)| (format!("files[{i}]"), &rule.actions));
        let units = self
            .units
            .iter()
            .enumerate()
            .map(|(i, rule)| (format!("units[{i}]"), &rule.actions));
        let users = self
            .users
            .iter()
            .map(|actions| ("sshkey".to_owned(), actions));
        let special = files
            .chain(units)
            .chain(users)
            .find(|(_, actions)| actions.contains(&Action::Special));
        match special {
            None => Ok(()),
            Some((entry, _)) => Err(PolicyError::Entry {
                field: format!("{entry}.actions"),
                problem: "Special is only for the built-in table".to_owned(),
            }),
        }
    }
}

fn actions(field: String, actions: &[DisruptionAction]) -> Result<Vec<Action>, PolicyError> {
    at_most(&field, actions.len(), MAX_ACTIONS)?;
    let read: Result<Vec<Action>, PolicyError> =
        actions.iter().cloned().map(Action::try_from).collect();
    let read = match read {
        Ok(read) => read,
        Err(error) => {
            return Err(PolicyError::Entry {
                field,
                problem: error.to_string(),
            });
        }
    };
    let alone = |action: &Action| matches!(action, Action::Reboot | Action::None);
    if read.len() > 1 && read.iter().any(alone) {
        let problem = "Reboot and None can only stand alone".to_owned();
        return Err(PolicyError::Entry { field, problem });
    }
    Ok(read)
}

fn at_most(field: &str, length: usize, limit: usize) -> Result<(), PolicyError> {
    if length <= limit {
        return Ok(());
    }
    let problem = format!("{length} entries, at most {limit} are allowed");
    Err(PolicyError::Entry {
        field: field.to_owned(),
        problem,
    })
}

fn once(field: String, again: bool) -> Result<(), PolicyError> {
    if !again {
        return Ok(());
    }
    Err(PolicyError::Entry {
        field,
        problem: "listed twice".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cluster(owner: serde_json::Value) -> Result<Policy, PolicyError> {
        Policy::cluster(&serde_json::from_value(owner).unwrap())
    }

    #[test]
    fn an_owners_entry_takes_the_place_of_the_built_in_one() {
        let restart = json!({"type": "Restart", "restart": {"serviceName": "chronyd.service"}});
        let policy = cluster(json!({"files": [
            {"path": "/etc/containers/policy.json", "actions": [{"type": "Drain"}]},
            {"path": "/etc/chrony.conf", "actions": [restart]}
        ]}))
        .unwrap();
        assert_eq!(policy.files[2].actions, [Action::Drain]);
        assert_eq!(policy.files.len(), Policy::built_in().files.len() + 1);
        let restart = [Action::Restart("chronyd.service".into())];
        assert_eq!(
            policy.for_path("/etc/chrony.conf"),
            Some(restart.as_slice())
        );
    }

    #[test]
    fn the_longest_directory_above_a_file_decides() {
        let policy = cluster(json!({"files": [
            {"path": "/", "actions": [{"type": "None"}]},
            {"path": "/etc", "actions": [{"type": "Drain"}]},
            {"path": "/etc/app/", "actions": [{"type": "DaemonReload"}]}
        ]}))
        .unwrap();
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
    fn what_is_published_is_read_back_the_same() {
        let policy = Policy::built_in();
        assert_eq!(Policy::published(&policy.to_api()), Ok(policy));
    }

    #[test]
    fn a_policy_that_the_schema_refuses_is_refused_by_field() {
        let refused = |policy: serde_json::Value| cluster(policy).unwrap_err().to_string();
        let both = json!([{"type": "Reboot"}, {"type": "Drain"}]);
        assert_eq!(
            refused(json!({"units": [{"name": "a.service", "actions": both}]})),
            "units[0].actions: Reboot and None can only stand alone"
        );
        assert_eq!(
            refused(json!({"files": [{"path": "/a", "actions": [{"type": "Restart"}]}]})),
            "files[0].actions: restart has to be there exactly if type is Restart"
        );
        assert_eq!(
            refused(json!({"sshkey": {"actions": [{"type": "Special"}]}})),
            "sshkey.actions: Special is only for the built-in table"
        );
        assert!(
            refused(json!({"units": [{"name": "chrony", "actions": []}]}))
                .contains("units[0].name")
        );
    }
}
