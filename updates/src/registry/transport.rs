//! Requests and responses: connections, TLS, redirections, time.
//!
//! # Guarantees
//! Plain http is spoken to loopback and to whom the settings name, to nobody else, redirections and token servers
//! included. What convinces one host is not sent to another. Every wait is bounded.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, LOCATION};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::Patience;
use super::error::{Why, chain};

/// Redirections that are followed: a registry that keeps its blobs elsewhere needs one or two.
const REDIRECTIONS_MAX: usize = 5;
/// What a connection reads at once, which is what a stream holds at a time.
const READ_BYTES_MAX: usize = 64 << 10;
/// Connections to one host that are kept when nobody uses them.
const IDLE_CONNECTIONS_MAX: usize = 32;
/// They are closed after this; load balancers close theirs after a minute.
const IDLE_TIME_MAX: Duration = Duration::from_secs(50);
/// Whoever takes fewer bytes a second than this is not taking them.
const UPLOAD_BYTES_A_SECOND_MIN: u64 = 32 << 10;
/// The registry that the name means, and where it answers.
const DOCKER: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// The body of a request.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What is sent. It can be sent again.
#[derive(Clone)]
pub enum Content {
    /// Nothing.
    Empty,
    /// These bytes.
    Bytes(Bytes),
    /// What is made anew for each try.
    Made {
        /// How many bytes.
        size: u64,
        /// Makes them.
        make: Arc<dyn Fn() -> Body + Send + Sync>,
    },
}

impl Content {
    /// A file, which is read as it is sent.
    pub fn file(path: PathBuf, size: u64) -> Self {
        let make = move || -> Body {
            let path = path.clone();
            let pieces = futures::stream::once(async move { tokio::fs::File::open(path).await })
                .map_ok(|file| futures::stream::try_unfold(file, piece))
                .try_flatten()
                .map_ok(Frame::data);
            StreamBody::new(pieces).boxed_unsync()
        };
        Self::Made {
            size,
            make: Arc::new(make),
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Made { size, .. } => *size,
        }
    }

    fn body(&self) -> Body {
        match self {
            Self::Empty => Empty::new().map_err(|never| match never {}).boxed_unsync(),
            Self::Bytes(bytes) => Full::new(bytes.clone())
                .map_err(|never| match never {})
                .boxed_unsync(),
            Self::Made { make, .. } => make(),
        }
    }
}

async fn piece(mut file: tokio::fs::File) -> io::Result<Option<(Bytes, tokio::fs::File)>> {
    use tokio::io::AsyncReadExt as _;
    let mut bytes = bytes::BytesMut::with_capacity(READ_BYTES_MAX);
    let read = file.read_buf(&mut bytes).await?;
    Ok((read > 0).then(|| (bytes.freeze(), file)))
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.size())
    }
}

/// One request, which may be sent again.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
}

impl Ask {
    pub(crate) fn get(uri: Uri) -> Self {
        Self {
            method: Method::GET,
            uri,
            headers: HeaderMap::new(),
            content: Content::Empty,
        }
    }
}

type Connector = HttpsConnector<HttpConnector>;

pub(crate) struct Transport {
    client: Client<Connector, Body>,
    plain: Vec<String>,
    patience: Patience,
    /// Whether loopback registries speak TLS, as far as it was found out.
    secure: Mutex<BTreeMap<String, bool>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl Transport {
    /// Trusts whom this machine trusts, and these authorities.
    pub(crate) fn new(
        authorities: Vec<CertificateDer<'static>>,
        plain: Vec<String>,
        patience: Patience,
    ) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        let (_added, _ignored) =
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for authority in authorities {
            roots.add(authority)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(patience.connect));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .http1_max_buf_size(READ_BYTES_MAX)
            .build(connector);
        Ok(Self {
            client,
            plain,
            patience,
            secure: Mutex::default(),
        })
    }

    /// The URI of a path of a registry. Whether a loopback registry speaks TLS is found out by trying.
    pub(super) async fn uri(&self, registry: &str, path: &str) -> Result<Uri, Why> {
        let not_one = |error: &dyn fmt::Display| Why::NotUnderstood(format!("{path}: {error}"));
        let host = if registry == DOCKER.0 {
            DOCKER.1
        } else {
            registry
        };
        let authority: Authority = host.parse().map_err(|error| not_one(&error))?;
        let scheme = if self.speaks_tls(&authority).await? {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        let path: PathAndQuery = path.parse().map_err(|error| not_one(&error))?;
        Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query(path)
            .build()
            .map_err(|error| not_one(&error))
    }

    async fn speaks_tls(&self, authority: &Authority) -> Result<bool, Why> {
        if self.is_said_to_be_plain(authority) {
            return Ok(false);
        }
        if !is_loopback(authority.host()) {
            return Ok(true);
        }
        let known = |secure: &Mutex<BTreeMap<String, bool>>| {
            let secure = secure.lock().unwrap_or_else(PoisonError::into_inner);
            secure.get(authority.as_str()).copied()
        };
        if let Some(known) = known(&self.secure) {
            return Ok(known);
        }
        let probe = Request::get(format!("https://{authority}/v2/"))
            .body(Content::Empty.body())
            .map_err(|error| Why::NotUnderstood(error.to_string()))?;
        let answer = timeout(self.patience.answer, self.client.request(probe)).await;
        let secure = match answer.map_err(|_| Why::Slow(self.patience.answer))? {
            Ok(_) => true,
            Err(error) if is_no_tls(&error) => false,
            Err(error) => return Err(failed(&error)),
        };
        let mut all = self.secure.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(authority.to_string(), secure);
        Ok(secure)
    }

    fn is_said_to_be_plain(&self, authority: &Authority) -> bool {
        let named = |plain: &String| plain == authority.as_str() || plain == authority.host();
        self.plain.iter().any(named)
    }

    fn may_speak(&self, uri: &Uri) -> Result<(), Why> {
        let plainly = |authority: &Authority| {
            is_loopback(authority.host()) || self.is_said_to_be_plain(authority)
        };
        match uri.scheme_str() {
            Some("https") => Ok(()),
            Some("http") if uri.authority().is_some_and(plainly) => Ok(()),
            _ => Err(Why::Redirected(format!(
                "{uri} is not https; name its host with --registry-plain-http if it is to be trusted so"
            ))),
        }
    }

    /// Sends a request, and gives the response to it or to where it leads.
    pub(crate) async fn send(&self, ask: &Ask) -> Result<Response<Incoming>, Why> {
        let mut uri = ask.uri.clone();
        let mut headers = ask.headers.clone();
        let upload = Duration::from_secs(ask.content.size() / UPLOAD_BYTES_A_SECOND_MIN);
        let patience = self.patience.answer + upload;
        for _ in 0..=REDIRECTIONS_MAX {
            self.may_speak(&uri)?;
            let request = request(ask, uri.clone(), headers.clone());
            let response = timeout(patience, self.client.request(request))
                .await
                .map_err(|_| Why::Slow(patience))?
                .map_err(|error| failed(&error))?;
            let leads =
                response.status().is_redirection() && response.status() != StatusCode::NOT_MODIFIED;
            if !(leads && matches!(ask.method, Method::GET | Method::HEAD)) {
                return Ok(response);
            }
            let to = response.headers().get(LOCATION);
            let to = to.and_then(|to| to.to_str().ok()).unwrap_or_default();
            let next = relative_to(&uri, to)
                .ok_or_else(|| Why::Redirected("to what is no URL".to_owned()))?;
            if next.authority() != uri.authority() {
                headers.remove(AUTHORIZATION);
            }
            uri = next;
        }
        Err(Why::Redirected(format!(
            "more than {REDIRECTIONS_MAX} times"
        )))
    }

    /// The next piece of a body; none at its end.
    pub(super) async fn piece(&self, body: &mut Incoming) -> Result<Option<Bytes>, Why> {
        loop {
            let frame = timeout(self.patience.idle, body.frame())
                .await
                .map_err(|_| Why::Slow(self.patience.idle))?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(Why::BrokenOff(chain(&error))),
                // Trailers say nothing here.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Ok(Some(data)),
                    Err(_) => {}
                },
            }
        }
    }

    /// A whole body, if it is not larger than this.
    pub(crate) async fn whole(
        &self,
        response: Response<Incoming>,
        limit: usize,
    ) -> Result<Bytes, Why> {
        let body = Limited::new(response.into_body(), limit);
        let read = timeout(self.patience.answer, body.collect()).await;
        match read.map_err(|_| Why::Slow(self.patience.answer))? {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(Why::TooLarge {
                what: "bytes",
                limit: limit as u64,
            }),
            Err(error) => Err(Why::BrokenOff(chain(error.as_ref()))),
        }
    }
}

fn request(ask: &Ask, uri: Uri, mut headers: HeaderMap) -> Request<Body> {
    if !matches!(ask.method, Method::GET | Method::HEAD) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(ask.content.size()));
    }
    headers.insert(
        http::header::USER_AGENT,
        HeaderValue::from_static(concat!("windlass/", env!("CARGO_PKG_VERSION"))),
    );
    let mut request = Request::new(ask.content.body());
    *request.method_mut() = ask.method.clone();
    *request.headers_mut() = headers;
    *request.uri_mut() = uri;
    request
}

/// Where a location leads that was given in answer to a request for `from`.
pub(super) fn relative_to(from: &Uri, location: &str) -> Option<Uri> {
    let to: Uri = location.parse().ok()?;
    if to.scheme().is_some() {
        return Some(to);
    }
    let mut parts = from.clone().into_parts();
    let path = to.path_and_query()?;
    if !path.as_str().starts_with('/') {
        return None;
    }
    parts.path_and_query = Some(path.clone());
    Uri::from_parts(parts).ok()
}

/// Whether nobody but this machine hears what is said to this host.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn failed(error: &hyper_util::client::legacy::Error) -> Why {
    match tls_error(error) {
        Some(tls @ rustls::Error::InvalidCertificate(_)) => Why::NotTrusted(tls.to_string()),
        _ if error.is_connect() => Why::Unreachable(chain(error)),
        _ => Why::BrokenOff(chain(error)),
    }
}

/// Whether the other side did not answer as one that speaks TLS does.
fn is_no_tls(error: &(dyn Error + 'static)) -> bool {
    let ended = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
        )
    };
    matches!(tls_error(error), Some(rustls::Error::InvalidMessage(_)))
        || links(error).any(|link| link.downcast_ref().is_some_and(ended))
}

fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    links(error).find_map(|link| link.downcast_ref())
}

fn links<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    // What an I/O error wraps is not among its sources.
    let next = |link: &&'e (dyn Error + 'static)| {
        let link = *link;
        let wrapped = link
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => link.source(),
        }
    };
    std::iter::successors(Some(error), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_taken_whole_or_as_a_path_of_the_same_host() {
        let from: Uri = "https://a.example/v2/x".parse().unwrap();
        let to = |location| relative_to(&from, location).map(|uri| uri.to_string());

        assert_eq!(
            to("/v2/y?z=1").as_deref(),
            Some("https://a.example/v2/y?z=1")
        );
        assert_eq!(to("http://b/c").as_deref(), Some("http://b/c"));
        assert_eq!(to(""), None);
    }

    #[test]
    fn loopback_is_told_by_its_address() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "127.0.0.1.example", "::2"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn plain_http_is_spoken_to_loopback_and_to_whom_was_named() {
        let transport = Transport::new(
            Vec::new(),
            vec!["inside:5000".to_owned()],
            Patience::default(),
        )
        .unwrap();
        let may = |uri: &'static str| transport.may_speak(&Uri::from_static(uri)).is_ok();

        assert!(may("http://127.0.0.1:5000/v2/"));
        assert!(may("http://inside:5000/v2/"));
        assert!(may("https://elsewhere/v2/"));
        assert!(!may("http://elsewhere/v2/"));
        assert!(!may("http://inside/v2/"));
        assert!(!may("ftp://127.0.0.1/v2/"));
    }
}
