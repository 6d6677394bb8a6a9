//! The server answers as a recorded kube-apiserver did.
//!
//! Both recordings are replayed against one server each, in order and in paused time: `exchanges.jsonl.gz`, of which every
//! answer is compared, and `kubectl.jsonl.gz`, what a real kubectl asks of a server, of which status and media type are. They lie in
//! the folder that `WINDLASS_API_SERVER_RECORDINGS` names (`../shared/data/api-server` beside the workspace, if it names none); a
//! replay without them fails.
//!
//! Compared are the status, the headers that clients read, and every field of the body: objects, refusals with their reason,
//! details and sentences, tables, and the events of a watch one by one.
//!
//! # What may differ by nature
//! | value | what is demanded instead |
//! | --- | --- |
//! | a resourceVersion | the same one wherever the recording has the same one, and a later one where it has a later one |
//! | a uid, a continue token, a drawn name | the same one wherever the recording has the same one |
//! | the time of a deletion or an eviction | a time |
//! | an age in a table | an age |
//! | the hash of a document | a hash of the same document |
//!
//! All other times are equal, those of writing to a second, for the clock follows the recording: before a request it is moved to the
//! latest time of its answer.
//! Requests are sent with the values of this server in the place of the recorded ones.
//!
//! # What differs on purpose
//! Only what [`rules`] names, with its reason; a rule that no longer covers anything fails too. Requests about rights
//! ([`recording::Exchange::is_about_rights`]) are for a real server: this one takes its caller's name as given.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod bindings;
mod compare;
mod exchanges;
mod kubectl;
mod partial;
mod recording;
mod replay;
mod rules;
