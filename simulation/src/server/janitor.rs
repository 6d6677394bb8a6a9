//! What a controller manager would do first after a deletion, done in the same moment, where [`super::Options::janitor`] asks for it:
//! dependents follow their owners, foreground and orphaning deletions end, and deleted namespaces are emptied.
//!
//! The real garbage collector is later than this, never earlier; who needs its lateness turns the janitor off.

use serde_json::Value;

use super::change::is_released;
use super::delete::{DeleteOptions, delete_object};
use super::resource::Resource;
use super::store::{Key, Object};
use super::{Shared, State, value};

/// An object is gone: so go those whose last owner it was.
pub(crate) fn after_removal(state: &mut State, shared: &Shared, resource: &Resource, gone: &Value) {
    if resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        remove_instances(state, shared, gone);
    }
    if !shared.options.janitor {
        return;
    }
    let uid = value::text(gone, &["metadata", "uid"]);
    for (owned, object) in dependents(state, uid) {
        let others = without_owner(&object, uid);
        let options = DeleteOptions::default();
        if others.is_empty() {
            delete_object(state, shared, &owned, &object, &options);
        } else {
            let mut kept = Value::clone(&object);
            value::set(&mut kept, &["metadata", "ownerReferences"], others);
            state.store.put(&owned.storage, kept);
        }
        release_owners(state, shared, &object);
    }
    let namespace = value::text(gone, &["metadata", "namespace"]);
    if !namespace.is_empty() {
        finish_namespace(state, shared, namespace);
    }
}

/// An object has been given a deadline: what must happen before it may go?
pub(crate) fn after_deadline(
    state: &mut State,
    shared: &Shared,
    resource: &Resource,
    object: &Value,
) {
    if !shared.options.janitor {
        return;
    }
    if resource.is("", "namespaces") {
        empty_namespace(state, shared, value::text(object, &["metadata", "name"]));
        return;
    }
    let uid = value::text(object, &["metadata", "uid"]).to_owned();
    if has_finalizer(object, "orphan") {
        for (owned, dependent) in dependents(state, &uid) {
            let mut kept = Value::clone(&dependent);
            value::set(
                &mut kept,
                &["metadata", "ownerReferences"],
                without_owner(&dependent, &uid),
            );
            state.store.put(&owned.storage, kept);
        }
        drop_finalizer(state, shared, resource, &Key::of(object), "orphan");
    } else if has_finalizer(object, "foregroundDeletion") {
        let foreground = DeleteOptions {
            propagation: Some("Foreground".to_owned()),
            ..DeleteOptions::default()
        };
        for (owned, dependent) in dependents(state, &uid) {
            delete_object(state, shared, &owned, &dependent, &foreground);
        }
        finish_foreground(state, shared, resource, &Key::of(object));
    }
}

type Owned = (std::sync::Arc<Resource>, Object);

fn dependents(state: &State, uid: &str) -> Vec<Owned> {
    let mut found: Vec<Owned> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for resource in state.registry.all() {
        if seen.contains(&resource.storage.as_str()) {
            continue;
        }
        seen.push(&resource.storage);
        for object in state.store.list(&resource.storage, None) {
            let owned = value::list(object, &["metadata", "ownerReferences"])
                .iter()
                .any(|owner| value::text(owner, &["uid"]) == uid);
            if owned {
                found.push((std::sync::Arc::clone(resource), Object::clone(object)));
            }
        }
    }
    found
}

fn without_owner(object: &Value, uid: &str) -> Vec<Value> {
    value::list(object, &["metadata", "ownerReferences"])
        .iter()
        .filter(|owner| value::text(owner, &["uid"]) != uid)
        .cloned()
        .collect()
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    value::list(object, &["metadata", "finalizers"])
        .iter()
        .any(|known| known == finalizer)
}

fn drop_finalizer(
    state: &mut State,
    shared: &Shared,
    resource: &Resource,
    key: &Key,
    finalizer: &str,
) {
    let Some(object) = state.store.get(&resource.storage, key).cloned() else {
        return;
    };
    let mut released = Value::clone(&object);
    let rest: Vec<Value> = value::list(&object, &["metadata", "finalizers"])
        .iter()
        .filter(|known| *known != finalizer)
        .cloned()
        .collect();
    if rest.is_empty() {
        value::remove(&mut released, &["metadata", "finalizers"]);
    } else {
        value::set(&mut released, &["metadata", "finalizers"], rest);
    }
    if is_released(&released) {
        state.store.remove(&resource.storage, key);
        after_removal(state, shared, resource, &released);
    } else {
        state.store.put(&resource.storage, released);
    }
}

/// A foreground deletion ends when no dependent that blocks it is left.
fn finish_foreground(state: &mut State, shared: &Shared, resource: &Resource, key: &Key) {
    let Some(object) = state.store.get(&resource.storage, key).cloned() else {
        return;
    };
    if !has_finalizer(&object, "foregroundDeletion") {
        return;
    }
    let uid = value::text(&object, &["metadata", "uid"]).to_owned();
    let blocked = dependents(state, &uid).iter().any(|(_, dependent)| {
        value::list(dependent, &["metadata", "ownerReferences"])
            .iter()
            .any(|owner| {
                value::text(owner, &["uid"]) == uid
                    && value::get(owner, &["blockOwnerDeletion"]) == Some(&Value::Bool(true))
            })
    });
    if !blocked {
        drop_finalizer(state, shared, resource, key, "foregroundDeletion");
    }
}

/// A dependent is gone: its owners may now go, where they wait in the foreground.
fn release_owners(state: &mut State, shared: &Shared, gone: &Value) {
    for owner in value::list(gone, &["metadata", "ownerReferences"]) {
        let group = value::text(owner, &["apiVersion"])
            .rsplit_once('/')
            .map_or("", |(group, _)| group);
        let kind = value::text(owner, &["kind"]);
        let Some(resource) = state.registry.find_kind(group, kind).cloned() else {
            continue;
        };
        let namespace = if resource.namespaced {
            value::text(gone, &["metadata", "namespace"]).to_owned()
        } else {
            String::new()
        };
        let key = Key {
            namespace,
            name: value::text(owner, &["name"]).to_owned(),
        };
        finish_foreground(state, shared, &resource, &key);
    }
}

fn content(state: &State, namespace: &str) -> Vec<Owned> {
    let mut found: Vec<Owned> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for resource in state.registry.all().filter(|resource| resource.namespaced) {
        if seen.contains(&resource.storage.as_str()) {
            continue;
        }
        seen.push(&resource.storage);
        for object in state.store.list(&resource.storage, Some(namespace)) {
            found.push((std::sync::Arc::clone(resource), Object::clone(object)));
        }
    }
    found
}

fn empty_namespace(state: &mut State, shared: &Shared, namespace: &str) {
    for (resource, object) in content(state, namespace) {
        delete_object(state, shared, &resource, &object, &DeleteOptions::default());
    }
    finish_namespace(state, shared, namespace);
}

/// A deleted namespace goes when it is empty.
fn finish_namespace(state: &mut State, shared: &Shared, namespace: &str) {
    let key = Key {
        namespace: String::new(),
        name: namespace.to_owned(),
    };
    let Some(object) = state.store.get("namespaces", &key).cloned() else {
        return;
    };
    if value::get(&object, &["metadata", "deletionTimestamp"]).is_none()
        || !content(state, namespace).is_empty()
    {
        return;
    }
    let mut released = Value::clone(&object);
    value::remove(&mut released, &["spec", "finalizers"]);
    let Some(resource) = state.registry.find("", "v1", "namespaces").cloned() else {
        return;
    };
    if is_released(&released) {
        state.store.remove("namespaces", &key);
        after_removal(state, shared, &resource, &released);
    } else {
        state.store.put("namespaces", released);
    }
}

/// A definition is gone, and with it all objects that it defined.
fn remove_instances(state: &mut State, shared: &Shared, definition: &Value) {
    let group = value::text(definition, &["spec", "group"]).to_owned();
    let plural = value::text(definition, &["spec", "names", "plural"]).to_owned();
    let Some(resource) = state
        .registry
        .all()
        .find(|resource| resource.group == group && resource.plural == plural)
        .cloned()
    else {
        return;
    };
    let instances: Vec<Object> = state.store.list(&resource.storage, None).cloned().collect();
    for object in instances {
        state.store.remove(&resource.storage, &Key::of(&object));
        after_removal(state, shared, &resource, &object);
    }
    state.registry.remove_custom(&group, &plural);
}
