//! One thing done to a node for a change, and how the API writes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::policy::PolicyError;

/// Longest name of a unit; systemd's limit.
const MAX_UNIT_NAME: usize = 255;
/// The endings of systemd's unit types.
const UNIT_TYPES: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];

/// One thing done to a node after a change has been written to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "RawAction", into = "RawAction")]
pub enum Action {
    /// Nothing.
    None,
    /// The node is drained, and rebooted after the change.
    Reboot,
    /// The node is drained before the change.
    Drain,
    /// systemd reads its units anew.
    DaemonReload,
    /// The service reads its configuration anew.
    Reload(String),
    /// The service is restarted.
    Restart(String),
    /// registries.conf: the container runtime reads it anew, and the node is drained if the change is unsafe. Only the
    /// built-in table has it.
    Special,
}

/// An action as the API writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAction {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reload: Option<Service>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restart: Option<Service>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Service {
    service_name: String,
}

impl TryFrom<RawAction> for Action {
    type Error = PolicyError;

    fn try_from(raw: RawAction) -> Result<Self, PolicyError> {
        let misplaced = [
            ("reload", "Reload", raw.reload.is_some()),
            ("restart", "Restart", raw.restart.is_some()),
        ]
        .into_iter()
        .find(|(_, kind, given)| *given != (raw.kind == *kind));
        if let Some((field, kind, _)) = misplaced {
            return Err(PolicyError::ServiceMisplaced { field, kind });
        }
        let service = raw
            .reload
            .or(raw.restart)
            .map(|service| service.service_name);
        if let Some(found) = service.as_ref().filter(|name| !is_unit_name(name)) {
            return Err(PolicyError::UnitName {
                found: found.clone(),
            });
        }
        match (raw.kind.as_str(), service) {
            ("None", _) => Ok(Self::None),
            ("Reboot", _) => Ok(Self::Reboot),
            ("Drain", _) => Ok(Self::Drain),
            ("DaemonReload", _) => Ok(Self::DaemonReload),
            ("Special", _) => Ok(Self::Special),
            ("Reload", Some(service)) => Ok(Self::Reload(service)),
            ("Restart", Some(service)) => Ok(Self::Restart(service)),
            _ => Err(PolicyError::UnknownAction { found: raw.kind }),
        }
    }
}

impl From<Action> for RawAction {
    fn from(action: Action) -> Self {
        let raw = |kind: &str| Self {
            kind: kind.to_owned(),
            reload: None,
            restart: None,
        };
        match action {
            Action::None => raw("None"),
            Action::Reboot => raw("Reboot"),
            Action::Drain => raw("Drain"),
            Action::DaemonReload => raw("DaemonReload"),
            Action::Special => raw("Special"),
            Action::Reload(service_name) => Self {
                reload: Some(Service { service_name }),
                ..raw("Reload")
            },
            Action::Restart(service_name) => Self {
                restart: Some(Service { service_name }),
                ..raw("Restart")
            },
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("nothing"),
            Self::Reboot => f.write_str("reboot"),
            Self::Drain => f.write_str("drain"),
            Self::DaemonReload => f.write_str("reload systemd's units"),
            Self::Reload(service) => write!(f, "reload {service}"),
            Self::Restart(service) => write!(f, "restart {service}"),
            Self::Special => f.write_str("reload crio.service with the new registries"),
        }
    }
}

/// Whether systemd takes this for a unit's name.
pub(super) fn is_unit_name(name: &str) -> bool {
    let allowed =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '_' | '\\' | '-' | '@');
    name.len() <= MAX_UNIT_NAME
        && name.chars().all(allowed)
        && name
            .rsplit_once('.')
            .is_some_and(|(stem, kind)| !stem.is_empty() && UNIT_TYPES.contains(&kind))
}
