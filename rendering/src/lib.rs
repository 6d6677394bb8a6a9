//! rendering
pub mod kernel_arguments;
pub mod registries;
