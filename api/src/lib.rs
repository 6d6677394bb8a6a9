//! The words of Windlass: custom resources, annotations, labels, taints, condition types.
//!
//! What may happen here: nothing. This room holds types that are wire-compatible with the
//! reference's, the names both sides of the node contract use, and the CRDs generated from the
//! types. It knows no planner, no client and reads no clock; a time is always an argument.
//!
//! | you look for | it is in |
//! | --- | --- |
//! | an annotation, label, taint, file or object name | [`names`] |
//! | MachineConfig, MachineConfigPool, MachineConfigNode | [`machineconfiguration`] |
//! | MachineConfiguration (disruption policy) | [`operator`] |
//! | SlotLedger, RolloutPolicy | [`windlass`] |
//! | condition types, and how a condition is set | [`conditions`] |
//! | what an annotation's value says (drain, assignment) | [`requests`] |
//! | the one clock that is handed around, as a type | [`clock`] |
//! | the CRDs that are installed | [`crds`](crds()) |

// Several printer columns of one type are no duplicate; the lint looks at each word by itself.
#![allow(clippy::duplicated_attributes)]

pub mod clock;
pub mod conditions;
mod crds;
mod lenient;
pub mod machineconfiguration;
pub mod names;
pub mod operator;
pub mod requests;
mod schema;
pub mod version;
pub mod windlass;
#[cfg(feature = "yaml")]
pub mod yaml;

pub use crds::{Bundle, bundle, crds};
pub use machineconfiguration::{
    MachineConfig, MachineConfigNode, MachineConfigNodeSpec, MachineConfigNodeStatus,
    MachineConfigPool, MachineConfigPoolSpec, MachineConfigPoolStatus, MachineConfigSpec,
};
pub use operator::{MachineConfiguration, MachineConfigurationSpec, MachineConfigurationStatus};
pub use windlass::{
    Holder, RolloutPolicy, RolloutPolicySpec, RolloutPolicyStatus, SlotLedger, SlotLedgerSpec,
};
