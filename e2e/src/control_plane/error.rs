//! What can go wrong with a control plane.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use super::Component;
use super::assets::AssetsError;

/// The answer of everything that a control plane is asked to do.
pub type Result<T> = std::result::Result<T, ControlPlaneError>;

/// A control plane that could not be started or asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlPlaneError {
    /// The programs could not be had.
    #[error("getting the programs of a control plane")]
    Assets(#[from] AssetsError),
    /// The task that builds the programs was ended.
    #[error("waiting for the programs of a control plane")]
    Interrupted(#[source] tokio::task::JoinError),
    /// A file or folder.
    #[error("{attempt} {}", path.display())]
    File {
        /// As in "writing".
        attempt: &'static str,
        /// Of what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Too many control planes at once.
    #[error(
        "finding a place for a control plane in {}: all {places} are taken; wait until another one ends",
        root.display()
    )]
    NoPlace {
        /// Where the places are.
        root: PathBuf,
        /// How many there are.
        places: u8,
    },
    /// No port is free on all addresses.
    #[error("finding a port that is free on {addresses}")]
    NoPort {
        /// On which addresses.
        addresses: String,
        /// What the system said of the last one.
        #[source]
        source: io::Error,
    },
    /// A certificate or key.
    #[error("making the certificate of {name}")]
    Certificate {
        /// Whose.
        name: String,
        /// What the certificate maker said.
        #[source]
        source: rcgen::Error,
    },
    /// A program did not start.
    #[error("starting {name}")]
    Spawn {
        /// Which.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program ended by itself.
    #[error("{name} ended with {status}; its last words:\n{tail}")]
    Ended {
        /// Which.
        name: String,
        /// How.
        status: ExitStatus,
        /// The end of its log.
        tail: String,
    },
    /// A program did not become ready.
    #[error("{component:?} was not ready within {within:?}; its last words:\n{tail}")]
    NotReady {
        /// Which.
        component: Component,
        /// How long it was given.
        within: Duration,
        /// The end of its log.
        tail: String,
    },
    /// A client could not be made.
    #[error("making a client of {url}")]
    Client {
        /// Of which server.
        url: String,
        /// What the client said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A token was not given.
    #[error("asking for a token of the ServiceAccount {namespace}/{name}")]
    Token {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// etcd did not do as it was told.
    #[error("asking etcd at {url} for a {what}")]
    Etcd {
        /// For what.
        what: &'static str,
        /// Which member.
        url: String,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A line of an audit log that is not an event.
    #[error("reading the audit log {}: {line}", path.display())]
    Audit {
        /// Which log.
        path: PathBuf,
        /// What stands there.
        line: String,
        /// Why it cannot be read.
        #[source]
        source: serde_json::Error,
    },
}

/// An error on a file.
pub(super) fn file(attempt: &'static str, path: &Path, source: io::Error) -> ControlPlaneError {
    ControlPlaneError::File {
        attempt,
        path: path.to_owned(),
        source,
    }
}
