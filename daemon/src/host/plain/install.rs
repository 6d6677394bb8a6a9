//! The `[Install]` section of a unit and its drop-ins: which links enable it.

use super::disk::Disk;
use super::unit_name::UnitName;
use super::units::{Fragment, OWN, SEARCHED};
use std::collections::BTreeMap;
use std::io;

/// What `[Install]` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Install {
    wanted_by: Vec<String>,
    required_by: Vec<String>,
    upheld_by: Vec<String>,
    alias: Vec<String>,
    /// Units that are enabled with this one.
    pub(super) also: Vec<String>,
    default_instance: Option<String>,
}

/// One link that enables a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) path: String,
    pub(super) target: String,
}

/// What the unit's file and its drop-ins say together.
pub(super) fn of(disk: &Disk, unit: &UnitName, found: &Fragment) -> io::Result<Install> {
    let mut install = Install::default();
    install.read(&disk.read_text(&found.path)?.unwrap_or_default());
    for path in drop_ins(disk, unit)? {
        install.read(&disk.read_text(&path)?.unwrap_or_default());
    }
    Ok(install)
}

/// Drop-ins by file name: one in an earlier directory takes the place of its namesakes.
fn drop_ins(disk: &Disk, unit: &UnitName) -> io::Result<Vec<String>> {
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for directory in SEARCHED {
        for candidate in unit.candidates() {
            let directory = format!("{directory}/{candidate}.d");
            for name in disk.list(&directory)? {
                if name.ends_with(".conf") {
                    let path = format!("{directory}/{name}");
                    by_name.entry(name).or_insert(path);
                }
            }
        }
    }
    Ok(by_name.into_values().collect())
}

impl Install {
    fn read(&mut self, text: &str) {
        let mut inside = false;
        for line in joined(text) {
            let line = line.trim();
            if line.starts_with(['#', ';']) || line.is_empty() {
                continue;
            }
            if line.starts_with('[') {
                inside = line == "[Install]";
                continue;
            }
            if inside && let Some((key, value)) = line.split_once('=') {
                self.take(key.trim(), value.trim());
            }
        }
    }

    fn take(&mut self, key: &str, value: &str) {
        let list = match key {
            "WantedBy" => &mut self.wanted_by,
            "RequiredBy" => &mut self.required_by,
            "UpheldBy" => &mut self.upheld_by,
            "Alias" => &mut self.alias,
            "Also" => &mut self.also,
            "DefaultInstance" => {
                self.default_instance = (!value.is_empty()).then(|| value.to_owned());
                return;
            }
            _ => return,
        };
        // An empty value takes back what was said before.
        if value.is_empty() {
            list.clear();
        }
        list.extend(value.split_whitespace().map(str::to_owned));
    }

    /// The links that enable `unit`, whose file lies at `file`.
    ///
    /// # Errors
    ///
    /// Why they cannot be told.
    pub(super) fn links(&self, unit: &UnitName, file: &str) -> Result<Vec<Link>, String> {
        let mut links = Vec::new();
        let pulled = [
            (&self.wanted_by, ".wants"),
            (&self.required_by, ".requires"),
            (&self.upheld_by, ".upholds"),
        ];
        let instance = self.started(unit);
        for (targets, kind) in pulled {
            for target in targets {
                let name = instance
                    .as_ref()
                    .ok_or_else(|| format!("{} is a template; name an instance", unit.as_str()))?;
                let by = expand(target, name)?;
                links.push(Link {
                    path: format!("{OWN}/{by}{kind}/{}", name.as_str()),
                    target: file.to_owned(),
                });
            }
        }
        for alias in &self.alias {
            let alias = expand(alias, instance.as_ref().unwrap_or(unit))?;
            if alias != unit.as_str() {
                links.push(Link {
                    path: format!("{OWN}/{alias}"),
                    target: file.to_owned(),
                });
            }
        }
        Ok(links)
    }

    /// What is started: of a template its default instance.
    fn started(&self, unit: &UnitName) -> Option<UnitName> {
        if !unit.is_template() {
            return Some(unit.clone());
        }
        unit.with_instance(self.default_instance.as_deref()?)
    }
}

/// Lines, with those that end in a backslash joined to the next.
fn joined(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let (part, goes_on) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match lines.last_mut() {
            Some(last) if open => {
                last.push(' ');
                last.push_str(part);
            }
            _ => lines.push(part.to_owned()),
        }
        open = goes_on;
    }
    lines
}

/// A unit's name with the specifiers that make sense in it (systemd.unit(5)).
fn expand(pattern: &str, unit: &UnitName) -> Result<String, String> {
    let mut name = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            name.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => name.push_str(unit.as_str()),
            Some('N') => name.push_str(unit.stem()),
            Some('p') => name.push_str(unit.prefix()),
            Some('i') => name.push_str(unit.instance()),
            Some('j') => name.push_str(unit.prefix().rsplit('-').next().unwrap_or_default()),
            Some('%') => name.push('%'),
            other => {
                let other = other.map(String::from).unwrap_or_default();
                return Err(format!("%{other} in its [Install] section is not known"));
            }
        }
    }
    match UnitName::read(&name) {
        Some(_) => Ok(name),
        None => Err(format!(
            "{name:?} in its [Install] section is no name of a unit"
        )),
    }
}
