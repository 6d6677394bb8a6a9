//! What the server says about itself: version, health, and which resources it serves.

use serde_json::{Value, json};

use super::handle::Answer;
use super::refusal::Refusal;
use super::request::{Call, Target};
use super::resource::Resource;
use super::{Shared, State};

/// The verbs of a resource that lives in the store.
const VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

/// Answers what is no resource.
pub(crate) fn answer(state: &State, shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let parts: Vec<&str> = call
        .path
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let _ = Form::Classic;
    Ok(match parts.as_slice() {
        ["version"] => Answer::json(200, &version(state, shared, call)),
        ["healthz" | "livez" | "readyz", ..] => Answer::text(200, "ok"),
        ["api"] => Answer::json(200, &json!({ "kind": "APIVersions", "versions": ["v1"] })),
        ["api", version] => resources(state, "", version),
        ["apis", group, version] => resources(state, group, version),
        _ => Answer::text(404, "404 page not found\n"),
    })
}

#[derive(Debug)]
enum Form {
    Classic,
}

fn version(state: &State, shared: &Shared, call: &Call) -> Value {
    let version = call
        .instance
        .as_deref()
        .and_then(|address| state.instances.version(address))
        .unwrap_or(&shared.options.version);
    let mut numbers = version.trim_start_matches('v').split('.');
    let major = numbers.next().unwrap_or_default();
    let minor = numbers.next().unwrap_or_default();
    json!({
        "major": major,
        "minor": minor,
        "gitVersion": version,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    })
}

fn resources(state: &State, group: &str, version: &str) -> Answer {
    let mut listed: Vec<Value> = Vec::new();
    for resource in state.registry.all() {
        if resource.group == group && resource.version == version {
            listed.push(describe(resource));
        }
    }
    if listed.is_empty() {
        return Answer::text(404, "404 page not found\n");
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    Answer::json(
        200,
        &json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": listed,
        }),
    )
}

fn describe(resource: &Resource) -> Value {
    json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": VERBS,
    })
}

/// Reviews of rights are no resource that is kept: everything is allowed.
pub(crate) fn review(call: &Call, target: &Target) -> Option<Answer> {
    let asked = target.group == "authorization.k8s.io"
        && target.resource == "selfsubjectaccessreviews"
        && call.method == http::Method::POST;
    asked.then(|| {
        let mut review: Value = serde_json::from_slice(&call.body).unwrap_or_else(|_| json!({}));
        super::value::set(&mut review, &["kind"], "SelfSubjectAccessReview");
        super::value::set(&mut review, &["apiVersion"], "authorization.k8s.io/v1");
        super::value::set(&mut review, &["status"], json!({ "allowed": true }));
        Answer::json(201, &review)
    })
}
