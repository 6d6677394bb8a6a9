//! The door in process: a tower service under `kube::Client`, one for each caller.
//!
//! A request waits out its delay, then is served in one step; so requests of several callers never mix half-done. What the faults
//! decide is carried out here, and everything that crosses is traced here.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http::{Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use thiserror::Error;

use super::faults::{Attempt, Fate, Outcome};
use super::handle::{Answer, handle};
use super::refusal::Refusal;
use super::request::{Call, Query, Target, Verb};
use super::watching::follow;
use super::{Passage, Shared};

/// The connection broke; what the server did is not known to the caller.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("connection to the API server lost while {actor} asked for {line}; ask again")]
pub struct ConnectionLost {
    actor: String,
    line: String,
}

/// The body of an answer.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, ConnectionLost>;

/// One caller's way to the server.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    actor: String,
    instance: Option<String>,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, actor: &str, instance: Option<&str>) -> Self {
        Self {
            shared,
            actor: actor.to_owned(),
            instance: instance.map(str::to_owned),
        }
    }

    /// Serves one request whose body has arrived.
    pub(crate) async fn serve(
        self,
        request: Request<Bytes>,
    ) -> Result<Response<AnswerBody>, ConnectionLost> {
        let call = self.call_of(request);
        let line = line_of(&call);
        let number = self.shared.next_request();
        self.shared
            .record(&call.actor, number, || Passage::Request {
                line: line.clone(),
                body: String::from_utf8_lossy(&call.body).into_owned(),
            });
        let lost = ConnectionLost {
            actor: call.actor.clone(),
            line,
        };
        let fate = self.decide(&call);
        if fate.delay > Duration::ZERO {
            tokio::time::sleep(fate.delay).await;
        }
        if fate.outcome == Outcome::Unreachable || self.instance_is_silent() {
            self.shared.record(&call.actor, number, broken);
            return Err(lost);
        }
        let answer = if let Outcome::Refuse(code) = fate.outcome {
            Answer::refused(&injected(code))
        } else {
            let mut state = self.shared.state();
            handle(&mut state, &self.shared, &call)
        };
        if fate.outcome == Outcome::LoseAnswer {
            self.shared.record(&call.actor, number, broken);
            return Err(lost);
        }
        self.shared.record(&call.actor, number, || answer.passage());
        Ok(self.respond(answer, number, &fate, lost))
    }

    fn call_of(&self, request: Request<Bytes>) -> Call {
        let (parts, body) = request.into_parts();
        let text = |name: header::HeaderName| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        Call {
            actor: self.actor.clone(),
            instance: self.instance.clone(),
            path: parts.uri.path().to_owned(),
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            accept: text(header::ACCEPT),
            content_type: text(header::CONTENT_TYPE),
            user_agent: text(header::USER_AGENT),
            line: parts.uri.to_string(),
            method: parts.method,
            body,
        }
    }

    fn decide(&self, call: &Call) -> Fate {
        let target = Target::parse(&call.path);
        let verb = Verb::of(&call.method, target.as_ref(), &call.query);
        let target = target.unwrap_or_default();
        self.shared.faults().decide(&Attempt {
            actor: &call.actor,
            verb,
            group: &target.group,
            resource: &target.resource,
            subresource: target.subresource.as_deref().unwrap_or_default(),
            namespace: target.namespace.as_deref().unwrap_or_default(),
            name: target.name.as_deref().unwrap_or_default(),
        })
    }

    fn instance_is_silent(&self) -> bool {
        self.instance
            .as_deref()
            .is_some_and(|address| !self.shared.state().instances.answers(address))
    }

    fn respond(
        &self,
        answer: Answer,
        number: u64,
        fate: &Fate,
        lost: ConnectionLost,
    ) -> Response<AnswerBody> {
        let mut response = Response::builder().status(answer.code());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        let body: AnswerBody = match answer {
            Answer::Body { bytes, .. } => Full::new(bytes)
                .map_err(|never: Infallible| match never {})
                .boxed_unsync(),
            Answer::Watch(plan) => {
                let frames = follow(
                    Arc::clone(&self.shared),
                    *plan,
                    self.actor.clone(),
                    number,
                    *fate,
                    lost,
                );
                let frames: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(frames);
                BodyExt::boxed_unsync(StreamBody::new(frames))
            }
        };
        // The parts come from this server, never from the caller, and are known to be valid.
        response
            .body(body)
            .unwrap_or_else(|_| Response::new(empty()))
    }
}

pub(super) fn empty() -> AnswerBody {
    Full::new(Bytes::new())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

fn broken() -> Passage {
    Passage::Answer {
        code: 0,
        body: String::new(),
    }
}

fn line_of(call: &Call) -> String {
    format!("{} {}", call.method, call.line)
}

fn injected(code: u16) -> Refusal {
    let nothing = super::About {
        group: "",
        kind: "",
        name: "",
    };
    match code {
        409 => Refusal::conflict(nothing, "the simulation refused the write"),
        429 => Refusal::too_many_requests(1),
        504 => Refusal::timeout("the simulation let the request time out"),
        503 => Refusal::unavailable("the simulation made the server unavailable"),
        _ => Refusal::internal("the simulation made the server fail", "InternalError"),
    }
}

impl tower::Service<Request<Body>> for Connection {
    type Response = Response<AnswerBody>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let connection = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let bytes = body.collect_bytes().await?;
            Ok(connection.serve(Request::from_parts(parts, bytes)).await?)
        })
    }
}
