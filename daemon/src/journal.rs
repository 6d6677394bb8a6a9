//! The daemon's memory on the disk: the journal, and the configs that it names.
//!
//! Guarantees: a journal is written whole, through [`Host::store`], so that a crash leaves the old or the new one. Its
//! format has a version; a later one is refused by name, for guessing could undo work, and a damaged one is
//! set aside and answered with the most careful memory there is.
//!
//! The configs are kept beside it as the API server gave them, so that a start, a proof and the way back need nobody
//! (promise 6). What no state names any more is dropped.

use crate::core::{Action, Failure, Memory, Outcome, State, Verdict};
use crate::host::{Host, HostError};
use crate::remote;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The format that this program writes; raised when an older program could misread it.
pub const VERSION: u32 = 1;

const JOURNAL: &str = "journal.json";
const DAMAGED: &str = "journal-damaged.json";
const CONFIG: &str = "config-";
const POLICY: &str = "policy.json";

/// A name up to here is a key as it stands; keys have at most 255 characters.
const CONFIG_NAME_CHARS_MAX: usize = 240;

/// Why the journal could not be taken up.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The machine did not give it, or did not take it.
    #[error("the journal is out of reach")]
    Host(#[from] HostError),
    /// It was written by a later program.
    #[error(
        "the journal has format {found} and this program knows {VERSION}; run the program that wrote it, or a later one"
    )]
    Newer {
        /// Its version.
        found: u32,
    },
    /// The memory has no JSON form.
    #[error("the journal cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    #[serde(flatten)]
    memory: &'a Memory,
}

#[derive(Deserialize)]
struct Read {
    #[serde(flatten)]
    memory: Memory,
}

/// All that is read first: every format has it.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Reads the journal. A machine without one has never been given a config.
///
/// # Errors
///
/// [`JournalError::Newer`], and what the machine refused.
pub async fn load(host: &impl Host, now: Timestamp) -> Result<Memory, JournalError> {
    let Some(blob) = host.load(JOURNAL).await? else {
        return Ok(Memory::default());
    };
    if let Ok(Version { version }) = serde_json::from_slice(&blob)
        && version > VERSION
    {
        return Err(JournalError::Newer { found: version });
    }
    match serde_json::from_slice::<Read>(&blob) {
        Ok(read) => Ok(read.memory),
        Err(error) => {
            host.store(DAMAGED, &blob).await?;
            Ok(most_careful(&error, now))
        }
    }
}

/// Nothing is known: the disk may be half of anything, and whatever was due was not done. Originals have records of
/// their own, so the next assignment makes the disk whole, and a reboot the rest.
fn most_careful(error: &serde_json::Error, now: Timestamp) -> Memory {
    let failure = Failure::JournalDamaged {
        error: error.to_string(),
    };
    Memory {
        state: State::Idle {
            outcome: Some(Outcome {
                intent: None,
                at: now,
                verdict: Verdict::Failed { failure },
            }),
        },
        unsettled: vec![Action::Reboot],
        ..Memory::default()
    }
}

/// Writes the journal.
///
/// # Errors
///
/// What the machine refused.
pub async fn store(host: &impl Host, memory: &Memory) -> Result<(), JournalError> {
    let written = Written {
        version: VERSION,
        memory,
    };
    let blob = serde_json::to_vec_pretty(&written).map_err(JournalError::Json)?;
    Ok(host.store(JOURNAL, &blob).await?)
}

/// Reads the kept config `name`.
///
/// # Errors
///
/// What the machine refused.
pub async fn load_config(host: &impl Host, name: &str) -> Result<Option<Vec<u8>>, HostError> {
    host.load(&config_key(name)).await
}

/// Keeps config `name`.
///
/// # Errors
///
/// What the machine refused.
pub async fn store_config(host: &impl Host, name: &str, blob: &[u8]) -> Result<(), HostError> {
    host.store(&config_key(name), blob).await
}

/// Drops the kept configs that nothing in `memory` names.
///
/// # Errors
///
/// What the machine refused.
pub async fn drop_unnamed_configs(host: &impl Host, memory: &Memory) -> Result<(), HostError> {
    let named: BTreeSet<String> = memory.configs().map(config_key).collect();
    for key in host.keys(CONFIG).await? {
        if !named.contains(&key) {
            host.discard(&key).await?;
        }
    }
    remote::drop_unnamed(host, memory).await
}

/// Reads the disruption policy that was last published to this node.
///
/// # Errors
///
/// What the machine refused.
pub async fn load_policy(host: &impl Host) -> Result<Option<Vec<u8>>, HostError> {
    host.load(POLICY).await
}

/// Keeps the disruption policy for the way back, which asks no API server.
///
/// # Errors
///
/// What the machine refused.
pub async fn store_policy(host: &impl Host, blob: &[u8]) -> Result<(), HostError> {
    host.store(POLICY, blob).await
}

/// Names are DNS names, so they need no escape; the longest are told apart by their end, which is a hash.
fn config_key(name: &str) -> String {
    let skipped = name.len().saturating_sub(CONFIG_NAME_CHARS_MAX);
    format!("{CONFIG}{}", name.get(skipped..).unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Order;
    use crate::host::memory::{Cut, MemoryHost};
    use futures::executor::block_on;

    fn memory(intent: u64) -> Memory {
        Memory {
            acted: Some(Order {
                intent,
                config: "rendered-worker-1".into(),
            }),
            ..Memory::default()
        }
    }

    #[test]
    fn a_machine_without_a_journal_has_never_been_given_a_config() {
        let host = MemoryHost::new();
        let memory = block_on(load(&host, Timestamp::UNIX_EPOCH)).unwrap();
        assert_eq!(memory, Memory::default());
    }

    #[test]
    fn a_cut_write_leaves_the_old_journal_or_the_new_one() {
        for (cut, expected) in [(Cut::Before, 1), (Cut::After, 2)] {
            let host = MemoryHost::new();
            block_on(store(&host, &memory(1))).unwrap();
            host.cut_power_at(0, cut);
            block_on(store(&host, &memory(2))).unwrap_err();
            host.boot();
            let read = block_on(load(&host, Timestamp::UNIX_EPOCH)).unwrap();
            assert_eq!(read, memory(expected));
        }
    }

    #[test]
    fn a_later_format_is_refused_by_name() {
        let host = MemoryHost::new();
        block_on(host.store(JOURNAL, br#"{"version": 2, "what": "ever"}"#)).unwrap();
        let error = block_on(load(&host, Timestamp::UNIX_EPOCH)).unwrap_err();
        assert!(matches!(error, JournalError::Newer { found: 2 }));
    }

    #[test]
    fn a_damaged_journal_is_set_aside_and_the_next_visit_reboots() {
        let host = MemoryHost::new();
        block_on(host.store(JOURNAL, b"{\"version\": 1, ")).unwrap();
        let memory = block_on(load(&host, Timestamp::UNIX_EPOCH)).unwrap();
        assert_eq!(memory.unsettled, [Action::Reboot]);
        assert_eq!(memory.acted, None);
        assert!(block_on(host.load(DAMAGED)).unwrap().is_some());
    }

    #[test]
    fn configs_that_nothing_names_are_dropped() {
        let host = MemoryHost::new();
        for name in ["rendered-worker-1", "rendered-worker-2"] {
            block_on(store_config(&host, name, b"{}")).unwrap();
        }
        block_on(drop_unnamed_configs(&host, &memory(1))).unwrap();
        assert!(
            block_on(load_config(&host, "rendered-worker-1"))
                .unwrap()
                .is_some()
        );
        assert!(
            block_on(load_config(&host, "rendered-worker-2"))
                .unwrap()
                .is_none()
        );
    }
}
