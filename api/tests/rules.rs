//! Rules of the schemas (`reference/crds.md`), evaluated as an API server evaluates them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_core::CustomResourceExt;
use serde_json::{Value, json};

/// What the rules of this kind say to `object`, on creation or after `old`.
fn judge<K: CustomResourceExt>(object: &Value, old: Option<&Value>) -> Vec<String> {
    let name = K::crd_name();
    let crd: CustomResourceDefinition = api::crds()
        .into_iter()
        .find(|crd| crd.metadata.name.as_deref() == Some(name))
        .expect("a CRD of this kind");
    let crd = serde_json::to_value(crd).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    match kube_cel::Validator::new().validate(schema, object, old) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

fn policy_with(actions: &Value) -> Value {
    json!({
        "metadata": {"name": "cluster"},
        "spec": {"nodeDisruptionPolicy": {"files": [{"path": "/etc/chrony.conf", "actions": actions}]}},
    })
}

fn judge_actions(actions: &Value) -> Vec<String> {
    judge::<api::MachineConfiguration>(&policy_with(actions), None)
}

#[test]
fn actions_that_belong_together_pass() {
    let actions = json!([
        {"type": "Drain"},
        {"type": "DaemonReload"},
        {"type": "Reload", "reload": {"serviceName": "crio.service"}},
        {"type": "Restart", "restart": {"serviceName": "chronyd.service"}},
    ]);

    assert_eq!(judge_actions(&actions), Vec::<String>::new());
    assert_eq!(
        judge_actions(&json!([{"type": "Reboot"}])),
        Vec::<String>::new()
    );
    assert_eq!(
        judge_actions(&json!([{"type": "None"}])),
        Vec::<String>::new()
    );
}

#[test]
fn reboot_and_none_stand_alone() {
    for alone in ["Reboot", "None"] {
        let said = judge_actions(&json!([{"type": alone}, {"type": "Drain"}]));

        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].contains(&format!("{alone} must be the only action")),
            "{said:?}"
        );
    }
}

#[test]
fn a_service_is_named_exactly_with_the_action_that_needs_it() {
    let service = json!({"serviceName": "crio.service"});
    let wrong = [
        json!([{"type": "Reload"}]),
        json!([{"type": "Restart"}]),
        json!([{"type": "Drain", "reload": service}]),
        json!([{"type": "Reload", "reload": service, "restart": service}]),
    ];

    for actions in wrong {
        let said = judge_actions(&actions);

        assert_eq!(said.len(), 1, "{actions}: {said:?}");
        assert!(
            said[0].contains("must be there exactly with type"),
            "{said:?}"
        );
    }
}

#[test]
fn the_rules_hold_for_units_and_ssh_keys_too() {
    let object = json!({
        "metadata": {"name": "cluster"},
        "spec": {"nodeDisruptionPolicy": {
            "units": [{"name": "chronyd.service", "actions": [{"type": "Restart"}]}],
            "sshkey": {"actions": [{"type": "None"}, {"type": "Drain"}]},
        }},
    });

    assert_eq!(judge::<api::MachineConfiguration>(&object, None).len(), 2);
}

#[test]
fn singletons_are_named_cluster() {
    let other = json!({"metadata": {"name": "other"}, "spec": {"holders": []}});

    assert_eq!(judge::<api::SlotLedger>(&other, None).len(), 1);
    assert_eq!(judge::<api::MachineConfiguration>(&other, None).len(), 1);

    let cluster = json!({"metadata": {"name": "cluster"}, "spec": {"holders": []}});
    assert_eq!(
        judge::<api::SlotLedger>(&cluster, None),
        Vec::<String>::new()
    );
}

fn machine_config_node(name: &str, status: &Value) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "node": {"name": "worker-1"},
            "pool": {"name": "worker"},
            "configVersion": {"desired": "rendered-worker-1"},
        },
        "status": status,
    })
}

#[test]
fn a_machine_config_node_bears_the_name_of_its_node() {
    let own = machine_config_node("worker-1", &json!({}));
    let foreign = machine_config_node("worker-2", &json!({}));

    assert_eq!(
        judge::<api::MachineConfigNode>(&own, None),
        Vec::<String>::new()
    );
    assert_eq!(judge::<api::MachineConfigNode>(&foreign, None).len(), 1);
}

#[test]
fn an_observed_generation_never_goes_back() {
    let four = machine_config_node("worker-1", &json!({"observedGeneration": 4}));
    let five = machine_config_node("worker-1", &json!({"observedGeneration": 5}));

    assert_eq!(
        judge::<api::MachineConfigNode>(&five, Some(&four)),
        Vec::<String>::new()
    );
    assert_eq!(judge::<api::MachineConfigNode>(&four, Some(&five)).len(), 1);
}

#[test]
fn a_pinned_image_set_is_never_ahead_of_what_is_desired() {
    let set = |current: i32, failed: i32| {
        machine_config_node(
            "worker-1",
            &json!({"pinnedImageSets": [{
                "name": "images",
                "currentGeneration": current,
                "desiredGeneration": 3,
                "lastFailedGeneration": failed,
                "lastFailedGenerationError": "no space",
            }]}),
        )
    };

    assert_eq!(
        judge::<api::MachineConfigNode>(&set(3, 2), None),
        Vec::<String>::new()
    );
    assert_eq!(judge::<api::MachineConfigNode>(&set(4, 2), None).len(), 1);
    assert_eq!(judge::<api::MachineConfigNode>(&set(3, 4), None).len(), 1);
}

#[test]
fn a_failed_generation_says_why() {
    let silent = machine_config_node(
        "worker-1",
        &json!({"pinnedImageSets": [{"name": "images", "desiredGeneration": 3, "lastFailedGeneration": 2}]}),
    );

    let said = judge::<api::MachineConfigNode>(&silent, None);

    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("lastFailedGenerationError"), "{said:?}");
}

#[test]
fn no_count_of_a_synchronizer_is_above_its_machines() {
    let pool = |updated: i64| {
        json!({
            "metadata": {"name": "worker"},
            "spec": {},
            "status": {"poolSynchronizersStatus": [{
                "poolSynchronizerType": "PinnedImageSets",
                "machineCount": 3,
                "updatedMachineCount": updated,
                "availableMachineCount": 3,
                "readyMachineCount": 3,
                "unavailableMachineCount": 0,
            }]},
        })
    };

    assert_eq!(
        judge::<api::MachineConfigPool>(&pool(3), None),
        Vec::<String>::new()
    );
    assert_eq!(judge::<api::MachineConfigPool>(&pool(4), None).len(), 1);
}

fn rollout_policy(spec: &Value) -> Value {
    let mut object = json!({"metadata": {"name": "workers"}, "spec": {"poolSelector": {}}});
    for (name, value) in spec.as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    object
}

#[test]
fn releasing_after_a_timeout_needs_a_timeout() {
    let without = rollout_policy(&json!({"drain": {"onTimeout": "Release"}}));
    let with = rollout_policy(&json!({"drain": {"onTimeout": "Release", "timeoutSeconds": 600}}));

    assert_eq!(judge::<api::RolloutPolicy>(&without, None).len(), 1);
    assert_eq!(
        judge::<api::RolloutPolicy>(&with, None),
        Vec::<String>::new()
    );
}
