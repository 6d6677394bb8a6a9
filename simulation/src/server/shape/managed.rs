//! Who manages which fields of an object: `metadata.managedFields` after an update, and server-side apply (KEP-555).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fields::FieldSet;
use super::types::Type;
use super::walk::{compare, fields_of, merge, with_named_fields, without};
use crate::server::value;

/// Fields of metadata that nobody manages.
const UNMANAGED: [&str; 9] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// One manager in one role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Manager {
    /// `Apply` or `Update`.
    pub operation: &'static str,
    pub name: String,
    /// Empty for the main resource.
    pub subresource: String,
    /// In which version its fields are named. One who applies is one whatever the version.
    pub api_version: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    fields: FieldSet,
    api_version: String,
    time: String,
}

type Entries = BTreeMap<Manager, Entry>;

fn manager(operation: &'static str, name: &str, subresource: &str, api_version: &str) -> Manager {
    Manager {
        operation,
        name: name.to_owned(),
        subresource: subresource.to_owned(),
        api_version: if operation == "Apply" {
            String::new()
        } else {
            api_version.to_owned()
        },
    }
}

fn read(object: &Value) -> Entries {
    value::list(object, &["metadata", "managedFields"])
        .iter()
        .map(|entry| {
            let text = |field| value::text(entry, &[field]);
            let operation = if text("operation") == "Apply" {
                "Apply"
            } else {
                "Update"
            };
            let fields = value::get(entry, &["fieldsV1"])
                .map_or_else(FieldSet::default, FieldSet::from_value);
            (
                manager(
                    operation,
                    text("manager"),
                    text("subresource"),
                    text("apiVersion"),
                ),
                Entry {
                    fields,
                    api_version: text("apiVersion").to_owned(),
                    time: text("time").to_owned(),
                },
            )
        })
        .collect()
}

fn write(object: &mut Value, entries: &Entries) {
    let mut sorted: Vec<(&Manager, &Entry)> = entries
        .iter()
        .filter(|(_, entry)| !entry.fields.is_empty())
        .collect();
    sorted.sort_by_key(|(manager, entry)| {
        (
            manager.operation,
            entry.time.clone(),
            manager.name.clone(),
            entry.api_version.clone(),
            manager.subresource.clone(),
        )
    });
    if sorted.is_empty() {
        value::remove(object, &["metadata", "managedFields"]);
        return;
    }
    let listed: Vec<Value> = sorted
        .into_iter()
        .map(|(manager, entry)| {
            let mut listed = json!({
                "manager": manager.name,
                "operation": manager.operation,
                "apiVersion": entry.api_version,
                "fieldsType": "FieldsV1",
                "fieldsV1": entry.fields.to_value(),
            });
            if !entry.time.is_empty() {
                listed["time"] = entry.time.as_str().into();
            }
            if !manager.subresource.is_empty() {
                listed["subresource"] = manager.subresource.as_str().into();
            }
            listed
        })
        .collect();
    value::set(object, &["metadata", "managedFields"], listed);
}

/// A write, as far as the managers of fields are concerned.
pub(crate) struct Write<'a> {
    pub at: Type<'a>,
    pub manager: &'a str,
    pub api_version: &'a str,
    /// Empty for the main resource.
    pub subresource: &'a str,
    /// Whether status belongs to a subresource of its own.
    pub has_status: bool,
    pub now: &'a str,
}

/// Another manager's field that an apply would change: how the manager is named, and the field's path.
pub(crate) type Conflict = (String, String);

impl Write<'_> {
    /// The set without what this write may not manage.
    fn own(&self, mut set: FieldSet) -> FieldSet {
        for path in [&["apiVersion"][..], &["kind"][..]] {
            set.prune(path);
        }
        for field in UNMANAGED {
            set.prune(&["metadata", field]);
        }
        if self.subresource == "status" {
            set = set.only("status");
        } else if self.has_status {
            set.prune(&["status"]);
        }
        set
    }

    /// What a write changed, as far as anybody manages it.
    fn changed(&self, old: &Value, new: &Value) -> super::walk::Difference {
        let mut found = compare(&self.at, Some(old), Some(new));
        found.prune(&["apiVersion"]);
        found.prune(&["kind"]);
        for field in UNMANAGED {
            found.prune(&["metadata", field]);
        }
        if self.subresource == "status" {
            found.only("status");
        } else if self.has_status {
            found.prune(&["status"]);
        }
        found
    }

    /// Enters the manager of an update: what changed is theirs alone, what is gone is nobody's.
    pub(crate) fn update(&self, old: &Value, new: &mut Value) {
        let resets = value::get(new, &["metadata", "managedFields"])
            .and_then(Value::as_array)
            .is_some_and(|listed| listed.len() == 1 && listed.first() == Some(&json!({})));
        let mut entries = if resets {
            Entries::new()
        } else {
            // Whoever sends none does not know of them, and must not delete them.
            let sent = read(new);
            if sent.is_empty() { read(old) } else { sent }
        };
        // Of what nobody managed when it was made, updates keep no record; the first apply begins one.
        if entries.is_empty() && !value::text(old, &["metadata", "uid"]).is_empty() {
            write(new, &entries);
            return;
        }
        let found = self.changed(old, new);
        let taken = found.added.union(&found.modified);
        for entry in entries.values_mut() {
            entry.fields = entry.fields.difference(&found.removed);
        }
        let own = manager("Update", self.manager, self.subresource, self.api_version);
        for (known, entry) in &mut entries {
            if *known != own {
                entry.fields = entry.fields.difference(&taken);
            }
        }
        if !taken.is_empty() {
            let entry = entries.entry(own).or_insert_with(|| Entry {
                fields: FieldSet::default(),
                api_version: self.api_version.to_owned(),
                time: String::new(),
            });
            entry.fields = entry.fields.union(&taken);
            self.now.clone_into(&mut entry.time);
        }
        write(new, &entries);
    }

    /// Applies a wish to an object: the fields that it names become so, those that this manager named before and nobody names any
    /// more are gone. Conflicts with others stop it, unless it is forced. `nothing` is an object in which nobody has set anything.
    pub(crate) fn apply(
        &self,
        nothing: &Value,
        old: &Value,
        wish: &Value,
        force: bool,
    ) -> Result<Value, Vec<Conflict>> {
        let mut entries = read(old);
        if entries.is_empty() && !value::text(old, &["metadata", "uid"]).is_empty() {
            let (first, entry) = self.before_first_apply(nothing, old);
            entries.insert(first, entry);
        }
        let own = manager("Apply", self.manager, self.subresource, self.api_version);
        let last = entries.remove(&own);
        let wanted = self.own(fields_of(&self.at, wish));
        let mut own_entry = Entry {
            fields: wanted.clone(),
            api_version: self.api_version.to_owned(),
            time: last
                .as_ref()
                .map_or_else(String::new, |last| last.time.clone()),
        };
        let mut merged = merge(&self.at, old, wish);
        value::copy(&mut merged, old, &["metadata", "managedFields"]);
        if let Some(last) = &last {
            let others = entries
                .values()
                .fold(wanted, |all, entry| all.union(&entry.fields));
            merged = self.drop_unwanted(&merged, &last.fields, &others);
        }
        let found = self.changed(old, &merged);
        let taken = found.added.union(&found.modified);
        let mut conflicts = Vec::new();
        for (known, entry) in &mut entries {
            let both = entry.fields.intersection(&taken);
            if !both.is_empty() {
                let named = name_of(known, entry);
                conflicts.extend(both.paths().into_iter().map(|path| (named.clone(), path)));
            }
            entry.fields = entry.fields.difference(&both).difference(&found.removed);
        }
        if !conflicts.is_empty() && !force {
            return Err(conflicts);
        }
        // One who applies what is there already has managed it at no time.
        if merged != *old {
            self.now.clone_into(&mut own_entry.time);
        }
        entries.insert(own, own_entry);
        write(&mut merged, &entries);
        Ok(merged)
    }

    /// Who manages what is there of an object that nobody has managed so far.
    fn before_first_apply(&self, nothing: &Value, old: &Value) -> (Manager, Entry) {
        let found = self.changed(nothing, old);
        let entry = Entry {
            fields: found.added.union(&found.modified),
            api_version: self.api_version.to_owned(),
            time: self.now.to_owned(),
        };
        let first = manager("Update", "before-first-apply", "", self.api_version);
        (first, entry)
    }

    /// Takes away what this manager set before (`last`) and nobody manages any more.
    fn drop_unwanted(&self, merged: &Value, last: &FieldSet, managed: &FieldSet) -> Value {
        let last = with_named_fields(&self.at, last);
        let pruned = without(&self.at, merged, &last).unwrap_or_else(|| json!({}));
        let named = |object: &Value| with_named_fields(&self.at, &fields_of(&self.at, object));
        let all = named(merged);
        let keep = named(&pruned).union(&with_named_fields(&self.at, managed));
        let pruned = without(&self.at, merged, &all.difference(&keep)).unwrap_or_else(|| json!({}));
        // Whatever went although this manager never set it comes back.
        let gone = all.difference(&named(&pruned)).intersection(&last);
        without(&self.at, merged, &gone).unwrap_or_else(|| json!({}))
    }
}

/// How a conflict names a manager.
fn name_of(manager: &Manager, entry: &Entry) -> String {
    let mut named = format!("\"{}\"", manager.name);
    if !manager.subresource.is_empty() {
        named = format!("{named} with subresource \"{}\"", manager.subresource);
    }
    if manager.operation == "Update" {
        named = format!("{named} using {}", entry.api_version);
    }
    named
}
