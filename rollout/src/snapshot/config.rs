//! What the planner knows of a rendered config: names and hashes, never contents.

use crate::names::{ConfigName, PartHash, PoolName};
use crate::version::Version;
use jiff::Timestamp;

/// A rendered config, as far as rollouts depend on it. The controller computes the facts with `rendering`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigView {
    /// Its name.
    pub name: ConfigName,
    /// The pool that it was rendered for.
    pub pool: PoolName,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The version that the API must serve before its kubelet part may be given to a package-mode node.
    /// `None`: it needs nothing newer than what runs.
    pub needs_kubelet: Option<Version>,
    /// Digest of its kubelet part.
    pub kubelet_part: PartHash,
    /// Digest of all the rest.
    pub rest: PartHash,
    /// On a composed config: the target whose kubelet part it withholds (for people; nothing decides on the
    /// name, only on its presence).
    pub withholds: Option<ConfigName>,
}
