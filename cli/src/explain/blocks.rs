//! What keeps pods on a node that is being drained, or would, once it is.
//!
//! # Guarantees
//! Pure, and by the controller's own rules; nobody is asked for an eviction. A budget that allows none now may allow one
//! when the drain comes: the answer is of this moment.

use std::collections::BTreeMap;

use controller::drain::blocker::Blocker;
use controller::drain::pod::PodView;
use controller::drain::round::{Drain, decide};
use controller::drain::rules::Rules;
use jiff::Timestamp;
use rollout::policy::DrainPolicy;

use super::known::Seen;

/// What keeps the pods of this node.
pub(crate) fn blockers(
    seen: &Seen,
    node: &str,
    policy: &DrainPolicy,
    now: Timestamp,
) -> Vec<Blocker> {
    let budgets: Vec<_> = seen
        .budgets
        .iter()
        .map(|(budget, _)| budget.clone())
        .collect();
    let round = decide(
        Drain {
            pods: seen.pods.get(node).map_or(&[], Vec::as_slice),
            budgets: &budgets,
            local_claims: &seen.local_claims,
            asked: &BTreeMap::new(),
            rules: Rules::of(policy),
        },
        now,
    );
    let mut blockers = round.blockers;
    // What the drain would ask for, the API server would judge by the budgets.
    blockers.extend(round.evict.iter().filter_map(|pod| refused(seen, pod)));
    blockers
}

fn refused(seen: &Seen, pod: &PodView) -> Option<Blocker> {
    if pod.finished {
        return None;
    }
    let governing: Vec<_> = seen
        .budgets
        .iter()
        .filter(|(budget, _)| budget.governs(pod))
        .collect();
    let names = || {
        governing
            .iter()
            .map(|(budget, _)| budget.name.clone())
            .collect()
    };
    match governing.as_slice() {
        [] => None,
        [(_, allowed)] if *allowed > 0 => None,
        [_] => Some(Blocker::Budget {
            pod: pod.pod.clone(),
            budgets: names(),
        }),
        _ => Some(Blocker::TwoBudgets {
            pod: pod.pod.clone(),
            budgets: names(),
        }),
    }
}
