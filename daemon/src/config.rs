//! A rendered config as the API server gives it, read into what a machine can take.
//!
//! Guarantees: a config that is read here has contents for every file, within rendering's limits, or is refused with
//! the field named; nothing about it is left to be found out while the disk is changed.
//!
//! Contents from elsewhere are named in [`Rendered::remote`], and have to be [filled in](Rendered::fill) before the content
//! is used. Not here: fetching and keeping them (`remote`), and what changes and disturbs (`decide`).

use crate::apply::{Content, SystemWish, UnitWish};
use crate::host::{Directory, File, Owner, User};
use rendering::configuration::{Configuration, DEFAULT_KERNEL, Unreadable};
use rendering::contents::{Contents, ContentsError, Remote, contents};
use rendering::ignition::config as model;
use rendering::kernel_arguments;
use rendering::spec::{MachineConfig, MachineConfigSpec};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Mode of a file that names none (reference/machine-config.md 2.11).
const DEFAULT_FILE_MODE: u32 = 0o644;

/// Mode of a directory that names none.
const DEFAULT_DIRECTORY_MODE: u32 = 0o755;

/// A rendered config, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The object, as the rendering room knows it.
    pub object: MachineConfig,
    /// The same, as it is compared.
    pub configuration: Configuration,
    /// What it asks of a machine.
    pub content: Content,
    /// Files whose contents come from elsewhere, by path; in [`Rendered::content`] once they are filled in.
    pub remote: BTreeMap<String, RemoteFile>,
}

/// A file whose contents come from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Where from, and how they are known.
    pub remote: Remote,
    /// Everything else of it.
    pub file: File,
}

/// Why a rendered config cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not the JSON of a MachineConfig.
    #[error("it is no MachineConfig")]
    Json(#[source] serde_json::Error),
    /// Another object than the one that was asked for.
    #[error("it is named {found:?}")]
    Name {
        /// Its name.
        found: String,
    },
    /// Its Ignition part is not valid.
    #[error("its Ignition config is not valid")]
    Ignition(#[source] Unreadable),
    /// A file whose contents are not to be had.
    #[error("file {path}")]
    Contents {
        /// The path.
        path: String,
        /// What is wrong with them.
        #[source]
        source: ContentsError,
    },
    /// A link that would be another name of the same file.
    #[error("link {path}: hard links are not made; use a symbolic one, or a file")]
    HardLink {
        /// The path.
        path: String,
    },
    /// A number that no machine knows: a mode or an id.
    #[error("file {path}: {field} {value} is out of range")]
    Range {
        /// The path.
        path: String,
        /// The field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
}

impl ConfigError {
    /// The error and all its causes in one line, for people.
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    spec: MachineConfigSpec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Rendered {
    /// Reads the JSON of rendered config `name`.
    ///
    /// # Errors
    ///
    /// What no machine could take, with the field.
    pub fn read(name: &str, json: &[u8]) -> Result<Self, ConfigError> {
        let read: Object = serde_json::from_slice(json).map_err(ConfigError::Json)?;
        if read.metadata.name != name {
            return Err(ConfigError::Name {
                found: read.metadata.name,
            });
        }
        let object = MachineConfig {
            name: read.metadata.name,
            labels: BTreeMap::new(),
            annotations: read.metadata.annotations,
            spec: read.spec,
        };
        let configuration = Configuration::read_source(&object).map_err(ConfigError::Ignition)?;
        let mut remote = BTreeMap::new();
        let content = content(&configuration, &mut remote)?;
        Ok(Self {
            object,
            configuration,
            content,
            remote,
        })
    }

    /// Fills in the contents of the file at `path`.
    pub fn fill(&mut self, path: &str, content: Vec<u8>) {
        if let Some(wish) = self.remote.get(path) {
            let file = File {
                content,
                ..wish.file.clone()
            };
            self.content.files.insert(path.to_owned(), file);
        }
    }

    /// Whether a kubelet part is withheld in it (design.md 5).
    pub fn withholds(&self) -> bool {
        self.object
            .annotations
            .contains_key(api::names::config::WITHHOLDS)
    }
}

fn content(
    configuration: &Configuration,
    elsewhere: &mut BTreeMap<String, RemoteFile>,
) -> Result<Content, ConfigError> {
    let version = configuration.kubelet_version.as_ref();
    let mut content = Content {
        system: system(configuration),
        kubelet_version: version.filter(|version| !version.is_empty()).cloned(),
        ..Content::default()
    };
    let ignition = &configuration.ignition;
    for file in &ignition.storage.files {
        let path = file.path.clone();
        match self::file(file)? {
            (file, None) => {
                content.files.insert(path, file);
            }
            (file, Some(remote)) => {
                elsewhere.insert(path, RemoteFile { remote, file });
            }
        }
    }
    for wish in &ignition.storage.directories {
        let directory = directory(wish)?;
        content.directories.insert(wish.path.clone(), directory);
    }
    for link in &ignition.storage.links {
        if link.hard == Some(true) {
            let path = link.path.clone();
            return Err(ConfigError::HardLink { path });
        }
        let target = link.target.clone().unwrap_or_default();
        content.links.insert(link.path.clone(), target);
    }
    for unit in &ignition.systemd.units {
        add_unit(unit, &mut content);
    }
    for user in &ignition.passwd.users {
        let wish = User {
            ssh_keys: user
                .ssh_authorized_keys
                .iter()
                .flat_map(|it| keys(it))
                .collect(),
            password_hash: user.password_hash.clone(),
        };
        content.users.insert(user.name.clone(), wish);
    }
    Ok(content)
}

fn system(configuration: &Configuration) -> SystemWish {
    let mut extensions = configuration.extensions.clone();
    extensions.sort();
    extensions.dedup();
    let (image, kernel) = (&configuration.os_image, configuration.kernel());
    let arguments = kernel_arguments::split(&configuration.kernel_arguments);
    SystemWish {
        image: (!image.is_empty()).then(|| image.clone()),
        kernel_type: (kernel != DEFAULT_KERNEL).then(|| kernel.to_owned()),
        extensions,
        kernel_arguments: arguments.into_iter().map(str::to_owned).collect(),
    }
}

fn file(file: &model::File) -> Result<(File, Option<Remote>), ConfigError> {
    let path = &file.path;
    let read = contents(&file.contents).map_err(|source| ConfigError::Contents {
        path: path.clone(),
        source,
    })?;
    let (content, remote) = match read {
        Contents::Inline(bytes) => (bytes, None),
        Contents::Remote(remote) => (Vec::new(), Some(remote)),
    };
    let mode = match file.mode {
        None => DEFAULT_FILE_MODE,
        Some(mode) => in_range(path, "mode", mode, 0o7777)?,
    };
    let file = File {
        content,
        mode,
        user: owner(path, "user.id", &file.user)?,
        group: owner(path, "group.id", &file.group)?,
    };
    Ok((file, remote))
}

fn directory(directory: &model::Directory) -> Result<Directory, ConfigError> {
    let path = &directory.path;
    Ok(Directory {
        mode: match directory.mode {
            None => DEFAULT_DIRECTORY_MODE,
            Some(mode) => in_range(path, "mode", mode, 0o7777)?,
        },
        user: owner(path, "user.id", &directory.user)?,
        group: owner(path, "group.id", &directory.group)?,
    })
}

/// The keys of one entry: people paste several, and line breaks.
fn keys(entry: &str) -> impl Iterator<Item = String> {
    let lines = entry.lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).map(str::to_owned)
}

fn owner(path: &str, field: &'static str, owner: &model::Owner) -> Result<Owner, ConfigError> {
    match (owner.id, &owner.name) {
        (Some(id), _) => Ok(Owner::Id(in_range(path, field, id, u32::MAX)?)),
        (None, Some(name)) if !name.is_empty() => Ok(Owner::Name(name.clone())),
        (None, _) => Ok(Owner::Id(0)),
    }
}

fn in_range(path: &str, field: &'static str, value: i64, max: u32) -> Result<u32, ConfigError> {
    let number = u32::try_from(value).ok().filter(|number| *number <= max);
    number.ok_or_else(|| ConfigError::Range {
        path: path.to_owned(),
        field,
        value,
    })
}

fn add_unit(unit: &model::Unit, content: &mut Content) {
    let name = &unit.name;
    for dropin in &unit.dropins {
        // A drop-in without text says nothing; the reference writes none.
        if let Some(text) = dropin.contents.as_ref().filter(|text| !text.is_empty()) {
            let path = Content::dropin_path(name, &dropin.name);
            content
                .files
                .insert(path, File::of_root(text.as_bytes(), DEFAULT_FILE_MODE));
        }
    }
    if unit.mask == Some(true) {
        content.units.insert(name.clone(), UnitWish::Masked);
        return;
    }
    let text = unit.contents.as_ref().filter(|text| !text.is_empty());
    if let Some(text) = text {
        let file = File::of_root(text.as_bytes(), DEFAULT_FILE_MODE);
        content.files.insert(Content::unit_path(name), file);
    }
    let wish = match unit.enabled {
        Some(true) => UnitWish::Enabled,
        Some(false) => UnitWish::Disabled,
        None if text.is_some() => UnitWish::Preset,
        // Drop-ins for a unit of the machine's own: how that one starts is the machine's business.
        None => return,
    };
    content.units.insert(name.clone(), wish);
}

#[cfg(test)]
#[allow(
    clippy::needless_pass_by_value,
    reason = "literal JSON reads better by value"
)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(spec: Value, annotations: Value) -> Result<Rendered, ConfigError> {
        let object = json!({
            "metadata": {"name": "rendered-worker-1", "annotations": annotations},
            "spec": spec,
        });
        Rendered::read("rendered-worker-1", object.to_string().as_bytes())
    }

    fn files(files: Value) -> Value {
        json!({"config": {"ignition": {"version": "3.4.0"}, "storage": {"files": files}}})
    }

    #[test]
    fn files_units_users_and_system_become_what_a_machine_takes() {
        let rendered = read(
            json!({
                "kernelArguments": ["nosmt hugepages=8"],
                "kernelType": "default",
                "config": {
                    "ignition": {"version": "3.4.0"},
                    "storage": {"files": [{
                        "path": "/etc/chrony.conf",
                        "mode": 0o600,
                        "contents": {"source": "data:,pool%20a%0A"},
                    }]},
                    "systemd": {"units": [
                        {"name": "a.service", "enabled": true, "contents": "[Service]\n"},
                        {"name": "b.service", "mask": true},
                        {"name": "kubelet.service", "dropins": [
                            {"name": "10-x.conf", "contents": "[Service]\n"},
                        ]},
                    ]},
                    "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["k"]}]},
                },
            }),
            json!({"windlass.dev/kubelet-version": "1.34"}),
        );
        let content = rendered.unwrap().content;
        assert_eq!(
            content.files.get("/etc/chrony.conf"),
            Some(&File::of_root("pool a\n", 0o600))
        );
        let paths: Vec<&String> = content.files.keys().collect();
        assert_eq!(
            paths,
            [
                "/etc/chrony.conf",
                "/etc/systemd/system/a.service",
                "/etc/systemd/system/kubelet.service.d/10-x.conf"
            ]
        );
        let units = BTreeMap::from([
            ("a.service".to_owned(), UnitWish::Enabled),
            ("b.service".to_owned(), UnitWish::Masked),
        ]);
        assert_eq!(content.units, units);
        assert_eq!(content.users["core"].ssh_keys, ["k"]);
        assert_eq!(content.system.kernel_arguments, ["nosmt", "hugepages=8"]);
        assert_eq!(content.system.kernel_type, None);
        assert_eq!(content.kubelet_version.as_deref(), Some("1.34"));
    }

    #[test]
    fn a_file_from_elsewhere_is_in_the_content_once_it_is_filled_in() {
        let digits = "a".repeat(64);
        let mut rendered = read(
            files(json!([{
                "path": "/etc/x",
                "contents": {
                    "source": "https://files.example.com/x",
                    "verification": {"hash": format!("sha256-{digits}")},
                },
            }])),
            json!({}),
        )
        .unwrap();
        assert!(rendered.content.files.is_empty());
        rendered.fill("/etc/x", b"x".to_vec());
        rendered.fill("/etc/other", b"x".to_vec());
        let files = BTreeMap::from([("/etc/x".to_owned(), File::of_root("x", 0o644))]);
        assert_eq!(rendered.content.files, files);
    }

    #[test]
    fn another_object_than_the_one_asked_for_is_refused() {
        let json = json!({"metadata": {"name": "rendered-worker-2"}, "spec": {}}).to_string();
        let error = Rendered::read("rendered-worker-1", json.as_bytes()).unwrap_err();
        assert!(matches!(error, ConfigError::Name { .. }));
    }
}
