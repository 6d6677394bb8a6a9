//! `machineconfiguration.openshift.io/v1`: what nodes should look like, which nodes belong
//! together, and how far each has come.
//!
//! All fields of the reference are here (`reference/crds.md`), also those that have no effect
//! yet, so that reading and writing an object loses nothing. An absent list or flag and an empty
//! one are the same; empty ones are not written.

mod config;
mod node;
mod pool;

pub use config::{MachineConfig, MachineConfigSpec};
pub use node::{
    ConfigVersion, ConfigVersionStatus, IrreconcilableChange, MachineConfigNode,
    MachineConfigNodeSpec, MachineConfigNodeStatus, NodePinnedImageSet, ObjectName,
};
pub use pool::{
    CertExpiry, MachineConfigPool, MachineConfigPoolSpec, MachineConfigPoolStatus,
    PoolConfiguration, PoolSynchronizerStatus,
};
