//! Rules about files, directories and links.

use std::collections::BTreeSet;

use super::fetching::resource;
use super::{Findings, says};
use crate::ignition::config::{Config, Link, Owner, Storage};
use crate::ignition::paths;
use crate::ignition::report::Path;

/// The permission bits that a mode may have.
const MODE_MAX: i64 = 0o7777;
/// setuid, setgid and sticky: read, but without effect before spec 3.6.
const SPECIAL_BITS: i64 = 0o7000;
/// Since spec 3.3 the rule "a link needs a target" is checked at all.
const LINK_TARGET_SINCE: u8 = 3;

/// Where Ignition writes units and drop-ins.
const UNIT_DIRECTORY: &str = "/etc/systemd/system/";

/// A file, directory or link must not lie where a unit or drop-in is written.
pub(super) fn conflicts_with_units(config: &Config, root: &Path, findings: &mut Findings) {
    let mut taken = BTreeSet::new();
    for unit in &config.systemd.units {
        if says(unit.contents.as_ref()) {
            taken.insert(format!("{UNIT_DIRECTORY}{}", unit.name));
        }
        for dropin in unit
            .dropins
            .iter()
            .filter(|dropin| says(dropin.contents.as_ref()))
        {
            taken.insert(format!("{UNIT_DIRECTORY}{}.d/{}", unit.name, dropin.name));
        }
    }
    let storage = &config.storage;
    let files = storage
        .files
        .iter()
        .map(|file| &file.path)
        .enumerate()
        .map(|it| ("files", it));
    let directories = storage
        .directories
        .iter()
        .map(|it| &it.path)
        .enumerate()
        .map(|it| ("directories", it));
    let links = storage
        .links
        .iter()
        .map(|link| &link.path)
        .enumerate()
        .map(|it| ("links", it));
    for (list, (index, path)) in files.chain(directories).chain(links) {
        if taken.contains(path.as_str()) {
            let place = root.field("storage").field(list).index(index).field("path");
            findings.error(&place, "path conflicts with systemd unit or dropin");
        }
    }
}

pub(super) fn storage(storage: &Storage, path: &Path, findings: &mut Findings) {
    for (index, directory) in storage.directories.iter().enumerate() {
        let path = path.field("directories").index(index);
        behind_links(storage, &directory.path, &path, "directory", findings);
        node(
            &directory.path,
            &directory.user,
            &directory.group,
            &path,
            findings,
        );
        mode(directory.mode, &path, findings);
    }
    for (index, file) in storage.files.iter().enumerate() {
        let path = path.field("files").index(index);
        behind_links(storage, &file.path, &path, "file", findings);
        node(&file.path, &file.user, &file.group, &path, findings);
        mode(file.mode, &path, findings);
        if file.overwrite == Some(true) && file.contents.source.is_none() {
            findings.error(
                &path.field("overwrite"),
                "overwrite must be false if source is unspecified",
            );
        }
        resource(&file.contents, &path.field("contents"), findings);
        for (index, part) in file.append.iter().enumerate() {
            resource(part, &path.field("append").index(index), findings);
        }
    }
    for (index, link) in storage.links.iter().enumerate() {
        let path = path.field("links").index(index);
        behind_links(storage, &link.path, &path, "link", findings);
        node(&link.path, &link.user, &link.group, &path, findings);
        link_target(storage, link, &path, findings);
    }
}

/// Nothing may lie behind a link of the same config: which of the two comes first would decide.
fn behind_links(
    storage: &Storage,
    node_path: &str,
    path: &Path,
    what: &str,
    findings: &mut Findings,
) {
    for link in &storage.links {
        if node_path
            .strip_prefix(link.path.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
        {
            findings.error(path, format!("{what} path includes link in config"));
        }
    }
}

fn node(node_path: &str, user: &Owner, group: &Owner, path: &Path, findings: &mut Findings) {
    findings.fault(&path.field("path"), paths::fault(node_path));
    for (name, owner) in [("user", user), ("group", group)] {
        if owner.id.is_some() && says(owner.name.as_ref()) {
            findings.error(&path.field(name), "cannot set both id and name");
        }
    }
}

fn mode(mode: Option<i64>, path: &Path, findings: &mut Findings) {
    let Some(mode) = mode else { return };
    let path = path.field("mode");
    if !(0..=MODE_MAX).contains(&mode) {
        findings.error(&path, "illegal file mode");
    }
    if mode & SPECIAL_BITS != 0 {
        findings.warning(
            &path,
            "setuid/setgid/sticky bits are not supported or functional in spec versions older \
             than 3.6.0",
        );
    }
}

fn link_target(storage: &Storage, link: &Link, path: &Path, findings: &mut Findings) {
    if findings.minor >= LINK_TARGET_SINCE && !says(link.target.as_ref()) {
        findings.error(&path.field("target"), "link target is required");
        return;
    }
    if link.hard != Some(true) {
        return;
    }
    let target = link.target.as_deref().unwrap_or("");
    let target = if target.starts_with('/') {
        paths::clean(target)
    } else {
        paths::clean(&format!("{}/{target}", link.path))
    };
    for _ in storage
        .directories
        .iter()
        .filter(|directory| directory.path == target)
    {
        findings.error(path, "hard link target is a directory");
    }
    for (name, owner) in [("user", &link.user), ("group", &link.group)] {
        for (part, set) in [("id", owner.id.is_some()), ("name", owner.name.is_some())] {
            if set {
                let place = path.field(name).field(part);
                findings.warning(&place, "user/group ignored for hard link");
            }
        }
    }
}
