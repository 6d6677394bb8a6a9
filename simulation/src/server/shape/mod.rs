//! The shape of objects: from bytes to an object of its kind, with its defaults, within its rules, with its managers.
//!
//! | you look for | it is in |
//! | --- | --- |
//! | what a schema says about a place | [`types`], for built-in kinds with [`marks`] |
//! | reading a built-in object | [`decode`] |
//! | pruning and defaulting a custom object | [`prune`] |
//! | defaults and admission of built-in kinds | [`defaults`] |
//! | schema rules, CEL rules, rules of built-in kinds | [`validate`], [`cel`], [`rules`] |
//! | who manages which field, server-side apply | [`managed`], over [`fields`] and [`walk`] |

pub(crate) mod cel;
pub(crate) mod decode;
mod defaults;
mod fields;
mod managed;
mod marks;
mod prune;
mod rules;
pub(crate) mod types;
mod validate;
mod walk;
mod yaml;

use serde_json::{Value, json};

pub(crate) use self::defaults::{admit_new, default_object, fresh_status};
pub(crate) use self::types::Type;
pub(crate) use self::yaml::parse_yaml;

use self::managed::Write;
use super::handle::Context;
use super::refusal::{Cause, Refusal};
use super::request::{Call, FieldValidation};
use super::resource::Resource;
use super::{events, naming, value};

/// Why bytes are not JSON, in the words of Go's reader where it is the end or the beginning that is wrong.
pub(crate) fn misread(bytes: &[u8], error: &serde_json::Error) -> String {
    let begins_a_value = |byte: u8| byte.is_ascii_digit() || b"{[\"-tfn".contains(&byte);
    match bytes.trim_ascii_start().first() {
        Some(first) if !begins_a_value(*first) => {
            let letter = match first {
                b' '..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(*first).to_string(),
                other => format!("\\u{other:04x}"),
            };
            format!("invalid character '{letter}' looking for beginning of value")
        }
        _ if error.is_eof() => "unexpected end of JSON input".to_owned(),
        _ => error.to_string(),
    }
}

/// Reads JSON.
pub(crate) fn parse_json(bytes: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal::bad_request(misread(bytes, &error)))
}

/// Reads the body of a create or update, and checks that it is of the kind that the URL says.
pub(crate) fn parse_body(resource: &Resource, call: &Call) -> Result<Value, Refusal> {
    let media = call.media_type();
    let mut body: Value = if media.ends_with("yaml") {
        parse_yaml(&call.body)?
    } else if matches!(media, "" | "application/json") {
        serde_json::from_slice(&call.body).map_err(|error| {
            Refusal::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: {} ({})",
                resource.kind,
                misread(&call.body, &error),
                String::from_utf8_lossy(&call.body)
            ))
        })?
    } else {
        return Err(Refusal::unsupported_media_type(&[
            "application/json",
            "application/yaml",
        ]));
    };
    check_kind(resource, &mut body)?;
    Ok(body)
}

/// The object is of the kind that the URL says; one that does not say takes it from there.
fn check_kind(resource: &Resource, body: &mut Value) -> Result<(), Refusal> {
    let kind = value::text(body, &["kind"]).to_owned();
    let api_version = value::text(body, &["apiVersion"]).to_owned();
    let wanted = resource.api_version();
    if kind.is_empty() && api_version.is_empty() {
        value::set(body, &["kind"], resource.kind.as_str());
        value::set(body, &["apiVersion"], wanted);
        return Ok(());
    }
    if kind != resource.kind {
        let stated = if api_version.is_empty() {
            &wanted
        } else {
            &api_version
        };
        return Err(Refusal::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {wanted}: converting ({version}.{kind}) to (core.{wanted}): unknown conversion",
            version = stated.rsplit('/').next().unwrap_or_default(),
            wanted = resource.kind,
        )));
    }
    if api_version != wanted {
        return Err(Refusal::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({wanted})"
        )));
    }
    Ok(())
}

/// Makes an object of its kind of what was sent. Gives the warnings about fields that the kind does not have.
pub(crate) fn decode(
    resource: &Resource,
    object: Value,
    validation: FieldValidation,
) -> Result<(Value, Vec<String>), Refusal> {
    let at = Type::of(resource);
    let (object, unknown) = if resource.custom.is_some() {
        let mut object = object;
        let unknown = prune::prune(&at, &mut object);
        prune::fill_defaults(&at, &mut object);
        (object, unknown)
    } else {
        let (object, findings) = decode::typed(&at, &object);
        if let Some(misfit) = findings.misfit {
            return Err(not_handled(resource, &misfit));
        }
        (object, findings.unknown)
    };
    Ok((object, judge_unknown(resource, &unknown, validation)?))
}

fn not_handled(resource: &Resource, why: &str) -> Refusal {
    Refusal::bad_request(format!(
        "{kind} in version \"{version}\" cannot be handled as a {kind}: {why}",
        kind = resource.kind,
        version = resource.version,
    ))
}

fn judge_unknown(
    resource: &Resource,
    unknown: &[String],
    validation: FieldValidation,
) -> Result<Vec<String>, Refusal> {
    let sentences: Vec<String> = unknown
        .iter()
        .map(|path| format!("unknown field \"{path}\""))
        .collect();
    match validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(sentences),
        FieldValidation::Strict if sentences.is_empty() => Ok(Vec::new()),
        FieldValidation::Strict => Err(not_handled(
            resource,
            &format!("strict decoding error: {}", sentences.join(", ")),
        )),
    }
}

/// The wish of a server-side apply speaks of fields that the kind has, and of no others.
pub(crate) fn check_declared(resource: &Resource, wish: &Value) -> Result<(), Refusal> {
    let unknown = prune::prune(&Type::of(resource), &mut wish.clone());
    let sentences: Vec<String> = unknown
        .iter()
        .map(|path| format!(".{path}: field not declared in schema"))
        .collect();
    let listed = match sentences.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    };
    let (group, version) = (&resource.group, &resource.version);
    Err(Refusal::internal(
        format!(
            "failed to create typed patch object ({}/{}; {}, Kind={}): {listed}",
            value::text(wish, &["metadata", "namespace"]),
            value::text(wish, &["metadata", "name"]),
            if group.is_empty() {
                format!("/{version}")
            } else {
                format!("{group}/{version}")
            },
            resource.kind
        ),
        "",
    ))
}

/// An object as it is stored: in one version, whatever version it was sent in.
pub(crate) fn to_storage(resource: &Resource, mut object: Value) -> Value {
    if resource.is("events.k8s.io", "events") {
        object = events::to_stored(&object);
        events::fill(&mut object);
    }
    if let Some(custom) = &resource.custom {
        value::set(
            &mut object,
            &["apiVersion"],
            custom.storage_api_version.as_str(),
        );
    }
    object
}

/// An object of a resource in which nobody has set anything.
pub(crate) fn zero(resource: &Resource) -> Value {
    if resource.custom.is_some() {
        return json!({ "metadata": {} });
    }
    decode::zero(&Type::of(resource))
}

/// What is wrong with an object, or with its change from `old`.
pub(crate) fn validate(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = naming::wrong_labels(object);
    if let Some(custom) = &resource.custom {
        let at = Type::of_schema(&custom.schema);
        causes.extend(validate::by_schema(&at, object));
        if validate::blocks_rules(&causes) {
            if custom.rules.any() {
                causes.push(validate::rules_not_asked());
            }
        } else {
            causes.extend(custom.rules.broken(&custom.schema, object, old));
        }
    } else {
        causes.extend(rules::broken(resource, object, old));
    }
    causes
}

fn write_of<'a>(
    resource: &'a Resource,
    manager: &'a str,
    api_version: &'a str,
    subresource: &'a str,
    now: &'a str,
) -> Write<'a> {
    Write {
        at: Type::of_object(resource),
        manager,
        api_version,
        subresource,
        has_status: resource.rules.status,
        now,
    }
}

/// Enters the managers of fields after a create or update.
pub(crate) fn manage_update(context: &Context<'_>, old: &Value, new: &mut Value) {
    let api_version = context.resource.api_version();
    let subresource = context.target.subresource.as_deref().unwrap_or_default();
    // Who scales is entered without a time.
    let now = if subresource == "scale" {
        String::new()
    } else {
        context.shared.now()
    };
    let manager = context.call.manager();
    write_of(context.resource, &manager, &api_version, subresource, &now).update(old, new);
}

/// Enters the server itself as the manager of what it changed in the status.
pub(crate) fn manage_server_write(resource: &Resource, old: &Value, new: &mut Value, now: &str) {
    let api_version = resource.api_version();
    write_of(resource, "kube-apiserver", &api_version, "status", now).update(old, new);
}

/// What a server-side apply makes of an object.
pub(crate) fn apply(
    context: &Context<'_>,
    old: &Value,
    wish: &Value,
    force: bool,
) -> Result<Value, Refusal> {
    let api_version = context.resource.api_version();
    let subresource = context.target.subresource.as_deref().unwrap_or_default();
    let now = context.shared.now();
    let manager = context.call.manager();
    write_of(context.resource, &manager, &api_version, subresource, &now)
        .apply(&zero(context.resource), old, wish, force)
        .map_err(|conflicts| Refusal::apply_conflict(&conflicts))
}
