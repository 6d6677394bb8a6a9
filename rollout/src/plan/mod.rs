//! Decides which node may move now.

mod step;

pub use step::{
    Answer, Assign, Compose, Expects, LedgerChange, Plan, PoolReport, Returned, Slot, Step,
};

use crate::hold::Hold;
use crate::membership::{self, Place};
use crate::policy::Policy;
use crate::snapshot::Snapshot;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The answer to a snapshot under a policy at a moment.
pub fn plan(snapshot: &Snapshot, _policy: &Policy, _now: Timestamp) -> Plan {
    let membership = membership::assign(&snapshot.pools, &snapshot.nodes);
    let answers = membership.places.iter().map(|(node, place)| {
        let hold = match place {
            Place::In { .. } => Hold::LedgerUnread,
            Place::Nowhere => Hold::NoPool,
            Place::Several(pools) => Hold::SeveralPools(crate::hold::Names::of(pools)),
            Place::Unknown { pool, error } => Hold::InvalidSelector {
                pool: pool.clone(),
                error: error.clone(),
            },
        };
        (node.clone(), Answer::Held(hold))
    });
    Plan {
        steps: Vec::new(),
        answers: answers.collect(),
        pools: BTreeMap::new(),
        ledger: LedgerChange {
            next: snapshot.ledger.clone().unwrap_or_default(),
            ..LedgerChange::default()
        },
        compositions: Vec::new(),
        wake_at: None,
    }
}
