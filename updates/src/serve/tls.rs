//! The service's certificate and key, from files that may change.
//!
//! # Guarantees
//! A change of the files is noticed within [`LOOK_EVERY`], and holds for connections from then on. Files that do not fit, as
//! in the middle of a change, leave the last good pair in its place; that is logged, counted, and tried again.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;
use tracing::{error, info};

use super::metrics::Metrics;

/// How often the files are looked at. Certificates are renewed days before they end.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A file is no larger: a long chain is some ten KiB.
const BYTES_MAX: u64 = 1 << 20;

/// A certificate chain and its key, in PEM.
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    now: RwLock<Loaded>,
}

struct Loaded {
    /// The files as they were read.
    bytes: (Vec<u8>, Vec<u8>),
    config: Arc<ServerConfig>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum NoCertificate {
    /// A file cannot be read.
    #[error("reading {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds no such thing.
    #[error("{} holds no {what} in PEM", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// Certificate and key do not belong together, or cannot be used.
    #[error("the certificate {} with the key {}", chain.display(), key.display())]
    Unfit {
        /// The file of the chain.
        chain: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

impl Certificate {
    /// Reads the files.
    pub fn load(chain: &Path, key: &Path) -> Result<Self, NoCertificate> {
        Ok(Self {
            now: RwLock::new(loaded(chain, key)?),
            chain: chain.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Reads them again; tells whether they are others.
    pub fn load_again(&self) -> Result<bool, NoCertificate> {
        let bytes = (read(&self.chain)?, read(&self.key)?);
        if self.current(|now| now.bytes == bytes) {
            return Ok(false);
        }
        let next = fitted(bytes, &self.chain, &self.key)?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(true)
    }

    /// Looks at the files for as long as it is polled.
    pub async fn follow(self: Arc<Self>, metrics: Arc<Metrics>) {
        let mut last = String::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let looking = Arc::clone(&self);
            match spawn_blocking(move || looking.load_again()).await {
                Ok(Ok(true)) => {
                    last.clear();
                    info!(chain = %self.chain.display(), "a new certificate is shown");
                }
                Ok(Ok(false)) => last.clear(),
                Ok(Err(failure)) => {
                    metrics.no_certificate();
                    let reason = crate::source::chain(&failure);
                    // The same reason each time is said once.
                    if reason != last {
                        error!(reason, "no new certificate; the last good one goes on");
                    }
                    last = reason;
                }
                Err(failure) => error!(%failure, "looking at the certificate ended early"),
            }
        }
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current(|now| Arc::clone(&now.config)))
    }

    fn current<T>(&self, what: impl FnOnce(&Loaded) -> T) -> T {
        // Only whole values are ever written, so a writer that died left one.
        what(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key.
        f.debug_struct("Certificate")
            .field("chain", &self.chain)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

fn loaded(chain: &Path, key: &Path) -> Result<Loaded, NoCertificate> {
    fitted((read(chain)?, read(key)?), chain, key)
}

fn fitted(bytes: (Vec<u8>, Vec<u8>), chain: &Path, key: &Path) -> Result<Loaded, NoCertificate> {
    let nothing = |path: &Path, what| NoCertificate::Nothing {
        path: path.to_owned(),
        what,
    };
    let certificates = CertificateDer::pem_slice_iter(&bytes.0)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| nothing(chain, "certificate"))?;
    if certificates.is_empty() {
        return Err(nothing(chain, "certificate"));
    }
    let private =
        PrivateKeyDer::from_pem_slice(&bytes.1).map_err(|_| nothing(key, "private key"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(certificates, private)
        })
        .map_err(|source| NoCertificate::Unfit {
            chain: chain.to_owned(),
            key: key.to_owned(),
            source,
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Loaded {
        bytes,
        config: Arc::new(config),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, NoCertificate> {
    let unreadable = |source| NoCertificate::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, BYTES_MAX), &mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}
