//! A server to which requests are sent as they were recorded.

use http::Request;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use kube::client::Body;
use serde_json::Value;
use simulation::clock::starting_at;
use simulation::server::{ApiServer, Options};
use std::collections::BTreeMap;
use tower::{Service as _, ServiceExt as _};

use crate::bindings::Bindings;
use crate::compare::read;

/// When the first recorded object was made.
const START: &str = "2026-11-23T21:02:42Z";

/// A replay in progress.
pub(crate) struct Replay {
    pub server: ApiServer,
    pub bindings: Bindings,
}

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub method: String,
    pub path: String,
    pub accept: String,
    pub content_type: String,
    pub user_agent: &'static str,
    pub body: Vec<u8>,
}

/// What this server answered.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    /// JSON, a list of the lines of a watch, or text.
    pub body: Value,
}

impl Replay {
    pub(crate) fn new() -> Self {
        let clock = starting_at(START.parse().unwrap());
        let options = Options {
            version: "v1.36.3".to_owned(),
            // Beside the recorded server ran no controller manager.
            janitor: false,
            ..Options::default()
        };
        Self {
            server: ApiServer::new(clock, options),
            bindings: Bindings::new(),
        }
    }

    /// Moves the clock to the latest time that a recorded answer tells, if it is later than now.
    pub(crate) async fn catch_up(&self, recorded: &Value) {
        let now = self.server.clock().now();
        if let Some(told) = latest(recorded)
            && told > now
        {
            let ahead = told.duration_since(now).unsigned_abs();
            tokio::time::advance(ahead).await;
        }
    }

    /// The body of a recorded request in the terms of this server.
    pub(crate) fn body(&self, recorded: Option<&Value>) -> Vec<u8> {
        match recorded {
            None => Vec::new(),
            Some(Value::String(text)) => self.bindings.text(text).into_bytes(),
            Some(value) => self.bindings.value(value).to_string().into_bytes(),
        }
    }
}

/// The latest time at which something was written, of all that an answer tells.
fn latest(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Array(items) => items.iter().filter_map(latest).max(),
        Value::Object(fields) => fields
            .iter()
            .filter_map(|(key, value)| match (key.as_str(), value.as_str()) {
                ("creationTimestamp" | "time" | "lastTransitionTime", Some(time)) => {
                    time.parse().ok()
                }
                _ => latest(value),
            })
            .max(),
        _ => None,
    }
}

/// Sends a request and takes in the whole answer.
pub(crate) async fn send(server: &ApiServer, outgoing: Outgoing) -> Reply {
    let mut request = Request::builder()
        .method(outgoing.method.as_str())
        .uri(&outgoing.path)
        .header("accept", &outgoing.accept)
        .header("user-agent", outgoing.user_agent);
    if !outgoing.content_type.is_empty() {
        request = request.header("content-type", &outgoing.content_type);
    }
    let request = request.body(Body::from(outgoing.body)).unwrap();
    let mut connection = server.connection("recording");
    let response = connection
        .ready()
        .await
        .unwrap()
        .call(request)
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let watched = outgoing.path.contains("watch=true") && parts.status.is_success();
    Reply {
        status: parts.status.as_u16(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: read(&bytes, watched),
    }
}
