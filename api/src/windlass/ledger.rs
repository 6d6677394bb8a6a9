//! SlotLedger: who holds a slot.
//!
//! One object for the whole cluster, written by the controller alone, whole, with its
//! resourceVersion (`docs/adr/0002`). It has no status subresource, so one swap carries it all.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// With this many holders no further slot is granted.
///
/// Nobody has this many nodes away at a time, and what is rebuilt from Nodes still finds room above it.
pub const HOLDERS_LIMIT: usize = 6000;

/// Most holders that one ledger has room for; the schema's bound.
///
/// Above [`HOLDERS_LIMIT`], because holders that are rebuilt from their Nodes are recorded though nothing is granted any
/// more. etcd refuses objects above 1.5 MiB, and a holder with long names and its JSON takes some 200 bytes: so many stay
/// below it, with room for metadata.
pub const HOLDERS_RECORDED_MAX: usize = 7500;

/// Who holds a slot, over all pools.
#[derive(
    CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "windlass.dev",
    version = "v1alpha1",
    kind = "SlotLedger",
    plural = "slotledgers",
    derive = "PartialEq",
    derive = "Default",
    doc = "Which nodes may be unavailable on Windlass's account. One object, named `cluster`, which only the controller writes.",
    printcolumn(
        name = "Changes",
        type_ = "integer",
        json_path = ".metadata.generation",
        description = "How often slots were taken or returned"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    crates(kube_core = "::kube_core")
)]
#[serde(deny_unknown_fields)]
pub struct SlotLedgerSpec {
    /// Nodes with a slot, in the order of their names.
    #[schemars(length(max = HOLDERS_RECORDED_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub holders: Vec<Holder>,
}

/// A node with a slot.
///
/// A holder that was rebuilt from its Node may know neither pool nor config; both are then empty.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Name of the Node.
    #[schemars(schema_with = "crate::schema::dns_subdomain")]
    pub node: String,
    /// UID of the Node; another Node of the same name holds nothing.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,
    /// The pool whose budget the slot is of.
    #[schemars(length(max = 253))]
    pub pool: String,
    /// The intent of the assignment that the slot was taken for.
    #[schemars(schema_with = "crate::schema::generation")]
    pub intent: i64,
    /// The rendered config of that assignment.
    #[schemars(length(max = 253))]
    pub config: String,
}
