use super::*;
use crate::drain::pod::PodName;
use crate::stores::cache::Kept;
use rollout::policy::DrainPolicy;
use serde_json::json;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn pod(name: &str) -> PodView {
    PodView {
        pod: PodName::new("shop", name),
        uid: format!("uid-{name}"),
        node: Some("worker-1".into()),
        labels: Arc::new(BTreeMap::from([("app".to_owned(), name.to_owned())])),
        controller: Some(Arc::new(("ReplicaSet".to_owned(), name.to_owned()))),
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
struct Node {
    pods: Vec<Arc<PodView>>,
    budgets: Vec<Arc<BudgetView>>,
    local_claims: LocalClaims,
    asked: BTreeMap<String, Asked>,
    rules: Rules,
}

impl Node {
    fn with(pods: impl IntoIterator<Item = PodView>) -> Self {
        Self {
            pods: pods.into_iter().map(Arc::new).collect(),
            budgets: vec![],
            local_claims: LocalClaims::new(),
            asked: BTreeMap::new(),
            rules: defaults(),
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
            rules,
        } = self;
        decide(
            Drain {
                pods,
                budgets,
                local_claims,
                asked,
                rules: *rules,
            },
            at(now),
        )
    }
}

fn defaults() -> Rules {
    Rules::of(&DrainPolicy::default())
}

fn names(round: &Round) -> Vec<&str> {
    round.evict.iter().map(|pod| &*pod.pod.name).collect()
}

#[test]
fn pods_of_daemon_sets_and_mirror_pods_stay() {
    let daemon = PodView {
        controller: Some(Arc::new(("DaemonSet".to_owned(), "log".to_owned()))),
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
    node.rules.evict_unmanaged = true;

    assert_eq!(names(&node.decide(0)), ["debug"]);
}

#[test]
fn empty_dir_data_goes_with_its_pod_unless_the_owner_keeps_it() {
    let pods = [Arc::new(PodView {
        empty_dir: true,
        ..pod("cache")
    })];
    let (local_claims, asked) = (LocalClaims::new(), BTreeMap::new());
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

#[test]
fn the_owner_may_let_a_drain_end_beside_pods_that_finalizers_alone_keep() {
    let kept = PodView {
        gone_by: Some(at(0)),
        finalizers: vec!["example.com/hold".to_owned()],
        ..pod("web")
    };
    let mut node = Node::with([kept]);
    node.rules.wait_for_finalizers = false;

    assert!(!node.decide(29).is_done(), "its time is not over yet");
    assert!(node.decide(30).is_done());
}

#[test]
fn the_owner_may_leave_pods_with_two_budgets_where_they_are() {
    let mut node = Node::with([pod("web")]);
    node.budgets = vec![budget("one", "web", 1), budget("other", "web", 1)];

    let by_default = node.decide(0);
    node.rules.leave_two_budgets = true;

    assert_eq!(names(&by_default), ["web"]);
    assert!(node.decide(0).is_done());
}

fn summary_of(round: &Round) -> String {
    crate::drain::blocker::summary(&round.blockers)
}
