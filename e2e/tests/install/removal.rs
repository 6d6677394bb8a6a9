//! Windlass goes, in the middle of a rollout, as docs/install.md says: nothing of it stays behind.

use api::names::{group, install, label, ours};
use controller::removal;
use e2e::machines::clock;
use serde_json::Value;

use crate::fleet::{Fleet, look, note, target};
use crate::rollout::{NODES, approve, config, make_pool, options, until_all};
use crate::support::{Ask, Installed, deploy, installed, until};

#[tokio::test(flavor = "multi_thread")]
async fn removal_in_mid_rollout_leaves_no_cordon_taint_annotation_or_finalizer() {
    let installed = installed(options()).await;
    let foreign = "example.com/other";
    installed
        .admin()
        .may("mine", Ask::annotate("worker-0", foreign, "stays"))
        .await;
    in_mid_rollout(&installed).await;
    let owner = format!("{}={}", label::OWNER, label::OWNER_WINDLASS);
    let leads = async || {
        let (namespace, lease) = (install::NAMESPACE, install::CONTROLLER);
        removal::led_by(&installed.admin, namespace, lease, clock().now())
            .await
            .unwrap()
    };
    assert!(
        leads().await.is_some(),
        "whoever removes is told that somebody leads"
    );

    let namespace = ["-n", install::NAMESPACE];
    installed.kubectl(
        &[
            &["delete", "deployments,daemonsets", "-l", &owner],
            &namespace[..],
        ]
        .concat(),
    );
    until("the lease is over", async || leads().await.is_none()).await;
    installed.kubectl(&["delete", "validatingadmissionpolicybindings", "-l", &owner]);
    until("the bindings are forgotten", async || {
        removal::remove(&installed.admin).await.is_ok()
    })
    .await;
    installed.kubectl(&[
        "delete",
        "-k",
        &deploy("kustomize/base"),
        "--ignore-not-found",
        "--wait=false",
    ]);

    until("the definitions are gone", async || {
        definitions(&installed).is_empty()
    })
    .await;
    for name in NODES {
        let node = look(&installed, name).await;
        assert!(node["spec"]["unschedulable"].is_null(), "{node:#}");
        let taints = node["spec"]["taints"].to_string();
        assert!(!taints.contains("UpdateInProgress"), "{taints}");
        let annotations = node["metadata"]["annotations"].to_string();
        for ours in [group::MACHINECONFIGURATION, group::WINDLASS] {
            assert!(!annotations.contains(ours), "{annotations}");
        }
    }
    assert_eq!(note(&look(&installed, "worker-0").await, foreign), "stays");
}

/// A first config is everywhere; the next is on its way to a node that is cordoned for it when everything stops.
async fn in_mid_rollout(installed: &Installed) {
    let mut fleet = Fleet::start(installed, &NODES).await;
    fleet.start_controller(installed).await;
    config(installed, "one").await;
    make_pool(installed);
    let first = target(installed, "worker", None).await;
    approve(installed, &first);
    until_all(installed, &first).await;
    config(installed, "two").await;
    until("a node is cordoned", async || {
        let mut cordoned = false;
        for name in NODES {
            let node: Value = look(installed, name).await;
            cordoned |=
                node["spec"]["unschedulable"] == true && !note(&node, ours::CORDONED).is_empty();
        }
        cordoned
    })
    .await;
    fleet.end().await;
}

fn definitions(installed: &Installed) -> String {
    let owner = format!("{}={}", label::OWNER, label::OWNER_WINDLASS);
    installed.kubectl(&["get", "crds", "-l", &owner, "-o=name"])
}
