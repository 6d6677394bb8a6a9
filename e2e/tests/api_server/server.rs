//! A server under test: requests as a client sends them, and the whole answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use crate::compare::read;

/// What the suite calls itself: field managers are named after it.
const AGENT: &str = "suite/1";
const JSON: &str = "application/json";
/// What kubectl asks for where it prints columns.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// The kinds of patches.
pub const MERGE: &str = "application/merge-patch+json";
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub const STEPS: &str = "application/json-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub line: String,
    pub sent: Option<Value>,
    pub reply: Reply,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    /// JSON, a list of the lines of a watch, or text.
    pub body: Value,
}

impl Reply {
    /// The body of an answer that had to be good.
    pub fn ok(self) -> Value {
        assert!(self.status < 300, "{} {}", self.status, self.body);
        self.body
    }

    /// The body of an answer that had to be a refusal of this kind.
    pub fn refused(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

/// One of the two servers, as one case sees it.
#[derive(Clone)]
pub struct Server {
    client: kube::Client,
    namespace: String,
    transcript: Arc<Mutex<Vec<Exchange>>>,
}

impl Server {
    pub fn new(client: kube::Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            transcript: Arc::default(),
        }
    }

    /// The case's namespace; also a name that no other case has.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The path of something of the core group in the case's namespace.
    pub fn core(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.namespace)
    }

    /// The path of something of another group in the case's namespace.
    pub fn group(&self, group_version: &str, rest: &str) -> String {
        format!("/apis/{group_version}/namespaces/{}/{rest}", self.namespace)
    }

    /// All that was asked and answered so far.
    pub fn transcript(&self) -> Vec<Exchange> {
        self.transcript.lock().unwrap().clone()
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, JSON, None, None).await
    }

    /// As kubectl shows it.
    pub async fn table(&self, path: &str) -> Reply {
        self.send("GET", path, TABLE, None, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, JSON, Some(JSON), Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.send("PUT", path, JSON, Some(JSON), Some(body)).await
    }

    pub async fn patch(&self, path: &str, kind: &str, body: Value) -> Reply {
        self.send("PATCH", path, JSON, Some(kind), Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, JSON, None, None).await
    }

    pub async fn delete_with(&self, path: &str, options: Value) -> Reply {
        self.send("DELETE", path, JSON, Some(JSON), Some(options))
            .await
    }

    /// Asks until the answer is as it should be; how often that takes is no part of the story.
    pub async fn until(&self, path: &str, what: impl Fn(&Value) -> bool) {
        for _ in 0..600 {
            let asked = Request::get(path).body(Body::empty()).unwrap();
            let answer = self.client.send(asked).await.unwrap();
            let good = answer.status().is_success();
            let bytes = answer.into_body().collect().await.unwrap().to_bytes();
            if good && what(&read(&bytes, false)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never: {path}");
    }

    /// Sends a request and takes in the whole answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        accept: &str,
        content_type: Option<&str>,
        body: Option<Value>,
    ) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("accept", accept)
            .header("user-agent", AGENT);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let bytes = match &body {
            None => Vec::new(),
            Some(Value::String(text)) => text.clone().into_bytes(),
            Some(value) => value.to_string().into_bytes(),
        };
        let request = request.body(Body::from(bytes)).unwrap();
        let response = self.client.send(request).await.unwrap();
        let (parts, answer) = response.into_parts();
        let bytes = answer.collect().await.unwrap().to_bytes();
        let watched = path.contains("watch=true") && parts.status.is_success();
        let reply = Reply {
            status: parts.status.as_u16(),
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: read(&bytes, watched),
        };
        self.transcript.lock().unwrap().push(Exchange {
            line: format!("{method} {path}"),
            sent: body,
            reply: reply.clone(),
        });
        reply
    }
}
