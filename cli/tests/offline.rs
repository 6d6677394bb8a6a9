//! `windlass render` on manifests that the controller, or the API server before it, would refuse. The binary itself.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

const CONFIG: &str = "
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata:
  name: 50-args
  labels: {machineconfiguration.openshift.io/role: worker}
spec:
  kernelArguments: [quiet]
";

fn pool(name: &str, role: &str) -> String {
    format!(
        "
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfigPool
metadata: {{name: {name}}}
spec:
  machineConfigSelector: {{matchLabels: {{machineconfiguration.openshift.io/role: {role}}}}}
  nodeSelector: {{matchLabels: {{node-role.kubernetes.io/{name}: ''}}}}
"
    )
}

/// A folder of manifests that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn of(test: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("windlass-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            fs::write(path.join(name), text).unwrap();
        }
        Self(path)
    }

    /// Whether `render` ended well, what it printed, and what it complained of.
    fn render(&self, more: &[&str]) -> (bool, String, String) {
        let ended = Command::new(env!("CARGO_BIN_EXE_windlass"))
            .arg("render")
            .arg(&self.0)
            .args(more)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            ended.status.success(),
            text(&ended.stdout),
            text(&ended.stderr),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn a_misspelt_field_is_refused_with_file_object_and_path() {
    let misspelt = CONFIG.replace("kernelArguments", "kernelArgumentz");
    let folder = Folder::of("misspelt", &[("args.yaml", &misspelt)]);

    let (rendered, printed, complaint) = folder.render(&[]);

    assert!(!rendered && printed.is_empty(), "{printed}");
    assert!(
        complaint.contains("args.yaml, document 1")
            && complaint.contains("MachineConfig 50-args")
            && complaint.contains("spec.kernelArgumentz"),
        "{complaint}"
    );
}

#[test]
fn a_pool_that_selects_nothing_is_refused_as_the_controller_refuses_it() {
    let (worker, infra) = (pool("worker", "worker"), pool("infra", "infra"));
    let files = [
        ("args.yaml", CONFIG),
        ("worker.yaml", &*worker),
        ("infra.yaml", &*infra),
    ];
    let folder = Folder::of("nothing-selected", &files);

    let (rendered, printed, complaint) = folder.render(&[]);
    let (other_rendered, ..) = folder.render(&["--pool", "worker"]);

    assert!(!rendered && printed.is_empty(), "{printed}");
    assert!(
        complaint.contains("MachineConfigPool infra: spec.machineConfigSelector")
            && complaint.contains("selects no MachineConfig"),
        "{complaint}"
    );
    assert!(other_rendered);
}

#[test]
fn two_machine_configs_of_one_name_are_refused_with_both_places() {
    let folder = Folder::of("twice", &[("a.yaml", CONFIG), ("b.yaml", CONFIG)]);

    let (rendered, printed, complaint) = folder.render(&[]);

    assert!(!rendered && printed.is_empty(), "{printed}");
    assert!(
        complaint.contains("MachineConfig 50-args")
            && complaint.contains("a.yaml, document 1")
            && complaint.contains("b.yaml, document 1"),
        "{complaint}"
    );
}
