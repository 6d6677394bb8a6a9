//! What a real kubectl asks, one command after the other, of a server that holds what the recorded one held then.

use std::fmt::Write as _;

use serde_json::Value;

use crate::exchanges;
use crate::recording::{self, KubectlRequest};
use crate::replay::{Outgoing, Replay, send};

const KUBECTL: &str = "kubectl/v1.32.9";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// What the recording has instead of a body that is not text.
const UNREADABLE: &str = "protobuf";

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn each_request_of_a_real_kubectl_is_answered_with_the_recorded_status_and_media_type() {
    let mut replay = Replay::new();
    for exchange in recording::exchanges() {
        if !exchange.is_about_rights() {
            exchanges::ask_and_compare(&mut replay, &exchange).await;
        }
    }
    let mut report = String::new();
    let mut compared = 0;

    for command in recording::commands() {
        let mut told = String::new();
        for request in &command.requests {
            let outgoing = outgoing(&replay, &with_told_version(request, &told)).await;
            let reply = send(&replay.server, outgoing).await;
            if let Some(version) = reply.body["metadata"]["resourceVersion"].as_str() {
                version.clone_into(&mut told);
            }
            compared += 1;
            let media = reply.headers.get("content-type").map_or("", String::as_str);
            if reply.status != request.status || media != media_of(request) {
                writeln!(
                    report,
                    "{}: {} {}: recorded {} {}, answered {} {media}: {}",
                    command.command,
                    request.method,
                    request.path,
                    request.status,
                    media_of(request),
                    reply.status,
                    reply.body
                )
                .unwrap();
            }
        }
    }

    assert!(report.is_empty(), "{report}");
    assert!(compared > 0, "nothing was compared");
}

/// The request with the version that this server told last in the place of the one that the recorded server had told:
/// a list's, from which kubectl watches on, or an object's, which it patches. Answers are not recorded, so that nothing else
/// says which version stands for which.
fn with_told_version(request: &KubectlRequest, told: &str) -> KubectlRequest {
    const OPTION: &str = "resourceVersion=";
    let mut request = request.clone();
    if let Some((before, after)) = request.path.split_once(OPTION) {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (version, rest) = after.split_at(digits);
        if !told.is_empty() && version != "0" {
            request.path = format!("{before}{OPTION}{told}{rest}");
        }
    }
    let steps = request.request_body.as_mut().and_then(Value::as_array_mut);
    for step in steps.into_iter().flatten() {
        if step["path"] == "/metadata/resourceVersion" {
            step["value"] = told.into();
        }
    }
    request
}

async fn outgoing(replay: &Replay, request: &KubectlRequest) -> Outgoing {
    let unreadable = request.request_body.as_ref().and_then(Value::as_str) == Some(UNREADABLE);
    Outgoing {
        method: request.method.clone(),
        path: with_our_hash(replay, &request.path).await,
        accept: request.accept.clone(),
        content_type: request.request_content_type.clone().unwrap_or_default(),
        user_agent: KUBECTL,
        body: if unreadable {
            b"k8s\0".to_vec()
        } else {
            replay.body(request.request_body.as_ref())
        },
    }
}

/// A document is asked for by the hash that the server's own index names.
async fn with_our_hash(replay: &Replay, path: &str) -> String {
    let Some((document, rest)) = path.split_once("?hash=") else {
        return replay.bindings.path(path);
    };
    let index = Outgoing {
        method: "GET".to_owned(),
        path: "/openapi/v3".to_owned(),
        accept: "application/json".to_owned(),
        content_type: String::new(),
        user_agent: KUBECTL,
        body: Vec::new(),
    };
    let index = send(&replay.server, index).await.body;
    let name = document.trim_start_matches("/openapi/v3/");
    let address = index["paths"][name]["serverRelativeURL"].as_str().unwrap();
    let options: String = rest.split_inclusive('&').skip(1).collect();
    format!("{address}&{options}")
}

/// The recorded media type; this server speaks JSON where the real one prefers protobuf, which the caller accepts too.
fn media_of(request: &KubectlRequest) -> &str {
    if request.content_type == PROTOBUF && request.accept.contains("application/json") {
        "application/json"
    } else {
        &request.content_type
    }
}
