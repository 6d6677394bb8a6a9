//! The machine's own preset rules (systemd.preset(5)): whether a unit starts that nobody said anything about.

use super::disk::Disk;
use super::files::failed;
use super::unit_name::{UnitName, bad_name};
use crate::host::HostError;
use std::collections::BTreeMap;
use std::io;

/// Where rules lie; a file in an earlier directory takes the place of its namesakes. What lies under `/run` is gone at
/// the next boot.
const DIRECTORIES: [&str; 4] = [
    "/etc/systemd/system-preset",
    "/usr/local/lib/systemd/system-preset",
    "/usr/lib/systemd/system-preset",
    "/lib/systemd/system-preset",
];

/// Whether the rules would have unit `name` enabled. The first rule that fits decides; without one it is.
pub(super) fn enables(disk: &Disk, name: &str) -> Result<bool, HostError> {
    let unit = UnitName::read(name).ok_or_else(|| bad_name("look up the preset of", name))?;
    let rules =
        rules(disk).map_err(|error| failed("read the presets in", DIRECTORIES[0], error))?;
    let decided = rules.lines().find_map(|line| decision(line, &unit));
    Ok(decided.unwrap_or(true))
}

fn rules(disk: &Disk) -> io::Result<String> {
    let mut by_name = BTreeMap::new();
    for directory in DIRECTORIES {
        for name in disk.list(directory)? {
            if name.ends_with(".preset") {
                let path = format!("{directory}/{name}");
                by_name.entry(name).or_insert(path);
            }
        }
    }
    let mut rules = String::new();
    for path in by_name.values() {
        rules.push_str(&disk.read_text(path)?.unwrap_or_default());
        rules.push('\n');
    }
    Ok(rules)
}

/// What one line says of `unit`, if anything.
fn decision(line: &str, unit: &UnitName) -> Option<bool> {
    let mut words = line.split_whitespace();
    let verdict = match words.next()? {
        "enable" => true,
        "disable" => false,
        _ => return None,
    };
    let pattern = glob::Pattern::new(words.next()?).ok()?;
    let instances: Vec<&str> = words.collect();
    let fits = if instances.is_empty() {
        pattern.matches(unit.as_str())
    } else {
        pattern.matches(&unit.template()) && instances.contains(&unit.instance())
    };
    fits.then_some(verdict)
}
