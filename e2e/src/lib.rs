//! Scenarios and proofs over the whole house: what runs here may use every other room.
//!
//! * [`conformance`]: Windlass's pure rooms against what the reference's own functions answered.
//! * [`control_plane`]: a real API server with all that belongs to it, on loopback.
//! * [`registry`]: a real registry on loopback, and what fills it.
//! * [`machines`]: simulated machines with real daemons, for such an API server.
//! * [`stored`]: all that such an API server stored, as its watches tell it.
//! * [`bench`]: how fast a rollout is there, and what it costs.
//! * [`packages`]: programs of the system that tests run.
//! * [`update_graph`]: answers of the update graph against recorded ones.

pub mod bench;
pub mod conformance;
pub mod control_plane;
mod go_module;
pub mod machines;
pub mod packages;
pub mod registry;
pub mod stored;
pub mod update_graph;
