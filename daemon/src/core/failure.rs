//! Why a visit failed: every "no" of the daemon, by name.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Differences that a failure names; somebody who wiped a directory should not fill the journal.
const DIFFERENCES_MAX: usize = 50;

/// Names in one sentence: enough to find the culprit, few enough to read.
const NAMES_SHOWN_MAX: usize = 3;

/// Why a node is not what its assignment says.
///
/// Machine errors are carried as the words they were reported with: they are for people, and nothing
/// decides on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "PascalCase")]
pub enum Failure {
    /// The rendered config does not exist.
    ConfigMissing {
        /// Its name.
        config: String,
    },
    /// The rendered config cannot be read.
    ConfigUnreadable {
        /// Its name.
        config: String,
        /// What is wrong with it, with the field.
        error: String,
    },
    /// The disruption policy cannot be read.
    PolicyUnreadable {
        /// What is wrong with it, with the field.
        error: String,
    },
    /// This machine cannot carry the change out.
    Irreconcilable {
        /// The config.
        config: String,
        /// What it cannot do, with the field.
        error: String,
    },
    /// The machine could not be looked at.
    SurveyFailed {
        /// The machine's words.
        error: String,
    },
    /// The disk could not be changed; it is as it was before.
    ApplyFailed {
        /// The config.
        config: String,
        /// The machine's words.
        error: String,
    },
    /// The disk could not be changed, nor put back as it was.
    UndoFailed {
        /// The config.
        config: String,
        /// Why it could not be changed.
        error: String,
        /// Why it could not be put back.
        undo_error: String,
    },
    /// A service did not come along.
    ActionFailed {
        /// The config.
        config: String,
        /// The machine's words.
        error: String,
    },
    /// The machine does not reboot.
    RebootFailed {
        /// The config.
        config: String,
        /// The machine's words.
        error: String,
    },
    /// After all was done the machine is not what the config says.
    ProofFailed {
        /// The config.
        config: String,
        /// What differs.
        mismatches: Vec<String>,
    },
    /// Somebody changed what we had put there.
    Drifted {
        /// The config.
        config: String,
        /// What differs.
        mismatches: Vec<String>,
    },
    /// What was remembered cannot be read.
    JournalDamaged {
        /// What is wrong with it.
        error: String,
    },
    /// The node never became Ready with its config and is back on the last good one.
    WentBack {
        /// The config that was left.
        from: String,
        /// The config it is on.
        to: String,
    },
}

/// The first differences, and how many more there are.
pub(super) fn limited(mut differences: Vec<String>) -> Vec<String> {
    let more = differences.len().saturating_sub(DIFFERENCES_MAX);
    differences.truncate(DIFFERENCES_MAX);
    if more > 0 {
        differences.push(format!("{more} further differences"));
    }
    differences
}

impl Failure {
    /// The stable CamelCase name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ConfigMissing { .. } => "ConfigMissing",
            Self::ConfigUnreadable { .. } => "ConfigUnreadable",
            Self::PolicyUnreadable { .. } => "PolicyUnreadable",
            Self::Irreconcilable { .. } => "Irreconcilable",
            Self::SurveyFailed { .. } => "SurveyFailed",
            Self::ApplyFailed { .. } => "ApplyFailed",
            Self::UndoFailed { .. } => "UndoFailed",
            Self::ActionFailed { .. } => "ActionFailed",
            Self::RebootFailed { .. } => "RebootFailed",
            Self::ProofFailed { .. } => "ProofFailed",
            Self::Drifted { .. } => "Drifted",
            Self::JournalDamaged { .. } => "JournalDamaged",
            Self::WentBack { .. } => "WentBack",
        }
    }

    /// Whether no attempt on this machine can ever succeed: state `Unreconcilable` and not `Degraded`
    /// (reference/machine-config.md 2.1, 2.8).
    pub fn is_unreconcilable(&self) -> bool {
        matches!(self, Self::Irreconcilable { .. })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConfigMissing { config } => {
                write!(
                    f,
                    "MachineConfig {config} does not exist; assign one that does"
                )
            }
            Self::ConfigUnreadable { config, error } => {
                write!(f, "MachineConfig {config} cannot be read: {error}")
            }
            Self::PolicyUnreadable { error } => write!(
                f,
                "the node disruption policy of MachineConfiguration cluster cannot be read: {error}"
            ),
            Self::Irreconcilable { config, error } => {
                write!(
                    f,
                    "this machine cannot take MachineConfig {config}: {error}"
                )
            }
            Self::SurveyFailed { error } => {
                write!(f, "the machine cannot be looked at: {error}")
            }
            Self::ApplyFailed { config, error } => write!(
                f,
                "MachineConfig {config} could not be written, and the disk is as it was before: {error}"
            ),
            Self::UndoFailed {
                config,
                error,
                undo_error,
            } => write!(
                f,
                "MachineConfig {config} could not be written ({error}), and the disk could not be put \
                 back ({undo_error})"
            ),
            Self::ActionFailed { config, error } => write!(
                f,
                "MachineConfig {config} is on the disk, but a service did not take it: {error}"
            ),
            Self::RebootFailed { config, error } => write!(
                f,
                "MachineConfig {config} is on the disk, but the machine does not reboot: {error}"
            ),
            Self::ProofFailed { config, mismatches } => write!(
                f,
                "unexpected on-disk state validating against {config}: {}",
                Names(mismatches)
            ),
            Self::Drifted { config, mismatches } => write!(
                f,
                "somebody changed what {config} had put in place: {}",
                Names(mismatches)
            ),
            Self::JournalDamaged { error } => write!(
                f,
                "the journal cannot be read and was set aside; the next assignment rewrites all and reboots: {error}"
            ),
            Self::WentBack { from, to } => write!(
                f,
                "the node never became Ready with {from} and went back to {to}, the last good one"
            ),
        }
    }
}

/// The first few names, and how many more there are.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().take(NAMES_SHOWN_MAX).enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            f.write_str(name)?;
        }
        let more = self.0.len().saturating_sub(NAMES_SHOWN_MAX);
        if more > 0 {
            write!(f, "; and {more} more")?;
        }
        Ok(())
    }
}
