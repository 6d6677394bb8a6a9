//! The recordings, as they lie in their files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const FOLDER: &str = "WINDLASS_API_SERVER_RECORDINGS";

/// One request to the real server, and its answer.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Exchange {
    pub id: String,
    pub section: String,
    pub name: String,
    pub request: Asked,
    pub response: Answered,
    pub note: Option<String>,
}

/// A request.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Asked {
    pub method: String,
    pub path: String,
    pub accept: Option<String>,
    pub content_type: Option<String>,
    /// A text is sent as it is, anything else as JSON.
    pub body: Option<Value>,
    /// Another caller than the administrator.
    #[serde(rename = "as")]
    pub caller: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Answered {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Option<Value>,
    /// The beginning of a body that was too long to keep.
    pub body_truncated: Option<String>,
}

/// What one command of kubectl asked.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Command {
    pub command: String,
    pub requests: Vec<KubectlRequest>,
}

/// One request of kubectl, and what became of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct KubectlRequest {
    pub method: String,
    pub path: String,
    pub accept: String,
    pub status: u16,
    pub content_type: String,
    pub request_content_type: Option<String>,
    pub request_body: Option<Value>,
}

impl Exchange {
    /// Whether it shows who may do what, or needs policies and tokens: the section's last part, from the first foreign caller on.
    pub(crate) fn is_about_rights(&self) -> bool {
        const RIGHTS: [&str; 5] = [
            "admission policy",
            "its binding",
            "denied by policy",
            "token bound to a node",
            "namespace delete",
        ];
        self.request.caller.is_some() || RIGHTS.contains(&self.name.as_str())
    }
}

pub(crate) fn exchanges() -> Vec<Exchange> {
    let mut all: Vec<Exchange> = read("exchanges.jsonl.gz");
    all.iter_mut().for_each(put_back_the_name);
    all
}

/// The recorder used one object for several requests and wrote it down after the last; the name that a request really had is the
/// one that its answer speaks of.
fn put_back_the_name(exchange: &mut Exchange) {
    let (Some(sent), Some(answer)) = (&mut exchange.request.body, &exchange.response.body) else {
        return;
    };
    let name = match (exchange.request.method.as_str(), exchange.response.status) {
        ("PUT", 200) => answer.pointer("/metadata/name").and_then(Value::as_str),
        ("PUT", 400) => answer
            .get("message")
            .and_then(Value::as_str)
            .and_then(|message| message.strip_prefix("the name of the object ("))
            .and_then(|rest| rest.split(')').next()),
        _ => None,
    };
    if let (Some(name), Some(place)) = (name, sent.pointer_mut("/metadata/name")) {
        *place = name.into();
    }
}

pub(crate) fn commands() -> Vec<Command> {
    read("kubectl.jsonl.gz")
}

fn folder() -> PathBuf {
    std::env::var_os(FOLDER).map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../shared/data/api-server"
            ))
        },
        PathBuf::from,
    )
}

fn read<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = folder().join(name);
    let file = File::open(&path).unwrap_or_else(|error| {
        panic!(
            "no recording of an API server at {}: {error}; set {FOLDER} to the folder that holds {name}",
            path.display()
        )
    });
    BufReader::new(GzDecoder::new(file))
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}
