//! The sources of the update service against a real registry: what a scan finds and what it costs, who is let in, and what
//! faults do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod data;
mod faults;
mod letting_in;
mod scanning;
mod support;
mod upstream;
