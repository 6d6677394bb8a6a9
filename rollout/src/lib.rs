//! Which node may move now, which may not and why, when to look again; and the checker that judges a plan
//! without knowing the planner. Nothing here may touch the world (`docs/adr/0001`).
//!
//! | you look for | it is in |
//! | --- | --- |
//! | what the planner knows, and how it is read from Kubernetes objects | [`snapshot`] |
//! | what the owners allow | [`policy`] |
//! | why a node waits | [`hold`] |
//! | who goes next | [`mod@plan`] |
//! | whether a plan keeps the promises | [`mod@check`] |
//! | how many may be away | [`budget`] |
//! | which pool owns a node | [`membership`] |
//! | what a pool says of itself | [`status`] |

pub mod budget;
pub mod check;
pub mod hold;
pub mod membership;
pub mod names;
pub mod plan;
pub mod policy;
pub mod snapshot;
pub mod status;

pub use api::version::{self, Version};
pub use check::{Violation, check};
pub use hold::Hold;
pub use names::{ConfigName, Intent, NodeName, PoolName, Uid};
pub use plan::{Answer, Plan, Step, plan};
pub use policy::{Policy, PoolPolicy};
pub use snapshot::Snapshot;
