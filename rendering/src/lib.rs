//! PURE: machine configs in, one rendered config out; and what a change from one to another means.
//!
//! No I/O, clock, chance or environment: time and contents are arguments, order is `BTreeMap`'s.
//!
//! | module | what is there |
//! | --- | --- |
//! | [`kernel_arguments`] | the arguments of the tool that sets kernel arguments |
//! | [`registries`] | whether a change of registries.conf needs a drain |

pub mod kernel_arguments;
pub mod registries;
