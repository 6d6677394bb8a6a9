//! A small fleet, built in one line a node.
//!
//! Pool `worker` wants the config `new`; `old` is what nodes had before. Configs are called by one word here, and
//! `rendered-<pool>-<word>` in the snapshot.

use jiff::{SignedDuration, Timestamp};
use rollout::names::{ConfigName, Intent, NodeName, PoolName};
use rollout::plan::{Answer, Assign, Plan, Slot, Step};
use rollout::policy::PoolPolicy;
use rollout::snapshot::{
    ApiServers, Assigned, AtFirst, ConfigView, Holder, Ledger, MaxUnavailable, NodeCondition,
    NodeConditionKind, NodeState, NodeView, PoolView, Truth,
};
use rollout::{Hold, Policy, Snapshot, check, plan};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The moment of all stories.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

pub(crate) fn ago(seconds: i64) -> Timestamp {
    NOW - SignedDuration::from_secs(seconds)
}

/// `rendered-worker-<word>`.
pub(crate) fn config(word: &str) -> ConfigName {
    config_of("worker", word)
}

pub(crate) fn config_of(pool: &str, word: &str) -> ConfigName {
    format!("rendered-{pool}-{word}").into()
}

/// A cluster, and what its owners allow.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub(crate) snapshot: Snapshot,
    pub(crate) policy: Policy,
}

impl std::fmt::Debug for Fleet {
    /// One line a node: what a failing property has to show.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pool = &self.snapshot.pools["worker"];
        writeln!(
            f,
            "target {:?}, max {:?}, paused {}, approved {:?}, first alone {}",
            pool.target,
            pool.max_unavailable,
            pool.paused,
            pool.approved_first,
            self.policy.defaults.first_alone
        )?;
        writeln!(f, "ledger {:?}", self.snapshot.ledger)?;
        writeln!(f, "api {:?}", self.snapshot.api_servers)?;
        writeln!(f, "configs {:?}", self.snapshot.configs.keys())?;
        for node in self.snapshot.nodes.values() {
            writeln!(
                f,
                "{}: has {:?}, wants {:?} ({:?}), {:?}, intent {}, acted {}, ready {:?}, cordoned {}/{}, reported {:?},                  heard {:?}, asked {:?}, package mode {} {:?}, taken away {:?}, master {}, cannot {:?}",
                node.name,
                node.current,
                node.desired,
                node.assigned,
                node.state,
                node.intent,
                node.acted_intent,
                node.conditions.first().map(|ready| ready.status),
                node.unschedulable,
                node.cordoned_by_us,
                node.reported_at,
                node.lease_renewed_at,
                node.request,
                node.package_mode,
                node.api_packages,
                node.taken_away,
                node.is_control_plane(),
                node.cannot_apply.keys(),
            )?;
        }
        Ok(())
    }
}

/// Pool `worker`, which wants `new`, one node at a time, none of them alone first.
pub(crate) fn fleet() -> Fleet {
    let mut fleet = Fleet {
        snapshot: Snapshot::default(),
        policy: Policy::default(),
    };
    fleet.policy.defaults.first_alone = 0;
    fleet.snapshot.ledger = Some(Ledger::default());
    fleet.snapshot.nodes_listed_consistently = true;
    fleet.pool("worker", "new")
}

/// A node of pool `worker`, Ready, which says of itself what a Node says that we never touched.
pub(crate) fn node(name: &str) -> NodeView {
    let mut node = NodeView::new(name, format!("uid-{name}"));
    node.created = Some(ago(1_000_000));
    node.labels = role("worker");
    node.conditions = vec![ready(Truth::True, ago(900_000))];
    node.lease_renewed_at = Some(ago(5));
    node
}

fn role(role: &str) -> Arc<BTreeMap<String, String>> {
    Arc::new(BTreeMap::from([(
        format!("node-role.kubernetes.io/{role}"),
        String::new(),
    )]))
}

pub(crate) fn ready(status: Truth, since: Timestamp) -> NodeCondition {
    NodeCondition {
        kind: NodeConditionKind::Ready,
        status,
        since: Some(since),
        heartbeat: None,
    }
}

/// What stories do to a node.
pub(crate) trait Told: Sized {
    fn with(self, change: impl FnOnce(&mut NodeView)) -> Self;

    /// It was assigned `word` by us, has it, and is through.
    fn done(self, word: &str) -> Self {
        self.with(|node| {
            node.current = Some(config(word));
            node.desired = Some(config(word));
            node.state = Some(NodeState::Done);
            node.intent = Intent(1);
            node.acted_intent = Intent(1);
            node.reported_at = Some(ago(5000));
        })
    }

    /// It has `from` and is on its way to `to`.
    fn on_the_way(self, from: &str, to: &str) -> Self {
        self.done(from).with(|node| {
            node.desired = Some(config(to));
            node.state = Some(NodeState::Working);
            node.intent = Intent(2);
        })
    }

    /// Its daemon says that `to` failed.
    fn failed(self, from: &str, to: &str) -> Self {
        self.on_the_way(from, to).with(|node| {
            node.state = Some(NodeState::Degraded);
            node.acted_intent = Intent(2);
            node.reason = "it does not boot".into();
        })
    }

    /// Its kubelet does not answer, since `seconds`.
    fn not_ready(self, seconds: i64) -> Self {
        self.with(|node| {
            node.conditions = vec![ready(Truth::Unknown, ago(seconds))];
            node.lease_renewed_at = Some(ago(seconds + 40));
        })
    }

    fn labelled(self, key: &str, value: &str) -> Self {
        self.with(|node| {
            Arc::make_mut(&mut node.labels).insert(key.to_owned(), value.to_owned());
        })
    }

    fn master(self) -> Self {
        self.with(|node| node.labels = role("master"))
    }

    /// Its kubelet is a package.
    fn package_mode(self) -> Self {
        self.with(|node| {
            node.package_mode = true;
            node.os_id = Some("rhel".into());
            node.api_packages = "1.33.0".parse().ok();
        })
    }
}

impl Told for NodeView {
    fn with(mut self, change: impl FnOnce(&mut NodeView)) -> Self {
        change(&mut self);
        self
    }
}

impl Fleet {
    /// A pool of this role's nodes.
    pub(crate) fn pool(mut self, name: &str, target: &str) -> Self {
        let mut pool = PoolView::new(name);
        let label = format!("node-role.kubernetes.io/{name}");
        pool.selector = rollout::membership::Selector::has(&label);
        pool.target = Some(config_of(name, target));
        pool.approved_first.clone_from(&pool.target);
        self.snapshot.pools.insert(pool.name.clone(), pool);
        self
    }

    pub(crate) fn worker(self, change: impl FnOnce(&mut PoolView)) -> Self {
        self.of_pool("worker", change)
    }

    pub(crate) fn of_pool(mut self, name: &str, change: impl FnOnce(&mut PoolView)) -> Self {
        change(
            self.snapshot
                .pools
                .get_mut(name)
                .expect("a pool of the story"),
        );
        self
    }

    pub(crate) fn slots(self, max: i64) -> Self {
        self.worker(|pool| pool.max_unavailable = MaxUnavailable::Number(max))
    }

    pub(crate) fn node(mut self, node: NodeView) -> Self {
        self.snapshot.nodes.insert(node.name.clone(), node);
        self
    }

    /// Several nodes that have `word` and are through.
    pub(crate) fn done(self, names: &[&str], word: &str) -> Self {
        names
            .iter()
            .fold(self, |fleet, name| fleet.node(node(name).done(word)))
    }

    pub(crate) fn settings(mut self, change: impl FnOnce(&mut PoolPolicy)) -> Self {
        change(&mut self.policy.defaults);
        self
    }

    pub(crate) fn with_reference_policy(mut self) -> Self {
        self.policy = Policy::reference();
        self
    }

    /// The ledger says that the node holds a slot for `word`, with the intent of its present assignment.
    pub(crate) fn holds(self, name: &str, word: &str) -> Self {
        let intent = self
            .snapshot
            .nodes
            .get(name)
            .expect("a node of the story")
            .intent;
        self.holds_for(name, word, intent)
    }

    pub(crate) fn holds_for(mut self, name: &str, word: &str, intent: Intent) -> Self {
        let node = self.snapshot.nodes.get(name).expect("a node of the story");
        let holder = Holder {
            node: node.name.clone(),
            uid: node.uid.clone(),
            pool: "worker".into(),
            intent,
            config: config(word),
        };
        let ledger = self.snapshot.ledger.get_or_insert_default();
        ledger.holders.insert(holder.node.clone(), holder);
        self
    }

    /// A config of pool `worker` that consists of these parts; `needs` is its kubelet's version.
    pub(crate) fn config(
        mut self,
        word: &str,
        (kubelet, rest): (&str, &str),
        needs: Option<&str>,
    ) -> Self {
        let view = ConfigView {
            name: config(word),
            pool: "worker".into(),
            created: None,
            needs_kubelet: needs.map(|needs| needs.parse().expect("a version")),
            kubelet_part: kubelet.into(),
            rest: rest.into(),
            withholds: None,
            at_first: None,
        };
        self.snapshot.configs.insert(view.name.clone(), view);
        self
    }

    /// What the config does at most to a node that has nothing of it.
    pub(crate) fn first_visit(mut self, word: &str, at_first: AtFirst) -> Self {
        if let Some(view) = self.snapshot.configs.get_mut(&config(word)) {
            view.at_first = Some(at_first);
        }
        self
    }

    /// The config withholds the kubelet part of `target`.
    pub(crate) fn withholding(mut self, word: &str, target: &str) -> Self {
        let view = self
            .snapshot
            .configs
            .get_mut(&config(word))
            .expect("a config of the story");
        view.withholds = Some(config(target));
        self
    }

    /// API server instances, since long ago.
    pub(crate) fn api(self, versions: &[&str]) -> Self {
        self.api_since(versions, ago(10_000))
    }

    pub(crate) fn api_since(mut self, versions: &[&str], since: Timestamp) -> Self {
        let names: Vec<String> = (0..versions.len())
            .map(|at| format!("10.0.0.{at}:6443"))
            .collect();
        let said = versions
            .iter()
            .map(|version| (!version.is_empty()).then_some(*version));
        let answers = names
            .iter()
            .zip(said)
            .map(|(name, said)| (name.as_str(), said, since));
        self.snapshot.api_servers = ApiServers::from_answers(answers);
        self
    }

    /// The plan, which the checker has found nothing wrong with.
    pub(crate) fn plan(&self) -> Plan {
        self.plan_at(NOW)
    }

    pub(crate) fn plan_at(&self, now: Timestamp) -> Plan {
        let plan = plan(&self.snapshot, &self.policy, now);
        assert_eq!(
            check(&self.snapshot, &plan, &self.policy, now),
            [],
            "the checker objects"
        );
        plan
    }
}

/// What stories look at in a plan.
pub(crate) trait Read {
    /// Who is given what: `a: new`.
    fn given(&self) -> Vec<String>;
    /// As [`Read::given`], with the slot.
    fn slot_of(&self, node: &str) -> Option<Slot>;
    /// Why a node waits.
    fn hold(&self, node: &str) -> &Hold;
    /// The stable name of it.
    fn why(&self, node: &str) -> &'static str;
    /// Who holds a slot afterwards.
    fn holders(&self) -> Vec<&str>;
    fn assign(&self, node: &str) -> Option<&Assign>;
}

impl Read for Plan {
    fn given(&self) -> Vec<String> {
        let assigns = self.steps.iter().filter_map(|step| match step {
            Step::Assign(assign) => Some(assign),
            _ => None,
        });
        let word = |config: &ConfigName| {
            config
                .as_str()
                .rsplit('-')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        assigns
            .map(|assign| format!("{}: {}", assign.node, word(&assign.config)))
            .collect()
    }

    fn assign(&self, node: &str) -> Option<&Assign> {
        self.steps.iter().find_map(|step| match step {
            Step::Assign(assign) if assign.node == node => Some(assign),
            _ => None,
        })
    }

    fn slot_of(&self, node: &str) -> Option<Slot> {
        self.assign(node).map(|assign| assign.slot)
    }

    fn hold(&self, node: &str) -> &Hold {
        match self.answers.get(node) {
            Some(Answer::Held(hold)) => hold,
            other => panic!("{node} is not held: {other:?}"),
        }
    }

    fn why(&self, node: &str) -> &'static str {
        self.hold(node).reason()
    }

    fn holders(&self) -> Vec<&str> {
        self.ledger
            .next
            .holders
            .keys()
            .map(NodeName::as_str)
            .collect()
    }
}

/// The controller's own record of an assignment.
pub(crate) fn record(word: &str) -> Assigned {
    Assigned {
        config: config(word),
        intent: None,
    }
}

/// The pool of all stories.
pub(crate) fn worker() -> PoolName {
    "worker".into()
}
