//! Reading and writing an object loses nothing, and what is not known is refused where a wrong
//! guess would be dangerous.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod manifests;

use kube_core::CustomResourceExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Every path of properties that the schema names, down to what is kept whole.
fn schema_paths(path: &str, schema: &Value, paths: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        paths.push(path.clone());
        schema_paths(&path, property, paths);
    }
    if schema["items"].is_object() {
        schema_paths(path, &schema["items"], paths);
    }
}

fn manifest_paths(path: &str, value: &Value, paths: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                paths.push(path.clone());
                manifest_paths(&path, value, paths);
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| manifest_paths(path, item, paths)),
        _ => {}
    }
}

fn loses_nothing<K: CustomResourceExt + DeserializeOwned + Serialize>(manifest: &Value) {
    let (mut wanted, mut present) = (Vec::new(), Vec::new());
    let crd = serde_json::to_value(
        api::crds()
            .into_iter()
            .find(|crd| crd.metadata.name.as_deref() == Some(K::crd_name()))
            .expect("a CRD of this kind"),
    )
    .unwrap();
    schema_paths(
        "",
        &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
        &mut wanted,
    );
    manifest_paths("", manifest, &mut present);
    for path in wanted {
        assert!(
            present.contains(&path),
            "the manifest of this test leaves out {path}"
        );
    }

    let object: K = serde_json::from_value(manifest.clone()).unwrap();

    assert_eq!(serde_json::to_value(&object).unwrap(), *manifest);
}

#[test]
fn a_machine_config_with_every_field_loses_nothing() {
    loses_nothing::<api::MachineConfig>(&manifests::machine_config());
}

#[test]
fn a_machine_config_pool_with_every_field_loses_nothing() {
    loses_nothing::<api::MachineConfigPool>(&manifests::machine_config_pool());
}

#[test]
fn a_machine_config_node_with_every_field_loses_nothing() {
    loses_nothing::<api::MachineConfigNode>(&manifests::machine_config_node());
}

#[test]
fn a_machine_configuration_with_every_field_loses_nothing() {
    loses_nothing::<api::MachineConfiguration>(&manifests::machine_configuration());
}

#[test]
fn a_rollout_policy_with_every_field_loses_nothing() {
    loses_nothing::<api::RolloutPolicy>(&manifests::rollout_policy());
}

#[test]
fn a_slot_ledger_with_every_field_loses_nothing() {
    loses_nothing::<api::SlotLedger>(&manifests::slot_ledger());
}

#[test]
fn what_is_absent_is_not_written() {
    let pool: api::MachineConfigPool = serde_json::from_value(json!({
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfigPool",
        "metadata": {"name": "worker"},
        "spec": {"paused": null, "pinnedImageSets": null, "configuration": {}},
    }))
    .unwrap();

    assert_eq!(serde_json::to_value(&pool.spec).unwrap(), json!({}));
    assert!(!pool.spec.paused);
}

#[test]
fn explicit_nulls_of_the_reference_are_read_as_absent() {
    let config: api::MachineConfig = serde_json::from_value(json!({
        "metadata": {"name": "99-worker-ssh"},
        "spec": {"kernelArguments": null, "extensions": null, "fips": null, "config": null},
    }))
    .unwrap();

    assert_eq!(config.spec, api::MachineConfigSpec::default());
}

fn refusal<K: DeserializeOwned + std::fmt::Debug>(manifest: Value) -> String {
    serde_json::from_value::<K>(manifest)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_ledger_with_an_unknown_field_is_refused() {
    let mut spec = manifests::slot_ledger();
    spec["spec"]["limit"] = json!(3);
    assert!(refusal::<api::SlotLedger>(spec).contains("limit"));

    let mut holder = manifests::slot_ledger();
    holder["spec"]["holders"][0]["since"] = json!("yesterday");
    assert!(refusal::<api::SlotLedger>(holder).contains("since"));
}

#[test]
fn a_ledger_without_holders_is_refused_rather_than_read_as_empty() {
    let ledger = json!({"metadata": {"name": "cluster"}, "spec": {}});

    assert!(refusal::<api::SlotLedger>(ledger).contains("holders"));
}

#[test]
fn a_misspelt_field_of_a_rollout_policy_is_refused_at_every_depth() {
    for path in [
        "/spec",
        "/spec/poolSelector",
        "/spec/drain",
        "/spec/controlPlane",
        "/spec/firstApproval",
        "/spec/kubeletGate",
    ] {
        let mut policy = manifests::rollout_policy();
        policy.pointer_mut(path).unwrap()["misspelt"] = json!(1);

        assert!(
            refusal::<api::RolloutPolicy>(policy).contains("misspelt"),
            "{path}"
        );
    }
}

#[test]
fn an_action_that_is_not_known_is_refused_by_name() {
    let mut configuration = manifests::machine_configuration();
    configuration["spec"]["nodeDisruptionPolicy"]["sshkey"]["actions"][0]["type"] =
        json!("Hibernate");

    assert!(refusal::<api::MachineConfiguration>(configuration).contains("Hibernate"));
}
