//! Scenarios and proofs over the whole house: what runs here may use every other room.
//!
//! * [`conformance`]: Windlass's pure rooms against what the reference's own functions answered.
//! * [`control_plane`]: a real API server with all that belongs to it, on loopback.

pub mod conformance;
pub mod control_plane;
