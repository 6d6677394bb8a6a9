//! One thing done to a node for a change, and how the API writes it.

use std::fmt;

use api::operator::{DisruptionAction, DisruptionActionType as Type};
use serde::{Deserialize, Serialize};

use super::policy::PolicyError;

/// Longest name of a unit; systemd's limit.
const MAX_UNIT_NAME: usize = 255;
/// The endings of systemd's unit types.
const UNIT_TYPES: [&str; 12] = [
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
    "snapshot",
    "scope",
];

/// One thing done to a node after a change has been written to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "DisruptionAction", into = "DisruptionAction")]
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

impl TryFrom<DisruptionAction> for Action {
    type Error = PolicyError;

    fn try_from(action: DisruptionAction) -> Result<Self, PolicyError> {
        let misplaced = [
            ("reload", Type::Reload, action.reload.is_some()),
            ("restart", Type::Restart, action.restart.is_some()),
        ]
        .into_iter()
        .find(|(_, kind, given)| *given != (action.type_ == *kind));
        if let Some((field, kind, _)) = misplaced {
            return Err(PolicyError::ServiceMisplaced { field, kind });
        }
        let service = action
            .reload
            .or(action.restart)
            .map(|service| service.service_name);
        if let Some(found) = service.as_ref().filter(|name| !is_unit_name(name)) {
            return Err(PolicyError::UnitName {
                found: found.clone(),
            });
        }
        Ok(match (action.type_, service) {
            (Type::Reload, Some(service)) => Self::Reload(service),
            (Type::Restart, Some(service)) => Self::Restart(service),
            (Type::Reboot, _) => Self::Reboot,
            (Type::Drain, _) => Self::Drain,
            (Type::DaemonReload, _) => Self::DaemonReload,
            (Type::Special, _) => Self::Special,
            // A service without its name was refused above.
            (Type::None | Type::Reload | Type::Restart, _) => Self::None,
        })
    }
}

impl From<Action> for DisruptionAction {
    fn from(action: Action) -> Self {
        match action {
            Action::None => Self::plain(Type::None),
            Action::Reboot => Self::plain(Type::Reboot),
            Action::Drain => Self::plain(Type::Drain),
            Action::DaemonReload => Self::plain(Type::DaemonReload),
            Action::Special => Self::plain(Type::Special),
            Action::Reload(service) => Self::reload(service),
            Action::Restart(service) => Self::restart(service),
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
