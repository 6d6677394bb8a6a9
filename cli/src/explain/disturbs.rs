//! What the next config will do to a node: the difference from what it has, judged by the disruption policy.
//!
//! # Guarantees
//! Pure, and the same judgement as the daemon's, by the policy that is published for it.

use api::{MachineConfig, MachineConfiguration};
use controller::render::convert::to_rendering;
use rendering::changes::Changes;
use rendering::configuration::Configuration;
use rendering::disruption::{self, Disruption, Policy};
use serde::Serialize;

/// So many changes are named in the text; `windlass diff` and `-o json` tell all.
const NAMED_MAX: usize = 3;

/// What a config does to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Disturbs {
    /// What changes.
    pub(crate) changes: Changes,
    /// What that does.
    #[serde(flatten)]
    pub(crate) disruption: Disruption,
}

/// What going from `old` to `new` does; or why that cannot be told.
pub(crate) fn between(
    old: &MachineConfig,
    new: &MachineConfig,
    published: Option<&MachineConfiguration>,
) -> Result<Disturbs, String> {
    let old = Configuration::read(&to_rendering(old)).map_err(|error| error.to_string())?;
    let new = Configuration::read(&to_rendering(new)).map_err(|error| error.to_string())?;
    let policy =
        Policy::of(published).map_err(|error| format!("MachineConfiguration cluster: {error}"))?;
    let changes = Changes::between(Some(&old), &new);
    let disruption = disruption::judge(Some(&old), &new, &changes, &policy)
        .map_err(|error| error.to_string())?;
    Ok(Disturbs {
        changes,
        disruption,
    })
}

impl Disturbs {
    /// One line for people: what is done to the node, and because of what.
    pub(crate) fn line(&self) -> String {
        if self.changes.is_empty() {
            return "nothing".to_owned();
        }
        let actions: Vec<String> = self
            .disruption
            .actions
            .iter()
            .map(ToString::to_string)
            .collect();
        let mut line = match self.disruption.drain.first() {
            Some(why) => format!("a drain ({why})"),
            None => "no drain".to_owned(),
        };
        if !actions.is_empty() {
            line.push_str(&format!(", then {}", actions.join(", ")));
        }
        let changes = self.changes.to_string();
        let changes: Vec<&str> = changes.lines().collect();
        let named: Vec<&str> = changes
            .iter()
            .take(NAMED_MAX)
            .map(|line| line.trim_start_matches(['~', '+', '-', ' ']))
            .collect();
        line.push_str(&format!("; for {}", named.join(", ")));
        if changes.len() > NAMED_MAX {
            line.push_str(&format!(" and {} more", changes.len() - NAMED_MAX));
        }
        line
    }
}
