//! Deleting: at once, or by setting a deadline that others then keep.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::handle::{Answer, Context};
use super::read::{self, Selection};
use super::refusal::Refusal;
use super::request::ListOptions;
use super::resource::Resource;
use super::store::{Key, Object};
use super::{Shared, State, janitor, seconds, shape, value};

/// Seconds that a pod gets to end when nobody says otherwise.
const DEFAULT_GRACE: i64 = 30;

/// What a delete may say beside the name.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    pub grace: Option<i64>,
    pub propagation: Option<String>,
    pub uid: Option<String>,
    pub version: Option<String>,
}

impl DeleteOptions {
    /// Reads the options of a `DeleteOptions` object.
    pub(super) fn of(object: &Value) -> Self {
        let text = |path: &[&str]| {
            value::get(object, path)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        Self {
            grace: value::get(object, &["gracePeriodSeconds"]).and_then(Value::as_i64),
            propagation: text(&["propagationPolicy"]),
            uid: text(&["preconditions", "uid"]),
            version: text(&["preconditions", "resourceVersion"]),
        }
    }

    fn parse(context: &Context<'_>) -> Result<Self, Refusal> {
        let body = &context.call.body;
        let mut options = if body.is_empty() {
            Self::default()
        } else {
            Self::of(&shape::parse_json(body)?)
        };
        if let Some(policy) = context.query().get("propagationPolicy") {
            options.propagation = Some(policy.to_owned());
        }
        if let Some(grace) = context.query().get("gracePeriodSeconds") {
            options.grace = grace.parse().ok();
        }
        Ok(options)
    }

    /// Whether the preconditions hold.
    pub(super) fn check(&self, resource: &Resource, object: &Value) -> Result<(), Refusal> {
        let name = value::text(object, &["metadata", "name"]);
        let uid = value::text(object, &["metadata", "uid"]);
        if let Some(wanted) = self.uid.as_deref().filter(|wanted| *wanted != uid) {
            let why = format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
            );
            return Err(Refusal::conflict(kind_alone(resource, name), &why));
        }
        let version = value::text(object, &["metadata", "resourceVersion"]);
        if let Some(wanted) = self.version.as_deref().filter(|wanted| *wanted != version) {
            let why = format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({version}). The object might have been modified"
            );
            return Err(Refusal::conflict(kind_alone(resource, name), &why));
        }
        Ok(())
    }
}

fn kind_alone<'a>(resource: &'a Resource, name: &'a str) -> super::About<'a> {
    super::About {
        group: &resource.group,
        kind: &resource.kind,
        name,
    }
}

/// What a deletion has done.
pub(crate) enum Deleted {
    /// The object is gone; its last state.
    Gone(Object),
    /// The object stays for now, and bears a deadline.
    Terminating(Object),
}

/// Deletes one object.
pub(crate) fn delete(state: &mut State, context: &Context<'_>) -> Result<Answer, Refusal> {
    let options = DeleteOptions::parse(context)?;
    let resource = context.resource;
    let found = read::get(state, resource, context.target)?;
    protect(resource, &found)?;
    options.check(resource, &found)?;
    let deleted = if context.dry_run()? {
        match deadline(resource, &found, &options, context.shared.clock.now()) {
            Some(marked) => Deleted::Terminating(Arc::new(marked)),
            None => Deleted::Gone(found),
        }
    } else {
        delete_object(state, context.shared, resource, &found, &options)
    };
    Ok(match deleted {
        Deleted::Terminating(object) => context.present(200, &object),
        Deleted::Gone(object) if resource.rules.returns_deleted => context.present(200, &object),
        Deleted::Gone(object) => Answer::json(200, &success(resource, &object)),
    })
}

/// Some namespaces stay.
fn protect(resource: &Resource, object: &Value) -> Result<(), Refusal> {
    let name = value::text(object, &["metadata", "name"]);
    let protected = ["default", "kube-system", "kube-public"].contains(&name);
    if resource.is("", "namespaces") && protected {
        return Err(Refusal::forbidden(
            resource.about(name),
            "this namespace may not be deleted",
        ));
    }
    Ok(())
}

fn success(resource: &Resource, object: &Value) -> Value {
    let mut details = json!({
        "name": value::text(object, &["metadata", "name"]),
        "kind": resource.plural,
        "uid": value::text(object, &["metadata", "uid"]),
    });
    if !resource.group.is_empty() {
        details["group"] = resource.group.as_str().into();
    }
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}

/// Deletes an object that was found, whatever a dry run says.
pub(crate) fn delete_object(
    state: &mut State,
    shared: &Shared,
    resource: &Resource,
    found: &Object,
    options: &DeleteOptions,
) -> Deleted {
    let key = Key::of(found);
    match deadline(resource, found, options, shared.clock.now()) {
        Some(marked) if marked == **found => Deleted::Terminating(Arc::clone(found)),
        Some(marked) => {
            let object = state.store.put(&resource.storage, marked);
            janitor::after_deadline(state, shared, resource, &object);
            Deleted::Terminating(object)
        }
        None => {
            let mut last = Value::clone(found);
            if resource.rules.graceful {
                set_deadline(&mut last, shared.clock.now(), 0);
            }
            if let Some(removed) = state.store.remove(&resource.storage, &key) {
                value::copy(&mut last, &removed, &["metadata", "resourceVersion"]);
            }
            janitor::after_removal(state, shared, resource, &last);
            Deleted::Gone(Arc::new(last))
        }
    }
}

/// The object with its deadline, where it may not go at once.
fn deadline(
    resource: &Resource,
    found: &Value,
    options: &DeleteOptions,
    now: Timestamp,
) -> Option<Value> {
    let mut marked = found.clone();
    let mut finalizers: Vec<Value> = value::list(found, &["metadata", "finalizers"]).to_vec();
    let wished = match options.propagation.as_deref() {
        Some("Foreground") => Some("foregroundDeletion"),
        Some("Orphan") => Some("orphan"),
        _ => None,
    };
    if options.propagation.is_some() {
        finalizers.retain(|finalizer| {
            !matches!(finalizer.as_str(), Some("foregroundDeletion" | "orphan"))
                || finalizer.as_str() == wished
        });
    }
    if let Some(wished) = wished
        && !finalizers.iter().any(|finalizer| finalizer == wished)
    {
        finalizers.push(wished.into());
    }
    let grace = grace_of(resource, found, options);
    let namespace_content =
        !value::list(found, &["spec", "finalizers"]).is_empty() && resource.is("", "namespaces");
    if finalizers.is_empty() {
        value::remove(&mut marked, &["metadata", "finalizers"]);
    } else {
        value::set(&mut marked, &["metadata", "finalizers"], finalizers.clone());
    }
    if finalizers.is_empty() && grace == 0 && !namespace_content {
        return None;
    }
    let fresh = value::get(found, &["metadata", "deletionTimestamp"]).is_none();
    if fresh {
        set_deadline(&mut marked, now, grace);
        let generation = value::integer(found, &["metadata", "generation"]);
        if generation > 0 {
            value::set(&mut marked, &["metadata", "generation"], generation + 1);
        }
        if namespace_content {
            value::set(&mut marked, &["status", "phase"], "Terminating");
        }
    } else {
        shorten_deadline(&mut marked, grace);
    }
    // A namespace ends when it is empty, whatever the grace.
    if resource.is("", "namespaces") {
        value::remove(&mut marked, &["metadata", "deletionGracePeriodSeconds"]);
    }
    Some(marked)
}

/// How long the object gets to end, in seconds. Only pods that run get time, and only ever less than before.
fn grace_of(resource: &Resource, found: &Value, options: &DeleteOptions) -> i64 {
    if !resource.rules.graceful {
        return 0;
    }
    let phase = value::text(found, &["status", "phase"]);
    let never_ran = value::text(found, &["spec", "nodeName"]).is_empty();
    if never_ran || matches!(phase, "Succeeded" | "Failed") {
        return 0;
    }
    let wished = options.grace.unwrap_or_else(|| {
        value::get(found, &["spec", "terminationGracePeriodSeconds"])
            .and_then(Value::as_i64)
            .unwrap_or(DEFAULT_GRACE)
    });
    let given =
        value::get(found, &["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64);
    given.map_or(wished, |given| wished.min(given)).max(0)
}

fn set_deadline(object: &mut Value, now: Timestamp, grace: i64) {
    let at = now
        .checked_add(SignedDuration::from_secs(grace))
        .unwrap_or(now);
    if value::get(object, &["metadata", "deletionTimestamp"]).is_some() {
        shorten_deadline(object, grace);
        return;
    }
    value::set(object, &["metadata", "deletionTimestamp"], seconds(at));
    value::set(object, &["metadata", "deletionGracePeriodSeconds"], grace);
}

/// Moves a deadline by as much as the grace has become shorter.
fn shorten_deadline(object: &mut Value, grace: i64) {
    let before = value::integer(object, &["metadata", "deletionGracePeriodSeconds"]);
    let Ok(at) = value::text(object, &["metadata", "deletionTimestamp"]).parse::<Timestamp>()
    else {
        return;
    };
    if grace >= before {
        return;
    }
    let at = at
        .checked_sub(SignedDuration::from_secs(before - grace))
        .unwrap_or(at);
    value::set(object, &["metadata", "deletionTimestamp"], seconds(at));
    value::set(object, &["metadata", "deletionGracePeriodSeconds"], grace);
}

/// Deletes all objects of a selection, and answers with them.
pub(crate) fn delete_collection(
    state: &mut State,
    context: &Context<'_>,
) -> Result<Answer, Refusal> {
    let resource = context.resource;
    let options = DeleteOptions::parse(context)?;
    let list_options = ListOptions::parse(context.query())?;
    let selection = Selection::parse(resource, context.target, context.query())?;
    let page = read::list(state, resource, &selection, &list_options)?;
    if !context.dry_run()? {
        for object in &page.items {
            delete_object(state, context.shared, resource, object, &options);
        }
    }
    Ok(context.present_page(&page))
}
