//! The difference of two rendered configs, as typed changes.
//!
//! Guarantees: two configs without a change ask the same of a node. Sections compare as the reference compares them
//! (corpus `disruption`): as lists, so that an update that only reorders files is a change of the section and of no
//! file; each entry by all its fields, so that another encoding of the same contents is a change of that file.
//!
//! Assumes: names are unique within a section, as validation has it.
//!
//! Not here: whether a change can be applied (`reconcile`) and what it disturbs (`disruption`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::configuration::Configuration;
use crate::ignition::config::{Config, List, Storage};

/// Everything that differs between two rendered configs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// The image of the operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_image: Option<Replaced<String>>,
    /// The image with the extensions' packages. By itself it disturbs nothing: packages come with the next change
    /// of image or extensions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions_image: Option<Replaced<String>>,
    /// The kernel type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_type: Option<Replaced<String>>,
    /// Kernel arguments; order and repetition count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_arguments: Option<Replaced<Vec<String>>>,
    /// Extensions; order and repetition count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Replaced<Vec<String>>>,
    /// FIPS mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fips: Option<Replaced<bool>>,
    /// The kubelet version that the config brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubelet_version: Option<Replaced<Option<String>>>,
    /// Files.
    #[serde(skip_serializing_if = "Section::is_same")]
    pub files: Section,
    /// Directories.
    #[serde(skip_serializing_if = "Section::is_same")]
    pub directories: Section,
    /// Links.
    #[serde(skip_serializing_if = "Section::is_same")]
    pub links: Section,
    /// systemd units with their drop-ins.
    #[serde(skip_serializing_if = "Section::is_same")]
    pub units: Section,
    /// Users, with their keys and passwords.
    #[serde(skip_serializing_if = "Section::is_same")]
    pub users: Section,
    /// Groups.
    #[serde(skip_serializing_if = "Section::is_same")]
    pub groups: Section,
    /// What is only ever read at a machine's first boot, such as disks; a change of it is written nowhere.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub first_boot: BTreeSet<FirstBoot>,
}

/// A value that is replaced by another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replaced<T> {
    /// Before.
    pub old: T,
    /// After.
    pub new: T,
}

impl<T: PartialEq> Replaced<T> {
    fn between(old: T, new: T) -> Option<Self> {
        (old != new).then_some(Self { old, new })
    }
}

/// What differs between two lists of named entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Section {
    /// The lists differ though no entry does: their order, or an empty list in the place of none.
    pub rearranged: bool,
    /// The entries that differ, by name.
    pub entries: Vec<Entry>,
}

impl Section {
    /// Whether the lists are equal.
    pub fn is_same(&self) -> bool {
        !self.rearranged && self.entries.is_empty()
    }

    /// The names of the entries that changed in this way, sorted.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter(move |entry| entry.kind == kind)
            .map(|entry| entry.name.as_str())
    }
}

/// One entry that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Path of a file, directory or link; name of a unit, user or group.
    pub name: String,
    /// In which way it differs.
    #[serde(rename = "change")]
    pub kind: Kind,
    /// For an updated entry, the fields that differ, in Ignition's spelling.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub fields: BTreeSet<String>,
}

/// The way in which an entry differs. The order is the one in which the reference looks at units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Only the new config has it.
    Added,
    /// Both have it, differently.
    Updated,
    /// Only the old config has it.
    Removed,
}

/// Parts of an Ignition config that only a machine's first boot applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FirstBoot {
    /// Partition tables.
    Disks,
    /// Filesystems.
    Filesystems,
    /// RAID arrays.
    Raid,
    /// Encrypted volumes.
    Luks,
    /// Kernel arguments of the Ignition config (not of the MachineConfig).
    KernelArguments,
    /// How Ignition itself fetches: merge, timeouts, proxy, authorities.
    Ignition,
}

impl FirstBoot {
    /// The part as Ignition spells it.
    pub fn field(self) -> &'static str {
        match self {
            Self::Disks => "storage.disks",
            Self::Filesystems => "storage.filesystems",
            Self::Raid => "storage.raid",
            Self::Luks => "storage.luks",
            Self::KernelArguments => "kernelArguments",
            Self::Ignition => "ignition",
        }
    }
}

impl Changes {
    /// What differs between `old` and `new`. Without an old config everything that the new one asks for is a change.
    pub fn between(old: Option<&Configuration>, new: &Configuration) -> Self {
        let nothing = Configuration::default();
        let old = old.unwrap_or(&nothing);
        let (was, is) = (&old.ignition, &new.ignition);
        Self {
            os_image: Replaced::between(old.os_image.clone(), new.os_image.clone()),
            extensions_image: Replaced::between(
                old.extensions_image.clone(),
                new.extensions_image.clone(),
            ),
            kernel_type: Replaced::between(old.kernel().to_owned(), new.kernel().to_owned()),
            kernel_arguments: Replaced::between(
                old.kernel_arguments.clone(),
                new.kernel_arguments.clone(),
            ),
            extensions: Replaced::between(old.extensions.clone(), new.extensions.clone()),
            fips: Replaced::between(old.fips, new.fips),
            kubelet_version: Replaced::between(
                old.kubelet_version.clone(),
                new.kubelet_version.clone(),
            ),
            files: section(&was.storage.files, &is.storage.files, |file| &file.path),
            directories: section(
                &was.storage.directories,
                &is.storage.directories,
                |directory| &directory.path,
            ),
            links: section(&was.storage.links, &is.storage.links, |link| &link.path),
            units: section(&was.systemd.units, &is.systemd.units, |unit| &unit.name),
            users: section(&was.passwd.users, &is.passwd.users, |user| &user.name),
            groups: section(&was.passwd.groups, &is.passwd.groups, |group| &group.name),
            first_boot: first_boot(was, is),
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether users, groups, keys or passwords differ.
    pub fn passwd(&self) -> bool {
        !self.users.is_same() || !self.groups.is_same()
    }
}

fn section<T: PartialEq + Serialize>(
    old: &List<T>,
    new: &List<T>,
    name: fn(&T) -> &String,
) -> Section {
    if old == new {
        return Section::default();
    }
    let by_name = |list: &'_ List<T>| -> BTreeMap<String, Value> {
        list.iter()
            .map(|entry| {
                (
                    name(entry).clone(),
                    serde_json::to_value(entry).unwrap_or_default(),
                )
            })
            .collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let entries: Vec<Entry> = names
        .into_iter()
        .filter_map(|name| entry(name, old.get(name), new.get(name)))
        .collect();
    Section {
        rearranged: entries.is_empty(),
        entries,
    }
}

fn entry(name: &str, old: Option<&Value>, new: Option<&Value>) -> Option<Entry> {
    let (kind, fields) = match (old, new) {
        (None, _) => (Kind::Added, BTreeSet::new()),
        (_, None) => (Kind::Removed, BTreeSet::new()),
        (Some(old), Some(new)) => (Kind::Updated, differing_fields(old, new)),
    };
    let differs = kind != Kind::Updated || !fields.is_empty();
    differs.then(|| Entry {
        name: name.to_owned(),
        kind,
        fields,
    })
}

fn differing_fields(old: &Value, new: &Value) -> BTreeSet<String> {
    let keys = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .map(|object| object.keys().cloned().collect())
            .unwrap_or_default()
    };
    keys(old)
        .into_iter()
        .chain(keys(new))
        .filter(|key| old.get(key) != new.get(key))
        .collect()
}

fn first_boot(old: &Config, new: &Config) -> BTreeSet<FirstBoot> {
    let same = |old: &Storage, new: &Storage| {
        [
            (FirstBoot::Disks, old.disks == new.disks),
            (FirstBoot::Filesystems, old.filesystems == new.filesystems),
            (FirstBoot::Raid, old.raid == new.raid),
            (FirstBoot::Luks, old.luks == new.luks),
        ]
    };
    // The spec version is how the config is written, and asks nothing of the node.
    let mut ignition = old.ignition.clone();
    ignition.version.clone_from(&new.ignition.version);
    same(&old.storage, &new.storage)
        .into_iter()
        .chain([
            (
                FirstBoot::KernelArguments,
                old.kernel_arguments == new.kernel_arguments,
            ),
            (FirstBoot::Ignition, ignition == new.ignition),
        ])
        .filter_map(|(part, same)| (!same).then_some(part))
        .collect()
}

impl fmt::Display for Changes {
    /// One line per change, for people; nothing if there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [
            ("OS image", &self.os_image),
            ("extensions image", &self.extensions_image),
            ("kernel type", &self.kernel_type),
        ];
        for (what, change) in texts {
            if let Some(Replaced { old, new }) = change {
                writeln!(f, "~ {what}: {} -> {}", said(old), said(new))?;
            }
        }
        let lists = [
            ("kernel arguments", &self.kernel_arguments),
            ("extensions", &self.extensions),
        ];
        for (what, change) in lists {
            if let Some(Replaced { old, new }) = change {
                writeln!(
                    f,
                    "~ {what}: {} -> {}",
                    said(&old.join(" ")),
                    said(&new.join(" "))
                )?;
            }
        }
        if let Some(Replaced { old, new }) = &self.fips {
            writeln!(f, "~ FIPS: {old} -> {new}")?;
        }
        if let Some(Replaced { old, new }) = &self.kubelet_version {
            let text =
                |version: &Option<String>| version.clone().unwrap_or_else(|| "unknown".to_owned());
            writeln!(f, "~ kubelet: {} -> {}", text(old), text(new))?;
        }
        let sections = [
            ("file", &self.files),
            ("directory", &self.directories),
            ("link", &self.links),
            ("unit", &self.units),
            ("user", &self.users),
            ("group", &self.groups),
        ];
        for (what, section) in sections {
            tell_section(f, what, section)?;
        }
        for part in &self.first_boot {
            writeln!(
                f,
                "~ {} (only read at a machine's first boot)",
                part.field()
            )?;
        }
        Ok(())
    }
}

fn tell_section(f: &mut fmt::Formatter<'_>, what: &str, section: &Section) -> fmt::Result {
    for entry in &section.entries {
        match entry.kind {
            Kind::Added => writeln!(f, "+ {what} {}", entry.name)?,
            Kind::Removed => writeln!(f, "- {what} {}", entry.name)?,
            Kind::Updated => {
                let fields: Vec<&str> = entry.fields.iter().map(String::as_str).collect();
                writeln!(f, "~ {what} {} ({})", entry.name, fields.join(", "))?;
            }
        }
    }
    if section.rearranged {
        writeln!(f, "~ {what} entries in another order")?;
    }
    Ok(())
}

fn said(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(ignition: Value) -> Configuration {
        Configuration {
            ignition: serde_json::from_value(ignition).unwrap(),
            ..Configuration::default()
        }
    }

    fn files(files: &Value) -> Configuration {
        config(json!({"ignition": {"version": "3.5.0"}, "storage": {"files": files}}))
    }

    #[test]
    fn an_updated_file_names_the_fields_that_differ() {
        let old = files(&json!([{"path": "/a", "mode": 420, "contents": {"source": "data:,a"}}]));
        let new = files(
            &json!([{"path": "/a", "mode": 256, "contents": {"source": "data:,a"}}, {"path": "/b"}]),
        );
        let changes = Changes::between(Some(&old), &new);
        assert_eq!(changes.to_string(), "~ file /a (mode)\n+ file /b\n");
        assert_eq!(
            changes.files.names(Kind::Updated).collect::<Vec<_>>(),
            ["/a"]
        );
    }

    #[test]
    fn another_order_is_a_change_of_the_section_and_of_no_file() {
        let old = files(&json!([{"path": "/a"}, {"path": "/b"}]));
        let new = files(&json!([{"path": "/b"}, {"path": "/a"}]));
        let changes = Changes::between(Some(&old), &new);
        assert!(changes.files.rearranged && changes.files.entries.is_empty());
        assert!(!changes.is_empty());
    }

    #[test]
    fn a_kernel_type_left_out_is_the_default_one() {
        let spelled = Configuration {
            kernel_type: "default".into(),
            ..Configuration::default()
        };
        assert!(Changes::between(Some(&Configuration::default()), &spelled).is_empty());
    }

    #[test]
    fn without_an_old_config_all_that_is_asked_for_is_a_change() {
        let new = Configuration {
            os_image: "quay.io/os@sha256:1".into(),
            ..files(&json!([{"path": "/a"}]))
        };
        let changes = Changes::between(None, &new);
        assert_eq!(
            changes.to_string(),
            "~ OS image: none -> quay.io/os@sha256:1\n+ file /a\n"
        );
    }

    #[test]
    fn a_change_of_spec_version_alone_is_none() {
        let (old, new) = (
            config(json!({"ignition": {"version": "3.2.0"}})),
            config(json!({"ignition": {"version": "3.5.0"}})),
        );
        assert!(Changes::between(Some(&old), &new).is_empty());
    }
}
