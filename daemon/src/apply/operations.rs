//! What is left to do: content and survey in, operations in their order out. Pure.

use super::content::{Content, SystemWish, UnitWish, as_wished, kubelet_suffices};
use super::originals::SystemOriginal;
use super::survey::{Survey, UnitNow};
use super::system;
use crate::host::{File, System, UnitState, User};

/// One change of the machine, absolute: it names the state that shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Store what is at a path, before it is changed for the first time.
    KeepFile {
        /// The path.
        path: String,
        /// What is there.
        was: Option<File>,
    },
    /// Put a file there.
    WriteFile {
        /// The path.
        path: String,
        /// What shall be there.
        file: File,
    },
    /// Leave nothing there.
    RemoveFile {
        /// The path.
        path: String,
    },
    /// The file is its original again: it is no longer ours.
    ForgetFile {
        /// The path.
        path: String,
    },
    /// Store how a unit starts, before it is changed for the first time.
    KeepUnit {
        /// The unit.
        name: String,
        /// How it starts.
        was: UnitState,
    },
    /// Let a unit start so.
    SetUnit {
        /// The unit.
        name: String,
        /// How it shall start.
        state: UnitState,
    },
    /// The unit is as it was: it is no longer ours.
    ForgetUnit {
        /// The unit.
        name: String,
    },
    /// Store a user's login data, before they are changed for the first time.
    KeepUser {
        /// The user.
        name: String,
        /// The data.
        was: User,
    },
    /// Set a user's login data.
    SetUser {
        /// The user.
        name: String,
        /// The data.
        user: User,
    },
    /// The user is as before: no longer ours.
    ForgetUser {
        /// The user.
        name: String,
    },
    /// Install a kubelet.
    InstallKubelet {
        /// Of this version.
        version: String,
    },
    /// Store what the system is without us, and what we are about to add.
    KeepSystem {
        /// The record.
        was: SystemOriginal,
    },
    /// Let the next boot take a system.
    StageSystem {
        /// The whole system.
        system: System,
    },
}

impl Operation {
    /// What differs while this is left to do; `None` for the keeping of records, which is no difference.
    fn difference(&self) -> Option<String> {
        match self {
            Self::WriteFile { path, .. } => Some(format!("content or mode of file {path}")),
            Self::RemoveFile { path } => Some(format!("file {path} should be gone")),
            Self::SetUnit { name, state } => {
                Some(format!("unit {name} should be {}", state.word()))
            }
            Self::SetUser { name, .. } => Some(format!("keys or password of user {name}")),
            Self::InstallKubelet { version } => Some(format!("kubelet {version} is not installed")),
            Self::StageSystem { .. } => {
                Some("the next boot would not take the configured system".into())
            }
            Self::KeepFile { .. }
            | Self::ForgetFile { .. }
            | Self::KeepUnit { .. }
            | Self::ForgetUnit { .. }
            | Self::KeepUser { .. }
            | Self::ForgetUser { .. }
            | Self::KeepSystem { .. } => None,
        }
    }
}

/// What is left to do on the machine of `survey` until it is `content`, in the order in which it has to be done.
///
/// `kubelet`, where given, is the exact kubelet to have, older than the installed one though it may be: the way
/// back knows which was there. Otherwise a kubelet that suffices is left alone.
pub fn operations(content: &Content, survey: &Survey, kubelet: Option<&str>) -> Vec<Operation> {
    let mut list = Vec::new();
    let units = unit_targets(content, survey);
    free_units(&units, &mut list);
    write_files(content, survey, &mut list);
    restore_files(content, survey, &mut list);
    settle_units(&units, &mut list);
    set_users(content, survey, &mut list);
    install_kubelet(content, survey, kubelet, &mut list);
    stage_system(content, survey, &mut list);
    list
}

/// What differs between the machine and `content`, in words; empty is the proof.
///
/// Besides what is left to do, this names what only a boot can bring into effect.
pub fn unfulfilled(content: &Content, survey: &Survey) -> Vec<String> {
    let left = operations(content, survey, None);
    let mut differences: Vec<String> = left.iter().filter_map(Operation::difference).collect();
    differences.extend(system::not_in_effect(&content.system, &survey.running));
    differences
}

/// Where one unit shall end up.
struct UnitTarget<'a> {
    name: &'a str,
    now: UnitState,
    target: UnitState,
    recorded: bool,
    leaving: bool,
}

impl UnitTarget<'_> {
    /// A mask is in the way of the unit's file, and an enabled unit whose file goes would leave its links behind.
    fn is_in_the_way(&self) -> bool {
        let links =
            self.now == UnitState::Masked || (self.leaving && self.now == UnitState::Enabled);
        links && self.now != self.target
    }
}

fn unit_targets<'a>(content: &'a Content, survey: &'a Survey) -> Vec<UnitTarget<'a>> {
    let unknown = UnitNow {
        state: UnitState::Disabled,
        preset_enabled: false,
    };
    let now = |name: &str| survey.units.get(name).copied().unwrap_or(unknown);
    let wished = content.units.iter().map(|(name, wish)| UnitTarget {
        name,
        now: now(name).state,
        target: match wish {
            UnitWish::Enabled => UnitState::Enabled,
            UnitWish::Masked => UnitState::Masked,
            UnitWish::Preset if now(name).preset_enabled => UnitState::Enabled,
            UnitWish::Disabled | UnitWish::Preset => UnitState::Disabled,
        },
        recorded: survey.originals.units.contains_key(name),
        leaving: false,
    });
    let originals = survey.originals.units.iter();
    let leaving = originals
        .filter(|(name, _)| !content.units.contains_key(*name))
        .map(|(name, was)| UnitTarget {
            name,
            now: now(name).state,
            target: *was,
            recorded: true,
            leaving: true,
        });
    wished.chain(leaving).collect()
}

/// Before files: keeps what is changed for the first time, and frees the place of what is in the way.
fn free_units(units: &[UnitTarget<'_>], list: &mut Vec<Operation>) {
    for unit in units {
        if unit.now == unit.target {
            continue;
        }
        if !unit.recorded {
            list.push(Operation::KeepUnit {
                name: unit.name.to_owned(),
                was: unit.now,
            });
        }
        if unit.is_in_the_way() {
            list.push(set_unit(unit.name, UnitState::Disabled));
        }
    }
}

fn settle_units(units: &[UnitTarget<'_>], list: &mut Vec<Operation>) {
    for unit in units {
        let freed = unit.is_in_the_way() && unit.target == UnitState::Disabled;
        if unit.now != unit.target && !freed {
            list.push(set_unit(unit.name, unit.target));
        }
        if unit.leaving {
            list.push(Operation::ForgetUnit {
                name: unit.name.to_owned(),
            });
        }
    }
}

fn set_unit(name: &str, state: UnitState) -> Operation {
    Operation::SetUnit {
        name: name.to_owned(),
        state,
    }
}

fn write_files(content: &Content, survey: &Survey, list: &mut Vec<Operation>) {
    let masks = content
        .units
        .iter()
        .filter(|(_, wish)| **wish == UnitWish::Masked);
    for (name, _) in masks {
        let path = Content::unit_path(name);
        if let Some(file) = survey.file(&path) {
            keep_file(&path, Some(file), survey, list);
        }
    }
    for (path, wish) in &content.files {
        let now = survey.file(path);
        // A file that is there as wished is recorded too, as its own original: it was there before us, and stays
        // when it leaves the configuration.
        keep_file(path, now, survey, list);
        if !now.is_some_and(|now| as_wished(wish, now)) {
            list.push(Operation::WriteFile {
                path: path.clone(),
                file: wish.clone(),
            });
        }
    }
}

fn keep_file(path: &str, now: Option<&File>, survey: &Survey, list: &mut Vec<Operation>) {
    if !survey.originals.files.contains_key(path) {
        list.push(Operation::KeepFile {
            path: path.to_owned(),
            was: now.cloned(),
        });
    }
}

fn restore_files(content: &Content, survey: &Survey, list: &mut Vec<Operation>) {
    let masked = |path: &str| {
        let mut masks = content
            .units
            .iter()
            .filter(|(_, wish)| **wish == UnitWish::Masked);
        masks.any(|(name, _)| Content::unit_path(name) == path)
    };
    for (path, was) in &survey.originals.files {
        if content.files.contains_key(path) || masked(path) {
            continue;
        }
        let now = survey.file(path);
        match was {
            Some(file) if now != Some(file) => list.push(Operation::WriteFile {
                path: path.clone(),
                file: file.clone(),
            }),
            None if now.is_some() => list.push(Operation::RemoveFile { path: path.clone() }),
            _ => {}
        }
        list.push(Operation::ForgetFile { path: path.clone() });
    }
}

fn set_users(content: &Content, survey: &Survey, list: &mut Vec<Operation>) {
    for (name, wish) in &content.users {
        let now = survey.users.get(name).and_then(Option::as_ref);
        let target = User {
            ssh_keys: wish.ssh_keys.clone(),
            password_hash: wish
                .password_hash
                .clone()
                .or_else(|| now.and_then(|now| now.password_hash.clone())),
        };
        if now == Some(&target) {
            continue;
        }
        if let Some(now) = now
            && !survey.originals.users.contains_key(name)
        {
            list.push(Operation::KeepUser {
                name: name.clone(),
                was: now.clone(),
            });
        }
        list.push(Operation::SetUser {
            name: name.clone(),
            user: target,
        });
    }
    for (name, was) in &survey.originals.users {
        if content.users.contains_key(name) {
            continue;
        }
        let now = survey.users.get(name).and_then(Option::as_ref);
        // A user who is gone from the machine needs nothing back.
        if now.is_some_and(|now| now != was) {
            list.push(Operation::SetUser {
                name: name.clone(),
                user: was.clone(),
            });
        }
        list.push(Operation::ForgetUser { name: name.clone() });
    }
}

fn install_kubelet(
    content: &Content,
    survey: &Survey,
    exact: Option<&str>,
    list: &mut Vec<Operation>,
) {
    if !survey.package_mode {
        return;
    }
    let installed = survey.kubelet.as_deref();
    let missing = match (exact, content.kubelet_version.as_deref()) {
        (Some(exact), _) => (installed != Some(exact)).then_some(exact),
        (None, Some(wanted)) => {
            let suffices = installed.is_some_and(|installed| kubelet_suffices(installed, wanted));
            (!suffices).then_some(wanted)
        }
        (None, None) => None,
    };
    if let Some(version) = missing {
        list.push(Operation::InstallKubelet {
            version: version.to_owned(),
        });
    }
}

fn stage_system(content: &Content, survey: &Survey, list: &mut Vec<Operation>) {
    let wanted = system::wanted(&content.system, survey);
    let record = survey.originals.system.as_ref();
    let untouched = record.is_none() && content.system == SystemWish::default();
    if wanted == survey.next && (record.is_some() || untouched) {
        return;
    }
    let original = system::original(&content.system, survey);
    if record != Some(&original) {
        list.push(Operation::KeepSystem { was: original });
    }
    if wanted != survey.next {
        list.push(Operation::StageSystem { system: wanted });
    }
}
