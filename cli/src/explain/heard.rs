//! What an explanation from afar cannot ask: which API server instance is behind.
//!
//! # Guarantees
//! Pure. Only the cluster's fact of a withheld kubelet is replaced, by what the controller heard last and says on the pool
//! (its condition `KubeletWithheld`); nothing else of a plan changes, and nothing at all where the pool does not say it.

use api::conditions::pool as types;
use rollout::Snapshot;
use rollout::hold::{ClusterFact, Hold, Withheld};
use rollout::plan::{Answer, Plan};

/// Puts what the controller heard in the place of what could not be asked from here.
pub(crate) fn repeat(snapshot: &Snapshot, plan: &mut Plan) {
    for (pool, report) in &plan.pools {
        let said = snapshot
            .pools
            .get(pool)
            .and_then(|pool| pool.condition(types::KUBELET_WITHHELD))
            .filter(|said| said.is_true());
        let Some(said) = said else {
            continue;
        };
        let ready = said.reason == Withheld::API_READY;
        let fact = (!ready).then(|| ClusterFact::Reported(said.message.as_str().into()));
        for node in &report.members {
            if let Some(Answer::Held(Hold::KubeletWithheld(withheld))) = plan.answers.get_mut(node)
            {
                withheld.cluster.clone_from(&fact);
            }
        }
    }
}
