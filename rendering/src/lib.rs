//! PURE: machine configs in, one rendered config out; and what a change from one to another means.
//!
//! No I/O, clock, chance or environment: time and contents are arguments, order is `BTreeMap`'s.
//!
//! | module | what is there |
//! | --- | --- |
//! | [`changes`] | the difference of two rendered configs |
//! | [`configuration`] | a rendered config, read |
//! | [`contents`] | the bytes of a file, or where they come from |
//! | [`disruption`] | what a change does to its node: actions, and whether it is drained |
//! | [`ignition`] | Ignition configs: read, validate, translate |
//! | [`kernel_arguments`] | the arguments of the tool that sets kernel arguments |
//! | [`merge`] | many machine configs, one spec |
//! | [`names`] | the name of a rendered config, made from its content |
//! | [`reconcile`] | whether a change can be applied in place, and who is to blame if not |
//! | [`registries`] | whether a change of registries.conf needs a drain |
//! | [`render`] | a pool's machine configs, checked and merged into its rendered config |
//! | [`spec`] | the machine config as this room reads it |
//! | [`split`] | the kubelet part and the rest |

pub mod changes;
pub mod configuration;
pub mod contents;
pub mod disruption;
pub mod ignition;
pub mod kernel_arguments;
pub mod merge;
pub mod names;
pub mod reconcile;
pub mod registries;
pub mod render;
pub mod spec;
pub mod split;
