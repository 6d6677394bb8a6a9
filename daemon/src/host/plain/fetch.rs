//! Contents over https.
//!
//! Guarantees: only https, only from whom the machine's own certificate store trusts; bounded in size, time, tries and
//! redirections. What comes is not believed: the caller compares it with the hash that the config names.

use crate::host::HostError;
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rendering::contents::CONTENTS_LIMIT;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;

/// Longest time of one try, and of all: a file server that is being restarted is waited for; one that stays away fails
/// the visit, by name, before anything is touched.
const TRY_MAX: Duration = Duration::from_secs(60);
const ALL_MAX: Duration = Duration::from_mins(3);

/// The wait after the first try that failed; it doubles.
const WAIT: Duration = Duration::from_secs(1);

/// Redirections that are followed: release pages need two.
const REDIRECTIONS_MAX: usize = 5;

type Connector = HttpsConnector<HttpConnector>;

/// Why a try failed.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Refused(StatusCode),
    #[error("it is redirected to nowhere, more than {REDIRECTIONS_MAX} times, or away from https")]
    Redirection,
    #[error("it has more than {CONTENTS_LIMIT} bytes")]
    TooLarge,
    #[error("it broke off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the server does not answer")]
    Connection(#[source] hyper_util::client::legacy::Error),
    #[error("it took longer than {} s", TRY_MAX.as_secs())]
    Time,
    #[error("it is no URL")]
    Url,
}

impl FetchError {
    /// Whether another try may do better.
    fn may_pass(&self) -> bool {
        match self {
            Self::Refused(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Body(_) | Self::Connection(_) | Self::Time => true,
            Self::Redirection | Self::Url | Self::TooLarge => false,
        }
    }
}

/// A client that trusts `roots`.
fn client(roots: RootCertStore) -> Result<Client<Connector, Empty<Bytes>>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// Whom this machine trusts; read at each fetch, for an owner may have added one.
pub(super) fn trusted() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let (_added, _ignored) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// What lies at `url`.
pub(super) async fn fetch(url: &str, roots: RootCertStore) -> Result<Vec<u8>, HostError> {
    let refuse = |error: FetchError| {
        let hint = "see whether this node reaches it, or give the contents inline";
        HostError::new("fetch", url, hint).because(error)
    };
    let client = client(roots).map_err(|error| {
        HostError::new("fetch", url, "TLS cannot be set up on this machine").because(error)
    })?;
    let give_up = tokio::time::Instant::now() + ALL_MAX;
    let mut wait = WAIT;
    loop {
        let tried = tokio::time::timeout(TRY_MAX, follow(&client, url)).await;
        let error = match tried.unwrap_or(Err(FetchError::Time)) {
            Ok(content) => return Ok(content),
            Err(error) => error,
        };
        if !error.may_pass() || tokio::time::Instant::now() + wait > give_up {
            return Err(refuse(error));
        }
        tracing::warn!(url, %error, "fetching again");
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}

async fn follow(
    client: &Client<Connector, Empty<Bytes>>,
    url: &str,
) -> Result<Vec<u8>, FetchError> {
    let mut url: Uri = url.parse().map_err(|_| FetchError::Url)?;
    for _ in 0..=REDIRECTIONS_MAX {
        let request = Request::get(url.clone())
            .header(header::USER_AGENT, "windlass-daemon")
            .body(Empty::new())
            .map_err(|_| FetchError::Url)?;
        let response = client.request(request).await;
        let response = response.map_err(FetchError::Connection)?;
        let status = response.status();
        if status.is_redirection() {
            let to = response.headers().get(header::LOCATION);
            let to = to.and_then(|to| to.to_str().ok());
            url = redirected(&url, to.unwrap_or_default()).ok_or(FetchError::Redirection)?;
            continue;
        }
        if status != StatusCode::OK {
            return Err(FetchError::Refused(status));
        }
        let limit = usize::try_from(CONTENTS_LIMIT).unwrap_or(usize::MAX);
        let body = Limited::new(response.into_body(), limit).collect().await;
        return match body {
            Ok(body) => Ok(body.to_bytes().to_vec()),
            Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge),
            Err(error) => Err(FetchError::Body(error)),
        };
    }
    Err(FetchError::Redirection)
}

/// Where a redirection leads; `None` where that is not https.
fn redirected(from: &Uri, to: &str) -> Option<Uri> {
    let to: Uri = to.parse().ok()?;
    if to.scheme().is_some() {
        return (to.scheme_str() == Some("https")).then_some(to);
    }
    let mut parts = from.clone().into_parts();
    parts.path_and_query = Some(to.path_and_query()?.clone());
    Uri::from_parts(parts).ok()
}
