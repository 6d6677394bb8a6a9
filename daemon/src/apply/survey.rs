//! Looking at the machine: everything that a decision or a proof compares, read at once.

use super::content::Content;
use super::originals::Originals;
use crate::host::{Directory, Entry, File, Host, HostError, System, UnitState, User};
use std::collections::{BTreeMap, BTreeSet};

/// What the machine is now, as far as some contents and the originals name it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// Files by path, through links; `None` where none is.
    pub files: BTreeMap<String, Option<File>>,
    /// Links by path, with their targets.
    pub links: BTreeMap<String, String>,
    /// Directories by path.
    pub directories: BTreeMap<String, Directory>,
    /// Units by name.
    pub units: BTreeMap<String, UnitNow>,
    /// Users by name; `None` where the machine has no such user.
    pub users: BTreeMap<String, Option<User>>,
    /// The system that runs.
    pub running: System,
    /// The system of the next boot.
    pub next: System,
    /// The kubelet that is installed.
    pub kubelet: Option<String>,
    /// Whether it is a package, which can be installed; otherwise it comes with the image.
    pub package_mode: bool,
    /// What was there before us.
    pub originals: Originals,
}

/// A unit as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitNow {
    /// How it starts.
    pub state: UnitState,
    /// Whether the machine's preset rules would have it enabled.
    pub preset_enabled: bool,
}

impl Survey {
    /// Looks at everything that `content` and the originals name.
    ///
    /// # Errors
    ///
    /// The first thing that the machine could not tell.
    pub async fn of(host: &impl Host, content: &Content) -> Result<Self, HostError> {
        let originals = Originals::load(host).await?;
        let mut survey = Self {
            running: host.running_system().await?,
            next: host.next_system().await?,
            kubelet: host.kubelet_version().await?,
            package_mode: host.facts().await?.package_mode,
            ..Self::default()
        };
        let unit_names: BTreeSet<&String> =
            content.units.keys().chain(originals.units.keys()).collect();
        let mut masked = BTreeSet::new();
        for name in unit_names {
            let state = host.unit(name).await?;
            if state == UnitState::Masked {
                masked.insert(Content::unit_path(name));
            }
            let now = UnitNow {
                state,
                preset_enabled: host.unit_preset(name).await?,
            };
            survey.units.insert(name.clone(), now);
        }
        let mut paths: BTreeSet<String> = content.files.keys().cloned().collect();
        paths.extend(content.links.keys().cloned());
        paths.extend(content.directories.keys().cloned());
        paths.extend(originals.files.keys().cloned());
        // A mask takes the place of the unit's file, which has to be kept before.
        paths.extend(content.units.keys().map(|name| Content::unit_path(name)));
        for path in paths {
            // A masked unit has no file of its own: its path is a link to nowhere.
            if masked.contains(&path) {
                survey.files.insert(path, None);
            } else {
                survey.look_at(host, content, path).await?;
            }
        }
        let users: BTreeSet<&String> = content.users.keys().chain(originals.users.keys()).collect();
        for name in users {
            survey.users.insert(name.clone(), host.user(name).await?);
        }
        survey.originals = originals;
        Ok(survey)
    }

    async fn look_at(
        &mut self,
        host: &impl Host,
        content: &Content,
        path: String,
    ) -> Result<(), HostError> {
        let link = host.link(&path).await?;
        let directory = match link {
            None => host.directory(&path).await?,
            Some(_) => None,
        };
        let file = match (&link, &directory) {
            // A link to something that cannot be read as a file is not the file that is wished.
            (Some(_), _) => host.read_file(&path).await.unwrap_or_default(),
            // Where a file is wished, a directory is in the way, and the machine says so.
            (None, Some(_)) if !content.files.contains_key(&path) => None,
            (None, _) => host.read_file(&path).await?,
        };
        self.files.insert(path.clone(), file);
        if let Some(target) = link {
            self.links.insert(path.clone(), target);
        }
        if let Some(directory) = directory {
            self.directories.insert(path, directory);
        }
        Ok(())
    }

    /// What is at `path` itself, as far as it was looked at.
    pub(crate) fn entry(&self, path: &str) -> Option<Entry> {
        let link = self.link(path).cloned().map(Entry::Link);
        let file = || self.file(path).cloned().map(Entry::File);
        let directory = || self.directory(path).cloned().map(Entry::Directory);
        link.or_else(file).or_else(directory)
    }

    /// The target of the link at `path`, as far as it was looked at.
    pub(crate) fn link(&self, path: &str) -> Option<&String> {
        self.links.get(path)
    }

    /// The directory at `path`, as far as it was looked at.
    pub(crate) fn directory(&self, path: &str) -> Option<&Directory> {
        self.directories.get(path)
    }

    /// The file at `path`, as far as it was looked at.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path).and_then(Option::as_ref)
    }
}
