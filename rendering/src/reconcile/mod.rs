//! Can a node that runs one rendered config be brought to another in place?
//!
//! Guarantees: with [`Capabilities::reference`] the answer, and the first reason for a no, are the reference's
//! (machine-config.md 2.8, corpus `reconcilable`). A no names the field, the entries that differ, and, given the
//! MachineConfigs that were merged, the one that has to be changed.
//!
//! Comparison is that of the reference: an empty list is not an absent one, and order counts.
//!
//! Never looked at, as in the reference: encrypted volumes and the `ignition` section (merge, timeouts, proxy,
//! authorities). A change of them is written nowhere and disturbs nothing.
//!
//! Not here: reading the configs (`configuration`), and what an applied change disturbs (`disruption`).

mod capabilities;
mod refusal;

use crate::configuration::Configuration;
use crate::ignition::config::{List, PasswdUser};

pub use capabilities::{Capabilities, Capability};
pub use refusal::{Cause, Refusal};

/// The highest file mode that is applied without [`Capability::SpecialModes`].
const MAX_PLAIN_MODE: i64 = 0o777;

/// The file that asks a daemon to write its config anew. A config that brings it would ask for ever.
pub const FORCE_FILE: &str = api::names::path::FORCE;

/// The only user that the reference's daemon changes.
pub const CORE_USER: &str = "core";

/// Whether a node that runs `old` can be brought to `new`. Without an old config the node counts as one that has
/// none of the sections.
///
/// # Errors
///
/// The first reason why it cannot.
pub fn reconcilable(
    old: Option<&Configuration>,
    new: &Configuration,
    capabilities: &Capabilities,
) -> Result<(), Refusal> {
    let nothing = Configuration::default();
    let change = Change {
        old: old.unwrap_or(&nothing),
        new,
        capabilities,
    };
    match change.refused() {
        None => Ok(()),
        Some(cause) => Err(Refusal {
            old: old.map(|old| old.name.clone()),
            new: new.name.clone(),
            cause,
        }),
    }
}

struct Change<'a> {
    old: &'a Configuration,
    new: &'a Configuration,
    capabilities: &'a Capabilities,
}

impl Change<'_> {
    /// The first reason, in the reference's order; what only Windlass's backends may lack comes after it.
    fn refused(&self) -> Option<Cause> {
        self.file_mode()
            .or_else(|| self.passwd())
            .or_else(|| self.first_boot_sections())
            .or_else(|| self.directories_and_links())
            .or_else(|| self.files_that_cannot_be())
            .or_else(|| self.fips())
            .or_else(|| self.backend())
    }

    fn lacks(&self, capability: Capability) -> bool {
        !self.capabilities.has(capability)
    }

    fn file_mode(&self) -> Option<Cause> {
        if !self.lacks(Capability::SpecialModes) {
            return None;
        }
        self.new.ignition.storage.files.iter().find_map(|file| {
            let mode = file.mode.filter(|mode| *mode > MAX_PLAIN_MODE)?;
            Some(Cause::FileMode {
                path: file.path.clone(),
                mode,
            })
        })
    }

    fn passwd(&self) -> Option<Cause> {
        let (old, new) = (&self.old.ignition.passwd, &self.new.ignition.passwd);
        if old.groups != new.groups && self.lacks(Capability::Groups) {
            let names = differing(&old.groups, &new.groups, |group| &group.name);
            return Some(Cause::Groups { names });
        }
        if old.users == new.users || !self.lacks(Capability::Users) {
            return None;
        }
        if let Some(user) = new.users.iter().find(|user| user.name != CORE_USER) {
            return Some(Cause::OtherUser {
                name: user.name.clone(),
            });
        }
        // A second `core` is refused as a duplicate when the config is read, so that the last one is the only one.
        let core = new.users.last()?;
        if core.password_hash.is_none() && core.ssh_authorized_keys.is_empty() {
            return Some(Cause::CoreWithoutCredentials);
        }
        let fields = other_fields(core);
        (!fields.is_empty()).then_some(Cause::CoreFields { fields })
    }

    fn first_boot_sections(&self) -> Option<Cause> {
        let (old, new) = (&self.old.ignition, &self.new.ignition);
        if old.kernel_arguments != new.kernel_arguments
            && self.lacks(Capability::IgnitionKernelArguments)
        {
            return Some(Cause::IgnitionKernelArguments);
        }
        let (old, new) = (&old.storage, &new.storage);
        if old.disks != new.disks && self.lacks(Capability::Disks) {
            return Some(Cause::Disks {
                devices: differing(&old.disks, &new.disks, |disk| &disk.device),
            });
        }
        if old.filesystems != new.filesystems && self.lacks(Capability::Filesystems) {
            let devices = differing(&old.filesystems, &new.filesystems, |filesystem| {
                &filesystem.device
            });
            return Some(Cause::Filesystems { devices });
        }
        (old.raid != new.raid && self.lacks(Capability::Raid)).then(|| Cause::Raid {
            names: differing(&old.raid, &new.raid, |raid| &raid.name),
        })
    }

    fn directories_and_links(&self) -> Option<Cause> {
        let (old, new) = (&self.old.ignition.storage, &self.new.ignition.storage);
        if old.directories != new.directories && self.lacks(Capability::Directories) {
            let paths = differing(&old.directories, &new.directories, |directory| {
                &directory.path
            });
            return Some(Cause::Directories { paths });
        }
        (old.links != new.links && !new.links.is_empty() && self.lacks(Capability::Links)).then(
            || Cause::Links {
                paths: differing(&old.links, &new.links, |link| &link.path),
            },
        )
    }

    /// Files that are refused for themselves, so also where the old config has them.
    fn files_that_cannot_be(&self) -> Option<Cause> {
        self.new.ignition.storage.files.iter().find_map(|file| {
            if !file.append.is_empty() && self.lacks(Capability::Append) {
                Some(Cause::Append {
                    path: file.path.clone(),
                })
            } else {
                (file.path == FORCE_FILE).then_some(Cause::ForceFile)
            }
        })
    }

    fn fips(&self) -> Option<Cause> {
        (self.old.fips != self.new.fips && self.lacks(Capability::Fips)).then_some(Cause::Fips)
    }

    /// What the reference's daemon always applies, and another backend may not.
    fn backend(&self) -> Option<Cause> {
        let (old, new) = (self.old, self.new);
        let missing = [
            (Capability::OsImage, old.os_image != new.os_image),
            (
                Capability::KernelArguments,
                old.kernel_arguments != new.kernel_arguments,
            ),
            (Capability::KernelType, old.kernel() != new.kernel()),
            (Capability::Extensions, old.extensions != new.extensions),
            (
                Capability::Files,
                old.ignition.storage.files != new.ignition.storage.files,
            ),
            (
                Capability::Units,
                old.ignition.systemd != new.ignition.systemd,
            ),
            (Capability::CoreUser, self.needs_core_user()),
        ];
        missing
            .into_iter()
            .find(|(capability, changed)| *changed && self.lacks(*capability))
            .map(|(capability, _)| Cause::Backend { capability })
    }

    fn needs_core_user(&self) -> bool {
        self.lacks(Capability::Users)
            && self.old.ignition.passwd.users != self.new.ignition.passwd.users
    }
}

/// The fields of the user `core`, beyond its credentials, that a config sets; set to false or empty counts.
fn other_fields(core: &PasswdUser) -> Vec<String> {
    let credentials_only = PasswdUser {
        name: core.name.clone(),
        ssh_authorized_keys: core.ssh_authorized_keys.clone(),
        password_hash: core.password_hash.clone(),
        ..PasswdUser::default()
    };
    let fields = |user: &PasswdUser| match serde_json::to_value(user) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let plain = fields(&credentials_only);
    fields(core)
        .into_iter()
        .map(|(field, _)| field)
        .filter(|field| !plain.contains_key(field))
        .collect()
}

/// The names of the entries that differ: those of the new list first, as it is the one to be changed.
fn differing<T: PartialEq>(old: &List<T>, new: &List<T>, name: fn(&T) -> &String) -> Vec<String> {
    let changed = new.iter().filter(|entry| !old.contains(entry));
    let removed = old
        .iter()
        .filter(|entry| !new.iter().any(|kept| name(kept) == name(entry)));
    changed
        .chain(removed)
        .map(|entry| name(entry).clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(name: &str, ignition: &Value) -> Configuration {
        let mut whole = json!({"ignition": {"version": "3.5.0"}});
        for (section, value) in ignition.as_object().unwrap() {
            whole[section] = value.clone();
        }
        Configuration {
            name: name.to_owned(),
            ignition: serde_json::from_value(whole).unwrap(),
            ..Configuration::default()
        }
    }

    fn refused(old: &Value, new: &Value) -> Refusal {
        reconcilable(
            Some(&config("old", old)),
            &config("new", new),
            &Capabilities::reference(),
        )
        .unwrap_err()
    }

    fn accepted(old: &Value, new: &Value) {
        let answer = reconcilable(
            Some(&config("old", old)),
            &config("new", new),
            &Capabilities::reference(),
        );
        assert_eq!(answer, Ok(()));
    }

    #[test]
    fn a_no_names_both_configs_the_field_and_the_entry() {
        let refusal = refused(
            &json!({}),
            &json!({"storage": {"directories": [{"path": "/opt/a"}]}}),
        );
        assert_eq!(
            refusal.to_string(),
            "new machineconfig \"new\" is not reconcilable against \"old\": \
             ignition directories section contains changes: /opt/a (spec.config.storage.directories)"
        );
        assert_eq!(refusal.cause.reason(), "Directories");
    }

    #[test]
    fn an_empty_list_is_not_an_absent_one() {
        refused(&json!({}), &json!({"storage": {"disks": []}}));
    }

    #[test]
    fn all_links_may_go_and_none_may_change() {
        let one = json!({"storage": {"links": [{"path": "/a", "target": "/b"}]}});
        accepted(&one, &json!({}));
        refused(&json!({}), &one);
    }

    #[test]
    fn only_the_credentials_of_core_can_change() {
        let with = |user: Value| json!({"passwd": {"users": [user]}});
        accepted(
            &json!({}),
            &with(json!({"name": "core", "passwordHash": ""})),
        );
        assert_eq!(
            refused(
                &json!({}),
                &with(json!({"name": "core", "passwordHash": "", "system": false}))
            )
            .cause,
            Cause::CoreFields {
                fields: vec!["system".to_owned()]
            }
        );
        assert_eq!(
            refused(&json!({}), &with(json!({"name": "core"}))).cause,
            Cause::CoreWithoutCredentials
        );
        assert_eq!(
            refused(&json!({}), &with(json!({"name": "ops"}))).cause,
            Cause::OtherUser {
                name: "ops".to_owned()
            }
        );
        accepted(&with(json!({"name": "ops"})), &json!({}));
    }

    #[test]
    fn what_a_backend_can_do_is_not_refused() {
        let linked = config(
            "new",
            &json!({"storage": {"links": [{"path": "/a", "target": "/b"}]}}),
        );
        let able = Capabilities::of([Capability::Links]);
        assert_eq!(
            reconcilable(Some(&config("old", &json!({}))), &linked, &able),
            Ok(())
        );
    }

    #[test]
    fn what_a_backend_cannot_do_is_refused_by_its_name() {
        let arguments = Configuration {
            kernel_arguments: vec!["quiet".to_owned()],
            ..config("new", &json!({}))
        };
        let refusal = reconcilable(
            Some(&config("old", &json!({}))),
            &arguments,
            &Capabilities::default(),
        );
        assert_eq!(
            refusal.unwrap_err().cause,
            Cause::Backend {
                capability: Capability::KernelArguments
            }
        );
    }

    #[test]
    fn a_node_without_a_config_counts_as_one_without_the_sections() {
        let plain = config("new", &json!({"storage": {"files": [{"path": "/a"}]}}));
        assert_eq!(
            reconcilable(None, &plain, &Capabilities::reference()),
            Ok(())
        );
        let disks = config(
            "new",
            &json!({"storage": {"disks": [{"device": "/dev/sda"}]}}),
        );
        assert!(reconcilable(None, &disks, &Capabilities::reference()).is_err());
    }

    #[test]
    fn the_guilty_machine_config_is_the_last_that_brings_the_entry() {
        let refusal = refused(
            &json!({}),
            &json!({"storage": {"directories": [{"path": "/opt/a"}]}}),
        );
        let sources = [
            config(
                "00-worker",
                &json!({"storage": {"directories": [{"path": "/opt/a"}]}}),
            ),
            config(
                "50-mine",
                &json!({"storage": {"directories": [{"path": "/opt/a", "mode": 448}]}}),
            ),
            config(
                "99-other",
                &json!({"storage": {"directories": [{"path": "/opt/b"}]}}),
            ),
        ];
        assert_eq!(refusal.guilty(&sources), Some("50-mine"));
    }
}
