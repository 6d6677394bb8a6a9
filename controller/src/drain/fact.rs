//! What a drain tells the other reconcilers of itself.

use super::blocker::{Blocker, summary};
use jiff::Timestamp;

/// How the drain of a node goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrainFact {
    /// When it began.
    pub since: Option<Timestamp>,
    /// What keeps pods on the node.
    pub blockers: Vec<Blocker>,
    /// It takes longer than the owner allows.
    pub late: bool,
}

impl DrainFact {
    /// One sentence for people.
    pub fn message(&self) -> String {
        summary(&self.blockers)
    }
}
