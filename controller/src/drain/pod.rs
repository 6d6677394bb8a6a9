//! What a drain has to know of a pod and of a PodDisruptionBudget.

use crate::stores::cache::{Kept, Key};
use crate::stores::shared::Shared;
use api::names::foreign;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{Selector, SelectorExt};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A pod, named as people do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodName {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl PodName {
    /// A pod of this name.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A pod, as far as draining its node is concerned. There are thirty on each node: what many of them say alike is kept once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct PodView {
    /// Namespace and name.
    pub pod: PodName,
    /// Told apart from its successor of the same name.
    pub uid: String,
    /// Where it runs; none before it is scheduled.
    pub node: Option<Arc<str>>,
    /// What budgets and our own checks select by.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Kind and name of the controller that would make another one.
    pub controller: Option<Arc<(String, String)>>,
    /// The API's copy of a static pod.
    pub mirror: bool,
    /// It ended by itself: nothing is disturbed by removing it.
    pub finished: bool,
    /// Its Ready condition.
    pub ready: bool,
    /// When it is to be gone, once somebody asked for that.
    pub gone_by: Option<Timestamp>,
    /// What keeps the object after its containers have stopped.
    pub finalizers: Vec<String>,
    /// PersistentVolumeClaims that it mounts.
    pub claims: Vec<String>,
    /// It keeps data in an emptyDir, which goes with it.
    pub empty_dir: bool,
    /// The annotation by which it asks not to be disturbed.
    pub undisturbed_by: Option<&'static str>,
}

impl Kept for PodView {
    type Object = Pod;

    fn keep(pod: Pod) -> Self {
        let Pod {
            metadata: meta,
            spec,
            status,
        } = pod;
        let (undisturbed_by, mirror) = asks(&meta);
        let controller = controller_of(&meta);
        let gone_by = meta.deletion_timestamp.map(|time| time.0);
        let spec = spec.unwrap_or_default();
        let volumes = spec.volumes.unwrap_or_default();
        Self {
            pod: PodName {
                namespace: meta.namespace.unwrap_or_default().into(),
                name: meta.name.unwrap_or_default().into(),
            },
            uid: meta.uid.unwrap_or_default(),
            node: spec
                .node_name
                .filter(|node| !node.is_empty())
                .map(Arc::from),
            labels: Arc::new(meta.labels.unwrap_or_default()),
            controller: controller.map(Arc::new),
            mirror,
            finished: matches!(phase(status.as_ref()), "Succeeded" | "Failed"),
            ready: is_ready(status.as_ref()),
            gone_by,
            finalizers: meta.finalizers.unwrap_or_default(),
            empty_dir: volumes.iter().any(|volume| volume.empty_dir.is_some()),
            claims: volumes
                .into_iter()
                .filter_map(|volume| Some(volume.persistent_volume_claim?.claim_name))
                .collect(),
            undisturbed_by,
        }
    }

    fn differs(&self, before: &Self) -> bool {
        self != before
    }

    fn key(&self) -> Option<Key> {
        Some((self.pod.namespace.clone(), self.pod.name.clone()))
    }

    fn share(&mut self, shared: &mut Shared) {
        shared.words.share(&mut self.pod.namespace);
        if let Some(node) = &mut self.node {
            shared.words.share(node);
        }
        shared.labels.share(&mut self.labels);
        if let Some(controller) = &mut self.controller {
            shared.pairs.share(controller);
        }
    }
}

/// The annotation that asks for rest, and whether the pod is a static one's copy.
fn asks(meta: &ObjectMeta) -> (Option<&'static str>, bool) {
    let value = |key| {
        meta.annotations
            .as_ref()
            .and_then(|all| all.get(key))
            .map(String::as_str)
    };
    let asks = if value(foreign::KARPENTER_DO_NOT_DISRUPT) == Some("true") {
        Some(foreign::KARPENTER_DO_NOT_DISRUPT)
    } else if value(foreign::SAFE_TO_EVICT) == Some("false") {
        Some(foreign::SAFE_TO_EVICT)
    } else {
        None
    };
    (asks, value(foreign::MIRROR_POD).is_some())
}

fn controller_of(meta: &ObjectMeta) -> Option<(String, String)> {
    let owners = meta.owner_references.iter().flatten();
    let mut controllers = owners.filter(|owner| owner.controller == Some(true));
    controllers
        .next()
        .map(|owner| (owner.kind.clone(), owner.name.clone()))
}

fn phase(status: Option<&PodStatus>) -> &str {
    status
        .and_then(|status| status.phase.as_deref())
        .unwrap_or_default()
}

fn is_ready(status: Option<&PodStatus>) -> bool {
    let conditions = status.and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|c| c.type_ == "Ready" && c.status == "True")
}

/// A PodDisruptionBudget, as far as a refused eviction is concerned.
#[derive(Clone, Debug)]
pub struct BudgetView {
    /// The namespace that it governs.
    pub namespace: String,
    /// Its name.
    pub name: String,
    selector: Option<Selector>,
    /// Changes whenever an eviction that was refused could be answered otherwise.
    pub state: BudgetState,
}

/// What decides an eviction; see PodDisruptionBudgetStatus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetState {
    generation: i64,
    observed: i64,
    allowed: i32,
    healthy: i32,
    desired: i32,
    expected: i32,
}

impl Kept for BudgetView {
    type Object = PodDisruptionBudget;

    fn keep(budget: PodDisruptionBudget) -> Self {
        let status = budget.status.unwrap_or_default();
        let selector = budget.spec.unwrap_or_default().selector;
        Self {
            namespace: budget.metadata.namespace.unwrap_or_default(),
            name: budget.metadata.name.unwrap_or_default(),
            // No selector selects no pod; one that cannot be parsed was refused by the API server.
            selector: selector.and_then(|selector| Selector::try_from(selector).ok()),
            state: BudgetState {
                generation: budget.metadata.generation.unwrap_or_default(),
                observed: status.observed_generation.unwrap_or_default(),
                allowed: status.disruptions_allowed,
                healthy: status.current_healthy,
                desired: status.desired_healthy,
                expected: status.expected_pods,
            },
        }
    }

    fn differs(&self, before: &Self) -> bool {
        self.state != before.state
    }
}

impl BudgetView {
    /// Whether it governs this pod.
    pub fn governs(&self, pod: &PodView) -> bool {
        *self.namespace == *pod.pod.namespace
            && self
                .selector
                .as_ref()
                .is_some_and(|selector| selector.matches(&pod.labels))
    }
}
