//! The shape of objects: from bytes to an object of its kind, with its defaults, within its rules.

use serde_json::{Value, json};

use super::handle::Context;
use super::refusal::{Cause, Refusal};
use super::request::{Call, FieldValidation};
use super::resource::Resource;
use super::{State, custom, events, value};

/// Reads JSON.
pub(crate) fn parse_json(bytes: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal::bad_request(error.to_string()))
}

/// Reads the body of a create or update, and checks that it is of the kind that the URL says.
pub(crate) fn parse_body(resource: &Resource, call: &Call) -> Result<Value, Refusal> {
    let mut body: Value = if call.media_type().ends_with("yaml") {
        let text = String::from_utf8_lossy(&call.body);
        serde_saphyr::from_str(&text).map_err(|error| Refusal::bad_request(error.to_string()))?
    } else {
        serde_json::from_slice(&call.body).map_err(|error| {
            Refusal::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: {error} ({})",
                resource.kind,
                String::from_utf8_lossy(&call.body)
            ))
        })?
    };
    let kind = value::text(&body, &["kind"]).to_owned();
    let api_version = value::text(&body, &["apiVersion"]).to_owned();
    let wanted = resource.api_version();
    if kind.is_empty() && api_version.is_empty() {
        value::set(&mut body, &["kind"], resource.kind.as_str());
        value::set(&mut body, &["apiVersion"], wanted);
        return Ok(body);
    }
    if kind != resource.kind {
        return Err(Refusal::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {wanted}: converting ({version}.{kind}) to (core.{wanted}): unknown conversion",
            version = api_version.rsplit('/').next().unwrap_or_default(),
            wanted = resource.kind,
        )));
    }
    if api_version != wanted {
        return Err(Refusal::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({wanted})"
        )));
    }
    Ok(body)
}

/// Makes an object of its kind of what was sent: in the version in which it is stored.
pub(crate) fn decode(
    resource: &Resource,
    mut object: Value,
    _validation: FieldValidation,
) -> Result<(Value, Vec<String>), Refusal> {
    if resource.is("events.k8s.io", "events") {
        object = events::to_stored(&object);
    }
    if let Some(custom) = &resource.custom {
        value::set(
            &mut object,
            &["apiVersion"],
            custom.storage_api_version.as_str(),
        );
    }
    Ok((object, Vec::new()))
}

/// Fills in defaults.
pub(crate) fn default_object(resource: &Resource, object: &mut Value) {
    if resource.custom.is_some() {
        return;
    }
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            custom::default_definition(object);
            if value::get(object, &["status", "storedVersions"]).is_none() {
                let status = custom::fresh_status(object);
                value::set(object, &["status"], status);
            }
        }
        ("" | "events.k8s.io", "events") => events::fill(object),
        ("policy", "poddisruptionbudgets") if value::get(object, &["status"]).is_none() => {
            value::set(
                object,
                &["status"],
                json!({ "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0 }),
            );
        }
        ("", "pods") if value::get(object, &["status", "phase"]).is_none() => {
            value::set(object, &["status", "phase"], "Pending");
        }
        _ => {}
    }
}

/// What the server adds to new objects of some kinds.
pub(crate) fn admit_new(_state: &State, _resource: &Resource, _object: &mut Value) {}

/// What is wrong with an object.
pub(crate) fn validate(_resource: &Resource, _object: &Value, _old: Option<&Value>) -> Vec<Cause> {
    Vec::new()
}

/// Enters the managers of fields after an update.
pub(crate) fn manage_update(_context: &Context<'_>, _old: &Value, _new: &mut Value) {}

/// Enters the server itself as the manager of what it changed.
pub(crate) fn manage_server_write(
    _resource: &Resource,
    _old: &Value,
    _new: &mut Value,
    _now: &str,
) {
}

/// Whether a write changes nothing.
pub(crate) fn same_but_for_times(old: &Value, new: &Value) -> bool {
    old == new
}
