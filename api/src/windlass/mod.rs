//! `windlass.dev/v1alpha1`: what the reference has no place for.
//!
//! Unknown fields are refused on reading: a misspelt setting must never pass for the default. (An
//! API server drops unknown fields of a structural schema; `kubectl` and strict field validation
//! refuse them before.)

mod ledger;
mod policy;
mod selector;

pub use ledger::{HOLDERS_LIMIT, HOLDERS_RECORDED_MAX, Holder, SlotLedger, SlotLedgerSpec};
pub use policy::{
    ControlPlanePolicy, DrainPolicy, FirstApproval, KubeletGate, MachinePackages, OnDrainTimeout,
    RolloutPolicy, RolloutPolicySpec, RolloutPolicyStatus,
};
