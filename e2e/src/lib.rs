//! Scenarios and proofs over the whole house: what runs here may use every other room.
//!
//! * [`conformance`]: Windlass's pure rooms against what the reference's own functions answered.

pub mod conformance;
