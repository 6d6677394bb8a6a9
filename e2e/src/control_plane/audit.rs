//! Who asked what of the API servers: their audit logs.
//!
//! # Guarantees
//! A request is one event, at the stage at which it ends (`ResponseComplete`); a watch is a second one at the stage at which it
//! begins (`ResponseStarted`). [`Event::counts`] takes each request once.
//!
//! # Assumes
//! A reader waits until what it counts is over: an answer may arrive a moment before its event is written.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{ControlPlaneError, Result, file};

/// How much of each request is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Who, what, when, and how it ended.
    Metadata,
    /// Also what was sent.
    Request,
    /// Also what was answered.
    RequestResponse,
}

impl Level {
    /// The policy that tells an API server so.
    pub(super) fn policy(self) -> String {
        let level = match self {
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        };
        json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{ "level": level }],
        })
        .to_string()
    }
}

/// A request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Names the request.
    #[serde(rename = "auditID")]
    pub audit_id: String,
    /// How far it is: `ResponseStarted`, `ResponseComplete` or `Panic`.
    pub stage: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, or a method in small letters.
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// Who asked.
    pub user: User,
    /// As whom, if as somebody else.
    pub impersonated_user: Option<User>,
    /// What the client calls itself.
    #[serde(default)]
    pub user_agent: String,
    /// On what; none for paths that are no resources.
    pub object_ref: Option<ObjectRef>,
    /// How it ended.
    pub response_status: Option<ResponseStatus>,
    /// What was sent, at [`Level::Request`].
    pub request_object: Option<Value>,
    /// When it arrived.
    pub request_received_timestamp: jiff::Timestamp,
    /// When this stage was reached.
    pub stage_timestamp: jiff::Timestamp,
}

/// Who asked.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// By name; empty for who could not prove one.
    #[serde(default)]
    pub username: String,
    /// The groups.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// What a request is about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// The plural of the kind.
    pub resource: String,
    /// As in `status`.
    pub subresource: String,
    /// Empty where there is none.
    pub namespace: String,
    /// Empty for lists.
    pub name: String,
    /// Empty for the core group.
    pub api_group: String,
}

/// How a request ended.
#[derive(Clone, Debug, Deserialize)]
pub struct ResponseStatus {
    /// The HTTP status.
    #[serde(default)]
    pub code: u16,
}

impl Event {
    /// Whether this event stands for its request: the other events of a request are left out of a count.
    pub fn counts(&self) -> bool {
        let stage = if self.verb == "watch" && self.succeeded() {
            "ResponseStarted"
        } else {
            "ResponseComplete"
        };
        self.stage == stage || self.stage == "Panic"
    }

    fn succeeded(&self) -> bool {
        self.response_status
            .as_ref()
            .is_some_and(|status| status.code < 300)
    }

    /// Who asked: the name that rights were judged by.
    pub fn username(&self) -> &str {
        let user = self.impersonated_user.as_ref().unwrap_or(&self.user);
        &user.username
    }
}

/// The audit logs of all API servers of one control plane, from a moment on.
#[derive(Clone, Debug)]
pub struct AuditLog {
    /// Each with the place from which it is read.
    logs: Vec<(PathBuf, u64)>,
}

impl AuditLog {
    pub(super) fn new(logs: Vec<PathBuf>) -> Self {
        Self {
            logs: logs.into_iter().map(|path| (path, 0)).collect(),
        }
    }

    /// The same logs, from now on.
    pub fn from_now(mut self) -> Result<Self> {
        for (path, from) in &mut self.logs {
            let length = File::open(&*path)
                .and_then(|file| file.metadata())
                .map_err(|source| file("reading", path, source))?
                .len();
            *from = length;
        }
        Ok(self)
    }

    /// All events, in the order in which their stages were reached.
    pub fn events(&self) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        for (path, from) in &self.logs {
            let text = read(path, *from).map_err(|source| file("reading", path, source))?;
            // What does not end with a line's end is still being written.
            let complete = text.rfind('\n').map_or("", |end| &text[..end]);
            for line in complete.lines() {
                let event =
                    serde_json::from_str(line).map_err(|source| ControlPlaneError::Audit {
                        path: path.clone(),
                        line: line.chars().take(200).collect(),
                        source,
                    })?;
                events.push(event);
            }
        }
        events.sort_by_key(|event: &Event| event.stage_timestamp);
        Ok(events)
    }

    /// One event for each request of somebody.
    pub fn requests_of(&self, username: &str) -> Result<Vec<Event>> {
        let mut events = self.events()?;
        events.retain(|event| event.counts() && event.username() == username);
        Ok(events)
    }
}

/// The lines that begin at `from` or later. A line that was being written when `from` was noted began before.
fn read(path: &PathBuf, from: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from.saturating_sub(1)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let begins = match bytes.iter().position(|byte| *byte == b'\n') {
        _ if from == 0 => 0,
        Some(end) => end + 1,
        None => bytes.len(),
    };
    Ok(String::from_utf8_lossy(&bytes[begins..]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_being_written_belongs_to_what_was_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();

        let [whole, between, within, end] = [0, 4, 6, 14].map(|from| read(&path, from).unwrap());

        assert_eq!(whole, "one\ntwo\nthree\n");
        assert_eq!(between, "two\nthree\n");
        assert_eq!(within, "three\n");
        assert_eq!(end, "");
    }
}
