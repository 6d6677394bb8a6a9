//! From a request to its response, without a socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::json;

use super::metrics::Metrics;
use super::pictures::Form;
use super::{
    Prepared, Served, feed, negotiate, openapi, page, pictures, prepared, query, signatures, watch,
};
use crate::explain::{NoExplanation, Question};

/// A response whose body is whole.
pub type Reply = Response<Bytes>;

/// Which of the two ports was knocked at.
#[derive(Debug, Clone)]
pub enum Door {
    /// The answers.
    Main {
        /// What stands before every path; empty or `/api/upgrades_info`.
        prefix: String,
        /// The folder of release signatures; none if none are served.
        signatures: Option<PathBuf>,
    },
    /// Liveness, readiness, metrics.
    Status,
}

/// What may be done at a path of the main port.
const METHODS: &str = "GET, HEAD, OPTIONS";
/// What a response depends on.
const VARY: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Accept, Accept-Encoding";
/// What a browser lets a picture do: look as it looks.
const PICTURE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'";
/// What a follower knows already.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const PROBLEM: &str = "application/json";

impl Door {
    /// Answers a request.
    pub fn respond<B>(
        &self,
        request: &http::Request<B>,
        served: &Served,
        metrics: &Metrics,
    ) -> Reply {
        let uri = request.uri();
        let mut reply = match self {
            Self::Status => status(request.method(), uri.path(), served, metrics),
            Self::Main { prefix, signatures } => {
                let asked = Request {
                    method: request.method(),
                    headers: request.headers(),
                    query: uri.query().unwrap_or_default(),
                    signatures: signatures.as_deref(),
                };
                let mut reply = asked.main(uri.path(), prefix, served, metrics);
                asked.share(&mut reply);
                reply
            }
        };
        if request.method() == Method::HEAD {
            let length = HeaderValue::from(reply.body().len());
            reply.headers_mut().insert(header::CONTENT_LENGTH, length);
            *reply.body_mut() = Bytes::new();
        }
        reply
    }
}

fn status(method: &Method, path: &str, served: &Served, metrics: &Metrics) -> Reply {
    if method != Method::GET && method != Method::HEAD {
        return not_allowed("GET, HEAD");
    }
    match path {
        "/livez" | "/liveness" => empty(StatusCode::OK),
        "/readyz" | "/readiness" => match served.current() {
            Ok(_) if served.ends_soon() => {
                let says = "the service is about to end";
                told(StatusCode::SERVICE_UNAVAILABLE, "ending", says)
            }
            Ok(_) => empty(StatusCode::OK),
            Err(reason) => told(StatusCode::SERVICE_UNAVAILABLE, "no_graph", &reason),
        },
        "/metrics" => match metrics.text(served) {
            Ok(text) => with(StatusCode::OK, super::metrics::MEDIA_TYPE, text.into()),
            Err(error) => told(
                StatusCode::INTERNAL_SERVER_ERROR,
                "failed_metrics",
                &format!("the metrics cannot be written: {error}"),
            ),
        },
        "/status" => {
            let told = metrics.health().json().to_string();
            with(StatusCode::OK, PROBLEM, told.into())
        }
        _ => empty(StatusCode::NOT_FOUND),
    }
}

/// Status, kind and sentence of a question that is not answered.
type Refusal = (StatusCode, &'static str, String);

struct Request<'r> {
    method: &'r Method,
    headers: &'r HeaderMap,
    query: &'r str,
    signatures: Option<&'r Path>,
}

impl Request<'_> {
    fn main(&self, whole: &str, prefix: &str, served: &Served, metrics: &Metrics) -> Reply {
        let path = below(whole, prefix);
        let known = matches!(
            path,
            "/graph"
                | "/v1/graph"
                | "/openapi"
                | "/v1/openapi"
                | "/v1/explain"
                | "/v1/channels"
                | "/v1/watch"
                | "/v1/feed"
                | "/graph.svg"
                | "/graph.dot"
        ) || path.starts_with(signatures::PATH);
        let page = page::file(path, whole, prefix);
        if !known && page.is_none() {
            return empty(StatusCode::NOT_FOUND);
        }
        match *self.method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return self.preflight(),
            _ => return not_allowed(METHODS),
        }
        if let Some(file) = page {
            return guarded(
                with(StatusCode::OK, file.media_type, file.body),
                page::POLICY,
            );
        }
        if path.ends_with("/openapi") {
            let document = openapi::document(prefix).to_string();
            return with(StatusCode::OK, negotiate::JSON, document.into());
        }
        metrics.asked(path);
        let reply = match (path, Form::of(path)) {
            (_, Some(form)) => self.picture(form, served),
            ("/graph" | "/v1/graph", _) => self.graph(served),
            ("/v1/explain", _) => self.explain(served),
            ("/v1/channels", _) => channels(served),
            ("/v1/watch", _) => self.watch(served),
            ("/v1/feed", _) => self.feed(served, metrics),
            (path, _) => self.signature(path),
        };
        match reply {
            Ok(reply) => reply,
            Err((code, kind, says)) => {
                metrics.refused(code, kind);
                told(code, kind, &says)
            }
        }
    }

    fn graph(&self, served: &Served) -> Result<Reply, Refusal> {
        let media_type = negotiate::media_type(self.text(&header::ACCEPT).as_deref()).ok_or((
            StatusCode::NOT_ACCEPTABLE,
            "invalid_content_type",
            "invalid Content-Type requested".to_owned(),
        ))?;
        let (asked, graph) = self.asked(served)?;
        let made = graph.answer(&asked.channel, &asked.architecture);
        let gzip = negotiate::gzip(self.text(&header::ACCEPT_ENCODING).as_deref());
        let form = if gzip { &made.gzip } else { &made.plain };
        let mut reply = if self.has(form) {
            empty(StatusCode::NOT_MODIFIED)
        } else {
            with(StatusCode::OK, media_type, form.body.clone())
        };
        let headers = reply.headers_mut();
        if let Ok(tag) = HeaderValue::from_str(&form.tag) {
            headers.insert(header::ETAG, tag);
        }
        if gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(reply)
    }

    /// Why the releases of a channel can or cannot be reached. It is asked by people, so it is made for each of them.
    fn explain(&self, served: &Served) -> Result<Reply, Refusal> {
        let (asked, graph) = self.asked(served)?;
        let from = query::parameter(self.query, "from")
            .ok_or_else(|| bad_question(&query::BadQuestion::Missing("from")))?;
        let to = query::parameter(self.query, "to");
        let explanation = graph.graph().explain(Question {
            channel: &asked.channel,
            architecture: &asked.architecture,
            from: &from,
            to: to.as_deref(),
        });
        let explanation = explanation.map_err(|error| {
            let status = match error {
                NoExplanation::InvalidVersion { .. } => StatusCode::BAD_REQUEST,
                NoExplanation::VersionNotFound { .. } | NoExplanation::NotInAnswer { .. } => {
                    StatusCode::NOT_FOUND
                }
            };
            (status, error.reason(), error.to_string())
        })?;
        let body = serde_json::to_vec(&explanation).map_err(|error| {
            let says = format!("writing the explanation: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, "failed_json_out", says)
        })?;
        Ok(with(StatusCode::OK, negotiate::JSON, body.into()))
    }

    /// A picture of a channel. It is asked for by people, so it is made for each of them.
    fn picture(&self, form: Form, served: &Served) -> Result<Reply, Refusal> {
        let (asked, graph) = self.asked(served)?;
        let wish = pictures::Wish::read(self.query).map_err(|bad| bad_question(&bad))?;
        let drawn = pictures::draw(graph.graph(), &asked, &wish, form)
            .map_err(|no| (pictures::status(&no), no.reason(), no.to_string()))?;
        let reply = with(StatusCode::OK, form.media_type(), drawn.into());
        Ok(guarded(reply, PICTURE_POLICY))
    }

    /// What is asked for, and the graph that has it.
    fn asked(&self, served: &Served) -> Result<(query::Asked, Arc<Prepared>), Refusal> {
        let asked = query::read(self.query).map_err(|bad| bad_question(&bad))?;
        let graph = served
            .current()
            .map_err(|reason| (StatusCode::SERVICE_UNAVAILABLE, "no_graph", reason))?;
        Ok((asked, graph))
    }

    /// The head of a stream of changes; whoever has the connection adds the stream.
    fn watch(&self, served: &Served) -> Result<Reply, Refusal> {
        let (asked, _) = self.asked(served)?;
        let mut reply = with(StatusCode::OK, watch::MEDIA_TYPE, Bytes::new());
        let no_store = HeaderValue::from_static("no-store");
        reply.headers_mut().insert(header::CACHE_CONTROL, no_store);
        if *self.method == Method::GET {
            reply.extensions_mut().insert(watch::Following {
                channel: asked.channel,
                architecture: asked.architecture,
                known: self.text(&LAST_EVENT_ID).filter(|id| !id.is_empty()),
            });
        }
        Ok(reply)
    }

    fn feed(&self, served: &Served, metrics: &Metrics) -> Result<Reply, Refusal> {
        let (asked, _) = self.asked(served)?;
        let now = metrics.clock().now();
        let feed = served.with_history(|history| feed::feed(&asked, history, now));
        Ok(with(StatusCode::OK, feed::MEDIA_TYPE, feed.into()))
    }

    fn signature(&self, path: &str) -> Result<Reply, Refusal> {
        let none = || {
            (
                StatusCode::NOT_FOUND,
                "does_not_exist",
                "no signatures are served here".to_owned(),
            )
        };
        let folder = self.signatures.ok_or_else(none)?;
        let below = path.strip_prefix(signatures::PATH).unwrap_or_default();
        let signature = signatures::signature(folder, below)?;
        Ok(with(StatusCode::OK, signatures::MEDIA_TYPE, signature))
    }

    /// Whether the client has this form of the answer already.
    fn has(&self, form: &prepared::Form) -> bool {
        let Some(tags) = self.text(&header::IF_NONE_MATCH) else {
            return false;
        };
        tags.split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == "*" || tag == form.tag)
    }

    fn preflight(&self) -> Reply {
        let mut reply = empty(StatusCode::OK);
        let headers = reply.headers_mut();
        headers.insert(header::ALLOW, HeaderValue::from_static(METHODS));
        if self
            .headers
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            let methods = HeaderValue::from_static("HEAD, GET");
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            if let Some(asked) = self.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
        }
        reply
    }

    /// Lets pages of any origin read the answer.
    fn share(&self, reply: &mut Reply) {
        let headers = reply.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static(VARY));
        if let Some(origin) = self.headers.get(header::ORIGIN) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            let exposed = HeaderValue::from_static("etag");
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }

    /// A header's lines as one text; none if there is no such header. A line that is no text accepts nothing.
    fn text(&self, name: &HeaderName) -> Option<String> {
        let mut lines = self.headers.get_all(name).iter().peekable();
        lines.peek()?;
        let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
        Some(lines.join(","))
    }
}

fn channels(served: &Served) -> Result<Reply, Refusal> {
    let graph = served
        .current()
        .map_err(|reason| (StatusCode::SERVICE_UNAVAILABLE, "no_graph", reason))?;
    let body = serde_json::to_vec(&pictures::Channels::of(graph.graph())).map_err(|error| {
        let says = format!("writing the channels: {error}");
        (StatusCode::INTERNAL_SERVER_ERROR, "failed_json_out", says)
    })?;
    Ok(with(StatusCode::OK, negotiate::JSON, body.into()))
}

/// A path below the prefix. The page is at the root as well, and where only the last stroke is missing.
fn below<'p>(path: &'p str, prefix: &str) -> &'p str {
    if path == "/" || path == prefix {
        return "/";
    }
    path.strip_prefix(prefix).unwrap_or_default()
}

/// Tells a browser what it may do with what it gets.
fn guarded(mut reply: Reply, policy: &'static str) -> Reply {
    let headers = reply.headers_mut();
    let mut add = |name, value| headers.insert(name, HeaderValue::from_static(value));
    add(header::CONTENT_SECURITY_POLICY, policy);
    add(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(header::REFERRER_POLICY, "no-referrer");
    reply
}

fn bad_question(bad: &query::BadQuestion) -> Refusal {
    let (kind, says) = bad.told();
    (StatusCode::BAD_REQUEST, kind, says)
}

fn with(status: StatusCode, media_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let media_type = HeaderValue::from_static(media_type);
    reply.headers_mut().insert(header::CONTENT_TYPE, media_type);
    reply
}

fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = status;
    reply
}

fn not_allowed(methods: &'static str) -> Reply {
    let mut reply = empty(StatusCode::METHOD_NOT_ALLOWED);
    let methods = HeaderValue::from_static(methods);
    reply.headers_mut().insert(header::ALLOW, methods);
    reply
}

pub(super) fn told(status: StatusCode, kind: &str, says: &str) -> Reply {
    let body = json!({"kind": kind, "value": says}).to_string();
    with(status, PROBLEM, body.into())
}

/// What the doors share.
#[derive(Debug, Clone)]
pub struct House {
    /// What is served.
    pub served: Arc<Served>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}
