//! Asks every API server instance what it serves, and remembers since when it has answered so.
//!
//! # Guarantees
//! [`fold`] is pure. An instance that does not answer has no version; its silence ends what it answered
//! before, so that "without a break" can be read off `since`.
//! # Assumptions
//! The instances are the addresses of EndpointSlice `default/kubernetes`, unless the configuration lists them or says that
//! the balancer's answer counts. What a policy lists counts for its own pools alone.
//! # Not here
//! What follows from the versions: `rollout` (design.md 5).

use crate::config::std_duration;
use crate::context::Context;
use futures::future::BoxFuture;
use jiff::Timestamp;
use rollout::policy::KubeletGate;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Asks one API server instance for its version.
pub trait AskVersion: Send + Sync {
    /// The `gitVersion` of `/version`, as in `v1.34.2`; or why there is none.
    fn ask<'a>(&'a self, instance: &'a str) -> BoxFuture<'a, Result<String, String>>;
}

/// What an instance last answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The version that it serves; or why it did not say so.
    pub answer: Result<String, String>,
    /// Since when it has answered so at every asking. For silence: since when it has been silent.
    pub since: Timestamp,
}

/// What all of them last answered, by address.
pub type AllHeard = BTreeMap<String, Heard>;

/// Takes the answers of one asking.
pub fn fold(
    before: &AllHeard,
    answers: BTreeMap<String, Result<String, String>>,
    now: Timestamp,
) -> AllHeard {
    let heard = |(instance, answer): (String, Result<String, String>)| {
        let last = before.get(&instance);
        let same = last.filter(|last| match (&last.answer, &answer) {
            (Ok(last), Ok(now)) => last == now,
            // The words of a failure change; that it is one does not.
            (Err(_), Err(_)) => true,
            _ => false,
        });
        let since = same.map_or(now, |last| last.since);
        (instance, Heard { answer, since })
    };
    answers.into_iter().map(heard).collect()
}

/// The name under which a balancer that answers for all instances is kept.
const BALANCER: &str = "balancer";

/// What is named as silent where the service has no address at all.
const SERVICE: &str = "default/kubernetes";

/// Asks until dropped. This is the one poll of the controller: an API server tells nobody that it was upgraded.
pub async fn run(context: &Context) {
    loop {
        let now = context.clock.now();
        let answers = ask_everybody(context).await;
        let changed = {
            let mut notes = context.board.notes();
            let heard = fold(&notes.heard, answers, context.clock.now());
            let changed = heard != notes.heard;
            notes.heard = heard;
            changed
        };
        if changed {
            context.wakes.rollout.notify_one();
        }
        let next = now
            .saturating_add(context.config.instances.period)
            .unwrap_or(Timestamp::MAX);
        tokio::select! {
            biased;
            () = context.wakes.gate.notified() => {}
            () = context.sleep_until(Some(next)) => {}
        }
    }
}

async fn ask_everybody(context: &Context) -> BTreeMap<String, Result<String, String>> {
    let Instances {
        mut own,
        mut listed,
    } = instances(context);
    let patience = std_duration(context.config.instances.patience);
    let mut answers = BTreeMap::new();
    if context.config.instances.balancer_counts {
        own.retain(|name| name != BALANCER);
        listed.remove(BALANCER);
        let balancer = AskOwnServer(context.client.clone());
        answers.extend(ask_all(&balancer, &[BALANCER.to_owned()], patience).await);
    }
    let others: Vec<String> = own.union(&listed).cloned().collect();
    answers.extend(ask_all(context.ask.as_ref(), &others, patience).await);
    answers
}

/// The instances that are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instances {
    /// Those that count for a pool whose policy lists none: as configured, else the service's own.
    pub own: BTreeSet<String>,
    /// Those that policies list, each for its own pools.
    pub listed: BTreeSet<String>,
}

/// The instances that there are.
pub fn instances(context: &Context) -> Instances {
    let settings = &context.config.instances;
    let slices = context.stores.api_servers.all();
    let own: BTreeSet<String> = if settings.balancer_counts {
        BTreeSet::from([BALANCER.to_owned()])
    } else if settings.addresses.is_empty() {
        let addresses = slices.iter().flat_map(|slice| &slice.addresses);
        addresses.cloned().collect()
    } else {
        settings.addresses.iter().cloned().collect()
    };
    let policies = context.stores.policies.all();
    let gates = policies
        .iter()
        .filter_map(|policy| policy.spec.kubelet_gate.as_ref());
    let listed = gates.flat_map(|gate| gate.instances.iter().cloned());
    Instances {
        own,
        listed: listed.collect(),
    }
}

/// What the gate goes by in pools whose policy says nothing else.
pub fn defaults(instances: &Instances, balancer_counts: bool) -> KubeletGate {
    let Instances { own, listed } = instances;
    let mut gate = KubeletGate::default();
    if balancer_counts {
        gate.expected_instances = Some(1);
    }
    // What one policy lists is no instance of anybody else's.
    if !listed.is_subset(own) {
        gate.instances = own.iter().cloned().collect();
        if gate.instances.is_empty() {
            gate.instances.push(SERVICE.to_owned());
        }
    }
    gate
}

/// Asks all instances at once; one that takes longer than `patience` has not answered.
pub async fn ask_all(
    ask: &dyn AskVersion,
    instances: &[String],
    patience: Duration,
) -> BTreeMap<String, Result<String, String>> {
    let asks: Vec<_> = instances
        .iter()
        .map(|instance| ask_one(ask, instance, patience))
        .collect();
    futures::future::join_all(asks).await.into_iter().collect()
}

async fn ask_one(
    ask: &dyn AskVersion,
    instance: &str,
    patience: Duration,
) -> (String, Result<String, String>) {
    let answer = tokio::time::timeout(patience, ask.ask(instance)).await;
    let late = || format!("no answer within {} s", patience.as_secs());
    (instance.to_owned(), answer.unwrap_or_else(|_| Err(late())))
}

/// Asks over the network, at the instance's own address and under the name of the service.
#[derive(Clone, Debug)]
pub struct AskOverNetwork {
    config: kube::Config,
}

impl AskOverNetwork {
    /// With the trust and the credential of `config`.
    pub fn new(config: kube::Config) -> Self {
        Self { config }
    }

    async fn version(&self, instance: &str) -> Result<String, String> {
        let mut config = self.config.clone();
        let said = |error: &dyn std::error::Error| error.to_string();
        config.cluster_url = format!("https://{instance}")
            .parse()
            .map_err(|e| said(&e))?;
        // The instance's certificate names the service and not its address.
        config.tls_server_name = Some("kubernetes.default.svc".to_owned());
        let client = kube::Client::try_from(config).map_err(|e| said(&e))?;
        let info = client.apiserver_version().await.map_err(|e| said(&e))?;
        Ok(info.git_version)
    }
}

impl AskVersion for AskOverNetwork {
    fn ask<'a>(&'a self, instance: &'a str) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(self.version(instance))
    }
}

/// Asks whatever the controller's own client is connected to: for API servers whose balancer's answer counts.
#[derive(Clone)]
pub struct AskOwnServer(pub kube::Client);

impl AskVersion for AskOwnServer {
    fn ask<'a>(&'a self, _instance: &'a str) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let info = self
                .0
                .apiserver_version()
                .await
                .map_err(|error| error.to_string())?;
            Ok(info.git_version)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn answered(before: &AllHeard, answer: Result<&str, &str>, second: i64) -> AllHeard {
        let answer = answer.map(str::to_owned).map_err(str::to_owned);
        fold(
            before,
            BTreeMap::from([("10.0.0.1:6443".to_owned(), answer)]),
            at(second),
        )
    }

    #[test]
    fn an_instance_that_keeps_its_answer_keeps_its_since() {
        let first = answered(&AllHeard::new(), Ok("v1.34.0"), 0);

        let second = answered(&first, Ok("v1.34.0"), 5);

        assert_eq!(second, first);
    }

    #[test]
    fn silence_breaks_the_time_that_an_instance_has_answered() {
        let first = answered(&AllHeard::new(), Ok("v1.34.0"), 0);
        let silent = answered(&first, Err("connection refused"), 5);

        let back = answered(&silent, Ok("v1.34.0"), 10);

        assert_eq!(back.values().next().map(|heard| heard.since), Some(at(10)));
    }

    #[test]
    fn an_upgrade_starts_the_time_anew() {
        let first = answered(&AllHeard::new(), Ok("v1.33.0"), 0);

        let second = answered(&first, Ok("v1.34.0"), 5);

        assert_eq!(second.values().next().map(|heard| heard.since), Some(at(5)));
    }

    fn known(own: &[&str], listed: &[&str]) -> Instances {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Instances {
            own: names(own),
            listed: names(listed),
        }
    }

    #[test]
    fn an_instance_that_one_policy_lists_stands_in_for_no_other_pools_missing_one() {
        let gate = defaults(&known(&["10.0.0.1:6443"], &["balancer.example:443"]), false);

        assert_eq!(gate.instances, ["10.0.0.1:6443"]);
    }

    #[test]
    fn a_service_without_an_address_is_silent_whatever_policies_list() {
        let gate = defaults(&known(&[], &["balancer.example:443"]), false);

        assert_eq!(gate.instances, [SERVICE]);
    }

    #[test]
    fn where_the_balancer_s_answer_counts_it_is_enough() {
        let gate = defaults(&known(&[BALANCER], &[]), true);

        assert_eq!(gate.expected_instances, Some(1));
    }

    #[test]
    fn an_instance_that_is_no_longer_one_is_forgotten() {
        let first = answered(&AllHeard::new(), Ok("v1.34.0"), 0);

        assert_eq!(fold(&first, BTreeMap::new(), at(5)), AllHeard::new());
    }
}
