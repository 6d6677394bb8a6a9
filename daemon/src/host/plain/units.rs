//! How units start at boot, by the links that systemd itself reads and writes.
//!
//! Guarantees: what [`state`] says follows from the disk alone; what [`set`] does is on the disk when it returns. A unit
//! of which only some links are there is neither enabled nor disabled, so that a change that was cut off is seen and
//! finished.
//!
//! Why not by the service manager's own methods, even where one runs: they sync nothing, are cut off halfway without a
//! trace, refuse to mask a unit that has a file, and are not there on another root. That the links are the same is
//! tested against `systemctl --root`.
//!
//! Differs from `systemctl disable`: units that `Also=` names are enabled with the unit, and not disabled with it, for
//! they may have been enabled before. Not here: starting, stopping and reloading (`manager`).

use super::disk::{Disk, link_at};
use super::install::{self, Install};
use super::unit_name::{UnitName, bad_name};
use crate::host::{HostError, UnitState};
use std::collections::BTreeSet;
use std::io;

/// Where units of the machine's owner live, and all links are made.
pub(super) const OWN: &str = "/etc/systemd/system";

/// Where unit files are looked for, first find first. What lies under `/run` is gone at the next boot.
pub(super) const SEARCHED: [&str; 4] = [
    OWN,
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// What a masked unit is.
const NOWHERE: &str = "/dev/null";

/// The directories of links that let one unit pull in another.
const PULLING: [&str; 3] = [".wants", ".requires", ".upholds"];

/// How deep `Also=` and aliases are followed: no machine nests them more than twice.
const DEPTH_MAX: u32 = 8;

/// The file of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fragment {
    /// Where it was found.
    pub(super) path: String,
    /// Whether it stands for "cannot be started".
    pub(super) masked: bool,
    /// The name that the file has, where another name led to it.
    pub(super) alias_of: Option<String>,
}

/// The file of unit `name`, or of its template.
pub(super) fn fragment(disk: &Disk, name: &UnitName) -> io::Result<Option<Fragment>> {
    for candidate in name.candidates() {
        for directory in SEARCHED {
            let path = format!("{directory}/{candidate}");
            let Some(place) = disk.place(&path)? else {
                continue;
            };
            if Disk::stat(&place)?.is_none() {
                continue;
            }
            let target = link_at(&place)?;
            let masked = target.as_deref() == Some(NOWHERE);
            let alias_of = target.and_then(|target| {
                let base = target.rsplit('/').next().unwrap_or_default().to_owned();
                let other = !masked && base != candidate && base != name.template();
                other.then_some(base)
            });
            return Ok(Some(Fragment {
                path,
                masked,
                alias_of,
            }));
        }
    }
    Ok(None)
}

/// How unit `name` would start at the next boot.
pub(super) fn state(disk: &Disk, name: &str) -> Result<UnitState, HostError> {
    let unit = UnitName::read(name).ok_or_else(|| bad_name("look at", name))?;
    look(disk, &unit, DEPTH_MAX).map_err(|error| failed("look at", name, error))
}

fn look(disk: &Disk, unit: &UnitName, depth: u32) -> io::Result<UnitState> {
    let Some(found) = fragment(disk, unit)? else {
        return Ok(UnitState::Disabled);
    };
    if found.masked {
        return Ok(UnitState::Masked);
    }
    if let Some(other) = found.alias_of.as_deref().and_then(UnitName::read)
        && depth > 0
    {
        return look(disk, &other, depth - 1);
    }
    let there = links_to(disk, unit)?;
    let install = install::of(disk, unit, &found)?;
    // Links that somebody made without an [Install] section count as they are.
    let Ok(wanted) = install.links(unit, &found.path) else {
        return Ok(if there.is_empty() {
            UnitState::Disabled
        } else {
            UnitState::Enabled
        });
    };
    let paths: BTreeSet<&String> = there.iter().collect();
    let missing = wanted.iter().any(|link| !paths.contains(&link.path));
    for link in &wanted {
        disk.tidy(&link.path)?;
    }
    Ok(match (there.is_empty(), missing) {
        (true, _) if wanted.is_empty() && install.also.is_empty() => UnitState::Static,
        // What only names other units is as those are.
        (true, _) if wanted.is_empty() && depth > 0 => by_others(disk, &install, depth - 1)?,
        (true, _) => UnitState::Disabled,
        (false, true) => UnitState::Partly,
        (false, false) => UnitState::Enabled,
    })
}

fn by_others(disk: &Disk, install: &Install, depth: u32) -> io::Result<UnitState> {
    for name in &install.also {
        if let Some(other) = UnitName::read(name)
            && look(disk, &other, depth)? != UnitState::Enabled
        {
            return Ok(UnitState::Disabled);
        }
    }
    Ok(UnitState::Enabled)
}

/// Lets unit `name` start so.
pub(super) fn set(disk: &Disk, name: &str, state: UnitState) -> Result<(), HostError> {
    let unit = UnitName::read(name).ok_or_else(|| bad_name("set up", name))?;
    let done = match state {
        UnitState::Masked => return mask(disk, name).map_err(|e| failed("mask", name, e)),
        UnitState::Disabled | UnitState::Static => {
            unmask(disk, name).and_then(|()| disable(disk, &unit))
        }
        UnitState::Enabled | UnitState::Partly => {
            unmask(disk, name).map_err(|error| failed("unmask", name, error))?;
            return enable(disk, &unit, DEPTH_MAX);
        }
    };
    done.map_err(|error| failed("disable", name, error))
}

fn own_path(name: &str) -> String {
    format!("{OWN}/{name}")
}

fn mask(disk: &Disk, name: &str) -> io::Result<()> {
    let place = disk.make_place(&own_path(name))?;
    disk.write_link(&place, NOWHERE)
}

fn unmask(disk: &Disk, name: &str) -> io::Result<()> {
    match disk.place(&own_path(name))? {
        Some(place) if link_at(&place)?.as_deref() == Some(NOWHERE) => disk.remove(&place),
        _ => Ok(()),
    }
}

fn enable(disk: &Disk, unit: &UnitName, depth: u32) -> Result<(), HostError> {
    let name = unit.as_str();
    let refuse = |hint: String| HostError::new("enable", name, hint);
    let on_disk = |error| failed("enable", name, error);
    let found = fragment(disk, unit).map_err(on_disk)?;
    let Some(found) = found else {
        let hint = "this machine has no such unit; give its contents, or correct the name";
        return Err(refuse(hint.into()));
    };
    if found.masked {
        let hint = format!("its vendor masks it at {}; give contents", found.path);
        return Err(refuse(hint));
    }
    if let Some(other) = found.alias_of {
        return Err(refuse(format!(
            "it is another name of {other}; configure that one"
        )));
    }
    let install = install::of(disk, unit, &found).map_err(on_disk)?;
    for link in install.links(unit, &found.path).map_err(refuse)? {
        let place = disk.make_place(&link.path).map_err(on_disk)?;
        let there = link_at(&place).map_err(on_disk)?;
        if there.as_deref() != Some(&link.target) {
            disk.write_link(&place, &link.target).map_err(on_disk)?;
        }
    }
    if depth == 0 {
        return Ok(());
    }
    for other in install.also.iter().filter_map(|name| UnitName::read(name)) {
        enable(disk, &other, depth - 1)?;
    }
    Ok(())
}

fn disable(disk: &Disk, unit: &UnitName) -> io::Result<()> {
    for path in links_to(disk, unit)? {
        let Some(place) = disk.place(&path)? else {
            continue;
        };
        disk.remove(&place)?;
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        if directory != OWN
            && disk.list(directory)?.is_empty()
            && let Some(place) = disk.place(directory)?
        {
            let _gone = disk.remove_directory(&place)?;
        }
    }
    Ok(())
}

/// The links of the owner's by which unit `name`, or an instance of that template, is started or has another name.
fn links_to(disk: &Disk, unit: &UnitName) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in disk.list(OWN)? {
        let path = own_path(&entry);
        if PULLING.iter().any(|kind| entry.ends_with(kind)) {
            let names = disk.list(&path)?;
            let ours = names.into_iter().filter(|name| unit.covers(name));
            found.extend(ours.map(|name| format!("{path}/{name}")));
        } else if !unit.covers(&entry)
            && let Some(place) = disk.place(&path)?
            && let Some(target) = link_at(&place)?
            && is_alias(unit, &entry, &target)
        {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether a link called `entry` to `target` is another name of `unit`.
fn is_alias(unit: &UnitName, entry: &str, target: &str) -> bool {
    let file = target.rsplit('/').next().unwrap_or_default();
    // Instances have one file, and are told apart by the link's own name.
    let same_instance = || {
        let alias = UnitName::read(entry);
        alias.is_some_and(|alias| !unit.is_template() && alias.instance() == unit.instance())
    };
    unit.covers(file) || (file == unit.template() && same_instance())
}

fn failed(operation: &'static str, name: &str, error: io::Error) -> HostError {
    super::files::failed(operation, name, error)
}
