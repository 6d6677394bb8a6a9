//! What the planner knows of a node, and the questions that can be answered by looking at it alone.
//!
//! The questions are those of `reference/machine-config.md` 2.4 (ready, done, failing) and of design.md 3
//! (freshly Ready, ever Ready, taken away). What follows from the answers is not here.

use crate::names::{BootId, ConfigName, Intent, NodeName, Uid};
use crate::version::Version;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A Ready condition that has last changed so much later than its node was made was True before.
///
/// A kubelet registers its node with Ready=False and turns it True within seconds, or never; a later change
/// means that it was Ready in between.
const FIRST_READY_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// A Node, with what other objects say of it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct NodeView {
    /// Its name.
    pub name: NodeName,
    /// Its uid.
    pub uid: Uid,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Its labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// `spec.unschedulable`: it is cordoned, by whomever.
    pub unschedulable: bool,
    /// Its conditions, those of no interest here left out.
    pub conditions: Vec<NodeCondition>,
    /// Somebody else is taking it away.
    pub taken_away: Option<TakenAway>,
    /// Whether it bears the taint `UpdateInProgress`.
    pub update_taint: bool,

    /// `currentConfig`: what the daemon last proved to be on the disk.
    pub current: Option<ConfigName>,
    /// `desiredConfig` as it stands, whoever wrote it.
    pub desired: Option<ConfigName>,
    /// `currentImage`; an empty value counts as present.
    pub current_image: Option<Arc<str>>,
    /// `desiredImage`; an empty value counts as present.
    pub desired_image: Option<Arc<str>>,
    /// `state`; `None` if absent or empty.
    pub state: Option<NodeState>,
    /// `reason`: the daemon's words on why it failed, empty if it did not.
    pub reason: Arc<str>,
    /// `post-config-action`, as `Rebooting`.
    pub post_config_action: Option<Arc<str>>,
    /// `desiredDrain`: what the daemon asks for.
    pub desired_drain: Option<Arc<str>>,
    /// `lastAppliedDrain`: what it was last granted.
    pub last_applied_drain: Option<Arc<str>>,

    /// The intent of the assignment in `desired`; [`Intent::NONE`] on a node that we never assigned.
    pub intent: Intent,
    /// The highest intent whose visit the daemon has reported the end of.
    pub acted_intent: Intent,
    /// The intent that the last acknowledged drain was for.
    pub drained_intent: Option<Intent>,
    /// Whether its cordon is ours.
    pub cordoned_by_us: bool,
    /// Whether a person asked to keep it cordoned after the update.
    pub keep_cordoned: bool,
    /// What the controller recorded that it assigned, on the MachineConfigNode. Where `desired` differs, somebody
    /// else wrote it.
    pub assigned: Option<Assigned>,
    /// Whether its last assignment was a person's request, by name.
    pub on_request: bool,
    /// A request by `windlass assign` that was not carried out yet.
    pub request: Option<AssignRequest>,

    /// `status.nodeInfo.bootID`: the boot that its kubelet reports from.
    pub boot_id: Option<BootId>,
    /// The boot that the daemon reported from.
    pub reported_boot_id: Option<BootId>,
    /// When the daemon reported the end of its last visit, by the machine's own clock.
    pub reported_at: Option<Timestamp>,
    /// When its kubelet last renewed its Lease, by the machine's own clock.
    pub lease_renewed_at: Option<Timestamp>,

    /// Whether its kubelet is a package of its operating system.
    pub package_mode: bool,
    /// `ID` of its os-release, as `rhel`.
    pub os_id: Option<Arc<str>>,
    /// The version of its own API packages, from the package database or, where there are none, in its owner's
    /// words; `None` if neither says.
    pub api_packages: Option<Version>,
    /// The kubelet that runs, by `status.nodeInfo.kubeletVersion`.
    pub kubelet: Option<Version>,

    /// How its drain goes, while one is under way.
    pub drain: Option<DrainView>,
    /// When its drain was last given up, so that others go before it.
    pub drain_released_at: Option<Timestamp>,
    /// Its own kube-apiserver and etcd pods: those that it has, and those that it had when it was taken.
    pub api_pods: Vec<ApiPod>,
    /// Configs that its host cannot apply, starting from what it has, with the reason in words.
    pub cannot_apply: BTreeMap<ConfigName, Arc<str>>,
}

/// One condition of a Node's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeCondition {
    /// Which one.
    pub kind: NodeConditionKind,
    /// Its status.
    pub status: Truth,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// When the kubelet last said so.
    pub heartbeat: Option<Timestamp>,
}

/// The conditions of a Node that decide whether it is ready (reference/machine-config.md 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeConditionKind {
    /// `Ready`: must be True.
    Ready,
    /// `DiskPressure`: must be False.
    DiskPressure,
    /// `NetworkUnavailable`: must be False.
    NetworkUnavailable,
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// `True`.
    True,
    /// `False`.
    False,
    /// `Unknown`, or anything else.
    Unknown,
}

/// Values of the annotation `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// The machine is what its config says.
    Done,
    /// A visit is under way.
    Working,
    /// A visit failed.
    Degraded,
    /// A visit failed, and would fail again.
    Unreconcilable,
    /// A word that is not ours.
    Other,
}

/// Who is taking a node away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenAway {
    /// It has a deletionTimestamp.
    Deleted,
    /// Taint `ToBeDeletedByClusterAutoscaler`.
    ClusterAutoscaler,
    /// Taint `karpenter.sh/disrupted`.
    Karpenter,
    /// Taint `medik8s.io/drain`.
    Medik8s,
}

impl fmt::Display for TakenAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deleted => "it is being deleted",
            Self::ClusterAutoscaler => "the cluster autoscaler is removing it",
            Self::Karpenter => "Karpenter is disrupting it",
            Self::Medik8s => "medik8s is draining it",
        })
    }
}

/// The controller's own record of what it assigned to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// MachineConfigNode `spec.configVersion.desired`.
    pub config: ConfigName,
    /// The intent that it was recorded for (annotation `windlass.dev/intent` of the MachineConfigNode), so that a record
    /// that lags behind is not taken for a foreign hand; `None` where the record does not say.
    pub intent: Option<Intent>,
}

/// A person's request that a node be given a config now (design, section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignRequest {
    /// The config.
    pub config: ConfigName,
    /// Why, in the person's words.
    pub reason: Arc<str>,
}

/// How a node's drain goes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DrainView {
    /// When it began.
    pub since: Option<Timestamp>,
    /// Pods that refuse to go, at most three by `namespace/name`, each with the PodDisruptionBudget that keeps it.
    pub blocked_by: Vec<Arc<str>>,
    /// How many refuse in all.
    pub blocked: usize,
}

/// One of a control-plane node's own pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiPod {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it is Ready; a pod that was there and is not any more is not.
    pub ready: bool,
    /// Whether it is there.
    pub exists: bool,
}

impl NodeView {
    /// A node of this name and uid about which nothing else is known.
    pub fn new(name: impl Into<NodeName>, uid: impl Into<Uid>) -> Self {
        Self {
            name: name.into(),
            uid: uid.into(),
            created: None,
            labels: Arc::default(),
            unschedulable: false,
            conditions: Vec::new(),
            taken_away: None,
            update_taint: false,
            current: None,
            desired: None,
            current_image: None,
            desired_image: None,
            state: None,
            reason: "".into(),
            post_config_action: None,
            desired_drain: None,
            last_applied_drain: None,
            intent: Intent::NONE,
            acted_intent: Intent::NONE,
            drained_intent: None,
            cordoned_by_us: false,
            keep_cordoned: false,
            assigned: None,
            on_request: false,
            request: None,
            boot_id: None,
            reported_boot_id: None,
            reported_at: None,
            lease_renewed_at: None,
            package_mode: false,
            os_id: None,
            api_packages: None,
            kubelet: None,
            drain: None,
            drain_released_at: None,
            api_pods: Vec::new(),
            cannot_apply: BTreeMap::new(),
        }
    }

    /// The condition of this kind.
    pub fn condition(&self, kind: NodeConditionKind) -> Option<&NodeCondition> {
        self.conditions
            .iter()
            .find(|condition| condition.kind == kind)
    }

    /// No condition contradicts; one that is missing does not (2.4). The cordon is not looked at.
    pub fn conditions_ready(&self) -> bool {
        self.conditions
            .iter()
            .all(|condition| match condition.kind {
                NodeConditionKind::Ready => condition.status == Truth::True,
                NodeConditionKind::DiskPressure | NodeConditionKind::NetworkUnavailable => {
                    condition.status == Truth::False
                }
            })
    }

    /// Ready in the reference's sense (2.4): no condition contradicts, and it is not cordoned.
    pub fn is_ready(&self) -> bool {
        self.conditions_ready() && !self.unschedulable
    }

    /// Whether both image annotations agree: both absent, or both there and equal (2.4).
    pub fn image_done(&self) -> bool {
        match (&self.current_image, &self.desired_image) {
            (None, None) => true,
            (Some(current), Some(desired)) => !current.is_empty() && current == desired,
            _ => false,
        }
    }

    /// It has what it was assigned, and says so (2.4).
    pub fn is_done(&self) -> bool {
        self.current.is_some()
            && self.current == self.desired
            && self.image_done()
            && self.state == Some(NodeState::Done)
    }

    /// The daemon says that it failed, whatever the configs.
    pub fn says_failed(&self) -> bool {
        matches!(
            self.state,
            Some(NodeState::Degraded | NodeState::Unreconcilable)
        )
    }

    /// It failed on its way to another config (2.4, *MCDFailing*).
    pub fn is_failing(&self) -> bool {
        self.current != self.desired && self.says_failed()
    }

    /// It never had a config, nor was it assigned one: its first contact is still to come.
    pub fn is_untouched(&self) -> bool {
        self.current.is_none() && self.desired.is_none() && self.state.is_none()
    }

    /// Whether it runs the control plane, whatever its pool is called.
    pub fn is_control_plane(&self) -> bool {
        api::names::label::CONTROL_PLANE
            .iter()
            .any(|label| self.labels.contains_key(*label))
    }

    /// Its zone; an empty label is a zone of its own, a missing one is none.
    pub fn zone(&self) -> Option<&str> {
        self.labels.get(api::names::label::ZONE).map(String::as_str)
    }

    /// Whether its kubelet has been heard from since the daemon's last report: from the boot that was
    /// reported, and with a Lease or status newer than the report (design, section 3). Both times are the
    /// machine's own, so clocks need not agree.
    pub fn heard_since_report(&self) -> bool {
        if let (Some(runs), Some(reported)) = (&self.boot_id, &self.reported_boot_id)
            && runs != reported
        {
            return false;
        }
        let Some(reported_at) = self.reported_at else {
            return true;
        };
        let status = self
            .condition(NodeConditionKind::Ready)
            .and_then(|ready| ready.heartbeat);
        match self.lease_renewed_at.max(status) {
            Some(heard) => heard >= reported_at,
            // Nobody hands in when the kubelet was heard: the boot has to do.
            None => true,
        }
    }

    /// Ready, and in a way that is newer than the last change. A cordon that is not ours does not count
    /// against it: it was there before, or is somebody else's business.
    pub fn fresh_ready(&self) -> bool {
        let ready = self.condition(NodeConditionKind::Ready);
        ready.is_some() && self.conditions_ready() && self.heard_since_report()
    }

    /// Whether it may have been Ready once: one that never was is not there to lose. Errs towards yes.
    pub fn ever_ready(&self) -> bool {
        if self.current.is_some() || self.acted_intent > Intent::NONE || self.state.is_some() {
            return true;
        }
        let Some(ready) = self.condition(NodeConditionKind::Ready) else {
            // Without the condition no kubelet has ever spoken.
            return false;
        };
        match ready.status {
            // The node lifecycle controller writes Unknown over what a kubelet said, or over nothing.
            Truth::True | Truth::Unknown => true,
            Truth::False => match (self.created, ready.since) {
                (Some(created), Some(since)) => since.duration_since(created) > FIRST_READY_WITHIN,
                _ => true,
            },
        }
    }
}
