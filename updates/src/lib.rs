//! The update graph: which releases there are, which edges between them are safe, conditional or blocked, and why;
//! what a client may conclude from an answer; and, around that, the update service.
//!
//! | you look for | it is in | may it touch the world? |
//! | --- | --- | --- |
//! | releases and edges as release images tell them | [`raw`] | never |
//! | what the graph-data repository says of them | [`data`] | never |
//! | both become one graph, with every reason | [`graph`] | never |
//! | what is set aside, by name | [`aside`] | never |
//! | the answer for one channel and architecture | [`answer`] | never |
//! | what an answer means for a cluster, and ways over several hops | [`client`] | never |
//! | why a release can or cannot be reached | [`explain`] | never |
//! | a picture of an answer | [`picture`] | never |
//! | what is different between two graphs, channel by channel | [`difference`] | never |
//! | its bytes: on the wire, and normalised for comparing | [`wire`], [`normal`] | never |
//! | reading files, folders and archives | [`files`] | files |
//! | how long to wait for who does not answer | [`patience`] | never |
//! | a client of container registries | [`registry`] | connections |
//! | where graphs come from | [`source`] | files, connections |
//! | one question to an update service | [`server`] | connections |
//! | the update service | [`serve`] | sockets that it is handed |
//!
//! The modules that touch nothing take bytes and values and give values: no I/O, no clock, no chance, no environment
//! (`e2e/tests/house.rs`, `docs/adr/0011`). Metadata keys are in [`keys`].

pub mod answer;
pub mod aside;
pub mod client;
pub mod data;
pub mod difference;
pub mod explain;
pub mod files;
pub mod graph;
pub mod keys;
pub mod normal;
pub mod patience;
pub mod picture;
pub mod raw;
pub mod registry;
pub mod serve;
pub mod server;
pub mod source;
pub mod wire;

pub use answer::Answer;
pub use aside::Aside;
pub use data::GraphData;
pub use graph::Graph;
pub use raw::RawGraph;
