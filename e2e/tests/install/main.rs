//! Windlass as it is installed, on a real control plane: who may do what, and that what ships is enough.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod credential;
mod fleet;
mod orders;
mod page;
mod removal;
mod rollout;
mod support;
mod thief;
