use super::*;
use crate::apply::apply;
use crate::host::File;
use crate::host::memory::MemoryHost;
use futures::executor::block_on;
use serde_json::{Value, json};

const CHRONY: &str = "/etc/chrony.conf";

#[allow(
    clippy::needless_pass_by_value,
    reason = "literal JSON reads better by value"
)]
fn rendered(name: &str, spec: Value, annotations: Value) -> Rendered {
    let object = json!({
        "metadata": {"name": name, "annotations": annotations},
        "spec": spec,
    });
    Rendered::read(name, object.to_string().as_bytes()).unwrap()
}

/// A config with one file, a unit and a kernel argument.
fn config(name: &str, chrony: &str) -> Rendered {
    let files = json!([{"path": CHRONY, "contents": {"source": format!("data:,{chrony}")}}]);
    let units = json!([{"name": "a.service", "enabled": true, "contents": "[Service]\n"}]);
    rendered(
        name,
        json!({
            "kernelArguments": ["nosmt"],
            "config": {
                "ignition": {"version": "3.4.0"},
                "storage": {"files": files},
                "systemd": {"units": units},
                "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["k"]}]},
            },
        }),
        json!({}),
    )
}

/// A policy under which chrony is restarted for its file.
fn policy() -> Policy {
    let user = json!({"files": [{"path": CHRONY, "actions": [
        {"type": "Restart", "restart": {"serviceName": "chronyd.service"}}
    ]}]});
    Policy::cluster(&serde_json::from_value(user).unwrap()).unwrap()
}

fn weigh(host: &MemoryHost, old: Option<&Rendered>, new: &Rendered) -> Result<Proposal, Failure> {
    propose(&Facts {
        old,
        new,
        survey: &block_on(Survey::of(host, &new.content)).unwrap(),
        policy: &policy(),
        capabilities: &Capabilities::reference(),
    })
}

fn restart(service: &str) -> Action {
    Action::Restart {
        service: service.to_owned(),
    }
}

/// A machine that is, by whatever way, as `config` says, and that no daemon has touched.
fn as_if_provisioned(config: &Rendered) -> MemoryHost {
    let host = MemoryHost::new();
    block_on(apply(&host, &config.content, None)).unwrap();
    host.tamper(|disk| disk.blobs.clear());
    host.boot();
    host
}

#[test]
fn first_contact_with_a_machine_that_is_as_wished_disrupts_nothing() {
    let new = config("a", "pool-a");
    let proposal = weigh(&as_if_provisioned(&new), None, &new).unwrap();
    assert_eq!(proposal.actions, []);
    assert!(!proposal.drain && !proposal.on_trial);
}

#[test]
fn first_contact_asks_only_for_what_is_missing() {
    let new = config("a", "pool-a");
    let host = as_if_provisioned(&new);
    host.tamper(|disk| {
        disk.files
            .insert(CHRONY.into(), File::of_root("other", 0o644));
    });
    let proposal = weigh(&host, None, &new).unwrap();
    assert_eq!(proposal.actions, [restart("chronyd.service")]);
    assert!(!proposal.drain);
}

#[test]
fn first_contact_without_the_kernel_argument_reboots_and_drains() {
    let new = config("a", "pool-a");
    let host = as_if_provisioned(&new);
    host.tamper(|disk| {
        disk.next
            .kernel_arguments
            .retain(|argument| argument != "nosmt");
    });
    let proposal = weigh(&host, None, &new).unwrap();
    assert_eq!(proposal.actions, [Action::Reboot]);
    assert!(proposal.drain);
}

#[test]
fn a_change_of_the_config_counts_although_the_disk_has_it_already() {
    // As after a visit that wrote the file and failed before it could act.
    let (old, new) = (config("a", "pool-a"), config("b", "pool-b"));
    let proposal = weigh(&as_if_provisioned(&new), Some(&old), &new).unwrap();
    assert_eq!(proposal.actions, [restart("chronyd.service")]);
}

#[test]
fn the_same_config_again_repairs_what_somebody_changed() {
    let config = config("a", "pool-a");
    let host = as_if_provisioned(&config);
    let quiet = weigh(&host, Some(&config), &config).unwrap();
    assert_eq!(quiet.actions, []);
    host.tamper(|disk| {
        disk.files.remove(CHRONY);
    });
    let repair = weigh(&host, Some(&config), &config).unwrap();
    assert_eq!(repair.actions, [restart("chronyd.service")]);
}

#[test]
fn a_unit_that_no_policy_knows_reboots() {
    let new = config("a", "pool-a");
    let host = as_if_provisioned(&new);
    host.tamper(|disk| {
        disk.units
            .insert("a.service".into(), crate::host::UnitState::Disabled);
    });
    let proposal = weigh(&host, Some(&new), &new).unwrap();
    assert_eq!(proposal.actions, [Action::Reboot]);
}

fn kubelet(version: &str) -> Rendered {
    rendered(
        &format!("kubelet-{version}"),
        json!({}),
        json!({"windlass.dev/kubelet-version": version}),
    )
}

#[test]
fn a_new_minor_version_of_the_kubelet_is_installed_restarted_and_drained_for() {
    // The machine of the test has 1.33.1.
    let proposal = weigh(&MemoryHost::new(), Some(&kubelet("1.33")), &kubelet("1.34")).unwrap();
    assert_eq!(
        proposal.actions,
        [Action::DaemonReload, restart("kubelet.service")]
    );
    assert!(proposal.drain && proposal.on_trial);
    assert_eq!(proposal.kubelet.as_deref(), Some("1.33.1"));
}

#[test]
fn a_new_patch_version_of_the_kubelet_drains_nothing() {
    let proposal = weigh(
        &MemoryHost::new(),
        Some(&kubelet("1.33")),
        &kubelet("1.33.4"),
    )
    .unwrap();
    assert_eq!(
        proposal.actions,
        [Action::DaemonReload, restart("kubelet.service")]
    );
    assert!(!proposal.drain && proposal.on_trial);
}

#[test]
fn a_kubelet_that_is_installed_already_is_left_alone() {
    let proposal = weigh(&MemoryHost::new(), None, &kubelet("1.33")).unwrap();
    assert_eq!(proposal.actions, []);
    assert!(!proposal.drain);
}

#[test]
fn what_this_machine_cannot_apply_is_refused_before_anything_is_touched() {
    let new = config("a", "pool-a");
    let host = as_if_provisioned(&new);
    let survey = block_on(Survey::of(&host, &new.content)).unwrap();
    let refused = propose(&Facts {
        old: None,
        new: &new,
        survey: &survey,
        policy: &policy(),
        capabilities: &Capabilities::of([rendering::reconcile::Capability::Files]),
    });
    assert!(refused.unwrap_err().is_unreconcilable());
}

#[test]
fn a_user_that_the_machine_does_not_have_is_refused() {
    let host = MemoryHost::new();
    host.tamper(|disk| disk.users.clear());
    let refused = weigh(&host, None, &config("a", "pool-a")).unwrap_err();
    assert!(refused.to_string().contains("no user core"), "{refused}");
}

#[test]
fn a_config_that_changes_neither_image_nor_kubelet_part_is_on_no_trial() {
    let (old, new) = (config("a", "pool-a"), config("b", "pool-b"));
    let proposal = weigh(&as_if_provisioned(&old), Some(&old), &new).unwrap();
    assert!(!proposal.on_trial);
}

#[test]
fn a_kubelet_that_this_machine_cannot_install_is_refused_before_anything_is_touched() {
    let host = MemoryHost::new();
    let new = rendered(
        "a",
        json!({"config": {"ignition": {"version": "3.4.0"}}}),
        json!({"windlass.dev/kubelet-version": "1.34"}),
    );
    let refused = propose(&Facts {
        old: None,
        new: &new,
        survey: &block_on(Survey::of(&host, &new.content)).unwrap(),
        policy: &policy(),
        capabilities: &Capabilities::of([Capability::Files, Capability::Units]),
    });
    let refused = refused.unwrap_err();
    assert!(refused.is_unreconcilable());
    assert!(refused.to_string().contains("kubelet 1.34"), "{refused}");
}
