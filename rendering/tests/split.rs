//! Two halves make a whole, and a whole makes two halves, whatever the config.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rendering::names::rendered_name;
use rendering::render::rendered_config;
use rendering::spec::{KUBELET_VERSION, MachineConfig, MachineConfigSpec};
use rendering::split::{KubeletPaths, compose, split, withhold};
use serde_json::{Value, json};

const PATHS: [&str; 10] = [
    "/etc/chrony.conf",
    "/etc/kubernetes/kubelet.conf",
    "/etc/kubernetes/kubelet/ca.crt",
    "/etc/kubernetes/kubelet.conf.d/10-a.conf",
    "/etc/kubernetes/manifests/static.yaml",
    "/etc/systemd/system/kubelet.service.d/20-x.conf",
    "/etc/systemd/system/kubelet.service.drop/x",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/config.json",
    "/usr/local/bin/kubelet",
];
const UNITS: [&str; 4] = [
    "kubelet.service",
    "kubelet-extra.service",
    "crio.service",
    "a.timer",
];

fn file(path: &str, text: &str) -> Value {
    json!({"path": path, "mode": 420, "overwrite": true, "contents": {"source": format!("data:,{text}")}})
}

fn config(config: Value, version: Option<&str>) -> MachineConfig {
    let annotations = version.map(|it| (KUBELET_VERSION.to_owned(), it.to_owned()));
    MachineConfig {
        annotations: annotations.into_iter().collect(),
        spec: MachineConfigSpec {
            config: Some(config),
            kernel_type: "default".to_owned(),
            ..MachineConfigSpec::default()
        },
        ..MachineConfig::default()
    }
}

prop_compose! {
    fn any_config()(
        files in proptest::collection::btree_map(0..PATHS.len(), "[a-z]{0,3}", 0..8),
        links in proptest::collection::btree_set(0..PATHS.len(), 0..2),
        units in proptest::collection::btree_map(0..UNITS.len(), proptest::option::of("[a-z]{0,3}"), 0..4),
        backwards in any::<bool>(),
        arguments in proptest::collection::vec("[a-c]", 0..3),
        fips in any::<bool>(),
        version in proptest::option::of(prop_oneof!["1\\.3[0-5]", Just("1.34.2".to_owned())]),
    ) -> MachineConfig {
        let mut nodes: Vec<Value> = files
            .iter()
            .filter(|(index, _)| !links.contains(index))
            .map(|(index, text)| file(PATHS[*index], text))
            .collect();
        if backwards {
            nodes.reverse();
        }
        let links: Vec<Value> =
            links.iter().map(|index| json!({"path": PATHS[*index], "target": "/dev/null"})).collect();
        let units: Vec<Value> = units
            .iter()
            .map(|(index, text)| match text {
                None => json!({"name": UNITS[*index], "enabled": true}),
                Some(text) => json!({
                    "name": UNITS[*index],
                    "contents": format!("[Unit]\nDescription={text}\n[Install]\nWantedBy=x\n"),
                    "dropins": [{"name": "b.conf"}, {"name": "a.conf", "contents": ""}],
                }),
            })
            .collect();
        let mut config = config(
            json!({
                "ignition": {"version": "3.5.0"},
                "storage": {"files": nodes, "links": links},
                "systemd": {"units": units},
            }),
            version.as_deref(),
        );
        config.spec.kernel_arguments = arguments;
        config.spec.fips = fips;
        config
    }
}

fn name(config: &MachineConfig) -> String {
    let version = config.annotations.get(KUBELET_VERSION).map(String::as_str);
    rendered_name("worker", &config.spec, version)
}

proptest! {
    #[test]
    fn the_halves_of_a_config_compose_back_to_it(whole in any_config()) {
        let (part, rest) = split(&whole, &KubeletPaths::default()).unwrap();
        let composed = rendered_config("worker", compose(&part, &rest), part.version.clone());
        prop_assert_eq!(name(&composed), name(&whole));
        prop_assert_eq!(composed.annotations, whole.annotations);
    }

    #[test]
    fn a_composition_splits_into_the_halves_it_was_made_of(one in any_config(), other in any_config()) {
        let paths = KubeletPaths::default();
        let (part, own_rest) = split(&one, &paths).unwrap();
        let (own_part, rest) = split(&other, &paths).unwrap();
        let composed = rendered_config("worker", compose(&part, &rest), part.version.clone());
        let (part_again, rest_again) = split(&composed, &paths).unwrap();
        prop_assert_eq!(part_again.digest(), part.digest());
        prop_assert_eq!(rest_again.digest(), rest.digest());
        prop_assert_eq!(&part_again, &part);
        prop_assert_eq!(
            name(&one) == name(&other),
            part.digest() == own_part.digest() && own_rest.digest() == rest.digest()
        );
    }

    #[test]
    fn what_is_withheld_is_the_kubelet_part_alone(current in any_config(), target in any_config()) {
        let paths = KubeletPaths::default();
        // Two valid configs may exclude each other, such as a file behind the other's link.
        if let Ok(withheld) = withhold(&current, &target, &paths) {
            let composed = rendered_config("worker", withheld.spec, withheld.kubelet_version);
            let (part, rest) = split(&composed, &paths).unwrap();
            prop_assert_eq!(part.digest(), split(&current, &paths).unwrap().0.digest());
            prop_assert_eq!(rest.digest(), split(&target, &paths).unwrap().1.digest());
        }
    }
}

#[test]
fn the_kubelet_part_is_what_the_kubelet_reads() {
    let mut files: Vec<Value> = PATHS.iter().map(|path| file(path, "x")).collect();
    files.push(file("/opt/own/kubelet-plugin", "x"));
    let units: Vec<Value> = UNITS.iter().map(|name| json!({"name": name})).collect();
    let whole = config(
        json!({"ignition": {"version": "3.5.0"}, "storage": {"files": files}, "systemd": {"units": units}}),
        Some("1.34"),
    );
    let mut paths = KubeletPaths::default();
    paths.paths.push("/opt/own/".to_owned());

    let (part, _) = split(&whole, &paths).unwrap();

    let files: Vec<&str> = part.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        files,
        [
            "/etc/kubernetes/kubelet.conf",
            "/etc/kubernetes/kubelet/ca.crt",
            "/etc/kubernetes/kubelet.conf.d/10-a.conf",
            "/etc/systemd/system/kubelet.service.d/20-x.conf",
            "/var/lib/kubelet/config.yaml",
            "/usr/local/bin/kubelet",
            "/opt/own/kubelet-plugin",
        ]
    );
    assert_eq!(part.units.len(), 1);
    assert_eq!(part.version.as_deref(), Some("1.34"));
}

fn with_runtime(cgroups: &str, level: &str, kubelet: &str) -> MachineConfig {
    let runtime = format!("cgroup_manager%20%3D%20%22{cgroups}%22%0Alog_level%20%3D%20{level}%0A");
    config(
        json!({"ignition": {"version": "3.5.0"}, "storage": {"files": [
            file("/etc/crio/crio.conf.d/10-a.conf", &runtime),
            file("/etc/kubernetes/kubelet.conf", kubelet),
        ]}}),
        None,
    )
}

#[test]
fn the_runtime_is_withheld_where_it_and_the_kubelet_change_their_agreement() {
    let current = with_runtime("cgroupfs", "info", "old");
    let stories: BTreeMap<&str, (MachineConfig, bool)> = BTreeMap::from([
        (
            "both sides change the driver",
            (with_runtime("systemd", "info", "new"), true),
        ),
        (
            "the runtime changes something else",
            (with_runtime("cgroupfs", "debug", "new"), false),
        ),
        (
            "the kubelet stays as it is",
            (with_runtime("systemd", "info", "old"), false),
        ),
    ]);
    for (story, (target, with_runtime)) in stories {
        let withheld = withhold(&current, &target, &KubeletPaths::default()).unwrap();
        assert_eq!(withheld.with_runtime, with_runtime, "{story}");
    }
}
