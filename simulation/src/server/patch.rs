//! Patches: their kinds by media type, and what each makes of an object.

use serde_json::Value;

use super::change::{Manage, write};
use super::handle::{Context, Written};
use super::present::in_version;
use super::refusal::{About, Cause, Refusal};
use super::request::Call;
use super::resource::Resource;
use super::{State, create, read, shape, steps, strategic, value};

/// The kinds of patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchKind {
    /// A list of operations (RFC 6902).
    Json,
    /// The fields to set, null to remove (RFC 7386).
    Merge,
    /// As merge, but lists with keys are merged by item. Built-in kinds only.
    Strategic,
    /// Server-side apply.
    Apply,
}

impl PatchKind {
    pub(crate) fn of(resource: &Resource, call: &Call) -> Result<Self, Refusal> {
        match call.media_type() {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/apply-patch+yaml" => Ok(Self::Apply),
            "application/strategic-merge-patch+json" if resource.custom.is_none() => {
                Ok(Self::Strategic)
            }
            "application/strategic-merge-patch+json" => Err(Refusal::unsupported_media_type(&[
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/apply-patch+yaml",
            ])),
            _ => Err(Refusal::unsupported_media_type(&[])),
        }
    }

    /// What the patch makes of the object. An apply needs to know who asks: see [`apply`].
    pub(crate) fn apply_to(
        self,
        resource: &Resource,
        old: &Value,
        body: &[u8],
    ) -> Result<Value, Refusal> {
        let undecoded = |why: &str| Refusal::bad_request(format!("error decoding patch: {why}"));
        if self == Self::Strategic {
            let patch = shape::parse_json(body)?;
            return strategic::patch(&shape::Type::of(resource), old, &patch);
        }
        let patch: Value = serde_json::from_slice(body)
            .map_err(|error| undecoded(&shape::misread(body, &error)))?;
        if self == Self::Json {
            return steps::carry_out(old, &patch);
        }
        if patch.is_array() {
            return Err(undecoded(
                "json: cannot unmarshal array into Go value of type map[string]interface {}",
            ));
        }
        let mut new = old.clone();
        json_patch::merge(&mut new, &patch);
        Ok(new)
    }
}

/// The manager under which kubectl applies.
const KUBECTL: &str = "kubectl";
/// Where client-side apply keeps what it applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Server-side apply: makes the object, or makes the fields that the wish names so.
pub(crate) fn apply(state: &mut State, context: &Context<'_>) -> Result<Written, Refusal> {
    let resource = context.resource;
    let key = read::key_of(context.target);
    if context
        .query()
        .get("fieldManager")
        .is_none_or(str::is_empty)
    {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        let about = About {
            group: "meta.k8s.io",
            kind: "PatchOptions",
            name: "",
        };
        return Err(Refusal::invalid(about, &[cause]));
    }
    let mut wish = shape::parse_yaml(&context.call.body)?;
    check_wish(resource, &wish, &key.name)?;
    shape::check_declared(resource, &wish)?;
    create::place_in_namespace(&mut wish, context.target.namespace.as_deref())?;
    value::set(&mut wish, &["metadata", "name"], key.name.as_str());
    let validation = context.query().field_validation();
    let warnings = Vec::new();
    let force = context.query().flag("force");
    let found = state.store.get(&resource.storage, &key).cloned();
    let Some(old) = found else {
        if context.target.subresource.is_some() {
            return Err(Refusal::not_found(resource.about(&key.name)));
        }
        // Of what is not there, no version can be meant.
        let mut wish = wish;
        value::remove(&mut wish, &["metadata", "resourceVersion"]);
        let applied = shape::apply(context, &shape::zero(resource), &wish, force)?;
        let (object, _) = shape::decode(resource, applied, validation)?;
        return create::create_object(state, context, object, warnings, Manage::Done);
    };
    let old = in_version(resource, &old);
    let mut applied = shape::apply(context, &old, &wish, force)?;
    if context.call.manager() == KUBECTL {
        renew_last_applied(&mut applied, &wish);
    }
    let (mut new, _) = shape::decode(resource, applied, validation)?;
    // A version in the wish is a precondition; without one, the stored version is meant.
    value::copy(&mut new, &old, &["metadata", "resourceVersion"]);
    if value::get(&wish, &["metadata", "resourceVersion"]).is_some() {
        value::copy(&mut new, &wish, &["metadata", "resourceVersion"]);
    }
    write(state, context, &old, new, warnings, Manage::Done)
}

/// Keeps the annotation of client-side apply true where kubectl goes on with server-side apply, as the real server does
/// (KEP-555, "upgrade from client-side apply"): whoever goes back finds what was applied last.
fn renew_last_applied(applied: &mut Value, wish: &Value) {
    let place = ["metadata", "annotations", LAST_APPLIED];
    if value::text(applied, &place).is_empty() {
        return;
    }
    let mut last = wish.clone();
    value::remove(&mut last, &place);
    value::set(applied, &place, format!("{last}\n"));
}

fn check_wish(resource: &Resource, wish: &Value, name: &str) -> Result<(), Refusal> {
    let text = |path: &[&str]| value::text(wish, path);
    let (kind, api_version) = (text(&["kind"]), text(&["apiVersion"]));
    let managed = wish
        .get("metadata")
        .and_then(|metadata| metadata.get("managedFields"));
    if managed.is_some_and(|managed| !managed.is_null()) {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    if kind != resource.kind || api_version != resource.api_version() {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        return Err(Refusal::bad_request(format!(
            "invalid object type: {group}/{version}, Kind={kind}"
        )));
    }
    let stated = text(&["metadata", "name"]);
    if !stated.is_empty() && stated != name {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({stated}) does not match the name on the URL ({name})"
        )));
    }
    Ok(())
}
