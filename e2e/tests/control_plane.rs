//! The real control plane that tests start is one: it is there in seconds, it judges rights, it tells who asked, it stands alone,
//! and it is gone afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::control_plane::audit::Level;
use e2e::control_plane::certificates::Identity;
use e2e::control_plane::{
    BoundTo, Component, ControlPlane, ControlPlaneError, Controllers, Credential, Options,
};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Secret, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn parsed<K: DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).unwrap()
}

async fn create<K>(api: &Api<K>, object: Value)
where
    K: DeserializeOwned + Serialize + Clone + std::fmt::Debug,
{
    api.create(&PostParams::default(), &parsed(object))
        .await
        .unwrap();
}

/// Waits until something is so.
async fn until(story: &str, what: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !what().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {story}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn lives(id: u32) -> bool {
    Path::new(&format!("/proc/{id}")).exists()
}

#[tokio::test]
async fn two_control_planes_side_by_side_know_nothing_of_each_other_and_leave_nothing() {
    let (first, second) = tokio::join!(
        ControlPlane::start(Options::default()),
        ControlPlane::start(Options::default())
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    let maps = |client| Api::<ConfigMap>::namespaced(client, "default");
    let here = maps(first.admin().await.unwrap());
    let there = maps(second.admin().await.unwrap());

    create(&here, json!({ "metadata": { "name": "here" } })).await;

    assert!(here.get_opt("here").await.unwrap().is_some());
    assert!(there.get_opt("here").await.unwrap().is_none());
    let stranger = first.certificate_of(&Identity::admin()).unwrap();
    let refused = second.client(0, &stranger).await.unwrap();
    assert_eq!(code(refused.apiserver_version().await), 401);
    let processes = [first.process_ids(), second.process_ids()].concat();
    let folders = [first.folder().to_owned(), second.folder().to_owned()];
    assert_eq!(processes.len(), 4);
    drop((first, second));
    for id in processes {
        assert!(!lives(id), "process {id} outlives its control plane");
    }
    for folder in folders {
        assert!(!folder.exists(), "{} is left", folder.display());
    }
}

/// The status of a refusal.
fn code<T>(answer: Result<T, kube::Error>) -> u16 {
    match answer {
        Err(kube::Error::Api(status)) => status.code,
        Err(other) => panic!("{other}"),
        Ok(_) => 200,
    }
}

#[test]
fn a_control_plane_ends_with_a_process_that_is_killed() {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .arg("run")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let kubeconfig = PathBuf::from(line.strip_prefix("export KUBECONFIG=").unwrap());
    let children = children_of(holder.id());

    holder.kill().unwrap();
    holder.wait().unwrap();

    assert_eq!(children.len(), 4, "{children:?}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(until("all of its processes are gone", async || {
        children.iter().all(|id| !lives(*id))
    }));
    // The next one that takes the place finds the folder empty; here nobody does.
    fs::remove_dir_all(kubeconfig.parent().unwrap()).unwrap_or_default();
}

fn children_of(parent: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    tasks
        .flat_map(|task| {
            let children = fs::read_to_string(task.unwrap().path().join("children")).unwrap();
            let ids: Vec<u32> = children
                .split_whitespace()
                .map(|id| id.parse().unwrap())
                .collect();
            ids
        })
        .collect()
}

#[tokio::test]
async fn a_control_plane_that_cannot_start_says_which_program_failed_and_why() {
    let options = Options {
        controllers: Controllers::Only(vec!["no-such-controller"]),
        ..Options::default()
    };
    let mut cluster = ControlPlane::start(options).await.unwrap();

    let mut told = None;
    for _ in 0..600 {
        if let Err(error) = cluster.alive() {
            told = Some(error);
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let Some(ControlPlaneError::Ended { name, tail, .. }) = told else {
        panic!("{told:?}");
    };
    assert_eq!(name, "kube-controller-manager");
    assert!(tail.contains("no-such-controller"), "{tail}");
}

#[tokio::test]
async fn rights_are_judged_by_who_asks() {
    let cluster = ControlPlane::start(Options::default()).await.unwrap();
    let nodes: Api<Node> = Api::all(cluster.admin().await.unwrap());
    create(&nodes, json!({ "metadata": { "name": "n1" } })).await;
    create(&nodes, json!({ "metadata": { "name": "n2" } })).await;
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { "a": "b" } } }));
    let write = async |credential: Credential, node: &str| {
        let client = cluster.client(0, &credential).await.unwrap();
        let nodes: Api<Node> = Api::all(client);
        code(nodes.patch(node, &PatchParams::default(), &patch).await)
    };
    let kubelet = cluster.certificate_of(&Identity::kubelet("n1")).unwrap();
    let nobody = cluster.certificate_of(&Identity::user("nobody")).unwrap();

    assert_eq!(write(kubelet.clone(), "n1").await, 200);
    assert_eq!(write(kubelet, "n2").await, 403);
    assert_eq!(write(nobody, "n1").await, 403);
    assert_eq!(write(Credential::Anonymous, "n1").await, 403);
    assert_eq!(
        write(Credential::Token("made up".to_owned()), "n1").await,
        401
    );
}

#[tokio::test]
async fn a_token_bound_to_a_node_says_so_and_dies_with_the_node() {
    let cluster = ControlPlane::start(Options::default()).await.unwrap();
    let admin = cluster.admin().await.unwrap();
    let nodes: Api<Node> = Api::all(admin.clone());
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), "default");
    create(&nodes, json!({ "metadata": { "name": "n1" } })).await;
    create(&accounts, json!({ "metadata": { "name": "daemon" } })).await;
    allow(&admin, "daemon").await;
    let token = cluster
        .token_of("default", "daemon", Some(&BoundTo::node("n1")))
        .await
        .unwrap();
    let daemon: Api<Node> = Api::all(cluster.client(0, &token).await.unwrap());

    daemon.get("n1").await.unwrap();
    nodes.delete("n1", &DeleteParams::default()).await.unwrap();

    // The server remembers for ten seconds that the token was good.
    until("the token is refused", async || {
        code(daemon.list(&ListParams::default()).await) == 401
    })
    .await;
    let seen = cluster
        .audit()
        .requests_of("system:serviceaccount:default:daemon")
        .unwrap();
    assert_eq!((seen[0].verb.as_str(), seen.len() > 1), ("get", true));
}

async fn allow(admin: &kube::Client, account: &str) {
    let roles: Api<ClusterRole> = Api::all(admin.clone());
    let bindings: Api<ClusterRoleBinding> = Api::all(admin.clone());
    create(
        &roles,
        json!({ "metadata": { "name": account },
            "rules": [{ "apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"] }] }),
    )
    .await;
    create(
        &bindings,
        json!({ "metadata": { "name": account },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": account },
            "subjects": [{ "kind": "ServiceAccount", "namespace": "default", "name": account }] }),
    )
    .await;
}

#[tokio::test]
async fn the_audit_log_counts_each_request_of_an_identity_once() {
    let options = Options {
        api_servers: 2,
        audit: Level::Request,
        ..Options::default()
    };
    let cluster = ControlPlane::start(options).await.unwrap();
    let somebody = cluster
        .certificate_of(&Identity {
            user: "somebody".to_owned(),
            ..Identity::admin()
        })
        .unwrap();
    let mut maps = Vec::new();
    for instance in 0..2 {
        let client = cluster.client(instance, &somebody).await.unwrap();
        maps.push(Api::<ConfigMap>::namespaced(client, "default"));
    }
    create(&maps[0], json!({ "metadata": { "name": "before" } })).await;
    let log = cluster.audit().from_now().unwrap();

    let made = json!({ "metadata": { "name": "a" }, "data": { "k": "v" } });
    create(&maps[0], made).await;
    maps[1].get("a").await.unwrap();
    maps[1].get_opt("b").await.unwrap();
    drop(maps[0].watch(&WatchParams::default(), "0").await.unwrap());

    until("every request stands in the log", async || {
        log.requests_of("somebody").unwrap().len() == 4
    })
    .await;
    let requests = log.requests_of("somebody").unwrap();
    let mut verbs: Vec<&str> = requests.iter().map(|event| event.verb.as_str()).collect();
    verbs.sort_unstable();
    assert_eq!(verbs, ["create", "get", "get", "watch"]);
    let sent = requests[0].request_object.as_ref().unwrap();
    assert_eq!(sent["data"]["k"], "v");
    let about = requests[0].object_ref.as_ref().unwrap();
    assert_eq!(
        (about.resource.as_str(), about.name.as_str()),
        ("configmaps", "a")
    );
}

#[tokio::test]
async fn a_member_and_an_api_server_can_fail_and_come_back() {
    let options = Options {
        etcd_members: 3,
        api_servers: 2,
        ..Options::default()
    };
    let mut cluster = ControlPlane::start(options).await.unwrap();
    let secrets = async |cluster: &ControlPlane, instance| {
        Api::<Secret>::namespaced(cluster.admin_at(instance).await.unwrap(), "default")
    };
    let first = secrets(&cluster, 0).await;
    let second = secrets(&cluster, 1).await;
    cluster.process(Component::Etcd(0)).unwrap().kill();

    until("two members of three accept a write", async || {
        let made = parsed(json!({ "metadata": { "name": "s" } }));
        matches!(
            code(first.create(&PostParams::default(), &made).await),
            200 | 409
        )
    })
    .await;
    cluster.process(Component::ApiServer(0)).unwrap().kill();
    assert!(second.get_opt("s").await.unwrap().is_some());
    assert!(first.get_opt("s").await.is_err());
    for component in [Component::Etcd(0), Component::ApiServer(0)] {
        cluster.process(component).unwrap().start_again().unwrap();
    }
    cluster.ready(0).await.unwrap();

    assert!(first.get_opt("s").await.unwrap().is_some());
}

#[tokio::test]
async fn every_api_server_stands_in_the_endpoint_slice_of_the_api() {
    let options = Options {
        api_servers: 2,
        ..Options::default()
    };
    let cluster = ControlPlane::start(options).await.unwrap();
    let slices: Api<EndpointSlice> = Api::namespaced(cluster.admin().await.unwrap(), "default");

    until("both are in the slice", async || {
        let slice = slices.get_opt("kubernetes").await.unwrap();
        let mut listed: Vec<String> = slice
            .map(|slice| slice.endpoints)
            .unwrap_or_default()
            .into_iter()
            .flat_map(|endpoint| endpoint.addresses)
            .collect();
        listed.sort();
        listed == [0, 1].map(|instance| cluster.advertised_as(instance).to_string())
    })
    .await;
}

#[tokio::test]
async fn controllers_and_scheduler_do_their_work() {
    let options = Options {
        controllers: Controllers::All,
        scheduler: true,
        ..Options::default()
    };
    let cluster = ControlPlane::start(options).await.unwrap();
    let admin = cluster.admin().await.unwrap();
    let nodes: Api<Node> = Api::all(admin.clone());
    let pods: Api<Pod> = Api::namespaced(admin.clone(), "default");
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), "default");
    create(&nodes, json!({ "metadata": { "name": "n1" } })).await;
    let ready = json!({ "status": {
        "allocatable": { "cpu": "1", "memory": "1Gi", "pods": "10" },
        "conditions": [{ "type": "Ready", "status": "True" }] } });
    nodes
        .patch_status("n1", &PatchParams::default(), &Patch::Merge(ready))
        .await
        .unwrap();
    until("the default ServiceAccount is there", async || {
        accounts.get_opt("default").await.unwrap().is_some()
    })
    .await;

    let output = cluster
        .kubectl()
        .unwrap()
        .args(["create", "deployment", "web", "--image=web"])
        .output()
        .unwrap();

    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    until("a pod of the deployment is on the node", async || {
        let listed = pods.list(&ListParams::default()).await.unwrap();
        let on = |pod: &Pod| {
            pod.spec
                .as_ref()
                .is_some_and(|spec| spec.node_name.as_deref() == Some("n1"))
        };
        listed.items.iter().any(on)
    })
    .await;
}
