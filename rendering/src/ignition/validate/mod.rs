//! The rules about a config's values, as spec 3.0 to 3.5 state them.
//!
//! Guarantees: every broken rule of the declared version is reported, once for each place, with
//! Ignition's own message; a config without an error entry is one that Ignition takes.
//! Assumes: the config was decoded for that version (`decode`), so fields newer than it are absent.
//! Rules: coreos/ignition docs, configuration specs; differences between versions are written at
//! the rule. Not here: what the machine-config operator demands beyond (`super::accept`).

mod duplicates;
mod fetching;
mod storage;
mod units;
mod volumes;

use serde_json::{Map, Value};

use super::config::Config;
use super::report::{Entry, Path};
use super::version::SpecVersion;

/// All entries about values: the typed config, and the same config as decoded.
pub(crate) fn validate(
    config: &Config,
    decoded: &Map<String, Value>,
    version: SpecVersion,
) -> Vec<Entry> {
    let mut findings = Findings {
        minor: version.minor(),
        entries: Vec::new(),
    };
    let root = Path::root();
    fetching::ignition_section(&config.ignition, &root.field("ignition"), &mut findings);
    storage::conflicts_with_units(config, &root, &mut findings);
    storage::storage(&config.storage, &root.field("storage"), &mut findings);
    volumes::volumes(&config.storage, &root.field("storage"), &mut findings);
    units::systemd(&config.systemd, &root.field("systemd"), &mut findings);
    duplicates::duplicates(decoded, &mut findings);
    findings.entries
}

/// Collects entries for one declared version.
struct Findings {
    minor: u8,
    entries: Vec<Entry>,
}

impl Findings {
    fn error(&mut self, path: &Path, message: impl Into<String>) {
        self.entries.push(Entry::error(path, message));
    }

    fn warning(&mut self, path: &Path, message: impl Into<String>) {
        self.entries.push(Entry::warning(path, message));
    }

    fn fault(&mut self, path: &Path, fault: Option<impl Into<String>>) {
        if let Some(message) = fault {
            self.error(path, message);
        }
    }
}

/// Whether a text is there and says something.
fn says(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}
