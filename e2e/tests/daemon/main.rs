//! The real daemon on a simulated machine, against the in-memory API server, in virtual time.
//!
//! Nobody plans here: each test is the controller, by hand or as [`rig::Rig::grant_drains`], so that what is seen is the
//! daemon's own doing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    clippy::comparison_to_empty,
    reason = "helpers of tests fail by panicking, and literal JSON reads better by value"
)]

mod faults;
mod kubelet;
mod machine_config_node;
mod plain;
mod rig;
mod visits;
