//! In which form an object leaves the server: as it is, as its metadata alone, or as a table for people.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::events;
use super::read::Page;
use super::refusal::Refusal;
use super::resource::Resource;
use super::store::{Change, Object};
use super::table;
use super::value;

/// A form in which objects are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    Plain,
    /// As rows; the row's object is whole, its metadata alone, or absent.
    Table(RowObject),
    /// Their metadata alone.
    Metadata,
}

/// What accompanies a row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowObject {
    /// Nothing.
    None,
    /// Its metadata. The default.
    Metadata,
    /// All of it.
    Object,
}

impl Form {
    /// Reads what the caller accepts; the first acceptable entry counts.
    pub(super) fn parse(accept: &str, include_object: Option<&str>) -> Result<Self, Refusal> {
        if accept.trim().is_empty() {
            return Ok(Form::Plain);
        }
        for entry in accept.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            if !matches!(media, "application/json" | "*/*" | "application/*") {
                continue;
            }
            let parameters: Vec<&str> = parts.collect();
            let has = |wanted: &str| parameters.contains(&wanted);
            let wanted = parameters
                .iter()
                .find_map(|parameter| parameter.strip_prefix("as="));
            match wanted {
                None => return Ok(Form::Plain),
                Some("Table") if has("v=v1") && has("g=meta.k8s.io") => {
                    return Ok(Form::Table(match include_object {
                        Some("Object") => RowObject::Object,
                        Some("None") => RowObject::None,
                        _ => RowObject::Metadata,
                    }));
                }
                Some("PartialObjectMetadata" | "PartialObjectMetadataList")
                    if has("v=v1") && has("g=meta.k8s.io") =>
                {
                    return Ok(Form::Metadata);
                }
                Some(_) => {}
            }
        }
        Err(Refusal::not_acceptable())
    }
}

/// The object as the resource's group and version have it.
pub(crate) fn in_version(resource: &Resource, object: &Object) -> Object {
    let wanted = resource.api_version();
    if value::text(object, &["apiVersion"]) == wanted {
        return Arc::clone(object);
    }
    let mut converted = if resource.plural == "events" && resource.custom.is_none() {
        events::to_events_group(object)
    } else {
        Value::clone(object)
    };
    value::set(&mut converted, &["apiVersion"], wanted);
    Arc::new(converted)
}

/// The object's metadata alone.
pub(crate) fn metadata_of(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": value::get(object, &["metadata"]).cloned().unwrap_or_else(|| json!({})),
    })
}

/// Presents the objects of one resource in one form.
pub(crate) struct Presenter {
    resource: Arc<Resource>,
    form: Form,
    columns_sent: bool,
}

impl Presenter {
    pub(super) fn new(resource: Arc<Resource>, form: Form) -> Self {
        Self {
            resource,
            form,
            columns_sent: false,
        }
    }

    /// One object.
    pub(super) fn object(&self, object: &Object, now: Timestamp) -> Value {
        let object = in_version(&self.resource, object);
        match self.form {
            Form::Plain => Value::clone(&object),
            Form::Metadata => metadata_of(&object),
            Form::Table(rows) => {
                let version = value::text(&object, &["metadata", "resourceVersion"]).to_owned();
                let metadata = json!({ "resourceVersion": version });
                table::table(&self.resource, metadata, &[object], rows, now, true)
            }
        }
    }

    /// A page of a list.
    pub(super) fn page(&self, page: &Page, now: Timestamp) -> Value {
        let mut metadata = json!({ "resourceVersion": page.version.to_string() });
        if let Some(token) = &page.token {
            metadata["continue"] = token.as_str().into();
        }
        if let Some(remaining) = page.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        let objects: Vec<Object> = page
            .items
            .iter()
            .map(|object| in_version(&self.resource, object))
            .collect();
        match self.form {
            Form::Plain => json!({
                "kind": self.resource.list_kind,
                "apiVersion": self.resource.api_version(),
                "metadata": metadata,
                "items": objects.iter().map(|object| self.item(object)).collect::<Vec<_>>(),
            }),
            Form::Metadata => json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                // The real server has no list here when there are no items, and clients cope.
                "items": if objects.is_empty() {
                    Value::Null
                } else {
                    objects.iter().map(|object| metadata_of(object)).collect()
                },
            }),
            Form::Table(rows) => table::table(&self.resource, metadata, &objects, rows, now, true),
        }
    }

    /// An object as an item of a list: built-in kinds leave out what the list already says.
    fn item(&self, object: &Object) -> Value {
        let mut item = Value::clone(object);
        if self.resource.custom.is_none() {
            value::remove(&mut item, &["kind"]);
            value::remove(&mut item, &["apiVersion"]);
        }
        item
    }

    /// An event of a watch. Only the first table of a watch describes its columns.
    pub(super) fn event(&mut self, change: Change, object: &Object, now: Timestamp) -> Value {
        let kind = match change {
            Change::Added => "ADDED",
            Change::Modified => "MODIFIED",
            Change::Deleted => "DELETED",
        };
        let object = if let Form::Table(rows) = self.form {
            let object = in_version(&self.resource, object);
            let version = value::text(&object, &["metadata", "resourceVersion"]).to_owned();
            let columns = !std::mem::replace(&mut self.columns_sent, true);
            let metadata = json!({ "resourceVersion": version });
            table::table(&self.resource, metadata, &[object], rows, now, columns)
        } else {
            self.object(object, now)
        };
        json!({ "type": kind, "object": object })
    }

    /// A bookmark: the watch is complete up to this version.
    pub(super) fn bookmark(&self, version: u64, end_of_initial_events: bool) -> Value {
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if end_of_initial_events {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let (kind, api_version) = match self.form {
            Form::Metadata => (
                "PartialObjectMetadata".to_owned(),
                "meta.k8s.io/v1".to_owned(),
            ),
            Form::Plain | Form::Table(_) => {
                (self.resource.kind.clone(), self.resource.api_version())
            }
        };
        json!({
            "type": "BOOKMARK",
            "object": { "kind": kind, "apiVersion": api_version, "metadata": metadata },
        })
    }
}
