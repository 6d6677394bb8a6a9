//! The daemon's credential: a ServiceAccount token that is bound to its Node, in a file, renewed by itself.
//!
//! Guarantees:
//! - The file holds a whole token at every moment, the old one or the new one, also after a power cut.
//! - A token is renewed when a third of its life is over, so that an API server may be away for the other two.
//! - A token that somebody else puts there (the installer, after an outage that was longer) is taken up at once.
//! - What is asked for is bound to this Node and to nothing else: it ends with the Node.
//!
//! Assumes that whoever sends requests reads the file again by itself, as `kube` does within a minute. Not here: the
//! first token (the installer), and what a token allows (`docs/security.md`).

mod claims;

#[cfg(test)]
mod tests;

pub use claims::{Claims, ClaimsError};

use crate::host::HostError;
use crate::host::plain::{Root, Watch};
use crate::shell::backoff::Backoff;
use api::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a token shall live, unless its owner says otherwise: a node that was cut off over a long weekend still speaks
/// for itself. The API server may give less, and says so.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Longest wait before looking at the time again: the machine's clock may have been set since.
const LOOK_AGAIN: Duration = Duration::from_mins(10);

/// Readable and writable by its owner alone.
const MODE: u32 = 0o600;

/// Why there is no newer token.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file is not to be read or written.
    #[error(transparent)]
    Host(#[from] HostError),
    /// There is no such file.
    #[error("there is no token at {0}; the installer's pod on this node has to put one there")]
    Missing(PathBuf),
    /// What is in it is no token.
    #[error("the token cannot be read")]
    Claims(#[from] ClaimsError),
    /// The API server gave none.
    #[error(
        "the API server gives no newer token; once this one has expired only the installer's pod can bring another"
    )]
    Request(#[source] Box<Error>),
    /// It answered without one.
    #[error("the API server answered a TokenRequest without a token")]
    Empty,
}

/// A token in a file.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    directory: Root,
    name: String,
}

impl TokenFile {
    /// The one at `path`, whose directory has to be there.
    ///
    /// # Errors
    ///
    /// It has none.
    pub fn at(path: &Path) -> Result<Self, CredentialError> {
        let missing = || CredentialError::Missing(path.to_owned());
        let directory = path.parent().ok_or_else(missing)?;
        let name = path.file_name().and_then(|name| name.to_str());
        Ok(Self {
            path: path.to_owned(),
            directory: Root::open(directory)?,
            name: format!("/{}", name.ok_or_else(missing)?),
        })
    }

    /// What the token says of itself.
    ///
    /// # Errors
    ///
    /// There is none, or it is none.
    pub fn claims(&self) -> Result<Claims, CredentialError> {
        let content = self.directory.read(&self.name)?;
        let content = content.ok_or_else(|| CredentialError::Missing(self.path.clone()))?;
        Ok(Claims::read(&content)?)
    }

    fn store(&self, token: &str) -> Result<(), CredentialError> {
        self.directory.put(&self.name, token.as_bytes(), MODE)?;
        Ok(())
    }
}

/// A new token of `claims`' ServiceAccount, bound to Node `node`.
///
/// # Errors
///
/// The API server gives none.
pub async fn request(
    client: &Client,
    claims: &Claims,
    node: &str,
    lifetime: SignedDuration,
) -> Result<String, CredentialError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &claims.namespace);
    let wish = TokenRequest {
        spec: TokenRequestSpec {
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Node".to_owned()),
                name: Some(node.to_owned()),
                uid: None,
            }),
            expiration_seconds: Some(lifetime.as_secs()),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let given = accounts
        .create_token_request(&claims.account, &PostParams::default(), &wish)
        .await
        .map_err(|error| CredentialError::Request(Box::new(error)))?;
    let token = given.status.map(|status| status.token);
    token
        .filter(|token| !token.is_empty())
        .ok_or(CredentialError::Empty)
}

/// Keeps the token fresh until dropped. Never ends; what goes wrong is logged and tried again.
pub async fn keep_fresh(
    client: Client,
    node: String,
    file: TokenFile,
    lifetime: SignedDuration,
    clock: Clock,
) {
    let watch = match Watch::of(file.path.parent().map(Path::to_owned)) {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::warn!(%error, "a token that somebody else brings is noticed late");
            None
        }
    };
    let mut backoff = Backoff::of(&node);
    loop {
        if let Some(watch) = &watch
            && let Err(error) = watch.clear()
        {
            tracing::warn!(%error, "changes of the token's directory are not noticed");
        }
        let wait = match renew_if_due(&client, &node, &file, lifetime, clock.now()).await {
            Ok(due) => {
                backoff.reset();
                let left = due.duration_since(clock.now());
                Duration::try_from(left).unwrap_or_default().min(LOOK_AGAIN)
            }
            Err(error) => {
                let error = crate::shell::chain(&error);
                tracing::warn!(error, "the token is not renewed; trying again");
                backoff.next()
            }
        };
        let changed = async {
            match &watch {
                Some(watch) => watch.changed().await.ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            Some(()) = changed => {}
        }
    }
}

/// Renews the token where it is time; when it is time for the next.
async fn renew_if_due(
    client: &Client,
    node: &str,
    file: &TokenFile,
    lifetime: SignedDuration,
    now: Timestamp,
) -> Result<Timestamp, CredentialError> {
    let claims = file.claims()?;
    if now < claims.renewal() {
        return Ok(claims.renewal());
    }
    let token = request(client, &claims, node, lifetime).await?;
    let renewed = Claims::read(token.as_bytes())?;
    file.store(&token)?;
    tracing::info!(expires = %renewed.expires, "the token is renewed");
    Ok(renewed.renewal())
}
