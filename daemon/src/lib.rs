//! The node's side of Windlass: takes the one configuration that the controller assigned to this
//! node, brings the machine to it, proves it and says so.
//!
//! This room may touch the machine it runs on (through [`host::Host`] alone) and its own Node and
//! MachineConfigNode. Everything that is decided is decided in [`core`], which is pure.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`apply`] | making the machine what a config says, from whatever it is; originals; the proof |
//! | [`config`] | a rendered config, read into what a machine can take |
//! | [`core`] | the state machine: what is done next, and what the node says of itself |
//! | [`credential`] | the token by which the daemon is known, and its renewal |
//! | [`decide`] | what a config would do to this machine |
//! | [`host`] | what a machine can do; the only way to it |
//! | [`journal`] | the state machine's memory on the disk, and the configs that it names |
//! | `remote` | contents from elsewhere: fetched once, and kept |
//! | [`shell`] | the daemon as it runs: watch, drive, publish |
//! | [`work`] | carrying out what the core asks for |

pub mod apply;
pub mod config;
pub mod core;
pub mod credential;
pub mod decide;
pub mod host;
pub mod journal;
mod remote;
pub mod shell;
pub mod work;

#[cfg(test)]
mod crash;
