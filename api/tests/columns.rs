//! `kubectl get` shows what the reference shows (`reference/crds.md`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

fn crd(name: &str) -> CustomResourceDefinition {
    api::crds()
        .into_iter()
        .find(|crd| crd.metadata.name.as_deref() == Some(name))
        .unwrap_or_else(|| panic!("there is no CRD {name}"))
}

/// Name, type, path, and whether the column is shown only with `-o wide`.
fn columns(crd: &CustomResourceDefinition) -> Vec<(String, String, String, bool)> {
    crd.spec.versions[0]
        .additional_printer_columns
        .iter()
        .flatten()
        .map(|column| {
            (
                column.name.clone(),
                column.type_.clone(),
                column.json_path.clone(),
                column.priority.unwrap_or(0) > 0,
            )
        })
        .collect()
}

fn owned(rows: &[(&str, &str, &str, bool)]) -> Vec<(String, String, String, bool)> {
    rows.iter()
        .map(|(name, type_, path, wide)| {
            (
                (*name).to_owned(),
                (*type_).to_owned(),
                (*path).to_owned(),
                *wide,
            )
        })
        .collect()
}

fn condition(type_: &str) -> String {
    format!(".status.conditions[?(@.type==\"{type_}\")].status")
}

#[test]
fn machine_configs_show_their_controller_and_ignition_version() {
    let crd = crd("machineconfigs.machineconfiguration.openshift.io");

    assert_eq!(
        columns(&crd),
        owned(&[
            (
                "GeneratedByController",
                "string",
                r".metadata.annotations.machineconfiguration\.openshift\.io/generated-by-controller-version",
                false
            ),
            (
                "IgnitionVersion",
                "string",
                ".spec.config.ignition.version",
                false
            ),
            ("Age", "date", ".metadata.creationTimestamp", false),
        ])
    );
    assert_eq!(crd.spec.names.short_names, Some(vec!["mc".to_owned()]));
    assert_eq!(crd.spec.versions[0].subresources, None);
}

#[test]
fn pools_show_their_config_state_and_counts() {
    let crd = crd("machineconfigpools.machineconfiguration.openshift.io");

    assert_eq!(
        columns(&crd),
        owned(&[
            ("Config", "string", ".status.configuration.name", false),
            ("Updated", "string", &condition("Updated"), false),
            ("Updating", "string", &condition("Updating"), false),
            ("Degraded", "string", &condition("Degraded"), false),
            ("MachineCount", "number", ".status.machineCount", false),
            (
                "ReadyMachineCount",
                "number",
                ".status.readyMachineCount",
                false
            ),
            (
                "UpdatedMachineCount",
                "number",
                ".status.updatedMachineCount",
                false
            ),
            (
                "DegradedMachineCount",
                "number",
                ".status.degradedMachineCount",
                false
            ),
            ("Age", "date", ".metadata.creationTimestamp", false),
        ])
    );
    assert_eq!(crd.spec.names.short_names, Some(vec!["mcp".to_owned()]));
    assert!(
        crd.spec.versions[0]
            .subresources
            .as_ref()
            .unwrap()
            .status
            .is_some()
    );
}

#[test]
fn machine_config_nodes_show_phases_only_when_wide() {
    let crd = crd("machineconfignodes.machineconfiguration.openshift.io");

    assert_eq!(
        columns(&crd),
        owned(&[
            ("PoolName", "string", ".spec.pool.name", false),
            (
                "DesiredConfig",
                "string",
                ".spec.configVersion.desired",
                false
            ),
            (
                "CurrentConfig",
                "string",
                ".status.configVersion.current",
                false
            ),
            ("Updated", "string", &condition("Updated"), false),
            ("Age", "date", ".metadata.creationTimestamp", false),
            (
                "UpdatePrepared",
                "string",
                &condition("UpdatePrepared"),
                true
            ),
            (
                "UpdateExecuted",
                "string",
                &condition("UpdateExecuted"),
                true
            ),
            (
                "UpdatePostActionComplete",
                "string",
                &condition("UpdatePostActionComplete"),
                true
            ),
            (
                "UpdateComplete",
                "string",
                &condition("UpdateComplete"),
                true
            ),
            ("Resumed", "string", &condition("Resumed"), true),
            (
                "UpdatedFilesAndOS",
                "string",
                &condition("AppliedFilesAndOS"),
                true
            ),
            ("CordonedNode", "string", &condition("Cordoned"), true),
            ("DrainedNode", "string", &condition("Drained"), true),
            ("RebootedNode", "string", &condition("RebootedNode"), true),
            ("UncordonedNode", "string", &condition("Uncordoned"), true),
        ])
    );
    assert_eq!(crd.spec.names.short_names, None);
    assert!(
        crd.spec.versions[0]
            .subresources
            .as_ref()
            .unwrap()
            .status
            .is_some()
    );
}

#[test]
fn the_ledger_has_no_status_that_could_be_written_beside_the_swap() {
    let crd = crd("slotledgers.windlass.dev");

    assert_eq!(crd.spec.versions[0].subresources, None);
    assert!(crd.spec.versions[0].additional_printer_columns.is_some());
}

#[test]
fn every_crd_says_that_windlass_owns_it() {
    for crd in api::crds() {
        let labels = crd.metadata.labels.unwrap_or_default();

        assert_eq!(
            labels.get(api::names::label::OWNER).map(String::as_str),
            Some("windlass")
        );
        assert_eq!(crd.spec.scope, "Cluster", "{:?}", crd.metadata.name);
    }
}

#[test]
fn the_operator_group_is_a_bundle_of_its_own() {
    let groups = |bundle| {
        let mut groups: Vec<String> = api::bundle(bundle)
            .into_iter()
            .map(|crd| crd.spec.group)
            .collect();
        groups.dedup();
        groups
    };

    assert_eq!(
        groups(api::Bundle::Nodes),
        ["machineconfiguration.openshift.io", "windlass.dev"]
    );
    assert_eq!(groups(api::Bundle::Operator), ["operator.openshift.io"]);
}
