//! Refuses to start beside another owner of our custom resources.
//!
//! # Guarantees
//! In a cluster whose MachineConfigs belong to somebody else (a real OpenShift) nothing is written. Our
//! own definitions carry the label `windlass.dev/owner`; one of the reference's group without it, or one
//! of our names without it, stops us with its name, and so does a ClusterOperator `machine-config`.
//! # Not here
//! Other definitions of `operator.openshift.io`: operators of all kinds use that group on any Kubernetes.

use crate::error::{ApiError, Attempt, Backoff, Chain};
use api::names::{group, label, object};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client, ResourceExt};
use tracing::warn;

/// Of a group that others use too, this one alone is ours.
const MACHINE_CONFIGURATIONS: &str = "machineconfigurations.operator.openshift.io";

/// Why the controller does not start.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Somebody else's definition.
    #[error(
        "the CustomResourceDefinition {name} lacks the label {}: another owner of these resources is \
         at work here, and Windlass does not act beside it",
        label::OWNER
    )]
    Definition {
        /// Its name.
        name: String,
    },
    /// The reference's operator.
    #[error(
        "the ClusterOperator {} exists: OpenShift's own machine-config-operator is at work here, \
         and Windlass does not act beside it",
        object::CLUSTER_OPERATOR
    )]
    Operator,
    /// It could not be told.
    #[error("whether another owner of these resources is at work could not be told")]
    Unknown(#[source] ApiError),
}

/// Succeeds if nobody else owns what we are about to write. An API server that does not answer is asked
/// again for as long as it takes: nothing is written meanwhile.
pub async fn nobody_else(client: &Client) -> Result<(), GuardError> {
    let mut backoff = Backoff::default();
    loop {
        match look(client).await {
            Err(GuardError::Unknown(error)) if error.may_pass() => {
                warn!(error = %Chain(&error), "whether another owner is at work is asked again");
                tokio::time::sleep(backoff.delay()).await;
            }
            told => return told,
        }
    }
}

async fn look(client: &Client) -> Result<(), GuardError> {
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let list = definitions.list(&ListParams::default()).await;
    let list = list.attempt("listing the", "custom resource definitions");
    for definition in list.map_err(GuardError::Unknown)? {
        if is_foreign(
            &definition.name_any(),
            definition.labels().contains_key(label::OWNER),
        ) {
            return Err(GuardError::Definition {
                name: definition.name_any(),
            });
        }
    }
    let kind = GroupVersionKind::gvk(group::CONFIG, "v1", "ClusterOperator");
    let operators = Api::<DynamicObject>::all_with(client.clone(), &ApiResource::from_gvk(&kind));
    let operator = operators
        .get_opt(object::CLUSTER_OPERATOR)
        .await
        .attempt("reading the ClusterOperator", object::CLUSTER_OPERATOR);
    match operator {
        Ok(Some(operator)) if !operator.labels().contains_key(label::OWNER) => {
            Err(GuardError::Operator)
        }
        Ok(_) => Ok(()),
        // Where the kind itself is not served, the answer is a 404 too.
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(GuardError::Unknown(error)),
    }
}

/// Whether a definition is one that we would write to, and not ours.
fn is_foreign(name: &str, labelled: bool) -> bool {
    let of = name.split_once('.').map_or("", |(_, group)| group);
    !labelled
        && (of == group::MACHINECONFIGURATION
            || of == group::WINDLASS
            || name == MACHINE_CONFIGURATIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unlabelled_definition_of_the_reference_s_group_is_somebody_else_s() {
        assert!(is_foreign(
            "machineconfigs.machineconfiguration.openshift.io",
            false
        ));
        assert!(is_foreign(
            "containerruntimeconfigs.machineconfiguration.openshift.io",
            false
        ));
    }

    #[test]
    fn our_own_definitions_are_not_foreign() {
        assert!(!is_foreign(
            "machineconfigs.machineconfiguration.openshift.io",
            true
        ));
    }

    #[test]
    fn operators_that_share_a_group_do_not_matter() {
        assert!(!is_foreign("certmanagers.operator.openshift.io", false));
        assert!(is_foreign(MACHINE_CONFIGURATIONS, false));
    }
}
