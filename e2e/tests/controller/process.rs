//! The process: who leads, and where nobody may start.

use crate::server::Place;
use crate::support::{Cluster, cluster, machine_config, named};
use controller::{Parts, RunError};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

fn leader(cluster: &Cluster) -> Option<String> {
    let lease = cluster.get(
        "leases.coordination.k8s.io",
        "windlass",
        "windlass-controller",
    )?;
    lease["spec"]["holderIdentity"].as_str().map(str::to_owned)
}

pub(crate) async fn another_replica_takes_over_once_the_leader_has_been_silent_for_the_lease(
    place: &Place,
) {
    let mut cluster = cluster(place).await;
    cluster.pool("worker", json!({})).await;
    cluster.start_as("controller-0");
    cluster
        .until(SOON, "the first leads", |it| {
            leader(it).as_deref() == Some("controller-0")
        })
        .await;
    cluster.kill().await;
    let died = tokio::time::Instant::now();

    cluster.start_as("controller-1");
    cluster
        .until(SOON, "the second leads", |it| {
            leader(it).as_deref() == Some("controller-1")
        })
        .await;
    cluster
        .create(machine_config("00-worker", "worker", "x"))
        .await;
    cluster
        .until(SOON, "and works", |it| it.target("worker").is_some())
        .await;

    assert!(
        died.elapsed() >= cluster.config.lease.duration.unsigned_abs(),
        "not before the lease was over"
    );
}

pub(crate) async fn a_leader_that_ends_gives_the_lease_back_at_once(place: &Place) {
    let mut cluster = cluster(place).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let parts = cluster.parts("controller-0");
    let first = tokio::spawn(controller::run(parts, async { drop(stopped.await) }));
    cluster
        .until(SOON, "the first leads", |it| {
            leader(it).as_deref() == Some("controller-0")
        })
        .await;

    drop(stop);
    first.await.unwrap().unwrap();
    cluster.start_as("controller-1");

    let second = |it: &Cluster| leader(it).as_deref() == Some("controller-1");
    cluster
        .until(Duration::from_secs(2), "the second leads", second)
        .await;
}

pub(crate) async fn it_refuses_to_start_beside_another_owner_of_the_definitions_and_names_it(
    place: &Place,
) {
    let cluster = cluster(place).await;
    let name = "kubeletconfigs.machineconfiguration.openshift.io";
    cluster
            .create(json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": name},
                "spec": {
                    "group": "machineconfiguration.openshift.io", "scope": "Cluster",
                    "names": {"kind": "KubeletConfig", "plural": "kubeletconfigs", "singular": "kubeletconfig",
                        "listKind": "KubeletConfigList"},
                    "versions": [{"name": "v1", "served": true, "storage": true,
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
                },
            }))
            .await;

    let ended = controller::run(cluster.parts("controller-0"), std::future::pending()).await;

    let error = ended.expect_err("it does not run");
    assert!(matches!(error, RunError::Guard(_)));
    let said = controller::error::Chain(&error).to_string();
    assert!(said.contains(name), "{said}");
    assert!(leader(&cluster).is_none(), "nothing was written");
}

pub(crate) async fn a_configuration_that_cannot_be_meant_ends_it_before_it_asks_anything(
    place: &Place,
) {
    let cluster = cluster(place).await;
    let mut parts: Parts = cluster.parts("controller-0");
    parts.config.lease.retry_period = jiff::SignedDuration::ZERO;
    parts.metrics = Arc::default();

    let error = controller::run(parts, std::future::pending())
        .await
        .expect_err("refused");

    assert!(
        controller::error::Chain(&error)
            .to_string()
            .contains("lease.retryPeriod")
    );
}

pub(crate) async fn a_watched_kind_that_is_installed_later_is_found(place: &Place) {
    let mut cluster = cluster(place).await;
    let name = "machineconfigurations.operator.openshift.io";
    let definition = cluster
        .get("customresourcedefinitions.apiextensions.k8s.io", "", name)
        .unwrap();
    cluster
        .delete(named(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "",
            name,
        ))
        .await;
    cluster.start();
    cluster
        .until(SOON, "it leads without the kind", |it| leader(it).is_some())
        .await;

    let mut again = definition;
    again["metadata"] = json!({"name": name, "labels": {"windlass.dev/owner": "windlass"}});
    again.as_object_mut().unwrap().remove("status");
    cluster.create(again).await;
    cluster
        .create(
            json!({"apiVersion": "operator.openshift.io/v1", "kind": "MachineConfiguration",
                "metadata": {"name": "cluster"}, "spec": {}}),
        )
        .await;

    let published = |it: &Cluster| {
        let object = it.get(name, "", "cluster").unwrap_or_default();
        object["status"]["nodeDisruptionPolicyStatus"].is_object()
    };
    cluster
        .until(
            Duration::from_secs(60),
            "its policy is published",
            published,
        )
        .await;
}
