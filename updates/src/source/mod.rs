//! Where graphs come from, and how the service keeps up with it.
//!
//! | you look for | it is in |
//! | --- | --- |
//! | when a source is asked, and what a failure does | [`follow`](mod@follow) |
//! | a repository that is scanned for releases | [`scan`] |
//! | another update service | [`upstream`] |
//! | graph data from an image | [`data_image`] |
//! | files | [`files`] |
//! | how the sources are, for metrics and status | [`health`] |
//!
//! # Guarantees
//! What cannot be had leaves the last good graph in its place; the reason is logged, counted, and told by readiness as
//! long as there is no graph at all.
//!
//! # Not here
//! What follows from the sources: [`crate::graph`]. Who is answered: [`crate::serve`].

pub mod data_image;
pub mod files;
pub mod follow;
pub mod health;
mod pieces;
pub mod scan;
pub mod upstream;

pub(crate) use crate::registry::error::chain;
pub use data_image::DataImage;
pub use files::{Files, LOOK_EVERY, LoadError, load_into};
pub use follow::{Data, FIRST_WAIT, Releases, Sources, follow};
pub use health::Health;
pub use scan::{Scanned, Scanner};
pub use upstream::Upstream;
