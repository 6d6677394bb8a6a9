//! The machine as a config: what the new config would have to be for nothing to change.
//!
//! Entries that are on the machine as wished are the new config's own, to the letter, so that they make no difference;
//! the others say what is there instead, so that rules that look into contents see it.

use crate::apply::{
    Content, Survey, UnitWish, as_wished, directory_as_wished, kubelet_suffices,
    leaves_system_as_is,
};
use crate::config::Rendered;
use crate::host::{File, UnitState};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rendering::configuration::Configuration;
use rendering::ignition::config as model;

/// What is on the machine, in the terms of `new`.
pub(super) fn configuration(new: &Rendered, survey: &Survey) -> Configuration {
    let mut found = new.configuration.clone();
    system(&mut found, new, survey);
    found.kubelet_version = kubelet_version(new, survey);

    let files = found.ignition.storage.files.make_mut();
    files.retain_mut(|file| keep_file(file, new, survey));
    let links = found.ignition.storage.links.make_mut();
    links.retain(|link| survey.link(&link.path) == new.content.links.get(&link.path));
    let directories = found.ignition.storage.directories.make_mut();
    directories.retain(|directory| has_directory(&directory.path, new, survey));
    let units = found.ignition.systemd.units.make_mut();
    units.retain_mut(|unit| keep_unit(unit, new, survey));
    let users = found.ignition.passwd.users.make_mut();
    users.retain(|user| has_user(&user.name, new, survey));

    // A list that nobody wrote is not an empty one.
    let wished = &new.configuration.ignition;
    if wished.storage.files.is_absent() {
        found.ignition.storage.files = model::List::default();
    }
    if wished.storage.links.is_absent() {
        found.ignition.storage.links = model::List::default();
    }
    if wished.storage.directories.is_absent() {
        found.ignition.storage.directories = model::List::default();
    }
    if wished.systemd.units.is_absent() {
        found.ignition.systemd.units = model::List::default();
    }
    if wished.passwd.users.is_absent() {
        found.ignition.passwd.users = model::List::default();
    }
    found
}

/// The system is one thing to the machine: where it is not as wished, the parts that differ say so.
fn system(found: &mut Configuration, new: &Rendered, survey: &Survey) {
    let wish = &new.content.system;
    if leaves_system_as_is(wish, survey) {
        return;
    }
    let next = &survey.next;
    if wish.image.is_some() && wish.image != next.image {
        found.os_image = next.image.clone().unwrap_or_default();
    }
    if wish.kernel_type.is_some() && wish.kernel_type != next.kernel_type {
        found.kernel_type = next.kernel_type.clone().unwrap_or_default();
    }
    if !wish
        .extensions
        .iter()
        .all(|name| next.extensions.contains(name))
    {
        found.extensions.clone_from(&next.extensions);
    }
    // Whatever else differs is a kernel argument that is missing or one that has to go.
    found.kernel_arguments.clone_from(&next.kernel_arguments);
    if found.kernel_arguments == new.configuration.kernel_arguments {
        found.kernel_arguments.push(String::new());
    }
}

fn kubelet_version(new: &Rendered, survey: &Survey) -> Option<String> {
    let wanted = new.configuration.kubelet_version.clone();
    match (&wanted, &survey.kubelet) {
        (Some(version), Some(installed))
            if survey.package_mode && !kubelet_suffices(installed, version) =>
        {
            Some(installed.clone())
        }
        _ => wanted,
    }
}

/// Leaves a file out where nothing is, and says what is there where it is not as wished.
fn keep_file(file: &mut model::File, new: &Rendered, survey: &Survey) -> bool {
    let Some(there) = survey.file(&file.path) else {
        return false;
    };
    if !is_as_wished(&file.path, new, survey) {
        file.contents = model::Resource {
            source: Some(data_url(there)),
            ..model::Resource::default()
        };
        file.mode = Some(i64::from(there.mode));
    }
    true
}

fn is_as_wished(path: &str, new: &Rendered, survey: &Survey) -> bool {
    match (new.content.files.get(path), survey.file(path)) {
        (Some(wish), Some(there)) => as_wished(wish, there),
        _ => false,
    }
}

fn has_directory(path: &str, new: &Rendered, survey: &Survey) -> bool {
    match (new.content.directories.get(path), survey.directory(path)) {
        (Some(wish), Some(there)) => directory_as_wished(wish, there),
        _ => false,
    }
}

fn data_url(file: &File) -> String {
    format!("data:;base64,{}", STANDARD.encode(&file.content))
}

/// Leaves a unit out where nothing of it is there, and strips it where some of it is not as wished.
fn keep_unit(unit: &mut model::Unit, new: &Rendered, survey: &Survey) -> bool {
    let own = Content::unit_path(&unit.name);
    let dropins = unit
        .dropins
        .iter()
        .map(|dropin| Content::dropin_path(&unit.name, &dropin.name));
    let paths: Vec<String> = dropins
        .chain([own])
        .filter(|path| new.content.files.contains_key(path))
        .collect();
    let files = paths.iter().all(|path| is_as_wished(path, new, survey));
    if files && starts_as_wished(&unit.name, new, survey) {
        return true;
    }
    let something = paths.iter().any(|path| survey.file(path).is_some());
    *unit = model::Unit {
        name: unit.name.clone(),
        ..model::Unit::default()
    };
    something
}

fn starts_as_wished(name: &str, new: &Rendered, survey: &Survey) -> bool {
    let (Some(wish), Some(now)) = (new.content.units.get(name), survey.units.get(name)) else {
        return true;
    };
    let preset = if now.preset_enabled {
        UnitState::Enabled
    } else {
        UnitState::Disabled
    };
    now.state.fulfils(match wish {
        UnitWish::Enabled => UnitState::Enabled,
        UnitWish::Disabled => UnitState::Disabled,
        UnitWish::Masked => UnitState::Masked,
        UnitWish::Preset => preset,
    })
}

fn has_user(name: &str, new: &Rendered, survey: &Survey) -> bool {
    let there = survey.users.get(name).and_then(Option::as_ref);
    match (new.content.users.get(name), there) {
        (Some(wish), Some(there)) => {
            let hash = wish.password_hash.is_none() || wish.password_hash == there.password_hash;
            hash && wish.ssh_keys == there.ssh_keys
        }
        _ => false,
    }
}
