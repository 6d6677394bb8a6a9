//! `windlass demo` on a fleet and on manifests of the user's own. The binary itself.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// Two workers, and a machine that no pool selects.
const FLEET: &str = "
apiServers: [{address: 10.0.0.10, version: 1.33.4}]
pools: [{name: worker}]
machines:
- {name: worker, count: 2, roles: [worker], os: [debian, '13'], mode: image, kubelet: 1.33.4}
- {name: alone, count: 1, roles: [edge], os: [debian, '13'], mode: image, kubelet: 1.33.4}
";

const MANIFESTS: &str = "
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata:
  name: 50-motd
  labels: {machineconfiguration.openshift.io/role: worker}
spec:
  config:
    ignition: {version: 3.5.0}
    storage: {files: [{path: /etc/motd, contents: {source: 'data:,hello'}}]}
---
apiVersion: windlass.dev/v1alpha1
kind: RolloutPolicy
metadata: {name: at-once}
spec:
  poolSelector: {}
  firstApproval: {required: false}
";

/// A fleet and manifests in a folder that goes with the test.
struct Own(PathBuf);

impl Own {
    fn of(test: &str, manifests: &str) -> Self {
        let path = std::env::temp_dir().join(format!("windlass-{test}-{}", std::process::id()));
        fs::create_dir_all(path.join("manifests")).unwrap();
        fs::write(path.join("fleet.yaml"), FLEET).unwrap();
        fs::write(path.join("manifests/all.yaml"), manifests).unwrap();
        Self(path)
    }

    fn demo(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.args(["demo", "-o", "json", "--fleet"]);
        command.arg(self.0.join("fleet.yaml"));
        command
    }

    fn with_manifests(&self) -> Command {
        let mut command = self.demo();
        command.arg("--manifests").arg(self.0.join("manifests"));
        command
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_fleet_without_manifests_is_refused_before_anything_starts() {
    let own = Own::of("fleet-alone", MANIFESTS);

    let output = own.demo().output().unwrap();

    let complaint = complaint(&output);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(complaint.contains("give --manifests"), "{complaint}");
}

#[test]
fn a_field_that_the_kind_does_not_have_is_refused_by_its_name() {
    let misspelt = MANIFESTS.replace("required:", "requird:");
    let own = Own::of("misspelt-policy", &misspelt);

    let output = own.with_manifests().output().unwrap();

    let complaint = complaint(&output);
    assert!(!output.status.success());
    assert!(
        complaint.contains("RolloutPolicy at-once")
            && complaint.contains("spec.firstApproval.requird"),
        "{complaint}"
    );
}

/// A held demo, which ends with the test.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_held_demo_without_first_approval_tells_its_verdict_and_ends_well_on_sigterm() {
    let own = Own::of("held", MANIFESTS);
    let mut command = own.with_manifests();
    command
        .arg("--hold")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut demo = Held(command.spawn().unwrap());

    let printed = BufReader::new(demo.0.stdout.take().unwrap());
    // The object ends with the only line that is a closing brace alone; the demo itself goes on.
    let mut verdict = String::new();
    for line in printed.lines() {
        let line = line.unwrap();
        verdict.push_str(&line);
        if line == "}" {
            break;
        }
    }
    let still_up = demo.0.try_wait().unwrap().is_none();
    let id = rustix::process::Pid::from_child(&demo.0);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let ended = demo.0.wait().unwrap();

    let verdict: Value = serde_json::from_str(&verdict).unwrap();
    assert_eq!(
        (
            &verdict["nodes"],
            &verdict["converged"],
            &verdict["pools"][0]["updated"]
        ),
        (&Value::from(3), &Value::from(true), &Value::from(true))
    );
    assert!(still_up);
    assert!(ended.success(), "{ended}");
}

#[test]
fn a_demo_that_is_ended_before_its_verdict_leaves_no_folder() {
    let own = Own::of("ended", MANIFESTS);
    let temporary = own.0.join("temporary");
    fs::create_dir(&temporary).unwrap();
    let mut command = own.with_manifests();
    command
        .env("TMPDIR", &temporary)
        .arg("--wait-for-approval")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut demo = Held(command.spawn().unwrap());
    // The first thing that it says is where the cluster's folder lies; it can say the rest for as long as it lives.
    let mut said = BufReader::new(demo.0.stderr.take().unwrap()).lines();
    let first = said.next().unwrap().unwrap();
    let is_there = fs::read_dir(&temporary).unwrap().count() == 1;

    let id = rustix::process::Pid::from_child(&demo.0);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let ended = demo.0.wait().unwrap();

    assert!(is_there, "{first}");
    assert!(!ended.success(), "a demo without a verdict passed");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}
