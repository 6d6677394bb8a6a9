//! One manifest of each kind with every field of its schema set to something that is not the
//! default. `wire.rs` holds that no field is left out.

use serde_json::{Value, json};

fn metadata(name: &str) -> Value {
    json!({
        "name": name,
        "labels": {"machineconfiguration.openshift.io/role": "worker"},
        "annotations": {"example.com/kept": "yes"},
    })
}

fn object(
    api_version: &str,
    kind: &str,
    name: &str,
    spec: &Value,
    status: Option<&Value>,
) -> Value {
    let mut object =
        json!({"apiVersion": api_version, "kind": kind, "metadata": metadata(name), "spec": spec});
    if let Some(status) = status {
        object["status"] = status.clone();
    }
    object
}

fn condition(type_: &str) -> Value {
    json!({
        "type": type_,
        "status": "True",
        "reason": "AsExpected",
        "message": "all is well",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
        "observedGeneration": 7,
    })
}

fn reference(name: &str) -> Value {
    json!({
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "fieldPath": "spec",
        "kind": "MachineConfig",
        "name": name,
        "namespace": "default",
        "resourceVersion": "12",
        "uid": "6f9a6bd5-5a0a-4a0e-9f38-5f3f1f6f0c11",
    })
}

fn configuration(name: &str) -> Value {
    let mut configuration = reference(name);
    configuration["source"] = json!([reference("00-worker"), reference("99-worker-ssh")]);
    configuration
}

fn selector() -> Value {
    json!({
        "matchLabels": {"example.com/pool": "infra"},
        "matchExpressions": [{"key": "example.com/tier", "operator": "In", "values": ["a", "b"]}],
    })
}

pub(crate) fn machine_config() -> Value {
    object(
        "machineconfiguration.openshift.io/v1",
        "MachineConfig",
        "99-worker-all",
        &json!({
            "baseOSExtensionsContainerImage": "registry.example.com/extensions@sha256:00",
            "config": {
                "ignition": {"version": "3.4.0"},
                "storage": {"files": [{"path": "/etc/chrony.conf", "mode": 420, "unknownHere": [1, 2.5, null]}]},
            },
            "extensions": ["usbguard"],
            "fips": true,
            "kernelArguments": ["nosmt", "quiet"],
            "kernelType": "realtime",
            "osImageURL": "registry.example.com/os@sha256:00",
        }),
        None,
    )
}

pub(crate) fn machine_config_pool() -> Value {
    let status = json!({
        "certExpirys": [{"bundle": "KubeAPIServerServingCAData", "subject": "CN=x", "expiry": "2027-01-01T00:00:00Z"}],
        "conditions": [condition("Updated")],
        "configuration": configuration("rendered-infra-1"),
        "degradedMachineCount": 1,
        "machineCount": 5,
        "observedGeneration": 7,
        "poolSynchronizersStatus": [{
            "poolSynchronizerType": "PinnedImageSets",
            "machineCount": 5,
            "updatedMachineCount": 4,
            "availableMachineCount": 4,
            "readyMachineCount": 3,
            "unavailableMachineCount": 1,
            "observedGeneration": 2,
        }],
        "readyMachineCount": 3,
        "unavailableMachineCount": 2,
        "updatedMachineCount": 4,
    });
    object(
        "machineconfiguration.openshift.io/v1",
        "MachineConfigPool",
        "infra",
        &json!({
            "configuration": configuration("rendered-infra-2"),
            "machineConfigSelector": selector(),
            "nodeSelector": selector(),
            "maxUnavailable": "10%",
            "osImageStream": {"name": "stream-10"},
            "paused": true,
            "pinnedImageSets": [{"name": "images"}],
        }),
        Some(&status),
    )
}

pub(crate) fn machine_config_node() -> Value {
    let status = json!({
        "conditions": [condition("Updated"), condition("Cordoned")],
        "configVersion": {"current": "rendered-worker-1", "desired": "rendered-worker-2"},
        "irreconcilableChanges": [{"fieldPath": "spec.config.storage.disks", "diff": "- a\n+ b"}],
        "internalReleaseImage": {"releases": [{"name": "ocp-release-bundle"}]},
        "observedGeneration": 7,
        "pinnedImageSets": [{
            "name": "images",
            "currentGeneration": 1,
            "desiredGeneration": 3,
            "lastFailedGeneration": 2,
            "lastFailedGenerationError": "no space",
        }],
    });
    object(
        "machineconfiguration.openshift.io/v1",
        "MachineConfigNode",
        "worker-1",
        &json!({
            "node": {"name": "worker-1"},
            "pool": {"name": "worker"},
            "configVersion": {"desired": "rendered-worker-2"},
        }),
        Some(&status),
    )
}

fn disruption_policy() -> Value {
    let service = json!({"serviceName": "crio.service"});
    let actions = json!([
        {"type": "DaemonReload"},
        {"type": "Reload", "reload": service},
        {"type": "Restart", "restart": service},
    ]);
    json!({
        "files": [{"path": "/etc/containers/policy.json", "actions": actions}],
        "units": [{"name": "chronyd.service", "actions": actions}],
        "sshkey": {"actions": actions},
    })
}

pub(crate) fn machine_configuration() -> Value {
    let status = json!({
        "conditions": [condition("Published")],
        "nodeDisruptionPolicyStatus": {"clusterPolicies": disruption_policy()},
        "observedGeneration": 7,
        "managedBootImagesStatus": {"machineManagers": []},
        "readyReplicas": 1,
    });
    object(
        "operator.openshift.io/v1",
        "MachineConfiguration",
        "cluster",
        &json!({
            "nodeDisruptionPolicy": disruption_policy(),
            "irreconcilableValidationOverrides": {"storage": ["Disks", "FileSystems", "Raid"]},
            "logLevel": "TraceAll",
            "operatorLogLevel": "Debug",
            "managementState": "Managed",
            "bootImageSkewEnforcement": {"mode": "None"},
            "managedBootImages": {"machineManagers": []},
            "failedRevisionLimit": 3,
            "succeededRevisionLimit": 4,
            "forceRedeploymentReason": "because",
            "observedConfig": {"a": {"b": 1}},
            "unsupportedConfigOverrides": {"c": [2]},
        }),
        Some(&status),
    )
}

pub(crate) fn rollout_policy() -> Value {
    let status = json!({"conditions": [condition("Accepted")], "observedGeneration": 7});
    object(
        "windlass.dev/v1alpha1",
        "RolloutPolicy",
        "infra",
        &json!({
            "poolSelector": selector(),
            "drain": {
                "timeoutSeconds": 3600,
                "onTimeout": "Release",
                "deleteUnmanagedPods": true,
                "deleteEmptyDirData": false,
                "deleteLocalVolumes": true,
                "respectDoNotDisrupt": false,
                "waitForFinalizers": false,
                "leavePodsWithTwoBudgets": true,
            },
            "firstAlone": 2,
            "maxFailures": "25%",
            "controlPlane": {"externalEtcd": true, "maxUnavailable": 2},
            "firstApproval": {"required": false},
            "kubeletGate": {
                "requireMachinePackages": "Always",
                "steadySeconds": 120,
                "instances": ["10.0.0.1:6443", "10.0.0.2:6443"],
                "trustBalancer": true,
                "expectedInstances": 2,
            },
        }),
        Some(&status),
    )
}

pub(crate) fn slot_ledger() -> Value {
    object(
        "windlass.dev/v1alpha1",
        "SlotLedger",
        "cluster",
        &json!({"holders": [{
            "node": "worker-1",
            "uid": "6f9a6bd5-5a0a-4a0e-9f38-5f3f1f6f0c11",
            "pool": "worker",
            "intent": 12,
            "config": "rendered-worker-2",
        }]}),
        None,
    )
}
