//! What the planner knows of a rendered config: names and hashes, never contents.

use crate::names::{ConfigName, PartHash, PoolName};
use crate::version::Version;
use jiff::Timestamp;
use std::fmt;

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
    /// What it does at most to a node that has nothing of it; `None`: that cannot be told.
    pub at_first: Option<AtFirst>,
}

/// What a config does, at most, to a node that has nothing of it. How much of it a disk has already is known to the node's daemon
/// alone, and what is there disturbs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtFirst {
    /// How many files, directories and links it brings.
    pub paths: usize,
    /// How many systemd units.
    pub units: usize,
    /// Whether it is drained for them.
    pub drains: bool,
    /// Whether it is rebooted after them.
    pub reboots: bool,
}

impl fmt::Display for AtFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disturbance = match (self.drains, self.reboots) {
            (true, true) => "drains and reboots",
            (true, false) => "drains, but does not reboot",
            (false, true) => "reboots without a drain",
            (false, false) => "neither drains nor reboots",
        };
        let Self { paths, units, .. } = self;
        write!(
            f,
            "it brings {paths} files and {units} units, and {disturbance} a node that lacks them"
        )
    }
}
