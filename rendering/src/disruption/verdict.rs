//! What is said about a change: actions, reasons for a drain, and which part of the change asks for what.

use std::fmt;

use serde::Serialize;

use super::{Action, REGISTRIES_CONF};

/// What a change does to its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disruption {
    /// What is done, in order. Empty or `None`: nothing.
    pub actions: Vec<Action>,
    /// Why the node is drained first; empty if it is not.
    pub drain: Vec<DrainReason>,
    /// Each change with what it asks for, in the order of `actions`.
    pub causes: Vec<Cause>,
}

impl Disruption {
    /// Whether the node is drained before the change.
    pub fn needs_drain(&self) -> bool {
        !self.drain.is_empty()
    }

    /// Whether the node is rebooted after the change.
    pub fn reboots(&self) -> bool {
        self.actions.contains(&Action::Reboot)
    }
}

/// One change and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// What changed.
    #[serde(flatten)]
    pub subject: Subject,
    /// What it asks for, in order.
    pub actions: Vec<Action>,
    /// Who says so.
    pub by: By,
}

/// What changed, as far as disruption tells things apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "changed", content = "name", rename_all = "camelCase")]
pub enum Subject {
    /// The operating system's image.
    OsImage,
    /// Kernel arguments.
    KernelArguments,
    /// FIPS mode.
    Fips,
    /// Kernel type.
    KernelType,
    /// Extensions.
    Extensions,
    /// A file, directory or link, by path.
    Path(String),
    /// A unit, by name.
    Unit(String),
    /// Users, groups, keys or passwords.
    Users,
}

/// Who says what a change asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// The kind of change: no policy can make it less.
    Nature,
    /// An entry of the policy.
    Policy,
    /// No entry of the policy speaks of it, so the node reboots.
    NoPolicy,
}

/// Why a node is drained before a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all_fields = "camelCase")]
pub enum DrainReason {
    /// It is rebooted.
    Reboot,
    /// The policy asks for a drain.
    Policy,
    /// Pods may lose an image, or get another one under the same name.
    Registries {
        /// What makes the change unsafe, as a sentence.
        cause: String,
    },
    /// Whether pods may lose an image cannot be judged: the contents are fetched by the node, or the old file was
    /// broken.
    RegistriesUnknown,
    /// The kubelet changes its minor version; its containers may all be restarted, whatever the policy says.
    KubeletMinor {
        /// Version before.
        old: String,
        /// Version after.
        new: String,
    },
}

impl DrainReason {
    /// The stable identifier, CamelCase.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Reboot => "Reboot",
            Self::Policy => "Policy",
            Self::Registries { .. } => "Registries",
            Self::RegistriesUnknown => "RegistriesUnknown",
            Self::KubeletMinor { .. } => "KubeletMinor",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OsImage => f.write_str("OS image"),
            Self::KernelArguments => f.write_str("kernel arguments"),
            Self::Fips => f.write_str("FIPS mode"),
            Self::KernelType => f.write_str("kernel type"),
            Self::Extensions => f.write_str("extensions"),
            Self::Path(path) => write!(f, "path {path}"),
            Self::Unit(name) => write!(f, "unit {name}"),
            Self::Users => f.write_str("users"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            By::Nature => "always",
            By::Policy => "by the disruption policy",
            By::NoPolicy => "no disruption policy speaks of it",
        };
        write!(f, "{}: {} ({by})", self.subject, listed(&self.actions))
    }
}

impl fmt::Display for Disruption {
    /// A few lines for people: the verdict first, then which change asks for what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.drain.as_slice() {
            [] => writeln!(f, "no drain")?,
            reasons => {
                let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                writeln!(f, "drain, because {}", reasons.join(", and "))?;
            }
        }
        writeln!(f, "then: {}", listed(&self.actions))?;
        for cause in &self.causes {
            writeln!(f, "  {cause}")?;
        }
        Ok(())
    }
}

fn listed(actions: &[Action]) -> String {
    if actions.is_empty() {
        return Action::None.to_string();
    }
    actions
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

impl fmt::Display for DrainReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reboot => f.write_str("the node is rebooted"),
            Self::Policy => f.write_str("the disruption policy asks for a drain"),
            Self::Registries { cause } => f.write_str(cause),
            Self::RegistriesUnknown => {
                write!(
                    f,
                    "what the change of {REGISTRIES_CONF} means for running pods cannot be told"
                )
            }
            Self::KubeletMinor { old, new } => write!(f, "the kubelet goes from {old} to {new}"),
        }
    }
}
