//! Who goes first: zone by zone, and the oldest of a zone first (reference/machine-config.md 2.5).

use crate::names::NodeName;
use crate::snapshot::NodeView;
use jiff::Timestamp;

/// Where a node stands in the order; smaller goes first.
///
/// A node whose drain was given up stands behind all others, the one given up longest ago first. Nodes with a zone come
/// before those without, by the zone's name; an empty name is a zone. The name decides between equals, so that the
/// order is the same in every round.
pub(super) type Rank<'a> = (
    Option<Timestamp>,
    bool,
    Option<&'a str>,
    Option<Timestamp>,
    &'a NodeName,
);

pub(super) fn rank(node: &NodeView) -> Rank<'_> {
    let zone = node.zone();
    (
        node.drain_released_at,
        zone.is_none(),
        zone,
        node.created,
        &node.name,
    )
}
