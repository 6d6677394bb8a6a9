//! The unmodified controller over the API server in memory, in paused time. Daemons are played.

mod process;
mod rendering;
mod rollouts;
mod support;
