//! Reading: one object, or many of them by selection, in pages, at a version.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::request::{Age, ListOptions, Query, Target};
use super::resource::Resource;
use super::selector::{FieldSelector, LabelSelector};
use super::store::{Key, Object};
use super::{State, shape, value};

/// Tokens are read as Go reads them: bits that are left over do not matter.
const TOKENS: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// Which objects of a collection are meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub namespace: Option<String>,
    pub labels: LabelSelector,
    pub fields: FieldSelector,
}

impl Selection {
    /// Reads the selection of a request. A watch of one name selects that name.
    pub(super) fn parse(
        resource: &Resource,
        target: &Target,
        query: &Query,
    ) -> Result<Self, Refusal> {
        let mut fields = query.get("fieldSelector").unwrap_or_default().to_owned();
        if let Some(name) = &target.name {
            fields = format!("metadata.name={name},{fields}");
        }
        let fields = FieldSelector::parse(&fields)?;
        check_fields(resource, &fields)?;
        Ok(Self {
            namespace: target.namespace.clone(),
            labels: LabelSelector::parse(query.get("labelSelector").unwrap_or_default())?,
            fields,
        })
    }

    /// Whether the object is meant.
    pub(super) fn matches(&self, object: &Value) -> bool {
        self.namespace
            .as_deref()
            .is_none_or(|wanted| value::text(object, &["metadata", "namespace"]) == wanted)
            && self.labels.matches(object)
            && self.fields.matches(object)
    }

    /// Whether all objects of the namespace are meant.
    pub(super) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.terms().is_empty()
    }

    /// The objects that are meant, as they are now.
    pub(super) fn over<'a>(
        &'a self,
        state: &'a State,
        storage: &str,
    ) -> impl Iterator<Item = Object> + use<'a> {
        state
            .store
            .list(storage, self.namespace.as_deref())
            .filter(|object| self.matches(object))
            .cloned()
    }
}

/// The fields by which a built-in kind can be selected beside name and namespace.
fn selectable_fields(resource: &Resource) -> Vec<&str> {
    if let Some(custom) = &resource.custom {
        return custom.selectable.iter().map(String::as_str).collect();
    }
    let fields: &[&str] = match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "namespaces") => &["status.phase"],
        ("", "secrets") => &["type"],
        ("" | "events.k8s.io", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("apps", "replicasets") => &["status.replicas"],
        ("batch", "jobs") => &["status.successful"],
        _ => &[],
    };
    fields.to_vec()
}

fn check_fields(resource: &Resource, fields: &FieldSelector) -> Result<(), Refusal> {
    let selectable = selectable_fields(resource);
    for term in fields.terms() {
        let field = term.field.as_str();
        if matches!(field, "metadata.name" | "metadata.namespace") || selectable.contains(&field) {
            continue;
        }
        let sentence = if resource.custom.is_none() && selectable.is_empty() {
            format!(
                "\"{field}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
            )
        } else {
            format!("field label not supported: {field}")
        };
        return Err(Refusal::bad_request(sentence));
    }
    Ok(())
}

/// The key that a path names.
pub(crate) fn key_of(target: &Target) -> Key {
    Key {
        namespace: target.namespace.clone().unwrap_or_default(),
        name: target.name.clone().unwrap_or_default(),
    }
}

/// One object.
pub(crate) fn get(state: &State, resource: &Resource, target: &Target) -> Result<Object, Refusal> {
    let key = key_of(target);
    state
        .store
        .get(&resource.storage, &key)
        .cloned()
        .ok_or_else(|| Refusal::not_found(resource.about(&key.name)))
}

/// A page of a list.
pub(crate) struct Page {
    pub items: Vec<Object>,
    pub version: u64,
    /// Where the next page begins; none: this was the last.
    pub token: Option<String>,
    /// How many are left, where the selection allows to know it.
    pub remaining: Option<usize>,
}

/// Many objects.
pub(crate) fn list(
    state: &State,
    resource: &Resource,
    selection: &Selection,
    options: &ListOptions,
) -> Result<Page, Refusal> {
    let newest = state.store.version();
    let token = options.token.as_deref().map(Token::parse).transpose()?;
    let (version, start) = match (&token, options.age) {
        (Some(token), _) => (token.version, Some(token.start.as_str())),
        (None, Age::Exactly(version)) => (version, None),
        (None, Age::NotOlderThan(version)) if version > newest => {
            return Err(Refusal::version_in_the_future(version, newest));
        }
        (None, _) => (newest, None),
    };
    if version > newest {
        return Err(Refusal::version_in_the_future(version, newest));
    }
    let matching: Vec<Object> = if version == newest {
        selection.over(state, &resource.storage).collect()
    } else {
        let all = state
            .store
            .list_at(&resource.storage, version)
            .map_err(|forgotten| {
                Refusal::expired(format!(
                    "The resourceVersion for the provided list is too old: {version} ({})",
                    forgotten.oldest
                ))
            })?;
        all.into_iter()
            .filter(|object| selection.matches(object))
            .collect()
    };
    let begin = start.map_or(0, |start| {
        matching.partition_point(|object| place(&Key::of(object)).as_str() < start)
    });
    let rest = matching.len().saturating_sub(begin);
    let take = options.limit.unwrap_or(rest).min(rest);
    let items: Vec<Object> = matching.into_iter().skip(begin).take(take).collect();
    let left = rest - take;
    let token = items
        .last()
        .filter(|_| left > 0)
        // The zero byte makes the next page begin right behind the last object of this one.
        .map(|last| {
            Token {
                version,
                start: format!("{}\0", place(&Key::of(last))),
            }
            .text()
        });
    Ok(Page {
        items,
        version,
        remaining: (left > 0 && selection.is_everything()).then_some(left),
        token,
    })
}

/// A key as one text that sorts as keys do.
fn place(key: &Key) -> String {
    format!("{}/{}", key.namespace, key.name)
}

struct Token {
    version: u64,
    start: String,
}

impl Token {
    fn text(&self) -> String {
        let token = json!({ "v": "meta.k8s.io/v1", "rv": self.version, "start": self.start });
        TOKENS.encode(token.to_string())
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: String| {
            Refusal::bad_request(format!(
                "invalid continue token: continue key is not valid: {why}"
            ))
        };
        let bytes = TOKENS
            .decode(text)
            .map_err(|error| refuse(error.to_string()))?;
        let token: Value = serde_json::from_slice(&bytes)
            .map_err(|error| refuse(shape::misread(&bytes, &error)))?;
        let version = value::get(&token, &["rv"])
            .and_then(Value::as_u64)
            .ok_or_else(|| refuse("it has no version".to_owned()))?;
        Ok(Self {
            version,
            start: value::text(&token, &["start"]).to_owned(),
        })
    }
}
