//! What to do next about the pods of one node that is being drained.
//!
//! # Guarantees
//! [`decide`] is pure. It asks for evictions only, never for deletions: no pod goes without the eviction
//! API's consent. A refused eviction is asked again when the pod or one of its budgets has changed, and
//! at the latest after [`ASK_AGAIN`]. While a pod stays that no budget change can move (one without a
//! controller, say), no other pod of the node is disturbed: the drain cannot end anyway.
//! # Not here
//! The requests and the rate: see [`super::evict`].

use super::blocker::Blocker;
use super::pod::{BudgetState, BudgetView, PodView};
use jiff::{SignedDuration, Timestamp};
use rollout::policy::DrainPolicy;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// After so long a refused eviction is asked again even if nothing was seen to change: a watch may
/// have lost the change, and one request a minute costs nothing.
pub const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// After so long beyond its grace period a pod that does not go is named. The kubelet adds a few
/// seconds of its own; half a minute keeps it from being named on every drain.
pub const OVERDUE: SignedDuration = SignedDuration::from_secs(30);

/// What the owner's policy says about pods that should not simply be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
pub struct Rules {
    /// Evict pods that no controller would make again.
    pub evict_unmanaged: bool,
    /// Evict pods that ask not to be disturbed.
    pub disturb: bool,
    /// Evict pods with emptyDir volumes; their data goes with them.
    pub evict_empty_dirs: bool,
    /// Evict pods that use a volume of this node.
    pub evict_local_volumes: bool,
}

impl Rules {
    /// The owner's settings.
    pub const fn of(policy: &DrainPolicy) -> Self {
        let DrainPolicy {
            timeout: _,
            on_timeout: _,
            delete_unmanaged_pods,
            delete_empty_dir_data,
            delete_local_volumes,
            respect_do_not_disrupt,
        } = policy;
        Self {
            evict_unmanaged: *delete_unmanaged_pods,
            disturb: !*respect_do_not_disrupt,
            evict_empty_dirs: *delete_empty_dir_data,
            evict_local_volumes: *delete_local_volumes,
        }
    }
}

/// What came of asking for a pod's eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When it was asked.
    pub at: Timestamp,
    /// The answer.
    pub answer: Answer,
}

/// The eviction API's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The pod is going.
    Granted,
    /// A budget refuses; what the budgets and the pod looked like then.
    Refused {
        /// Named for people.
        blocker: Blocker,
        /// A change of this is a reason to ask again.
        seen: Seen,
    },
    /// Something else went wrong; not before this instant again.
    Failed {
        /// Named for people.
        blocker: Blocker,
        /// When to ask again.
        again_at: Timestamp,
    },
}

/// What a refusal rested on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    ready: bool,
    budgets: Vec<(String, BudgetState)>,
}

impl Seen {
    /// What decides this pod's eviction now.
    pub fn of(pod: &PodView, budgets: &[Arc<BudgetView>]) -> Self {
        let governing = budgets.iter().filter(|budget| budget.governs(pod));
        let budgets = governing
            .map(|budget| (budget.name.clone(), budget.state))
            .collect();
        Self {
            ready: pod.ready,
            budgets,
        }
    }

    /// The names of the budgets.
    pub fn names(&self) -> Vec<String> {
        self.budgets.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// The pods of a node, and what is known about them.
#[derive(Clone, Copy, Debug)]
pub struct Drain<'a> {
    /// All pods on the node.
    pub pods: &'a [Arc<PodView>],
    /// The budgets of the namespaces of these pods.
    pub budgets: &'a [Arc<BudgetView>],
    /// Claims (namespace, name) that are bound to a volume of this node.
    pub local_claims: &'a BTreeSet<(String, String)>,
    /// What was asked before, by the pods' uid.
    pub asked: &'a BTreeMap<String, Asked>,
    /// The owner's rules.
    pub rules: Rules,
}

/// What to do next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Ask for the eviction of these now.
    pub evict: Vec<Arc<PodView>>,
    /// How many pods are going and not gone.
    pub going: usize,
    /// What keeps the others.
    pub blockers: Vec<Blocker>,
    /// When to look again though nothing was seen to change.
    pub wake_at: Option<Timestamp>,
}

impl Round {
    /// Whether the node is empty of what had to go.
    pub fn is_done(&self) -> bool {
        let Self {
            evict,
            going,
            blockers,
            wake_at: _,
        } = self;
        evict.is_empty() && *going == 0 && blockers.is_empty()
    }
}

/// What to do next about the pods of a node.
pub fn decide(drain: Drain<'_>, now: Timestamp) -> Round {
    let mut round = Round::default();
    let leaving: Vec<_> = drain.pods.iter().filter(|pod| must_go(pod)).collect();
    for pod in &leaving {
        if pod.gone_by.is_none()
            && let Some(blocker) = stays(pod, &drain)
        {
            round.blockers.push(blocker);
        }
    }
    let held = !round.blockers.is_empty();
    for pod in leaving {
        if pod.gone_by.is_some() {
            wait_for(pod, now, &mut round);
        } else if !held {
            ask_for(pod, &drain, now, &mut round);
        }
    }
    round
}

/// Pods of a DaemonSet would be made again at once, and a mirror pod is only the picture of one.
fn must_go(pod: &PodView) -> bool {
    let of_daemon_set = pod
        .controller
        .as_ref()
        .is_some_and(|(kind, _)| kind == "DaemonSet");
    !of_daemon_set && !pod.mirror
}

/// What keeps a pod whatever budgets say.
fn stays(pod: &PodView, drain: &Drain<'_>) -> Option<Blocker> {
    let Rules {
        evict_unmanaged,
        disturb,
        evict_empty_dirs,
        evict_local_volumes,
    } = drain.rules;
    if pod.finished {
        return None;
    }
    if let (Some(annotation), false) = (pod.undisturbed_by, disturb) {
        return Some(Blocker::DoNotDisturb {
            pod: pod.pod.clone(),
            annotation,
        });
    }
    if pod.controller.is_none() && !evict_unmanaged {
        return Some(Blocker::Unmanaged {
            pod: pod.pod.clone(),
        });
    }
    if pod.empty_dir && !evict_empty_dirs {
        return Some(Blocker::EmptyDir {
            pod: pod.pod.clone(),
        });
    }
    let local = pod.claims.iter().find(|claim| {
        drain
            .local_claims
            .contains(&(pod.pod.namespace.clone(), (*claim).clone()))
    });
    match local {
        Some(claim) if !evict_local_volumes => Some(Blocker::LocalVolume {
            pod: pod.pod.clone(),
            claim: claim.clone(),
        }),
        _ => None,
    }
}

/// A pod that is going: named once it takes longer than it asked for.
fn wait_for(pod: &PodView, now: Timestamp, round: &mut Round) {
    let gone_by = pod.gone_by.unwrap_or(now);
    let overdue_at = later(gone_by, OVERDUE);
    if now < overdue_at {
        round.going = round.going.saturating_add(1);
        wake(round, overdue_at);
    } else if pod.finalizers.is_empty() {
        round.blockers.push(Blocker::Overdue {
            pod: pod.pod.clone(),
            gone_by,
        });
    } else {
        let finalizers = pod.finalizers.clone();
        round.blockers.push(Blocker::Finalizers {
            pod: pod.pod.clone(),
            finalizers,
        });
    }
}

fn ask_for(pod: &Arc<PodView>, drain: &Drain<'_>, now: Timestamp, round: &mut Round) {
    let Some(asked) = drain.asked.get(&pod.uid) else {
        round.evict.push(pod.clone());
        return;
    };
    let again_at = match &asked.answer {
        Answer::Failed { again_at, .. } => *again_at,
        Answer::Granted | Answer::Refused { .. } => later(asked.at, ASK_AGAIN),
    };
    let changed = match &asked.answer {
        Answer::Refused { seen, .. } => *seen != Seen::of(pod, drain.budgets),
        Answer::Granted | Answer::Failed { .. } => false,
    };
    if now >= again_at || changed {
        round.evict.push(pod.clone());
        return;
    }
    wake(round, again_at);
    match &asked.answer {
        Answer::Granted => round.going = round.going.saturating_add(1),
        Answer::Refused { blocker, .. } | Answer::Failed { blocker, .. } => {
            round.blockers.push(blocker.clone());
        }
    }
}

fn wake(round: &mut Round, at: Timestamp) {
    round.wake_at = Some(round.wake_at.map_or(at, |earlier| earlier.min(at)));
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::pod::PodName;
    use crate::stores::cache::Kept;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn pod(name: &str) -> PodView {
        PodView {
            pod: PodName {
                namespace: "shop".to_owned(),
                name: name.to_owned(),
            },
            uid: format!("uid-{name}"),
            node: Some("worker-1".to_owned()),
            labels: BTreeMap::from([("app".to_owned(), name.to_owned())]),
            controller: Some(("ReplicaSet".to_owned(), name.to_owned())),
            mirror: false,
            finished: false,
            ready: true,
            gone_by: None,
            finalizers: vec![],
            claims: vec![],
            empty_dir: false,
            undisturbed_by: None,
        }
    }

    fn budget(name: &str, app: &str, allowed: i32) -> Arc<BudgetView> {
        let budget = json!({
            "metadata": {"name": name, "namespace": "shop", "generation": 1},
            "spec": {"selector": {"matchLabels": {"app": app}}},
            "status": {"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1},
        });
        Arc::new(BudgetView::keep(
            serde_json::from_value(budget).expect("a budget"),
        ))
    }

    /// A node with pods, and what was asked so far.
    #[derive(Default)]
    struct Node {
        pods: Vec<Arc<PodView>>,
        budgets: Vec<Arc<BudgetView>>,
        local_claims: BTreeSet<(String, String)>,
        asked: BTreeMap<String, Asked>,
        evict_unmanaged: bool,
    }

    impl Node {
        fn with(pods: impl IntoIterator<Item = PodView>) -> Self {
            Self {
                pods: pods.into_iter().map(Arc::new).collect(),
                ..Self::default()
            }
        }

        fn refused(mut self, name: &str, second: i64, budgets: &[Arc<BudgetView>]) -> Self {
            let pod = pod(name);
            let seen = Seen::of(&pod, budgets);
            let blocker = Blocker::Budget {
                pod: pod.pod,
                budgets: seen.names(),
            };
            let answer = Answer::Refused { blocker, seen };
            self.asked.insert(
                pod.uid,
                Asked {
                    at: at(second),
                    answer,
                },
            );
            self
        }

        fn decide(&self, now: i64) -> Round {
            let Self {
                pods,
                budgets,
                local_claims,
                asked,
                evict_unmanaged,
            } = self;
            let rules = Rules {
                evict_unmanaged: *evict_unmanaged,
                ..defaults()
            };
            decide(
                Drain {
                    pods,
                    budgets,
                    local_claims,
                    asked,
                    rules,
                },
                at(now),
            )
        }
    }

    fn defaults() -> Rules {
        Rules::of(&DrainPolicy::default())
    }

    fn names(round: &Round) -> Vec<&str> {
        round
            .evict
            .iter()
            .map(|pod| pod.pod.name.as_str())
            .collect()
    }

    #[test]
    fn pods_of_daemon_sets_and_mirror_pods_stay() {
        let daemon = PodView {
            controller: Some(("DaemonSet".to_owned(), "log".to_owned())),
            ..pod("log")
        };
        let mirror = PodView {
            mirror: true,
            controller: None,
            ..pod("etcd")
        };

        let round = Node::with([daemon, mirror]).decide(0);

        assert!(round.is_done());
    }

    #[test]
    fn a_pod_without_a_controller_blocks_by_name_and_nobody_else_is_disturbed_for_nothing() {
        let alone = PodView {
            controller: None,
            ..pod("debug")
        };

        let round = Node::with([alone, pod("web")]).decide(0);

        assert_eq!(names(&round), [""; 0]);
        assert_eq!(round.blockers.len(), 1);
        assert!(
            summary_of(&round).contains("shop/debug"),
            "{}",
            summary_of(&round)
        );
    }

    #[test]
    fn the_owner_may_let_pods_without_a_controller_go() {
        let mut node = Node::with([PodView {
            controller: None,
            ..pod("debug")
        }]);
        node.evict_unmanaged = true;

        assert_eq!(names(&node.decide(0)), ["debug"]);
    }

    #[test]
    fn empty_dir_data_goes_with_its_pod_unless_the_owner_keeps_it() {
        let pods = [Arc::new(PodView {
            empty_dir: true,
            ..pod("cache")
        })];
        let (local_claims, asked) = (BTreeSet::new(), BTreeMap::new());
        let decided = |rules| {
            decide(
                Drain {
                    pods: &pods,
                    budgets: &[],
                    local_claims: &local_claims,
                    asked: &asked,
                    rules,
                },
                at(0),
            )
        };

        let (by_default, kept) = (
            decided(defaults()),
            decided(Rules {
                evict_empty_dirs: false,
                ..defaults()
            }),
        );

        assert_eq!(names(&by_default), ["cache"]);
        assert_eq!(
            kept.blockers.first().map(Blocker::reason),
            Some("PodHasEmptyDir")
        );
    }

    #[test]
    fn a_finished_pod_is_removed_even_without_a_controller() {
        let done = PodView {
            controller: None,
            finished: true,
            ..pod("job")
        };

        assert_eq!(names(&Node::with([done]).decide(0)), ["job"]);
    }

    #[test]
    fn a_pod_that_asks_not_to_be_disturbed_is_left_and_named_with_its_annotation() {
        let busy = PodView {
            undisturbed_by: Some("karpenter.sh/do-not-disrupt"),
            ..pod("batch")
        };

        let round = Node::with([busy]).decide(0);

        assert_eq!(
            summary_of(&round),
            "pod shop/batch asks not to be disturbed (karpenter.sh/do-not-disrupt)"
        );
    }

    #[test]
    fn a_pod_with_a_volume_of_this_node_is_left_and_named() {
        let mut node = Node::with([PodView {
            claims: vec!["data".to_owned()],
            ..pod("db")
        }]);
        node.local_claims
            .insert(("shop".to_owned(), "data".to_owned()));

        assert_eq!(
            summary_of(&node.decide(0)),
            "pod shop/db uses a volume of this node (claim data)"
        );
    }

    #[test]
    fn a_refused_eviction_names_pod_and_budget_and_waits() {
        let budgets = [budget("web-pdb", "web", 0)];
        let mut node = Node::with([pod("web")]).refused("web", 100, &budgets);
        node.budgets = budgets.to_vec();

        let round = node.decide(110);

        assert_eq!(names(&round), [""; 0]);
        assert_eq!(
            summary_of(&round),
            "PodDisruptionBudget web-pdb keeps pod shop/web"
        );
        assert_eq!(round.wake_at, Some(at(160)));
    }

    #[test]
    fn a_refused_eviction_is_asked_again_as_soon_as_the_budget_changes() {
        let before = [budget("web-pdb", "web", 0)];
        let mut node = Node::with([pod("web")]).refused("web", 100, &before);
        node.budgets = vec![budget("web-pdb", "web", 1)];

        assert_eq!(names(&node.decide(101)), ["web"]);
    }

    #[test]
    fn a_refused_eviction_is_asked_again_after_a_minute_at_the_latest() {
        let node = Node::with([pod("web")]).refused("web", 100, &[]);

        assert_eq!(names(&node.decide(159)), [""; 0]);
        assert_eq!(names(&node.decide(160)), ["web"]);
    }

    #[test]
    fn a_pod_that_is_going_is_waited_for_and_named_once_it_is_overdue() {
        let node = Node::with([PodView {
            gone_by: Some(at(100)),
            ..pod("web")
        }]);

        let (during, after) = (node.decide(129), node.decide(130));

        assert_eq!((during.going, during.wake_at), (1, Some(at(130))));
        assert_eq!(
            after.blockers.first().map(Blocker::reason),
            Some("PodDoesNotStop")
        );
    }

    #[test]
    fn finalizers_that_keep_a_pod_are_named() {
        let kept = PodView {
            gone_by: Some(at(0)),
            finalizers: vec!["example.com/hold".to_owned()],
            ..pod("web")
        };

        assert_eq!(
            summary_of(&Node::with([kept]).decide(60)),
            "finalizers keep pod shop/web: example.com/hold"
        );
    }

    fn summary_of(round: &Round) -> String {
        crate::drain::blocker::summary(&round.blockers)
    }
}
