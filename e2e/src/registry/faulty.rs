//! A registry that fails as it is told to, in front of a real one.
//!
//! # Guarantees
//! A fault hits the requests that its rule names, as often as it says, and no others; every request is recorded. Nothing
//! waits: silence is a connection that is never answered.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::once;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status, with these headers.
    Status(u16, Vec<(&'static str, String)>),
    /// Nothing ever comes.
    Silence,
    /// The connection breaks after so many bytes of the body.
    Cut(usize),
    /// The first byte of the body is another one.
    OtherBytes,
}

/// Which requests a fault hits.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Their path contains this.
    pub path: String,
    /// So many of them, the first ones.
    pub times: usize,
    /// What goes wrong with them.
    pub fault: Fault,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// GET, mostly.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The header `Range`, if there was one.
    pub range: Option<String>,
}

/// The registry that fails.
#[derive(Debug)]
pub struct Faulty {
    address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    behind: SocketAddr,
    rules: Mutex<Vec<Rule>>,
    asked: Mutex<Vec<Asked>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

impl Faulty {
    /// One in front of the registry at `behind`, which speaks plain http.
    pub async fn before(behind: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("listening for a faulty registry")?;
        let address = listener.local_addr().context("asking for the own port")?;
        let state = Arc::new(State {
            behind,
            rules: Mutex::default(),
            asked: Mutex::default(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        let serving = tokio::spawn(serve(listener, state.clone()));
        Ok(Self {
            address,
            state,
            serving,
        })
    }

    /// Where it listens, which is also its name.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on these go wrong, and no others.
    pub fn fails(&self, rules: Vec<Rule>) {
        *lock(&self.state.rules) = rules;
    }

    /// The requests since it was last asked.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *lock(&self.state.asked))
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let state = state.clone();
                async move { Ok::<_, Infallible>(state.answer(request).await) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            // A connection that ends early is what clients of a faulty registry do.
            drop(connection.await);
        });
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path().to_owned();
        let range = request.headers().get("range");
        lock(&self.asked).push(Asked {
            method: request.method().clone(),
            path: path.clone(),
            range: range.and_then(|range| range.to_str().ok().map(str::to_owned)),
        });
        let fault = self.fault(&path);
        match fault {
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Status(status, headers)) => {
                let mut reply = whole(Bytes::new());
                *reply.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
                for (name, value) in headers {
                    if let Ok(value) = value.parse() {
                        reply.headers_mut().insert(name, value);
                    }
                }
                reply
            }
            other => match self.forward(request).await {
                Ok((status, headers, body)) => damaged(status, &headers, body, other.as_ref()),
                Err(error) => {
                    let mut reply = whole(Bytes::from(error.to_string()));
                    *reply.status_mut() = StatusCode::BAD_GATEWAY;
                    reply
                }
            },
        }
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let rule = rules
            .iter_mut()
            .find(|rule| rule.times > 0 && path.contains(&rule.path))?;
        rule.times -= 1;
        Some(rule.fault.clone())
    }

    async fn forward(&self, request: Request<Incoming>) -> Result<(StatusCode, HeaderMap, Bytes)> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = format!("http://{}{path}", self.behind).parse::<Uri>()?;
        parts.headers.remove("host");
        let body = body.collect().await?.to_bytes();
        let request = Request::from_parts(parts, Full::new(body));
        let response = self.client.request(request).await?;
        let (parts, body) = response.into_parts();
        Ok((
            parts.status,
            parts.headers,
            body.collect().await?.to_bytes(),
        ))
    }
}

fn whole(bytes: Bytes) -> Reply {
    let body = Full::new(bytes).map_err(|never| match never {});
    Response::new(body.boxed_unsync())
}

/// The reply of the registry behind, with what is wrong with it.
fn damaged(status: StatusCode, headers: &HeaderMap, body: Bytes, fault: Option<&Fault>) -> Reply {
    let mut reply = match fault {
        Some(Fault::Cut(after)) => {
            let sent = body.slice(..(*after).min(body.len()));
            // What was sent has left before the connection breaks.
            let breaks = once(async {
                tokio::task::yield_now().await;
                Err(io::Error::other("cut as it was told"))
            });
            let pieces = once(async { Ok(Frame::data(sent)) }).chain(breaks);
            Response::new(StreamBody::new(pieces).boxed_unsync())
        }
        Some(Fault::OtherBytes) => {
            let mut bytes = body.to_vec();
            if let Some(first) = bytes.first_mut() {
                *first ^= 0xff;
            }
            whole(Bytes::from(bytes))
        }
        _ => whole(body),
    };
    *reply.status_mut() = status;
    *reply.headers_mut() = headers.clone();
    reply
}
