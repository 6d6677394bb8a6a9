//! From a request to its response, without a socket.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::json;

use super::metrics::Metrics;
use super::pictures::Form;
use super::prepared;
use super::{Served, negotiate, openapi, page, pictures, query};
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
            Self::Main { prefix } => {
                let asked = Request {
                    method: request.method(),
                    headers: request.headers(),
                    query: uri.query().unwrap_or_default(),
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
        _ => empty(StatusCode::NOT_FOUND),
    }
}

/// Status, kind and sentence of a question that is not answered.
type Refusal = (StatusCode, &'static str, String);

struct Request<'r> {
    method: &'r Method,
    headers: &'r HeaderMap,
    query: &'r str,
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
                | "/graph.svg"
                | "/graph.dot"
        );
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
            ("/v1/explain", _) => self.explain(served),
            ("/v1/channels", _) => channels(served),
            _ => self.graph(served),
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
        let asked = query::read(self.query).map_err(|bad| {
            let (kind, says) = bad.told();
            (StatusCode::BAD_REQUEST, kind, says)
        })?;
        let graph = served
            .current()
            .map_err(|reason| (StatusCode::SERVICE_UNAVAILABLE, "no_graph", reason))?;
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
        let bad = |bad: query::BadQuestion| {
            let (kind, says) = bad.told();
            (StatusCode::BAD_REQUEST, kind, says)
        };
        let asked = query::read(self.query).map_err(bad)?;
        let from = query::parameter(self.query, "from")
            .ok_or_else(|| bad(query::BadQuestion::Missing("from")))?;
        let to = query::parameter(self.query, "to");
        let graph = served
            .current()
            .map_err(|reason| (StatusCode::SERVICE_UNAVAILABLE, "no_graph", reason))?;
        let explanation = graph.graph().explain(Question {
            channel: &asked.channel,
            architecture: &asked.architecture,
            from: &from,
            to: to.as_deref(),
        });
        let explanation = explanation.map_err(|error| {
            let status = match error {
                NoExplanation::InvalidVersion { .. } => StatusCode::BAD_REQUEST,
                NoExplanation::VersionNotFound { .. } => StatusCode::NOT_FOUND,
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
        let bad = |bad: query::BadQuestion| {
            let (kind, says) = bad.told();
            (StatusCode::BAD_REQUEST, kind, says)
        };
        let asked = query::read(self.query).map_err(bad)?;
        let wish = pictures::Wish::read(self.query).map_err(bad)?;
        let graph = served
            .current()
            .map_err(|reason| (StatusCode::SERVICE_UNAVAILABLE, "no_graph", reason))?;
        let drawn = pictures::draw(graph.graph(), &asked, &wish, form)
            .map_err(|no| (pictures::status(&no), no.reason(), no.to_string()))?;
        let reply = with(StatusCode::OK, form.media_type(), drawn.into());
        Ok(guarded(reply, PICTURE_POLICY))
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

fn told(status: StatusCode, kind: &str, says: &str) -> Reply {
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
