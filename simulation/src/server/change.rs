//! Changing an object: replaced, patched, its status, its scale.
//!
//! All ways of changing go through [`write`], which holds what a write may not do: change what only the server changes, write the
//! spec through the status or the other way round, or move the resourceVersion without changing anything.

use std::sync::Arc;

use serde_json::{Value, json};

use super::handle::{Answer, Context, Written};
use super::patch::{self, PatchKind};
use super::present::in_version;
use super::read::key_of;
use super::refusal::{About, Cause, Refusal};
use super::resource::Resource;
use super::store::{Key, Object};
use super::{State, create, janitor, read, shape, strategic, value};

/// Metadata that only the server writes.
const SERVER_OWNED: [&str; 8] = [
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
    "name",
    "namespace",
];

/// Replaces an object, or its status.
pub(crate) fn update(state: &mut State, context: &Context<'_>) -> Result<Written, Refusal> {
    let resource = context.resource;
    let body = shape::parse_body(resource, context.call)?;
    let (mut new, warnings) = shape::decode(resource, body, context.query().field_validation())?;
    let key = key_of(context.target);
    create::place_in_namespace(&mut new, context.target.namespace.as_deref())?;
    check_name(&mut new, &key)?;
    let old = in_version(resource, &read::get(state, resource, context.target)?);
    if value::get(&new, &["metadata", "resourceVersion"]).is_none()
        && !resource.rules.unconditional_update
    {
        let cause = Cause::invalid(
            "metadata.resourceVersion",
            "0",
            "must be specified for an update",
        );
        return Err(Refusal::invalid(resource.about(&key.name), &[cause]));
    }
    check_uid(resource, &old, &new, &key.name)?;
    write(state, context, &old, new, warnings, Manage::Update)
}

fn check_name(new: &mut Value, key: &Key) -> Result<(), Refusal> {
    let stated = value::text(new, &["metadata", "name"]).to_owned();
    if stated.is_empty() {
        value::set(new, &["metadata", "name"], key.name.as_str());
        return Ok(());
    }
    if stated == key.name {
        return Ok(());
    }
    Err(Refusal::bad_request(format!(
        "the name of the object ({stated}) does not match the name on the URL ({})",
        key.name
    )))
}

/// Changes an object by a patch; a server-side apply also creates it.
pub(crate) fn patch(state: &mut State, context: &Context<'_>) -> Result<Written, Refusal> {
    let resource = context.resource;
    let kind = PatchKind::of(resource, context.call)?;
    if kind == PatchKind::Apply {
        return patch::apply(state, context);
    }
    let old = in_version(resource, &read::get(state, resource, context.target)?);
    let patched = kind.apply_to(resource, &old, &context.call.body)?;
    let (mut new, warnings) = decode_patched(context, &old, patched)?;
    create::place_in_namespace(&mut new, context.target.namespace.as_deref())?;
    check_name(&mut new, &key_of(context.target))?;
    write(state, context, &old, new, warnings, Manage::Update)
}

/// What a patch made, as an object of its kind. One that is none is the patch's fault.
fn decode_patched(
    context: &Context<'_>,
    old: &Value,
    patched: Value,
) -> Result<(Value, Vec<String>), Refusal> {
    let resource = context.resource;
    let spoilt = |why: &str| {
        let shown = match PatchKind::of(resource, context.call) {
            Ok(PatchKind::Strategic) => shape::parse_json(&context.call.body)
                .map(|patch| strategic::as_go_shows(&patch))
                .unwrap_or_default(),
            _ => patched.to_string(),
        };
        let cause = Cause::invalid("patch", &format!("{shown:?}"), why);
        let nothing = About {
            group: "",
            kind: "",
            name: "",
        };
        Refusal::invalid(nothing, &[cause])
    };
    for field in ["apiVersion", "kind"] {
        if patched.get(field) != old.get(field) {
            return Err(spoilt(&format!("{field} may not be changed")));
        }
    }
    shape::decode(
        resource,
        patched.clone(),
        context.query().field_validation(),
    )
    .map_err(|refusal| {
        let handled = format!("cannot be handled as a {}: ", resource.kind);
        let (_, why) = refusal
            .message
            .split_once(&handled)
            .unwrap_or(("", &refusal.message));
        spoilt(why)
    })
}

/// How the managers of fields are entered.
pub(crate) enum Manage {
    /// By what the write changed.
    Update,
    /// They already are.
    Done,
}

/// Writes `new` over `old`, within the rules.
pub(crate) fn write(
    state: &mut State,
    context: &Context<'_>,
    old: &Object,
    mut new: Value,
    warnings: Vec<String>,
    manage: Manage,
) -> Result<Written, Refusal> {
    let resource = context.resource;
    let name = value::text(old, &["metadata", "name"]).to_owned();
    check_preconditions(resource, old, &new, &name)?;
    let immutable = changed_identity(resource, old, &new);
    let subresource = context.target.subresource.as_deref();
    shape::default_object(resource, &mut new);
    confine(resource, old, &mut new, subresource);
    if let Manage::Update = manage {
        shape::manage_update(context, old, &mut new);
    }
    let mut causes = immutable;
    causes.extend(wrong_finalizers(resource, old, &new));
    causes.extend(shape::validate(resource, &new, Some(old)));
    if !causes.is_empty() {
        return Err(Refusal::invalid(resource.about_kind(&name), &causes));
    }
    if **old == new {
        return Ok(Written {
            code: 200,
            object: Arc::clone(old),
            warnings,
        });
    }
    if context.dry_run()? {
        return Ok(Written {
            code: 200,
            object: Arc::new(new),
            warnings,
        });
    }
    let now = context.shared.now();
    if is_released(&new) {
        let key = Key::of(&new);
        state.store.remove(&resource.storage, &key);
        janitor::after_removal(state, context.shared, resource, &new);
        return Ok(Written {
            code: 200,
            object: Arc::new(new),
            warnings,
        });
    }
    let object = state
        .store
        .put(&resource.storage, shape::to_storage(resource, new));
    create::after_write(state, resource, &object, &now);
    Ok(Written {
        code: 200,
        object,
        warnings,
    })
}

fn check_preconditions(
    resource: &Resource,
    old: &Value,
    new: &Value,
    name: &str,
) -> Result<(), Refusal> {
    let version = value::text(new, &["metadata", "resourceVersion"]);
    let stored = value::text(old, &["metadata", "resourceVersion"]);
    super::request::version_of(version)?;
    if !version.is_empty() && version != "0" && version != stored {
        return Err(Refusal::stale(resource.about(name)));
    }
    Ok(())
}

/// Whoever replaces an object of this uid does not mean another one.
fn check_uid(resource: &Resource, old: &Value, new: &Value, name: &str) -> Result<(), Refusal> {
    let uid = |object| value::text(object, &["metadata", "uid"]).to_owned();
    let (stated, stored) = (uid(new), uid(old));
    if stated.is_empty() || stated == stored {
        return Ok(());
    }
    let why =
        format!("Precondition failed: UID in precondition: {stated}, UID in object meta: {stored}");
    Err(Refusal::conflict(resource.about(name), &why))
}

/// What tells an object from another, or that it ends, is not for a writer to say. The real server says it twice for built-in
/// kinds.
fn changed_identity(resource: &Resource, old: &Value, new: &Value) -> Vec<Cause> {
    let text = |object, field| value::text(object, &["metadata", field]).to_owned();
    let uid = text(new, "uid");
    let ends = text(new, "deletionTimestamp");
    let mut causes = Vec::new();
    if !uid.is_empty() && uid != text(old, "uid") {
        causes.push(("metadata.uid", uid));
    }
    if !ends.is_empty() && text(old, "deletionTimestamp").is_empty() {
        causes.push(("metadata.deletionTimestamp", ends));
    }
    let causes: Vec<Cause> = causes
        .into_iter()
        .map(|(field, stated)| {
            Cause::invalid(field, &format!("\"{stated}\""), "field is immutable")
        })
        .collect();
    if resource.custom.is_some() {
        causes
    } else {
        [causes.clone(), causes].concat()
    }
}

/// Takes back from `new` what this write may not change.
fn confine(resource: &Resource, old: &Value, new: &mut Value, subresource: Option<&str>) {
    for field in SERVER_OWNED {
        value::copy(new, old, &["metadata", field]);
    }
    value::copy(new, old, &["metadata", "resourceVersion"]);
    value::copy(new, old, &["apiVersion"]);
    match subresource {
        Some("status") => {
            let managed = value::get(new, &["metadata", "managedFields"]).cloned();
            let status = new
                .as_object_mut()
                .and_then(|fields| fields.remove("status"));
            let metadata = value::get(new, &["metadata"]).cloned();
            *new = old.clone();
            if !resource.rules.status_keeps_metadata
                && let Some(metadata) = metadata
            {
                value::set(new, &["metadata"], metadata);
            }
            if resource.is("apps", "deployments") {
                value::copy(new, old, &["metadata", "labels"]);
            }
            match managed {
                Some(managed) => value::set(new, &["metadata", "managedFields"], managed),
                None => {
                    value::remove(new, &["metadata", "managedFields"]);
                }
            }
            match status {
                Some(status) => value::set(new, &["status"], status),
                None => {
                    value::remove(new, &["status"]);
                }
            }
        }
        _ if resource.rules.status => value::copy(new, old, &["status"]),
        _ => {}
    }
    if resource.rules.generation && subresource.is_none() && spec_changed(resource, old, new) {
        let generation = value::integer(old, &["metadata", "generation"]) + 1;
        value::set(new, &["metadata", "generation"], generation);
    }
}

/// Whether anything beside metadata and status differs.
fn spec_changed(resource: &Resource, old: &Value, new: &Value) -> bool {
    let rest = |object: &Value| {
        let mut rest = object.clone();
        value::remove(&mut rest, &["metadata"]);
        if resource.rules.status {
            value::remove(&mut rest, &["status"]);
        }
        rest
    };
    rest(old) != rest(new)
}

/// An object that is being deleted takes no new finalizers. The real server says it twice for built-in kinds.
fn wrong_finalizers(resource: &Resource, old: &Value, new: &Value) -> Vec<Cause> {
    if value::get(old, &["metadata", "deletionTimestamp"]).is_none() {
        return Vec::new();
    }
    let known = value::list(old, &["metadata", "finalizers"]);
    let fresh: Vec<String> = value::list(new, &["metadata", "finalizers"])
        .iter()
        .filter(|finalizer| !known.contains(finalizer))
        .map(ToString::to_string)
        .collect();
    if fresh.is_empty() {
        return Vec::new();
    }
    let cause = Cause::forbidden(
        "metadata.finalizers",
        &format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            fresh.join(", ")
        ),
    );
    if resource.custom.is_some() {
        vec![cause]
    } else {
        vec![cause.clone(), cause]
    }
}

/// Whether nothing keeps the object any longer.
pub(crate) fn is_released(object: &Value) -> bool {
    value::get(object, &["metadata", "deletionTimestamp"]).is_some()
        && value::list(object, &["metadata", "finalizers"]).is_empty()
        && value::integer(object, &["metadata", "deletionGracePeriodSeconds"]) == 0
        && value::list(object, &["spec", "finalizers"]).is_empty()
}

/// The scale of a workload.
pub(crate) fn scale_of(state: &mut State, context: &Context<'_>) -> Result<Answer, Refusal> {
    let object = read::get(state, context.resource, context.target)?;
    Ok(Answer::json(200, &scale(&object)))
}

fn scale(object: &Value) -> Value {
    let metadata = |field: &str| {
        value::get(object, &["metadata", field])
            .cloned()
            .unwrap_or_default()
    };
    let selector: Vec<String> = value::map(object, &["spec", "selector", "matchLabels"])
        .into_iter()
        .flatten()
        .map(|(key, label)| format!("{key}={}", label.as_str().unwrap_or_default()))
        .collect();
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata("name"),
            "namespace": metadata("namespace"),
            "uid": metadata("uid"),
            "resourceVersion": metadata("resourceVersion"),
            "creationTimestamp": metadata("creationTimestamp"),
        },
        "spec": { "replicas": value::integer(object, &["spec", "replicas"]) },
        "status": {
            "replicas": value::integer(object, &["status", "replicas"]),
            "selector": selector.join(","),
        },
    })
}

/// Writes the scale of a workload; of the scale, only the wished-for number of replicas is taken.
pub(crate) fn set_scale(state: &mut State, context: &Context<'_>) -> Result<Answer, Refusal> {
    let old = read::get(state, context.resource, context.target)?;
    let before = scale(&old);
    let after = if context.call.method == http::Method::PUT {
        shape::parse_json(&context.call.body)?
    } else {
        PatchKind::of(context.resource, context.call)?.apply_to(
            context.resource,
            &before,
            &context.call.body,
        )?
    };
    let mut new = Value::clone(&old);
    value::set(
        &mut new,
        &["spec", "replicas"],
        value::integer(&after, &["spec", "replicas"]),
    );
    value::copy(&mut new, &after, &["metadata", "resourceVersion"]);
    let generation = value::integer(&old, &["metadata", "generation"]) + i64::from(new != *old);
    value::set(&mut new, &["metadata", "generation"], generation);
    check_preconditions(
        context.resource,
        &old,
        &new,
        value::text(&old, &["metadata", "name"]),
    )?;
    if context.dry_run()? || generation == value::integer(&old, &["metadata", "generation"]) {
        return Ok(Answer::json(200, &scale(&new)));
    }
    shape::manage_update(context, &old, &mut new);
    let object = state.store.put(&context.resource.storage, new);
    Ok(Answer::json(200, &scale(&object)))
}
