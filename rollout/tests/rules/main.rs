//! The rules of a rollout, each told as a story of a small fleet.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a story that cannot be set up has failed"
)]

mod control_plane;
mod corrupted;
mod first_contact;
mod fleet;
mod gate;
mod holders;
mod model;
mod pool_status;
mod properties;
mod reading;
mod repair;
mod taking;
mod trials;
