//! Looking at the machine: everything that a decision or a proof compares, read at once.

use super::content::Content;
use super::originals::Originals;
use crate::host::{File, Host, HostError, System, UnitState, User};
use std::collections::{BTreeMap, BTreeSet};

/// What the machine is now, as far as some contents and the originals name it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// Files by path; `None` where nothing is.
    pub files: BTreeMap<String, Option<File>>,
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
        paths.extend(originals.files.keys().cloned());
        // A mask takes the place of the unit's file, which has to be kept before.
        paths.extend(content.units.keys().map(|name| Content::unit_path(name)));
        for path in paths {
            // A masked unit has no file of its own: its path is a link to nowhere.
            let file = if masked.contains(&path) {
                None
            } else {
                host.read_file(&path).await?
            };
            survey.files.insert(path, file);
        }
        let users: BTreeSet<&String> = content.users.keys().chain(originals.users.keys()).collect();
        for name in users {
            survey.users.insert(name.clone(), host.user(name).await?);
        }
        survey.originals = originals;
        Ok(survey)
    }

    /// The file at `path`, as far as it was looked at.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path).and_then(Option::as_ref)
    }
}
