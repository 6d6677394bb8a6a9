//! The CRDs as they are installed: generated from the types, then finished.
//!
//! Finishing does what a derive cannot: rules over the whole object, the owner label, and plain
//! optional fields instead of nullable ones (in the reference's schemas an explicit `null` is
//! valid only where it says so).

use crate::names::label;
use crate::{
    MachineConfig, MachineConfigNode, MachineConfigPool, MachineConfiguration, RolloutPolicy,
    SlotLedger,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    ValidationRule,
};
use kube_core::CustomResourceExt;
use serde_json::json;

/// CRDs that are installed together. Other operators take the presence of these groups for
/// OpenShift, so an owner chooses (design, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bundle {
    /// Machine configuration, and our own kinds: what Windlass needs.
    Nodes,
    /// The disruption policy; without it the built-in one holds.
    Operator,
}

impl Bundle {
    /// All bundles, in the order in which they are printed.
    pub const ALL: [Self; 2] = [Self::Nodes, Self::Operator];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Operator => "operator",
        }
    }
}

/// All CRDs of all bundles.
pub fn crds() -> Vec<CustomResourceDefinition> {
    Bundle::ALL.into_iter().flat_map(bundle).collect()
}

/// The CRDs of one bundle.
pub fn bundle(bundle: Bundle) -> Vec<CustomResourceDefinition> {
    match bundle {
        Bundle::Nodes => vec![
            spec_by_default(finish(MachineConfig::crd(), &[])),
            finish(
                MachineConfigNode::crd(),
                &[rule(
                    "self.metadata.name == self.spec.node.name",
                    "metadata.name must equal spec.node.name",
                )],
            ),
            finish(MachineConfigPool::crd(), &[]),
            finish(RolloutPolicy::crd(), &[]),
            finish(SlotLedger::crd(), &[named_cluster()]),
        ],
        Bundle::Operator => vec![finish(MachineConfiguration::crd(), &[named_cluster()])],
    }
}

fn named_cluster() -> ValidationRule {
    rule(
        "self.metadata.name == 'cluster'",
        "there is one object of this kind, and its name is cluster",
    )
}

fn rule(rule: &str, message: &str) -> ValidationRule {
    ValidationRule {
        rule: rule.to_owned(),
        message: Some(message.to_owned()),
        ..Default::default()
    }
}

fn root(crd: &mut CustomResourceDefinition) -> impl Iterator<Item = &mut JSONSchemaProps> {
    crd.spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut())
}

fn finish(mut crd: CustomResourceDefinition, rules: &[ValidationRule]) -> CustomResourceDefinition {
    crd.metadata
        .labels
        .get_or_insert_default()
        .insert(label::OWNER.to_owned(), label::OWNER_WINDLASS.to_owned());
    crd.spec.names.list_kind = Some(format!("{}List", crd.spec.names.kind));
    for schema in root(&mut crd) {
        schema.title = None;
        settle(schema);
        if !rules.is_empty() {
            schema.x_kubernetes_validations = Some(rules.to_vec());
        }
    }
    crd
}

/// A MachineConfig without a spec is an empty one.
fn spec_by_default(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for schema in root(&mut crd) {
        schema.required = None;
        if let Some(spec) = schema
            .properties
            .as_mut()
            .and_then(|properties| properties.get_mut("spec"))
        {
            spec.default = Some(JSON(json!({})));
        }
    }
    crd
}

/// Fields of the reference that take an explicit `null`.
const NULLABLE: [&str; 4] = [
    "kernelArguments",
    "lastTransitionTime",
    "observedConfig",
    "unsupportedConfigOverrides",
];

/// Fields of the reference whose default the server writes. All other defaults are Windlass's to
/// apply, so that an object says only what its owner said.
const DEFAULTED: [&str; 2] = ["logLevel", "operatorLogLevel"];

fn settle(schema: &mut JSONSchemaProps) {
    if let Some(values) = schema.enum_.as_mut() {
        values.retain(|JSON(value)| !value.is_null());
    }
    for (name, property) in schema.properties.iter_mut().flatten() {
        if !NULLABLE.contains(&name.as_str()) {
            property.nullable = None;
        }
        if !DEFAULTED.contains(&name.as_str()) {
            property.default = None;
        }
        settle(property);
    }
    match schema.items.as_mut() {
        Some(JSONSchemaPropsOrArray::Schema(items)) => settle(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(settle),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        settle(values);
    }
}
