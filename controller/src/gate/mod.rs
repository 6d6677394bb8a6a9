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

pub mod ask;
pub mod heard;

pub use ask::{AskOverNetwork, AskOwnServer, AskVersion, ask_all};
pub use heard::{AllHeard, Heard, fold};

use crate::config::std_duration;
use crate::context::Context;
use jiff::Timestamp;
use rollout::policy::KubeletGate;
use std::collections::{BTreeMap, BTreeSet};

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
