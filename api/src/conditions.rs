//! Condition types, and the one rule of setting a condition: its transition time moves only when
//! its status does (`reference/machine-config.md` 2.7).

use crate::schema;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ours, on MachineConfigPools and on the MachineConfiguration: fields of the spec are kept and change nothing here, though
/// they would in the reference; the message names them.
pub const FIELDS_WITHOUT_EFFECT: &str = "FieldsWithoutEffect";

/// Condition types of a MachineConfigPool.
pub mod pool {
    /// All nodes have the pool's rendered config.
    pub const UPDATED: &str = "Updated";
    /// Nodes are on their way to the pool's rendered config.
    pub const UPDATING: &str = "Updating";
    /// One of the other degraded conditions is true.
    pub const DEGRADED: &str = "Degraded";
    /// A node reports that it cannot take its config.
    pub const NODE_DEGRADED: &str = "NodeDegraded";
    /// The pool's machine configs do not render.
    pub const RENDER_DEGRADED: &str = "RenderDegraded";
    /// Reference only.
    pub const PINNED_IMAGE_SETS_DEGRADED: &str = "PinnedImageSetsDegraded";
    /// Reference only.
    pub const POOL_SYNCHRONIZER_DEGRADED: &str = "PoolSynchronizerDegraded";
    /// Reference only.
    pub const IMAGE_BUILD_DEGRADED: &str = "ImageBuildDegraded";
    /// Reference only.
    pub const BUILD_PENDING: &str = "BuildPending";
    /// Reference only.
    pub const BUILDING: &str = "Building";
    /// Reference only.
    pub const BUILD_SUCCESS: &str = "BuildSuccess";
    /// Reference only.
    pub const BUILD_FAILED: &str = "BuildFailed";
    /// Reference only.
    pub const BUILD_INTERRUPTED: &str = "BuildInterrupted";
    /// Ours: the pool is paused, since the condition's time; the message says what is pending.
    pub const PAUSED: &str = "Paused";
    /// Ours: nodes of the pool wait; reason and message sum up their holds.
    pub const HELD: &str = "Held";
    /// Ours: the kubelet part of the target waits on nodes of the pool; the reason names what the cluster's API lacks, and
    /// the message the instance, as the controller last heard.
    pub const KUBELET_WITHHELD: &str = "KubeletWithheld";
    /// Ours: the spec sets fields that are kept and change nothing; the message names them.
    pub const FIELDS_WITHOUT_EFFECT: &str = super::FIELDS_WITHOUT_EFFECT;
}

/// Condition types of a MachineConfigNode (`reference/machine-config.md` 2.15).
pub mod node {
    /// The node has its desired config; all others are then False.
    pub const UPDATED: &str = "Updated";
    /// The change is known and can be applied.
    pub const UPDATE_PREPARED: &str = "UpdatePrepared";
    /// Cordon, drain, files and system are through.
    pub const UPDATE_EXECUTED: &str = "UpdateExecuted";
    /// Reboot, or what else the change demands, is through.
    pub const UPDATE_POST_ACTION_COMPLETE: &str = "UpdatePostActionComplete";
    /// The node is uncordoned.
    pub const UPDATE_COMPLETE: &str = "UpdateComplete";
    /// The daemon runs again after the change.
    pub const RESUMED: &str = "Resumed";
    /// The node is drained.
    pub const DRAINED: &str = "Drained";
    /// Files and operating system are as the config says.
    pub const APPLIED_FILES_AND_OS: &str = "AppliedFilesAndOS";
    /// Files are as the config says.
    pub const APPLIED_FILES: &str = "AppliedFiles";
    /// The operating system image is as the config says.
    pub const APPLIED_OS_IMAGE: &str = "AppliedOSImage";
    /// The operating system image is on the machine.
    pub const IMAGE_PULLED: &str = "ImagePulledFromRegistry";
    /// The node is cordoned.
    pub const CORDONED: &str = "Cordoned";
    /// The node is uncordoned again.
    pub const UNCORDONED: &str = "Uncordoned";
    /// The node has rebooted for this change.
    pub const REBOOTED_NODE: &str = "RebootedNode";
    /// The daemon could not apply the config.
    pub const NODE_DEGRADED: &str = "NodeDegraded";
    /// Reference only.
    pub const PINNED_IMAGE_SETS_PROGRESSING: &str = "PinnedImageSetsProgressing";
    /// Reference only.
    pub const PINNED_IMAGE_SETS_DEGRADED: &str = "PinnedImageSetsDegraded";
    /// Ours: the node waits; reason and message are those of its hold.
    pub const HELD: &str = "Held";
    /// Reason of a condition that was never set.
    pub const REASON_NOT_YET_OCCURRED: &str = "NotYetOccurred";
    /// Most conditions that a MachineConfigNode may have: the reference's bound.
    pub const LIMIT: usize = 20;
}

/// Condition types of a RolloutPolicy.
pub mod policy {
    /// The policy is read and holds for the pools that it selects.
    pub const ACCEPTED: &str = "Accepted";
    /// Another policy selects the same pool; both are named, the pool is held.
    pub const CONFLICT: &str = "Conflict";
}

/// Status values.
pub mod status {
    /// It is so.
    pub const TRUE: &str = "True";
    /// It is not so.
    pub const FALSE: &str = "False";
    /// Not known, or, on a MachineConfigNode, in progress.
    pub const UNKNOWN: &str = "Unknown";
}

/// One condition, of any of our kinds.
///
/// The reference writes conditions of pools with empty reasons and without a time; reading
/// accepts that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the condition is about, in CamelCase; unique in its list.
    #[serde(rename = "type")]
    pub type_: String,
    /// True, False or Unknown.
    #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
    pub status: String,
    /// Why, as one stable CamelCase word.
    #[serde(default, deserialize_with = "crate::lenient::null_as_default")]
    pub reason: String,
    /// Why, as a sentence for people.
    #[serde(default, deserialize_with = "crate::lenient::null_as_default")]
    pub message: String,
    /// When the status last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// The object's metadata.generation that the condition was judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::generation")]
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// A condition without a time, which [`set`] gives it.
    pub fn new(
        type_: impl Into<String>,
        status: impl Into<String>,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            type_: type_.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            last_transition_time: None,
            observed_generation: None,
        }
    }

    /// Whether the status is True.
    pub fn is_true(&self) -> bool {
        self.status == status::TRUE
    }
}

/// The condition of this type, if it is there.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of this type is there and True.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(Condition::is_true)
}

/// Puts `condition` in its place in `conditions`, replacing the one of its type, else at the end.
///
/// The transition time is `now` if the status is new, and the old one if it is not; what
/// `condition` itself says of it is ignored. Returns whether anything changed, so that a caller
/// can leave out the write.
pub fn set(conditions: &mut Vec<Condition>, mut condition: Condition, now: &Time) -> bool {
    let Some(old) = conditions
        .iter_mut()
        .find(|old| old.type_ == condition.type_)
    else {
        condition.last_transition_time = Some(now.clone());
        conditions.push(condition);
        return true;
    };
    condition.last_transition_time = match &old.last_transition_time {
        Some(since) if old.status == condition.status => Some(since.clone()),
        _ => Some(now.clone()),
    };
    if *old == condition {
        return false;
    }
    *old = condition;
    true
}

/// Removes the condition of this type; whether it was there.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) -> bool {
    let before = conditions.len();
    conditions.retain(|condition| condition.type_ != type_);
    conditions.len() != before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Time {
        Time(time.parse().expect("a time"))
    }

    fn updating(status: &str, message: &str) -> Condition {
        Condition::new(pool::UPDATING, status, "", message)
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let (first, later) = (at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"));
        let mut conditions = Vec::new();

        assert!(set(
            &mut conditions,
            updating("True", "3 nodes left"),
            &first
        ));
        assert!(set(
            &mut conditions,
            updating("True", "2 nodes left"),
            &later
        ));
        assert_eq!(conditions[0].last_transition_time, Some(first));
        assert_eq!(conditions[0].message, "2 nodes left");

        assert!(set(&mut conditions, updating("False", "done"), &later));
        assert_eq!(conditions[0].last_transition_time, Some(later));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn setting_the_same_again_changes_nothing() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            updating("True", "x"),
            &at("2026-01-01T00:00:00Z"),
        );

        let changed = set(
            &mut conditions,
            updating("True", "x"),
            &at("2026-01-02T00:00:00Z"),
        );

        assert!(!changed);
    }

    #[test]
    fn a_condition_as_the_reference_writes_it_is_read() {
        let condition: Condition =
            serde_json::from_str(r#"{"type":"Updated","status":"True","lastTransitionTime":null}"#)
                .unwrap();

        assert!(condition.is_true());
        assert_eq!(condition.last_transition_time, None);
    }
}
