//! Who is who: certificate authorities, servers' and clients' certificates, and the key that signs tokens.
//!
//! Valid for ever, as far as anybody's clock goes: what they prove ends with the control plane.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

use super::error::{ControlPlaneError, Result};

/// Whom a client certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub user: String,
    /// A group that the user is in, beside those that every user is in. One at most: who needs more impersonates.
    pub group: Option<String>,
}

impl Identity {
    /// A user in no group of its own.
    pub fn user(name: &str) -> Self {
        Self {
            user: name.to_owned(),
            group: None,
        }
    }

    /// Who may do everything.
    pub fn admin() -> Self {
        Self {
            user: "admin".to_owned(),
            group: Some("system:masters".to_owned()),
        }
    }

    /// The kubelet of a node.
    pub fn kubelet(node: &str) -> Self {
        Self {
            user: format!("system:node:{node}"),
            group: Some("system:nodes".to_owned()),
        }
    }
}

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// Signs certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    certificate: String,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// A new one of this name.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let made = || {
            let mut params = CertificateParams::default();
            params.distinguished_name = named(name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![
                KeyUsagePurpose::KeyCertSign,
                KeyUsagePurpose::DigitalSignature,
            ];
            CertifiedIssuer::self_signed(params, key()?)
        };
        let issuer = made().map_err(about(name))?;
        let certificate = issuer.pem();
        Ok(Self {
            issuer,
            certificate,
        })
    }

    /// Its own certificate, as PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A server's certificate for these names and addresses.
    pub fn server(&self, names: Vec<String>) -> Result<Pair> {
        let made = || {
            let mut params = CertificateParams::new(names)?;
            params.distinguished_name = named("server");
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            self.signed(params)
        };
        made().map_err(about("a server"))
    }

    /// A client's certificate.
    pub fn client(&self, identity: &Identity) -> Result<Pair> {
        let made = || {
            let mut params = CertificateParams::default();
            params.distinguished_name = named(&identity.user);
            if let Some(group) = &identity.group {
                params
                    .distinguished_name
                    .push(DnType::OrganizationName, group.as_str());
            }
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            self.signed(params)
        };
        made().map_err(about(&identity.user))
    }

    fn signed(&self, params: CertificateParams) -> std::result::Result<Pair, rcgen::Error> {
        let key = key()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// The key that signs tokens of ServiceAccounts.
#[derive(Debug)]
pub(super) struct SigningKey {
    /// As PEM, for who signs.
    pub private: String,
    /// As PEM, for who verifies.
    pub public: String,
}

impl SigningKey {
    pub(super) fn new() -> Result<Self> {
        let key = key().map_err(about("the signer of tokens"))?;
        Ok(Self {
            private: key.serialize_pem(),
            public: key.public_key_pem(),
        })
    }
}

fn key() -> std::result::Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn about(name: &str) -> impl FnOnce(rcgen::Error) -> ControlPlaneError {
    let name = name.to_owned();
    move |source| ControlPlaneError::Certificate { name, source }
}
