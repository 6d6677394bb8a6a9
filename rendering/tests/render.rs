//! What a pool gets from its machine configs, and whom a refusal names.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "helpers of tests"
)]

use rendering::merge::{Images, MergeError, Rules};
use rendering::render::{RenderError, SIZE_LIMIT, Warning, render};
use rendering::spec::{
    GENERATED_BY, KUBELET_VERSION, MachineConfig, MachineConfigSpec, ROLE_LABEL,
};
use serde_json::{Value, json};

fn machine_config(name: &str, role: &str, spec: Value) -> MachineConfig {
    MachineConfig {
        name: name.to_owned(),
        labels: [(ROLE_LABEL.to_owned(), role.to_owned())].into(),
        spec: serde_json::from_value(spec).unwrap(),
        ..MachineConfig::default()
    }
}

fn with_file(name: &str, role: &str, file: Value) -> MachineConfig {
    let config = json!({"ignition": {"version": "3.2.0"}, "storage": {"files": [file]}});
    machine_config(name, role, json!({"config": config}))
}

fn annotated(mut config: MachineConfig, key: &str, value: &str) -> MachineConfig {
    config.annotations.insert(key.to_owned(), value.to_owned());
    config
}

fn images() -> Images {
    Images {
        base_os: "release/os".to_owned(),
        extensions: "release/ext".to_owned(),
    }
}

fn rendered(configs: &[MachineConfig]) -> Result<rendering::render::Rendered, RenderError> {
    render("infra", configs, &images(), &Rules::default())
}

#[test]
fn a_custom_pools_machine_config_overrides_the_workers() {
    let contents =
        |text: &str| json!({"path": "/etc/a", "contents": {"source": format!("data:,{text}")}});
    let result = rendered(&[
        with_file("00-infra", "infra", contents("infra")),
        with_file("99-worker", "worker", contents("worker")),
    ])
    .unwrap();
    assert_eq!(result.sources, ["99-worker", "00-infra"]);
    let config = result.config.spec.config.unwrap();
    assert_eq!(
        config["storage"]["files"],
        json!([{"path": "/etc/a", "overwrite": true, "contents": {"source": "data:,infra"}}])
    );
}

#[test]
fn the_name_follows_from_the_content_whatever_the_order_of_the_input() {
    let a = with_file(
        "a",
        "worker",
        json!({"path": "/a", "contents": {"source": "data:,"}}),
    );
    let b = with_file(
        "b",
        "worker",
        json!({"path": "/b", "contents": {"source": "data:,"}}),
    );
    let forwards = rendered(&[a.clone(), b.clone()]).unwrap();
    let backwards = rendered(&[b, a]).unwrap();
    assert_eq!(forwards.config, backwards.config);
    assert!(forwards.config.name.starts_with("rendered-infra-"));
}

#[test]
fn of_several_kubelet_versions_the_last_counts_and_is_part_of_the_name() {
    let base = machine_config("a", "worker", json!({}));
    let plain = rendered(std::slice::from_ref(&base)).unwrap();
    let versioned = rendered(&[
        annotated(base, KUBELET_VERSION, "1.33"),
        annotated(
            machine_config("b", "worker", json!({})),
            KUBELET_VERSION,
            "1.34",
        ),
    ])
    .unwrap();
    assert_eq!(versioned.config.annotations[KUBELET_VERSION], "1.34");
    assert!(plain.config.annotations.is_empty());
    assert_ne!(versioned.config.name, plain.config.name);
}

#[test]
fn a_kubelet_version_that_no_gate_can_read_is_refused_by_object_and_field() {
    for text in ["one.34", "1.34.1\n", "vv1.34.1", "1.34.1.0", "1"] {
        let config = annotated(
            machine_config("a", "worker", json!({})),
            KUBELET_VERSION,
            text,
        );

        let refused = rendered(&[config]).unwrap_err().to_string();

        let expected = "MachineConfig a, metadata.annotations[windlass.dev/kubelet-version]:";
        assert!(refused.starts_with(expected), "{text:?}: {refused}");
    }
}

#[test]
fn images_of_generated_machine_configs_do_not_count() {
    let image =
        |name: &str, image: &str| machine_config(name, "worker", json!({"osImageURL": image}));
    let result = rendered(&[
        image("50-person", "mine/os"),
        annotated(image("99-generated", "stale/os"), GENERATED_BY, "0123abc"),
    ])
    .unwrap();
    assert_eq!(result.config.spec.os_image_url, "mine/os");
    assert_eq!(
        result.config.spec.base_os_extensions_container_image,
        "release/ext"
    );
}

#[test]
fn no_machine_configs_render_to_the_default_images() {
    let result = rendered(&[]).unwrap();
    let expected = MachineConfigSpec {
        base_os_extensions_container_image: "release/ext".to_owned(),
        config: Some(json!({"ignition": {"version": "3.5.0"}})),
        kernel_type: "default".to_owned(),
        os_image_url: "release/os".to_owned(),
        ..MachineConfigSpec::default()
    };
    assert_eq!(result.config.spec, expected);
}

#[test]
fn a_refusal_names_the_guilty_machine_config_and_field() {
    let fine = || {
        with_file(
            "10-fine",
            "worker",
            json!({"path": "/a", "contents": {"source": "data:,"}}),
        )
    };
    let guilty = |spec: Value| machine_config("50-guilty", "worker", spec);
    for (config, class, field) in [
        (
            guilty(json!({"kernelType": "bogus"})),
            "kernel-type-invalid",
            "spec.kernelType",
        ),
        (
            guilty(json!({"extensions": ["bogus"]})),
            "extension-unsupported",
            "spec.extensions",
        ),
        (
            guilty(json!({"config": {}})),
            "ignition-invalid-version",
            "spec.config.ignition.version",
        ),
        (
            guilty(json!({"config": {"ignition": {"version": "2.2.0"}}})),
            "ignition-spec2",
            "spec.config.ignition.version",
        ),
        (
            with_file("50-guilty", "worker", json!({"path": "a"})),
            "ignition-invalid",
            "spec.config.storage.files.0.path",
        ),
        (
            with_file("50-guilty", "worker", json!({"path": "/a", "mode": 0o4755})),
            "file-mode",
            "spec.config.storage.files",
        ),
        (
            with_file(
                "50-guilty",
                "worker",
                json!({"path": "/a", "contents": {"source": "http://a/"}}),
            ),
            "contents",
            "spec.config.storage.files",
        ),
    ] {
        let error = rendered(&[fine(), config]).unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert_eq!(error.configs(), ["50-guilty"], "{error}");
        assert_eq!(error.field(), field, "{error}");
        assert!(error.to_string().contains("50-guilty"), "{error}");
    }
}

#[test]
fn what_is_invalid_only_together_names_all_that_have_a_part_in_it() {
    let owner = |name: &str, user: Value| {
        let contents = json!({"source": "data:,"});
        with_file(
            name,
            "worker",
            json!({"path": "/a", "contents": contents, "user": user}),
        )
    };
    let error = rendered(&[
        owner("10-by-number", json!({"id": 0})),
        with_file(
            "20-bystander",
            "worker",
            json!({"path": "/b", "contents": {"source": "data:,"}}),
        ),
        owner("30-by-name", json!({"name": "core"})),
    ])
    .unwrap_err();
    assert_eq!(error.class(), "merged-invalid");
    assert_eq!(error.configs(), ["10-by-number", "30-by-name"]);
    assert_eq!(error.field(), "spec.config.storage.files.0.user");
}

#[test]
fn an_unknown_extension_needs_no_ignition_to_be_refused_but_by_the_references_rules() {
    let config = machine_config("a", "worker", json!({"extensions": ["bogus"]}));
    let refused = rendering::merge::validate(&config, &Rules::default());
    assert!(matches!(refused, Err(MergeError::Extensions { .. })));
    assert_eq!(
        rendering::merge::validate(&config, &Rules::reference()),
        Ok(())
    );
}

#[test]
fn a_config_that_the_api_would_not_take_is_refused_and_one_near_it_is_warned_of() {
    let sized = |name: &str, bytes: usize| {
        let source = format!("data:,{}", "a".repeat(bytes));
        with_file(
            name,
            "worker",
            json!({"path": format!("/{name}"), "contents": {"source": source}}),
        )
    };
    let near = rendered(&[sized("large", SIZE_LIMIT / 100 * 90)]).unwrap();
    assert!(matches!(
        near.warnings.as_slice(),
        [Warning::NearSizeLimit { .. }]
    ));
    let error = rendered(&[sized("large", SIZE_LIMIT), sized("small", 10)]).unwrap_err();
    assert_eq!(error.class(), "too-large");
    assert_eq!(error.configs(), ["large"]);
}

#[test]
fn a_kubelet_unit_without_a_version_and_an_unused_key_are_warned_of() {
    let unit =
        json!({"name": "kubelet.service", "contents": "[Service]\nExecStart=/bin/kubelet\n"});
    let config =
        json!({"ignition": {"version": "3.4.0"}, "systemd": {"units": [unit]}, "extra": {}});
    let kubelet = machine_config("kubelet", "worker", json!({"config": config}));
    let reasons = |config: MachineConfig| {
        let warnings = rendered(&[config]).unwrap().warnings;
        warnings.iter().map(Warning::reason).collect::<Vec<_>>()
    };
    assert_eq!(
        reasons(kubelet.clone()),
        ["IgnitionWarning", "KubeletVersionMissing"]
    );
    assert_eq!(
        reasons(annotated(kubelet, KUBELET_VERSION, "1.34")),
        ["IgnitionWarning"]
    );
}
