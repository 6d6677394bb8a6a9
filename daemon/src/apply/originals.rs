//! What was on the machine before us: one stored record for each file, unit and user that we ever changed, and one
//! for the system.
//!
//! A record is written once, before the first change, and dropped after what it tells of is back. So the set of
//! records is also the list of what is ours.

use crate::host::{Directory, Entry, File, Host, HostError, Owner, UnitState, User};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// All records' keys start so.
const PREFIX: &str = "original-";

/// Everything that was there before us and is not now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Originals {
    /// What was at each path that we changed; `None` where nothing was.
    pub files: BTreeMap<String, Option<Entry>>,
    /// Units by name.
    pub units: BTreeMap<String, UnitState>,
    /// Users by name.
    pub users: BTreeMap<String, User>,
    /// The system.
    pub system: Option<SystemOriginal>,
}

/// The system before us, and the kernel arguments that we may have added since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemOriginal {
    /// Kernel arguments that are not ours.
    pub kernel_arguments: Vec<String>,
    /// The kernel's flavour.
    pub kernel_type: Option<String>,
    /// Extensions that are not ours.
    pub extensions: Vec<String>,
    /// Kernel arguments of ours: those that are set, and those that were being set when this was written.
    pub ours: Vec<Vec<String>>,
}

/// One record, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "camelCase")]
enum Record {
    File {
        path: String,
        was: Option<StoredFile>,
    },
    Link {
        path: String,
        target: String,
    },
    Directory {
        path: String,
        mode: u32,
        user: StoredOwner,
        group: StoredOwner,
    },
    Unit {
        name: String,
        was: StoredUnit,
    },
    User {
        name: String,
        ssh_keys: Vec<String>,
        password_hash: Option<String>,
    },
    System(SystemOriginal),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredFile {
    content: String,
    mode: u32,
    user: StoredOwner,
    group: StoredOwner,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum StoredOwner {
    Id(u32),
    Name(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum StoredUnit {
    Enabled,
    Disabled,
    Masked,
}

/// Which record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key<'a> {
    File(&'a str),
    Unit(&'a str),
    User(&'a str),
    System,
}

impl Key<'_> {
    /// Paths are longer than keys may be: the name is a digest, and the record says whose it is.
    fn blob(self) -> String {
        let (kind, name) = match self {
            Self::File(path) => ("file", path),
            Self::Unit(name) => ("unit", name),
            Self::User(name) => ("user", name),
            Self::System => return format!("{PREFIX}system"),
        };
        let mut key = format!("{PREFIX}{kind}-");
        for byte in Sha256::digest(name.as_bytes()) {
            for digit in [byte >> 4, byte & 15] {
                key.extend(char::from_digit(digit.into(), 16));
            }
        }
        key
    }
}

impl Originals {
    /// Reads all records.
    ///
    /// # Errors
    ///
    /// A record that cannot be read: what it told of must not be guessed.
    pub async fn load(host: &impl Host) -> Result<Self, HostError> {
        let mut originals = Self::default();
        for key in host.keys(PREFIX).await? {
            let Some(blob) = host.load(&key).await? else {
                continue;
            };
            originals.add(&key, &blob)?;
        }
        Ok(originals)
    }

    fn add(&mut self, key: &str, blob: &[u8]) -> Result<(), HostError> {
        let unreadable = || {
            let hint = "the record of an original is damaged; restore it or remove it by hand";
            HostError::new("read", key, hint)
        };
        let record = serde_json::from_slice(blob).map_err(|error| unreadable().because(error))?;
        match record {
            Record::File { path, was } => {
                let was = was.map(StoredFile::into_file).transpose();
                let was = was.map_err(|error| unreadable().because(error))?;
                self.files.insert(path, was.map(Entry::File));
            }
            Record::Link { path, target } => {
                self.files.insert(path, Some(Entry::Link(target)));
            }
            Record::Directory {
                path,
                mode,
                user,
                group,
            } => {
                let was = Directory {
                    mode,
                    user: user.into(),
                    group: group.into(),
                };
                self.files.insert(path, Some(Entry::Directory(was)));
            }
            Record::Unit { name, was } => {
                let was = match was {
                    StoredUnit::Enabled => UnitState::Enabled,
                    StoredUnit::Disabled => UnitState::Disabled,
                    StoredUnit::Masked => UnitState::Masked,
                };
                self.units.insert(name, was);
            }
            Record::User {
                name,
                ssh_keys,
                password_hash,
            } => {
                let was = User {
                    ssh_keys,
                    password_hash,
                };
                self.users.insert(name, was);
            }
            Record::System(was) => self.system = Some(was),
        }
        Ok(())
    }

    pub(super) async fn keep_file(
        host: &impl Host,
        path: &str,
        was: Option<&Entry>,
    ) -> Result<(), HostError> {
        let owned = path.to_owned();
        let record = match was {
            None => Record::File {
                path: owned,
                was: None,
            },
            Some(Entry::File(file)) => Record::File {
                path: owned,
                was: Some(StoredFile::of(file)),
            },
            Some(Entry::Link(target)) => Record::Link {
                path: owned,
                target: target.clone(),
            },
            Some(Entry::Directory(directory)) => Record::Directory {
                path: owned,
                mode: directory.mode,
                user: (&directory.user).into(),
                group: (&directory.group).into(),
            },
        };
        keep(host, Key::File(path), &record).await
    }

    pub(super) async fn keep_unit(
        host: &impl Host,
        name: &str,
        was: UnitState,
    ) -> Result<(), HostError> {
        let record = Record::Unit {
            name: name.to_owned(),
            was: match was {
                // Links that are there in part have to be there again; what is missing does no harm.
                UnitState::Enabled | UnitState::Partly => StoredUnit::Enabled,
                UnitState::Disabled | UnitState::Static => StoredUnit::Disabled,
                UnitState::Masked => StoredUnit::Masked,
            },
        };
        keep(host, Key::Unit(name), &record).await
    }

    pub(super) async fn keep_user(
        host: &impl Host,
        name: &str,
        was: &User,
    ) -> Result<(), HostError> {
        let record = Record::User {
            name: name.to_owned(),
            ssh_keys: was.ssh_keys.clone(),
            password_hash: was.password_hash.clone(),
        };
        keep(host, Key::User(name), &record).await
    }

    pub(super) async fn keep_system(
        host: &impl Host,
        was: &SystemOriginal,
    ) -> Result<(), HostError> {
        keep(host, Key::System, &Record::System(was.clone())).await
    }

    pub(super) async fn drop_record(host: &impl Host, key: Key<'_>) -> Result<(), HostError> {
        host.discard(&key.blob()).await
    }
}

async fn keep(host: &impl Host, key: Key<'_>, record: &Record) -> Result<(), HostError> {
    let blob = key.blob();
    let bytes = serde_json::to_vec(record).map_err(|error| {
        HostError::new("write", &blob, "the record has no JSON form").because(error)
    })?;
    host.store(&blob, &bytes).await
}

impl From<&Owner> for StoredOwner {
    fn from(owner: &Owner) -> Self {
        match owner {
            Owner::Id(id) => Self::Id(*id),
            Owner::Name(name) => Self::Name(name.clone()),
        }
    }
}

impl From<StoredOwner> for Owner {
    fn from(owner: StoredOwner) -> Self {
        match owner {
            StoredOwner::Id(id) => Self::Id(id),
            StoredOwner::Name(name) => Self::Name(name),
        }
    }
}

impl StoredFile {
    fn of(file: &File) -> Self {
        Self {
            content: STANDARD.encode(&file.content),
            mode: file.mode,
            user: (&file.user).into(),
            group: (&file.group).into(),
        }
    }

    fn into_file(self) -> Result<File, base64::DecodeError> {
        Ok(File {
            content: STANDARD.decode(self.content)?,
            mode: self.mode,
            user: self.user.into(),
            group: self.group.into(),
        })
    }
}
