//! JSON patches that say what they assume.
//!
//! # Guarantees
//! A patch made here applies whole or not at all, and only to the object it was made for: it tests the
//! object's uid first, so that a node of the same name that came later is not touched.

use crate::error::{ApiError, Attempt};
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, TestOperation};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch as ApiPatch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use std::collections::BTreeMap;

/// Our field manager on Nodes.
pub const FIELD_MANAGER: &str = "windlass-controller";

/// A write on a Node, by the version that it gave, to tell whether a cache shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written(Option<u64>);

impl Written {
    /// One that is under way.
    pub const UNDER_WAY: Self = Self(Some(u64::MAX));

    /// Whether the Node as it is seen is as old as this write, or newer. Versions that cannot be compared say nothing.
    pub fn is_shown_by(self, seen: &Node) -> bool {
        match (self.0, version(seen)) {
            (Some(written), Some(seen)) => seen >= written,
            _ => true,
        }
    }
}

fn version(node: &Node) -> Option<u64> {
    node.metadata.resource_version.as_ref()?.parse().ok()
}

/// Operations on one Node, in order.
#[derive(Clone, Debug)]
pub struct NodePatch<'a> {
    node: &'a Node,
    annotated: bool,
    operations: Vec<PatchOperation>,
}

impl<'a> NodePatch<'a> {
    /// A patch that assumes that this very node still exists.
    pub fn of(node: &'a Node) -> Self {
        let annotated = node.metadata.annotations.is_some();
        let mut patch = Self {
            node,
            annotated,
            operations: Vec::new(),
        };
        if let Some(uid) = node.uid() {
            patch.test(&["metadata", "uid"], Value::String(uid));
        }
        patch
    }

    /// Whether it would change anything.
    pub fn is_empty(&self) -> bool {
        self.operations
            .iter()
            .all(|operation| matches!(operation, PatchOperation::Test(_)))
    }

    /// Assumes that the annotation has the value that it has on the node as it was seen.
    ///
    /// JSON patch cannot test that something is absent. Then the whole object is tested to be the one
    /// that was seen, which any write in between makes fail; that is rare, and only costs a second try.
    pub fn assume(&mut self, annotation: &str) -> &mut Self {
        let seen = |map: &BTreeMap<String, String>| map.get(annotation).cloned();
        match self.node.metadata.annotations.as_ref().and_then(seen) {
            Some(value) => self.test(
                &["metadata", "annotations", annotation],
                Value::String(value),
            ),
            None => self.assume_untouched(),
        }
    }

    /// Assumes that nobody has written the node since it was seen.
    pub fn assume_untouched(&mut self) -> &mut Self {
        match self.node.metadata.resource_version.clone() {
            Some(version) => self.test(&["metadata", "resourceVersion"], Value::String(version)),
            None => self,
        }
    }

    /// Sets an annotation.
    pub fn annotate(&mut self, annotation: &str, value: impl Into<String>) -> &mut Self {
        if !self.annotated {
            self.annotated = true;
            self.add(
                &["metadata", "annotations"],
                Value::Object(serde_json::Map::new()),
            );
        }
        self.add(
            &["metadata", "annotations", annotation],
            Value::String(value.into()),
        )
    }

    /// Removes an annotation that the node bears.
    pub fn strip(&mut self, annotation: &str) -> &mut Self {
        self.remove(&["metadata", "annotations", annotation])
    }

    /// Makes sure that there is a `spec` to put something into; the API server itself never leaves it out.
    pub fn with_spec(&mut self) -> &mut Self {
        if self.node.spec.is_some() {
            return self;
        }
        self.assume_untouched();
        self.add(&["spec"], Value::Object(serde_json::Map::new()))
    }

    /// Tests the value at a path.
    pub fn test(&mut self, path: &[&str], value: Value) -> &mut Self {
        self.operations.push(PatchOperation::Test(TestOperation {
            path: pointer(path),
            value,
        }));
        self
    }

    /// Sets the value at a path.
    pub fn add(&mut self, path: &[&str], value: Value) -> &mut Self {
        self.operations.push(PatchOperation::Add(AddOperation {
            path: pointer(path),
            value,
        }));
        self
    }

    /// Removes the value at a path.
    pub fn remove(&mut self, path: &[&str]) -> &mut Self {
        self.operations
            .push(PatchOperation::Remove(RemoveOperation {
                path: pointer(path),
            }));
        self
    }

    /// Sends it; nothing is sent if it changes nothing.
    ///
    /// An error whose meaning is `Stale` says that an assumption no longer holds.
    pub async fn send(self, client: &Client, attempt: &'static str) -> Result<Written, ApiError> {
        if self.is_empty() {
            return Ok(Written::default());
        }
        let name = self.node.name_any();
        let api = Api::<Node>::all(client.clone());
        let patch = ApiPatch::<()>::Json(Patch(self.operations));
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let written = api.patch(&name, &params, &patch).await;
        let node = written.attempt(attempt, &name)?;
        Ok(Written(version(&node)))
    }

    /// The operations as JSON, for tests.
    #[cfg(test)]
    pub(crate) fn applied_to(&self, node: &Node) -> Result<Node, json_patch::PatchError> {
        let mut value = serde_json::to_value(node).expect("a node is JSON");
        json_patch::patch(&mut value, &self.operations)?;
        Ok(serde_json::from_value(value).expect("a node"))
    }
}

fn pointer(path: &[&str]) -> PointerBuf {
    // Tokens are escaped here: annotation keys contain slashes.
    PointerBuf::from_tokens(path.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node() -> Node {
        serde_json::from_value(json!({"metadata": {"name": "a", "uid": "1"}})).expect("a node")
    }

    #[test]
    fn a_node_without_annotations_gets_its_first() {
        let seen = node();
        let mut patch = NodePatch::of(&seen);
        patch
            .annotate("example.com/a", "1")
            .annotate("example.com/b", "2");

        let after = patch.applied_to(&node()).expect("it applies");

        assert_eq!(after.annotations().len(), 2);
    }

    #[test]
    fn a_write_is_shown_by_its_own_version_and_by_later_ones() {
        let seen = |version: &str| {
            let mut node = node();
            node.metadata.resource_version = Some(version.to_owned());
            node
        };
        let written = Written(Some(10));

        assert!(!written.is_shown_by(&seen("9")));
        assert!(written.is_shown_by(&seen("10")) && written.is_shown_by(&seen("11")));
        assert!(!Written::UNDER_WAY.is_shown_by(&seen("11")));
    }

    #[test]
    fn a_later_node_of_the_same_name_is_not_touched() {
        let seen = node();
        let mut patch = NodePatch::of(&seen);
        patch.annotate("example.com/a", "1");
        let mut other = node();
        other.metadata.uid = Some("2".to_owned());

        assert!(patch.applied_to(&other).is_err());
    }

    #[test]
    fn a_value_that_was_absent_is_assumed_by_the_version_of_the_object() {
        let mut seen = node();
        seen.metadata.resource_version = Some("7".to_owned());
        let mut patch = NodePatch::of(&seen);
        patch.assume("example.com/a").annotate("example.com/a", "1");
        let mut written = seen.clone();
        written.metadata.resource_version = Some("8".to_owned());

        assert!(patch.applied_to(&seen).is_ok() && patch.applied_to(&written).is_err());
    }

    #[test]
    fn a_value_that_has_changed_meanwhile_stops_the_patch() {
        let mut before = node();
        before
            .annotations_mut()
            .insert("example.com/a".to_owned(), "1".to_owned());
        let mut patch = NodePatch::of(&before);
        patch.assume("example.com/a").annotate("example.com/a", "2");
        let mut after = before.clone();
        after
            .annotations_mut()
            .insert("example.com/a".to_owned(), "3".to_owned());

        assert!(patch.applied_to(&before).is_ok() && patch.applied_to(&after).is_err());
    }
}
