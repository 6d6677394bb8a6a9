//! What a render costs: 1,000 machine configs of a pool, each with a few files and a unit.
//!
//! `cargo bench -p rendering --bench merge`

use std::collections::BTreeMap;

use rendering::merge::{Images, Rules, merge};
use rendering::render::render;
use rendering::spec::{MachineConfig, MachineConfigSpec, ROLE_LABEL};
use serde_json::json;

fn main() {
    divan::main();
}

/// A third of the files are shared between neighbours, so that joining by key has work to do.
fn machine_configs(count: usize) -> Vec<MachineConfig> {
    (0..count)
        .map(|index| MachineConfig {
            name: format!("{index:04}-bench"),
            labels: BTreeMap::from([(ROLE_LABEL.to_owned(), "worker".to_owned())]),
            annotations: BTreeMap::new(),
            spec: MachineConfigSpec {
                config: Some(json!({
                    "ignition": {"version": "3.4.0"},
                    "storage": {"files": [
                        file(&format!("/etc/bench/{index}.conf")),
                        file(&format!("/etc/bench/{index}.d/10-a.conf")),
                        file(&format!("/etc/bench/shared-{}.conf", index / 3)),
                    ]},
                    "systemd": {"units": [{
                        "name": format!("bench-{index}.service"),
                        "enabled": true,
                        "contents": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
                    }]}
                })),
                kernel_arguments: vec![format!("bench.{index}=1")],
                ..MachineConfigSpec::default()
            },
        })
        .collect()
}

fn file(path: &str) -> serde_json::Value {
    json!({"path": path, "mode": 420, "contents": {"source": "data:,key%20%3D%20value%0A"}})
}

#[divan::bench(args = [10, 100, 1000])]
fn merging(bencher: divan::Bencher<'_, '_>, count: usize) {
    let configs = machine_configs(count);
    bencher.bench(|| merge(&configs, &Images::default()));
}

#[divan::bench(args = [10, 100, 1000])]
fn rendering(bencher: divan::Bencher<'_, '_>, count: usize) {
    let configs = machine_configs(count);
    bencher.bench(|| render("worker", &configs, &Images::default(), &Rules::default()));
}
