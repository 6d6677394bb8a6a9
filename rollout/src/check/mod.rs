//! Judges a plan without knowing the planner.
//!
//! # Guarantees
//! [`check`] re-derives from snapshot, policy and plan what the promises of `docs/promises.md` demand, with arithmetic of its
//! own; it shares with the planner only what a snapshot says ([`crate::snapshot`]) and which pool owns a node
//! ([`crate::membership`]). A plan with a violation is not executed.
//! # Not here
//! Promises that no plan can break: eviction, what is on disks, rights.

mod answers;
mod assigns;
mod facts;
mod slots;
mod violation;

pub use violation::{Breach, Forbidden, Promise, Violation};

use crate::plan::Plan;
use crate::policy::Policy;
use crate::snapshot::Snapshot;
use facts::Facts;
use jiff::Timestamp;

/// What of the promises the plan would break; empty if nothing.
pub fn check(snapshot: &Snapshot, plan: &Plan, policy: &Policy, now: Timestamp) -> Vec<Violation> {
    let facts = Facts::read(snapshot, policy, now);
    let mut violations = Vec::new();
    slots::judge(&facts, plan, &mut violations);
    assigns::judge(&facts, plan, &mut violations);
    answers::judge(&facts, plan, &mut violations);
    violations
}
