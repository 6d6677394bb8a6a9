//! The service's own credential, with the rights that ship: from the pod's token to one that outlives the pod.

use api::names::install;
use daemon::credential::{self, Claims, LIFETIME};
use e2e::control_plane::{BoundTo, Credential, Options};
use serde_json::json;

use crate::support::{Ask, Installed, installed, until};

const NODE: &str = "worker-0";
const OWN: &str = "/api/v1/nodes/worker-0";

/// What the DaemonSet's pod on [`NODE`] finds in its own folder.
async fn pods_token(installed: &Installed, pods: &str) -> Credential {
    let pod = json!({"metadata": {"name": "installer"}, "spec": {"nodeName": NODE,
        "serviceAccountName": install::DAEMON, "containers": [{"name": "a", "image": "a"}]}});
    installed.admin().may("a pod", Ask::post(pods, pod)).await;
    let bound = BoundTo {
        kind: "Pod",
        name: "installer".to_owned(),
        uid: None,
    };
    let cluster = &installed.cluster;
    let token = cluster.token_of(install::NAMESPACE, install::DAEMON, Some(&bound));
    token.await.unwrap()
}

fn claims(credential: &Credential) -> Claims {
    let Credential::Token(token) = credential else {
        panic!("a token was asked for");
    };
    Claims::read(token.as_bytes()).unwrap()
}

#[tokio::test]
async fn the_host_s_token_outlives_its_pod_renews_itself_and_ends_with_its_node() {
    let installed = installed(Options::default()).await;
    let pods = format!("/api/v1/namespaces/{}/pods", install::NAMESPACE);
    let of_pod = pods_token(&installed, &pods).await;
    let said = claims(&of_pod);
    assert!(said.of_pod);
    assert_eq!(said.node.as_deref(), Some(NODE));
    let pod = installed.caller(&of_pod).await;

    let first = credential::request(&pod.0, &said, NODE, LIFETIME).await;
    let first = Credential::Token(first.unwrap());

    let said = claims(&first);
    assert!(!said.of_pod);
    assert_eq!(said.node.as_deref(), Some(NODE));
    assert_eq!(said.expires.duration_since(said.issued), LIFETIME);
    let other = credential::request(&pod.0, &said, "worker-1", LIFETIME).await;
    assert!(other.is_err(), "a token of another node was given");

    let gone = Ask {
        body: Some(json!({"gracePeriodSeconds": 0})),
        ..Ask::delete(&format!("{pods}/installer"))
    };
    installed.admin().may("the pod goes", gone).await;
    until("the pod's token counts no more", async || {
        matches!(pod.ask(Ask::get(OWN)).await, Err((401, _)))
    })
    .await;
    let host = installed.caller(&first).await;
    host.may("it goes on", Ask::get(OWN)).await;
    let second = credential::request(&host.0, &said, NODE, LIFETIME).await;
    let host = installed.caller(&Credential::Token(second.unwrap())).await;
    host.may("it is renewed", Ask::get(OWN)).await;

    installed
        .admin()
        .may("the node goes", Ask::delete(OWN))
        .await;
    until("the host's token counts no more", async || {
        matches!(host.ask(Ask::get(OWN)).await, Err((401, _)))
    })
    .await;
}
