//! In-cluster reconcilers: stores, snapshot, plan, check, execute, status. Touches the Kubernetes API only.
//!
//! | you look for | it is in |
//! | --- | --- |
//! | the process: election, reconcilers, shutdown | [`run`](mod@run) |
//! | its settings | [`config`] |
//! | what was seen of the cluster | [`stores`] |
//! | what reconcilers have at hand and tell each other | [`context`] |
//! | rendered configs, targets, pruning, the disruption policy | [`render`] |
//! | planning rounds, the ledger, assignments, taints | [`rollout`](mod@crate::rollout) |
//! | drains, evictions, our cordon | [`drain`] |
//! | what is shown on MachineConfigNodes | [`report`] |
//! | what is shown on pools | [`status`] |
//! | fields that are kept and change nothing | [`without_effect`] |
//! | what the API server instances serve | [`gate`] |
//! | who leads | [`lease`] |
//! | the refusal to act beside another owner | [`guard`] |
//! | events, metrics | [`events`], [`metrics`] |
//! | taking all of it off a cluster | [`removal`] |
//! | requests: errors, rates, patches that say what they assume | [`error`], [`rates`], [`patch`] |

pub mod config;
pub mod context;
pub mod drain;
pub mod error;
pub mod events;
pub mod gate;
pub mod guard;
pub mod lease;
pub mod metrics;
pub mod patch;
pub mod rates;
pub mod removal;
pub mod render;
pub mod report;
pub mod rollout;
pub mod run;
pub mod status;
pub mod stores;
pub mod without_effect;

pub use config::{Config, Flags};
pub use run::{Parts, RunError, run};
