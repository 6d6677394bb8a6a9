//! Sets of fields: who manages what, in the form of `FieldsV1` (KEP-555).
//!
//! A set is a tree of path elements: `f:name` for a field, `k:{…}` for an item known by its keys, `v:…` for an item that is its own
//! identity. A node may itself be a member (`.`), or only lead to members.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    member: bool,
    children: BTreeMap<String, FieldSet>,
}

/// The path element of a field.
pub(crate) fn field(name: &str) -> String {
    format!("f:{name}")
}

impl FieldSet {
    /// A set of one path's end.
    pub(crate) fn leaf() -> Self {
        Self {
            member: true,
            children: BTreeMap::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Whether this very place is a member.
    pub(crate) fn is_member(&self) -> bool {
        self.member
    }

    pub(crate) fn make_member(&mut self) {
        self.member = true;
    }

    /// What lies under an element.
    pub(crate) fn child(&self, element: &str) -> Option<&FieldSet> {
        self.children.get(element)
    }

    pub(crate) fn children(&self) -> impl Iterator<Item = (&String, &FieldSet)> {
        self.children.iter()
    }

    /// Puts a set under an element; an empty one changes nothing.
    pub(crate) fn add(&mut self, element: String, set: FieldSet) {
        if set.is_empty() {
            return;
        }
        let present = self.children.entry(element).or_default();
        *present = present.union(&set);
    }

    /// Takes away a path and all under it.
    pub(crate) fn prune(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [last] => {
                self.children.remove(&field(last));
            }
            [first, rest @ ..] => {
                let element = field(first);
                if let Some(child) = self.children.get_mut(&element) {
                    child.prune(rest);
                    if child.is_empty() {
                        self.children.remove(&element);
                    }
                }
            }
        }
    }

    /// Keeps only this field of the top.
    pub(crate) fn only(&self, name: &str) -> Self {
        let mut only = Self::default();
        if let Some(child) = self.children.get(&field(name)) {
            only.add(field(name), child.clone());
        }
        only
    }

    fn combine(&self, other: &Self, keep: impl Fn(bool, bool) -> bool + Copy) -> Self {
        let empty = Self::default();
        let mut children = BTreeMap::new();
        for element in self.children.keys().chain(other.children.keys()) {
            if children.contains_key(element) {
                continue;
            }
            let mine = self.children.get(element).unwrap_or(&empty);
            let theirs = other.children.get(element).unwrap_or(&empty);
            let both = mine.combine(theirs, keep);
            if !both.is_empty() {
                children.insert(element.clone(), both);
            }
        }
        Self {
            member: keep(self.member, other.member),
            children,
        }
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine || theirs)
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine && theirs)
    }

    pub(crate) fn difference(&self, other: &Self) -> Self {
        self.combine(other, |mine, theirs| mine && !theirs)
    }

    /// The paths of all members, as people read them: `.spec.items[name="x"].v`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        if self.member && !prefix.is_empty() {
            paths.push(prefix.to_owned());
        }
        for (element, child) in &self.children {
            child.collect_paths(&format!("{prefix}{}", shown(element)), paths);
        }
    }

    /// The set as `FieldsV1` has it.
    pub(crate) fn to_value(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (element, child) in &self.children {
            map.insert(element.clone(), child.to_value());
        }
        Value::Object(map)
    }

    /// Reads `FieldsV1`. What does not parse is no member.
    pub(crate) fn from_value(value: &Value) -> Self {
        fn read(value: &Value) -> FieldSet {
            let Some(map) = value.as_object() else {
                return FieldSet::default();
            };
            let children: BTreeMap<String, FieldSet> = map
                .iter()
                .filter(|(element, _)| *element != ".")
                .map(|(element, child)| (element.clone(), read(child)))
                .collect();
            FieldSet {
                member: map.contains_key(".") || children.is_empty(),
                children,
            }
        }
        let mut set = read(value);
        set.member = value.get(".").is_some();
        set
    }
}

fn shown(element: &str) -> String {
    let Some((kind, rest)) = element.split_once(':') else {
        return element.to_owned();
    };
    match kind {
        "f" => format!(".{rest}"),
        "k" => {
            let keys: Map<String, Value> = serde_json::from_str(rest).unwrap_or_default();
            let listed: Vec<String> = keys
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("[{}]", listed.join(","))
        }
        "v" => format!("[={rest}]"),
        _ => format!("[{rest}]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_set_survives_being_written_and_read() {
        let written = json!({
            "f:metadata": { "f:labels": { ".": {}, "f:a": {} } },
            "f:spec": { "f:items": { "k:{\"name\":\"x\"}": { ".": {}, "f:v": {} } } },
        });
        assert_eq!(FieldSet::from_value(&written).to_value(), written);
    }

    #[test]
    fn members_are_shown_as_people_read_paths() {
        let set = FieldSet::from_value(
            &json!({ "f:spec": { "f:items": { "k:{\"name\":\"x\"}": { "f:v": {} } } } }),
        );
        assert_eq!(set.paths(), [".spec.items[name=\"x\"].v"]);
    }

    #[test]
    fn a_difference_leaves_what_only_the_first_has() {
        let mine = FieldSet::from_value(&json!({ "f:a": {}, "f:b": { ".": {}, "f:c": {} } }));
        let theirs = FieldSet::from_value(&json!({ "f:a": {}, "f:b": { "f:c": {} } }));
        assert_eq!(mine.difference(&theirs).to_value(), json!({ "f:b": {} }));
        assert_eq!(
            mine.intersection(&theirs).to_value(),
            json!({ "f:a": {}, "f:b": { "f:c": {} } })
        );
    }
}
