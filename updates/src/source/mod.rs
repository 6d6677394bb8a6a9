//! Where graphs come from, and how the service keeps up with it.
//!
//! # Guarantees
//! What cannot be had leaves the last good graph in its place; the reason is logged, counted, and told by readiness as
//! long as there is no graph at all.
//!
//! # Not here
//! What follows from the sources: [`crate::graph`]. Who is answered: [`crate::serve`].

mod files;

pub(crate) use files::chain;
pub use files::{Files, LOOK_EVERY, LoadError, follow, load_into};
