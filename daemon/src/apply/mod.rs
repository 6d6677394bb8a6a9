//! Making the machine what a config says, provably, from whatever it is now.
//!
//! Level, not edge: [`operations`] compares what should be with what is ([`Survey`]) and lists what is left to do.
//! So a change that was cut off is finished by asking again, the proof is an empty list, and putting back is the
//! same with another content.
//!
//! Nothing is lost (promise 6): before the first change of a file, unit, user or of the system, what was there is
//! stored as its [original](Originals); what leaves the configuration becomes its original again, and only then is
//! the record dropped. What is ours on this machine is what has a record, whoever wrote it last and
//! however far it came.

mod content;
mod operation;
mod operations;
mod originals;
mod run;
mod survey;
mod system;

#[cfg(test)]
mod tests;

pub use content::{Content, SystemWish, UnitWish, kubelet_suffices};
pub(crate) use content::{as_wished, directory_as_wished};
pub use operation::Operation;
pub use operations::{operations, unfulfilled};
pub use originals::{Originals, SystemOriginal};
pub use run::{apply, prove};
pub use survey::{Survey, UnitNow};
pub(crate) use system::leaves_system_as_is;
