//! Decides which node may move now, which may not and why, and when to look again.
//!
//! # Guarantees
//! [`plan`] is a function of its arguments. Every node of the snapshot has an answer. The promises of `docs/promises.md`
//! that a plan can break are kept, whatever the snapshot says; [`mod@crate::check`] judges that independently.
//!
//! # How a round goes
//! 1. [`holders`]: who holds a slot, by the ledger and by the Nodes.
//! 2. [`requests`]: what persons asked for by name, on holders first; on others once step 3 has told which slots are free.
//! 3. [`serve`]: holders finish, take a newer config in their slot, are repaired, or are let go.
//! 4. [`candidates`]: as many of the others as the budget ([`crate::budget`]), the config's record ([`trial`]) and the
//!    control plane ([`control_plane`]) let go, in [`order`].
//! 5. [`taints`].
//!
//! [`gate`] decides which config a node may have now; [`way`] says how far one is that is let be.

mod candidates;
mod control_plane;
mod gate;
mod holders;
mod order;
mod pool;
mod requests;
mod round;
mod serve;
mod step;
pub mod taints;
mod trial;
mod way;

pub use step::{
    Answer, Assign, Compose, Expects, LedgerChange, Plan, PoolReport, Returned, Slot, Step,
};

use crate::policy::Policy;
use crate::snapshot::Snapshot;
use jiff::Timestamp;
use round::Round;

/// The answer to a snapshot under a policy at a moment.
pub fn plan(snapshot: &Snapshot, policy: &Policy, now: Timestamp) -> Plan {
    let mut round = Round::new(snapshot, policy, now);
    requests::of_holders(&mut round);
    serve::holders(&mut round);
    requests::of_others(&mut round);
    serve::spare_the_quorum(&mut round);
    candidates::take(&mut round);
    taints::follow(&mut round);
    round.finish()
}
