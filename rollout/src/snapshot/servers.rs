//! What every API server instance serves, asked by its own address.

use crate::version::Version;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The instances and their last answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiServers {
    /// Each instance that should answer, by `host:port`. One that never answered is in here too, silent.
    pub instances: BTreeMap<Arc<str>, Heard>,
}

/// What one instance last said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The version that it serves; `None` while it is silent, which counts as too old.
    pub serves: Option<Version>,
    /// Since when it has said so at every asking. A silence in between starts this anew.
    pub since: Timestamp,
}
