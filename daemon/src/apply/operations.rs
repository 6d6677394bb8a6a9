//! What is left to do: content and survey in, operations in their order out. Pure.

use super::content::{
    Content, SystemWish, UnitWish, as_wished, directory_as_wished, kubelet_suffices,
};
use super::operation::Operation;
use super::survey::{Survey, UnitNow};
use super::system;
use crate::host::{Entry, UnitState, User};

/// What is left to do on the machine of `survey` until it is `content`, in the order in which it has to be done.
///
/// `kubelet`, where given, is the exact kubelet to have, older than the installed one though it may be: the way
/// back knows which was there. Otherwise a kubelet that suffices is left alone.
pub fn operations(content: &Content, survey: &Survey, kubelet: Option<&str>) -> Vec<Operation> {
    let mut list = Vec::new();
    let units = unit_targets(content, survey);
    free_units(&units, &mut list);
    make_directories(content, survey, &mut list);
    write_files(content, survey, &mut list);
    write_links(content, survey, &mut list);
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
    fn is_there(&self) -> bool {
        self.now.fulfils(self.target)
    }

    /// A mask is in the way of the unit's file, and an enabled unit whose file goes would leave its links behind.
    fn is_in_the_way(&self) -> bool {
        let linked = matches!(self.now, UnitState::Enabled | UnitState::Partly);
        let links = self.now == UnitState::Masked || (self.leaving && linked);
        links && !self.is_there()
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
        if unit.is_there() {
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
        if !unit.is_there() && !freed {
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
        if survey.entry(&path).is_some() {
            keep_entry(&path, survey, list);
        }
    }
    for (path, wish) in &content.files {
        let now = survey.file(path);
        // A file that is there as wished is recorded too, as its own original: it was there before us, and stays
        // when it leaves the configuration.
        keep_entry(path, survey, list);
        if !now.is_some_and(|now| as_wished(wish, now)) {
            list.push(Operation::WriteFile {
                path: path.clone(),
                file: wish.clone(),
            });
        }
    }
}

fn write_links(content: &Content, survey: &Survey, list: &mut Vec<Operation>) {
    for (path, target) in &content.links {
        keep_entry(path, survey, list);
        if survey.link(path) != Some(target) {
            list.push(Operation::WriteLink {
                path: path.clone(),
                target: target.clone(),
            });
        }
    }
}

fn make_directories(content: &Content, survey: &Survey, list: &mut Vec<Operation>) {
    for (path, wish) in &content.directories {
        keep_entry(path, survey, list);
        let now = survey.directory(path);
        if !now.is_some_and(|now| directory_as_wished(wish, now)) {
            list.push(Operation::WriteDirectory {
                path: path.clone(),
                directory: wish.clone(),
            });
        }
    }
}

fn keep_entry(path: &str, survey: &Survey, list: &mut Vec<Operation>) {
    if !survey.originals.files.contains_key(path) {
        list.push(Operation::KeepFile {
            path: path.to_owned(),
            was: survey.entry(path),
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
    // Directories that go come last and from within, when what was in them is gone.
    let mut emptied = Vec::new();
    for (path, was) in &survey.originals.files {
        if content.names(path) || masked(path) {
            continue;
        }
        let forget = Operation::ForgetFile { path: path.clone() };
        let now = survey.entry(path);
        if was.is_none() && matches!(now, Some(Entry::Directory(_))) {
            emptied.push([Operation::RemoveDirectory { path: path.clone() }, forget]);
            continue;
        }
        if *was != now {
            list.push(put_back(path, was.as_ref()));
        }
        list.push(forget);
    }
    list.extend(emptied.into_iter().rev().flatten());
}

fn put_back(path: &str, was: Option<&Entry>) -> Operation {
    let path = path.to_owned();
    match was.cloned() {
        None => Operation::RemoveFile { path },
        Some(Entry::File(file)) => Operation::WriteFile { path, file },
        Some(Entry::Link(target)) => Operation::WriteLink { path, target },
        Some(Entry::Directory(directory)) => Operation::WriteDirectory { path, directory },
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
