//! Creating an object: from a body to something in the store.

use serde_json::{Value, json};

use super::change::Manage;
use super::handle::{Context, Written};
use super::refusal::{Cause, Refusal};
use super::resource::Resource;
use super::store::Key;
use super::{State, custom, naming, shape, value};

/// The namespaces that are there before anybody asks.
const INITIAL_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Creates what is in the request's body.
pub(crate) fn create(state: &mut State, context: &Context<'_>) -> Result<Written, Refusal> {
    let body = shape::parse_body(context.resource, context.call)?;
    let (object, warnings) =
        shape::decode(context.resource, body, context.query().field_validation())?;
    create_object(state, context, object, warnings, Manage::Update)
}

/// Creates an object.
pub(crate) fn create_object(
    state: &mut State,
    context: &Context<'_>,
    mut object: Value,
    warnings: Vec<String>,
    manage: Manage,
) -> Result<Written, Refusal> {
    let resource = context.resource;
    place_in_namespace(&mut object, context.target.namespace.as_deref())?;
    if let Some(namespace) = &context.target.namespace {
        check_namespace(state, resource, namespace, &object)?;
    }
    name_it(state, resource, &mut object)?;
    if value::get(&object, &["metadata", "resourceVersion"]).is_some() {
        return Err(Refusal::internal(
            "resourceVersion should not be set on objects to be created",
            "",
        ));
    }
    let now = context.shared.now();
    birth(state, resource, &mut object, &now);
    shape::default_object(resource, &mut object);
    if let Manage::Update = manage {
        shape::manage_update(context, &shape::zero(resource), &mut object);
    }
    shape::admit_new(state, resource, &mut object);
    let name = value::text(&object, &["metadata", "name"]).to_owned();
    let causes = shape::validate(resource, &object, None);
    if !causes.is_empty() {
        return Err(Refusal::invalid(resource.about_kind(&name), &causes));
    }
    if state
        .store
        .get(&resource.storage, &Key::of(&object))
        .is_some()
    {
        return Err(Refusal::already_exists(resource.about(&name)));
    }
    if context.dry_run()? {
        return Ok(Written {
            code: 201,
            object: std::sync::Arc::new(object),
            warnings,
        });
    }
    let object = state
        .store
        .put(&resource.storage, shape::to_storage(resource, object));
    after_write(state, resource, &object, &now);
    Ok(Written {
        code: 201,
        object,
        warnings,
    })
}

/// The object belongs where the URL says.
pub(crate) fn place_in_namespace(
    object: &mut Value,
    namespace: Option<&str>,
) -> Result<(), Refusal> {
    let stated = value::text(object, &["metadata", "namespace"]).to_owned();
    match namespace {
        Some(namespace) if stated.is_empty() => {
            value::set(object, &["metadata", "namespace"], namespace);
            Ok(())
        }
        Some(namespace) if stated == namespace => Ok(()),
        None if stated.is_empty() => {
            value::remove(object, &["metadata", "namespace"]);
            Ok(())
        }
        _ => Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
    }
}

fn check_namespace(
    state: &State,
    resource: &Resource,
    namespace: &str,
    object: &Value,
) -> Result<(), Refusal> {
    let key = Key {
        namespace: String::new(),
        name: namespace.to_owned(),
    };
    let Some(found) = state.store.get("namespaces", &key) else {
        let about = super::About {
            group: "",
            kind: "namespaces",
            name: namespace,
        };
        return Err(Refusal::not_found(about));
    };
    if value::get(found, &["metadata", "deletionTimestamp"]).is_some() {
        let name = value::text(object, &["metadata", "name"]);
        let refusal = Refusal::forbidden(
            resource.about(name),
            &format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            ),
        );
        return Err(refusal.because(&Cause {
            reason: "NamespaceTerminating",
            message: format!("namespace {namespace} is being terminated"),
            field: "metadata.namespace".to_owned(),
        }));
    }
    Ok(())
}

fn name_it(state: &mut State, resource: &Resource, object: &mut Value) -> Result<(), Refusal> {
    let name = value::text(object, &["metadata", "name"]).to_owned();
    let prefix = value::text(object, &["metadata", "generateName"]).to_owned();
    let name = match (name.is_empty(), prefix.is_empty()) {
        (false, _) => name,
        (true, false) => {
            let name = format!("{prefix}{}", state.store.draw_suffix());
            value::set(object, &["metadata", "name"], name.as_str());
            name
        }
        (true, true) => {
            let cause = Cause::required("metadata.name", "name or generateName is required");
            return Err(Refusal::invalid(resource.about_kind(""), &[cause]));
        }
    };
    match naming::wrong_name(&resource.group, &resource.plural, &name) {
        Some(cause) => Err(Refusal::invalid(resource.about_kind(&name), &[cause])),
        None => Ok(()),
    }
}

/// Gives the object what only the server gives, and takes what only the server may give.
fn birth(state: &mut State, resource: &Resource, object: &mut Value, now: &str) {
    for field in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "selfLink",
    ] {
        value::remove(object, &["metadata", field]);
    }
    value::set(object, &["metadata", "uid"], state.store.draw_uid());
    value::set(object, &["metadata", "creationTimestamp"], now);
    if resource.rules.generation {
        value::set(object, &["metadata", "generation"], 1);
    }
    if resource.rules.status {
        value::remove(object, &["status"]);
        if let Some(status) = shape::fresh_status(resource, object) {
            value::set(object, &["status"], status);
        }
    }
}

/// What follows from a write of some kinds.
pub(crate) fn after_write(state: &mut State, resource: &Resource, object: &Value, now: &str) {
    if !resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        return;
    }
    custom::register(&mut state.registry, object);
    let established = value::list(object, &["status", "conditions"])
        .iter()
        .any(|condition| value::text(condition, &["type"]) == "Established");
    if !established {
        let mut established = object.clone();
        value::set(
            &mut established,
            &["status"],
            custom::established_status(object, now),
        );
        shape::manage_server_write(resource, object, &mut established, now);
        state.store.put(&resource.storage, established);
    }
}

/// Makes the namespaces that each cluster has.
pub(crate) fn initial_namespaces(state: &mut State, now: &str) {
    for name in INITIAL_NAMESPACES {
        let uid = state.store.draw_uid();
        let namespace = json!({
            "kind": "Namespace",
            "apiVersion": "v1",
            "metadata": {
                "name": name,
                "uid": uid,
                "creationTimestamp": now,
                "labels": { "kubernetes.io/metadata.name": name },
            },
            "spec": { "finalizers": ["kubernetes"] },
            "status": { "phase": "Active" },
        });
        state.store.put("namespaces", namespace);
    }
}
