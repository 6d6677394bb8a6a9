//! A real kubectl works against the server over loopback. Real time; each test has its own server, home and discovery cache.
//!
//! Not here: commands whose client sends protobuf (`kubectl create namespace` and its like), which the server does not read;
//! `kubectl create -f` does the same in JSON.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first surprise"
)]

mod cluster;
mod nodes;
mod objects;
mod reading;
