//! Publishes the node disruption policy that daemons go by: the built-in table merged with the owner's.
//!
//! # Guarantees
//! Written only where MachineConfiguration `cluster` exists, and only if it says something else. A policy
//! that cannot be read leaves the published one as it is, and is named in a condition; so are fields without effect.

use crate::context::Context;
use crate::error::{ApiError, Attempt};
use crate::without_effect;
use api::conditions::{self, Condition, FIELDS_WITHOUT_EFFECT, status};
use api::names::object;
use api::operator::{NodeDisruptionPolicy, NodeDisruptionPolicyStatus};
use api::{MachineConfiguration, MachineConfigurationStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use kube::api::{Patch, PatchParams};
use rendering::disruption::Policy;
use serde_json::json;

/// Whether the owner's policy is read, and holds.
const READ: &str = "NodeDisruptionPolicyRead";

/// Publishes it, where there is something to publish it on.
pub(super) async fn publish(context: &Context) -> Result<(), ApiError> {
    let Some(configuration) = context.stores.configuration.get(object::CLUSTER) else {
        return Ok(());
    };
    let present = configuration.status.clone().unwrap_or_default();
    let wanted = wanted(&configuration, present.clone(), &Time(context.clock.now()));
    if wanted == present {
        return Ok(());
    }
    let patch = json!({
        "metadata": {"resourceVersion": configuration.metadata.resource_version},
        "status": wanted,
    });
    let api = Api::<MachineConfiguration>::all(context.client.clone());
    let params = PatchParams::default();
    let patched = api
        .patch_status(object::CLUSTER, &params, &Patch::Merge(&patch))
        .await;
    patched.attempt(
        "publishing the policy on the MachineConfiguration",
        object::CLUSTER,
    )?;
    Ok(())
}

fn wanted(
    configuration: &MachineConfiguration,
    mut status: MachineConfigurationStatus,
    now: &Time,
) -> MachineConfigurationStatus {
    let nothing = NodeDisruptionPolicy::default();
    let owner = configuration
        .spec
        .node_disruption_policy
        .as_ref()
        .unwrap_or(&nothing);
    let condition = match Policy::cluster(owner) {
        Ok(policy) => {
            let cluster_policies = policy.to_api();
            status.node_disruption_policy_status =
                Some(NodeDisruptionPolicyStatus { cluster_policies });
            Condition::new(READ, status::TRUE, "AsExpected", "the policy holds")
        }
        Err(error) => Condition::new(READ, status::FALSE, "InvalidPolicy", error.to_string()),
    };
    conditions::set(&mut status.conditions, condition, now);
    let is_shown = conditions::find(&status.conditions, FIELDS_WITHOUT_EFFECT).is_some();
    let fields = without_effect::of_configuration(&configuration.spec);
    if let Some(condition) = without_effect::condition(&fields, is_shown) {
        conditions::set(&mut status.conditions, condition, now);
    }
    status.observed_generation = configuration.metadata.generation;
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(spec: &serde_json::Value) -> MachineConfiguration {
        serde_json::from_value(
            json!({"metadata": {"name": "cluster", "generation": 2}, "spec": spec}),
        )
        .expect("a configuration")
    }

    fn published(
        spec: &serde_json::Value,
        before: MachineConfigurationStatus,
    ) -> MachineConfigurationStatus {
        wanted(
            &configuration(spec),
            before,
            &Time(jiff::Timestamp::UNIX_EPOCH),
        )
    }

    fn paths(status: &MachineConfigurationStatus) -> Vec<&str> {
        let policy = status
            .node_disruption_policy_status
            .as_ref()
            .expect("published");
        policy
            .cluster_policies
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect()
    }

    #[test]
    fn the_built_in_table_is_published_with_the_owner_s_entries() {
        let own = json!({"nodeDisruptionPolicy": {"files": [
            {"path": "/etc/chrony.conf", "actions": [{"type": "None"}]},
        ]}});

        let status = published(&own, MachineConfigurationStatus::default());

        assert!(paths(&status).contains(&"/etc/chrony.conf"));
        assert!(paths(&status).contains(&"/etc/containers/registries.conf"));
        assert_eq!(status.observed_generation, Some(2));
    }

    #[test]
    fn a_policy_that_cannot_be_read_leaves_the_published_one() {
        let good = published(&json!({}), MachineConfigurationStatus::default());
        let bad = json!({"nodeDisruptionPolicy": {"units": [
            {"name": "no-unit-type", "actions": [{"type": "None"}]},
        ]}});

        let status = published(&bad, good.clone());

        assert_eq!(paths(&status), paths(&good));
        assert!(!conditions::is_true(&status.conditions, READ));
    }

    #[test]
    fn a_field_without_effect_is_named_until_it_is_gone() {
        let boots = json!({"managedBootImages": {"machineManagers": []}});
        let set = published(&boots, MachineConfigurationStatus::default());
        let gone = published(&json!({}), set.clone());

        let said = |status: &MachineConfigurationStatus| {
            let said = conditions::find(&status.conditions, FIELDS_WITHOUT_EFFECT);
            said.map(|said| (said.status.clone(), said.message.clone()))
        };
        let named = "kept, and without effect in Windlass: spec.managedBootImages";
        assert_eq!(said(&set), Some(("True".to_owned(), named.to_owned())));
        assert_eq!(said(&gone), Some(("False".to_owned(), String::new())));
    }

    #[test]
    fn nothing_is_written_twice() {
        let once = published(&json!({}), MachineConfigurationStatus::default());

        assert_eq!(published(&json!({}), once.clone()), once);
    }
}
