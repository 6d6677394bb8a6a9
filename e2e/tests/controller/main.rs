//! The unmodified controller over the API server in memory, in paused time. Daemons are played.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "helpers of tests fail by panicking, and nothing reaches beyond this binary"
)]

mod drains;
mod machines;
mod played;
mod process;
mod rendering;
mod replaced;
mod rollouts;
mod shown;
mod support;
mod workers;
