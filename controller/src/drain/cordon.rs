//! Our cordon: set and undone in one patch each, with all that goes with it.
//!
//! # Guarantees
//! The patch that makes a node unschedulable marks that as ours, keeps autoscalers from taking the node
//! meanwhile, and remembers which of these protections were not there before. Only a cordon with the mark
//! is undone, and only what was ours goes with it. `windlass.dev/keep-cordoned` leaves the node cordoned
//! and takes our mark off: from then on the cordon is a person's.
//! # Not here
//! When to do so: see [`super`].

use super::request::Request;
use crate::patch::NodePatch;
use api::names::{foreign, node as contract, ours};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use serde_json::Value;

/// Annotations that keep others from deleting or replacing a node, with the value that does it.
const PROTECTIONS: [(&str, &str); 2] = [
    (foreign::SCALE_DOWN_DISABLED, "true"),
    (foreign::KARPENTER_DO_NOT_DISRUPT, "true"),
];

/// Whether the node bears our cordon.
pub fn is_ours(node: &Node) -> bool {
    node.annotations().contains_key(ours::CORDONED)
}

/// Whether new pods are kept off the node, whoever wanted that.
pub fn is_cordoned(node: &Node) -> bool {
    node.spec
        .as_ref()
        .and_then(|spec| spec.unschedulable)
        .unwrap_or(false)
}

/// Whether the node bears a cordon of ours that another assignment than this one asked for.
pub fn is_of_another(node: &Node, request: &Request) -> bool {
    is_ours(node) && intent(node) != Some(request.intent)
}

/// The patch that cordons for this request; empty where the node is cordoned for it already.
///
/// A cordon that was there before is a person's: it gets no mark, so it is left as it was found. One that an earlier
/// assignment asked for becomes this one's: its drain begins now.
pub fn cordon<'a>(node: &'a Node, request: &Request, now: Timestamp) -> NodePatch<'a> {
    let mut patch = NodePatch::of(node);
    let marked = is_ours(node);
    if is_cordoned(node) && !is_of_another(node, request) {
        return patch;
    }
    patch.assume(contract::DESIRED_DRAIN);
    if !is_cordoned(node) {
        patch
            .with_spec()
            .add(&["spec", "unschedulable"], Value::Bool(true));
    }
    let absent = PROTECTIONS
        .iter()
        .filter(|(key, _)| !node.annotations().contains_key(*key));
    // A cordon of ours that somebody undid in mid-drain: what we protected then is still ours.
    let mut ours: Vec<&str> = protected_by_us(node);
    for (key, value) in absent {
        patch.annotate(key, *value);
        if !ours.contains(key) {
            ours.push(key);
        }
    }
    if marked {
        patch.assume(ours::CORDONED);
    }
    let since = since(node, request).unwrap_or(now);
    let list = ours.join(",");
    patch.annotate(ours::CORDONED, format!("{};{since};{list}", request.intent));
    patch
}

/// The patch that acknowledges an uncordon, and undoes our cordon where there is one.
pub fn uncordon<'a>(node: &'a Node, request: &Request) -> NodePatch<'a> {
    let mut patch = NodePatch::of(node);
    // A newer assignment is taken before the uncordon, in the same visit.
    patch.assume(contract::DESIRED_DRAIN).assume(ours::INTENT);
    undo(node, &mut patch);
    patch.annotate(contract::LAST_APPLIED_DRAIN, request.wish.to_string());
    patch
}

/// Undoes our cordon where there is one, with all that went with it.
pub(crate) fn undo(node: &Node, patch: &mut NodePatch<'_>) {
    if !is_ours(node) {
        return;
    }
    patch.assume(ours::CORDONED);
    let kept = node.annotations().contains_key(ours::KEEP_CORDONED);
    if is_cordoned(node) && !kept {
        patch.remove(&["spec", "unschedulable"]);
    }
    for key in protected_by_us(node) {
        if node.annotations().contains_key(key) {
            patch.strip(key);
        }
    }
    patch.strip(ours::CORDONED);
}

/// The patch that acknowledges a drain.
///
/// `cordoned`: the drain rests on the node's cordon, so that one that was undone meanwhile stops it.
pub fn acknowledge<'a>(node: &'a Node, request: &Request, cordoned: bool) -> NodePatch<'a> {
    let mut patch = NodePatch::of(node);
    patch.assume(contract::DESIRED_DRAIN).assume(ours::INTENT);
    if cordoned {
        patch.test(&["spec", "unschedulable"], Value::Bool(true));
    }
    patch.annotate(contract::LAST_APPLIED_DRAIN, request.wish.to_string());
    patch.annotate(ours::DRAINED_INTENT, request.intent.to_string());
    patch
}

/// When we cordoned the node for this request, by our mark.
pub fn since(node: &Node, request: &Request) -> Option<Timestamp> {
    if is_of_another(node, request) {
        return None;
    }
    mark(node)?.split(';').nth(1)?.parse().ok()
}

/// The assignment that our cordon is for, by its mark.
fn intent(node: &Node) -> Option<u64> {
    mark(node)?.split(';').next()?.parse().ok()
}

/// What our mark says: intent; when; what was set besides.
fn mark(node: &Node) -> Option<&str> {
    node.annotations().get(ours::CORDONED).map(String::as_str)
}

/// The protections that our mark says we set.
fn protected_by_us(node: &Node) -> Vec<&str> {
    let list = mark(node).and_then(|mark| mark.split(';').nth(2));
    let list = list.unwrap_or_default();
    list.split(',')
        .filter(|key| PROTECTIONS.iter().any(|(known, _)| known == key))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::requests::DrainRequest;

    const KARPENTER: &str = foreign::KARPENTER_DO_NOT_DISRUPT;
    const AUTOSCALER: &str = foreign::SCALE_DOWN_DISABLED;

    fn node(cordoned: bool, annotations: &[(&str, &str)]) -> Node {
        let mut node = Node::default();
        node.metadata.name = Some("worker-1".to_owned());
        node.metadata.uid = Some("uid".to_owned());
        node.metadata.resource_version = Some("1".to_owned());
        node.spec.get_or_insert_default().unschedulable = cordoned.then_some(true);
        node.annotations_mut()
            .insert(contract::DESIRED_DRAIN.to_owned(), "drain-x".to_owned());
        node.annotations_mut()
            .insert(ours::INTENT.to_owned(), "3".to_owned());
        for (key, value) in annotations {
            node.annotations_mut()
                .insert((*key).to_owned(), (*value).to_owned());
        }
        node
    }

    fn drain() -> Request {
        Request {
            wish: DrainRequest::Drain("x".to_owned()),
            intent: 3,
        }
    }

    fn end() -> Request {
        Request {
            wish: DrainRequest::Uncordon("x".to_owned()),
            intent: 3,
        }
    }

    fn cordoned(before: &Node) -> Node {
        cordon(before, &drain(), Timestamp::UNIX_EPOCH)
            .applied_to(before)
            .expect("it applies")
    }

    fn uncordoned(before: &Node) -> Node {
        uncordon(before, &end())
            .applied_to(before)
            .expect("it applies")
    }

    #[test]
    fn a_cordon_is_marked_and_protects_the_node() {
        let after = cordoned(&node(false, &[]));

        assert!(is_cordoned(&after) && is_ours(&after));
        assert!(after.annotations().contains_key(KARPENTER));
        assert!(after.annotations().contains_key(AUTOSCALER));
    }

    #[test]
    fn undoing_our_cordon_restores_the_node() {
        let before = node(false, &[]);

        let after = uncordoned(&cordoned(&before));

        assert!(!is_cordoned(&after) && !is_ours(&after));
        assert!(!after.annotations().contains_key(KARPENTER));
        assert_eq!(after.annotations().len(), before.annotations().len() + 1);
    }

    #[test]
    fn a_cordon_that_was_there_before_is_left_as_it_was_found() {
        let before = node(true, &[]);

        let after = uncordoned(&cordoned(&before));

        assert!(is_cordoned(&after) && !is_ours(&after));
    }

    #[test]
    fn a_protection_that_somebody_else_set_stays() {
        let after = uncordoned(&cordoned(&node(false, &[(KARPENTER, "true")])));

        assert!(after.annotations().contains_key(KARPENTER));
        assert!(!after.annotations().contains_key(AUTOSCALER));
    }

    #[test]
    fn a_person_may_keep_the_node_cordoned() {
        let after = uncordoned(&cordoned(&node(false, &[(ours::KEEP_CORDONED, "")])));

        assert!(is_cordoned(&after) && !is_ours(&after));
    }

    #[test]
    fn a_cordon_that_somebody_undid_in_mid_drain_is_set_again_and_stays_ours() {
        let mut undone = cordoned(&node(false, &[]));
        undone.spec.get_or_insert_default().unschedulable = None;

        let after = uncordoned(&cordoned(&undone));

        assert!(!is_cordoned(&after) && !after.annotations().contains_key(KARPENTER));
    }

    #[test]
    fn the_cordon_of_an_earlier_assignment_becomes_this_one_s_and_its_drain_begins_now() {
        let before = cordoned(&node(false, &[]));
        let later = Request {
            intent: 4,
            ..drain()
        };
        let now = Timestamp::from_second(3600).expect("in range");

        let after = cordon(&before, &later, now)
            .applied_to(&before)
            .expect("it applies");

        assert_eq!(since(&before, &drain()), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(since(&before, &later), None);
        assert_eq!(since(&after, &later), Some(now));
        assert!(!uncordoned(&after).annotations().contains_key(KARPENTER));
    }

    #[test]
    fn a_node_that_is_cordoned_for_this_assignment_is_not_written_again() {
        let before = cordoned(&node(false, &[]));

        assert!(cordon(&before, &drain(), Timestamp::UNIX_EPOCH).is_empty());
    }

    #[test]
    fn a_drain_is_not_acknowledged_on_a_node_that_was_uncordoned_meanwhile() {
        let before = node(false, &[]);

        assert!(
            acknowledge(&before, &drain(), true)
                .applied_to(&before)
                .is_err()
        );
    }

    #[test]
    fn an_acknowledgement_names_the_request_and_its_intent() {
        let before = cordoned(&node(false, &[]));

        let after = acknowledge(&before, &drain(), true)
            .applied_to(&before)
            .expect("applies");

        assert_eq!(
            after.annotations().get(contract::LAST_APPLIED_DRAIN),
            Some(&"drain-x".to_owned())
        );
        assert_eq!(
            after.annotations().get(ours::DRAINED_INTENT),
            Some(&"3".to_owned())
        );
    }
}
