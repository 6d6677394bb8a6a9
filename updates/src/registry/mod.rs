//! A client of container registries: tags, manifests and blobs, to read them and to give them.
//!
//! # Guarantees
//! * What has a digest is what its digest says: manifests always, blobs when they are read to their end.
//! * Nothing that a registry sends makes this grow without bound; every wait is bounded. What may pass is tried again, with
//!   waits that chance spreads; a registry that asks for rest gets it.
//! * Credentials go to the registry that they are for and to its token server, never in plain unless that is allowed, and
//!   are never told.
//!
//! # Assumes
//! A tokio runtime with time and I/O.
//!
//! # Not here
//! What images mean: [`crate::source`]. Credential helpers, proxies, and manifests of the first schema.

mod auth;
pub mod blob;
mod challenge;
pub mod counts;
pub mod credentials;
pub mod digest;
pub mod error;
pub mod manifest;
pub mod mirrors;
pub mod pull;
mod push;
pub mod reference;
pub(crate) mod session;
pub(crate) mod transport;

use std::sync::Arc;
use std::time::Duration;

use api::clock::Clock;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};

pub use blob::{Begun, BlobStream};
pub use counts::{Asked, Counts};
pub use credentials::{Credentials, Secret};
pub use digest::Digest;
pub use error::{RegistryError, Why};
pub use manifest::{Descriptor, Manifest, Platform};
pub use mirrors::{Mirror, Mirrors};
pub use pull::{Fetched, Tags};
pub use reference::{At, Reference, Repository};
pub use transport::{Body, Content};

use crate::patience::Chance;
use auth::Convinced;
use transport::Transport;

/// How long a registry is waited for.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For an answer to a request, and for the whole of a small one.
    pub answer: Duration,
    /// For the next bytes of a blob.
    pub idle: Duration,
    /// How often a request is sent that fails in a way that may pass.
    pub tries: u32,
    /// The wait before the second try; it doubles.
    pub first_wait: Duration,
    /// The longest wait. A registry that asks for more rest is left alone, and that is told.
    pub longest_wait: Duration,
}

impl Default for Patience {
    /// For registries across an ocean, on a bad day.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            tries: 3,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(10),
        }
    }
}

/// How registries are spoken to.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Who we are to them.
    pub credentials: Credentials,
    /// Whom is trusted besides those whom this machine trusts.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Where else repositories are found.
    pub mirrors: Mirrors,
    /// Registries that are spoken to without TLS, as `host` or `host:port`.
    pub plain_http: Vec<String>,
    /// How long they are waited for.
    pub patience: Patience,
}

/// A client of all registries. Cheap to clone; clones share connections, tokens and counts.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    transport: Transport,
    credentials: Credentials,
    mirrors: Mirrors,
    patience: Patience,
    convinced: Convinced,
    counts: Counts,
    clock: Clock,
    chance: Chance,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableSettings {
    /// TLS cannot be set up.
    #[error("setting up TLS for registries")]
    Tls(#[from] rustls::Error),
    /// An authority cannot be read.
    #[error(
        "reading the certificate of an authority: {0}; it is PEM with at least one certificate"
    )]
    Authority(String),
}

impl Registry {
    /// A client with these settings.
    pub fn new(settings: Settings, clock: Clock, chance: Chance) -> Result<Self, UnusableSettings> {
        let transport = Transport::new(
            settings.authorities,
            settings.plain_http,
            settings.patience.clone(),
        )?;
        Ok(Self(Arc::new(Inner {
            transport,
            credentials: settings.credentials,
            mirrors: settings.mirrors,
            patience: settings.patience,
            convinced: Convinced::default(),
            counts: Counts::default(),
            clock,
            chance,
        })))
    }

    /// How often registries were asked so far.
    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }
}

/// The certificates of a PEM file.
pub fn authorities(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, UnusableSettings> {
    let read: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(text).collect();
    match read {
        Ok(certificates) if certificates.is_empty() => Err(UnusableSettings::Authority(
            "there is no certificate in it".to_owned(),
        )),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(UnusableSettings::Authority(error.to_string())),
    }
}
