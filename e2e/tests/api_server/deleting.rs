//! Deletions, finalizers, generations and subresources.

use serde_json::{Value, json};

use crate::cases;
use crate::server::{MERGE, Server};

cases![
    an_object_with_a_finalizer_stays_until_it_is_taken_away,
    an_object_that_ends_takes_no_new_finalizer,
    a_deletion_assumes_what_it_names,
    a_deletion_in_the_foreground_or_that_orphans_waits_for_a_collector,
    a_pod_ends_within_its_grace_and_a_shorter_one_wins,
    a_generation_counts_changes_of_the_spec_alone,
    a_put_replaces_all_but_what_the_server_owns,
    a_put_of_status_changes_status_alone,
    a_scale_is_read_and_written,
    a_subresource_that_is_not_there_is_not_found,
    taints_that_are_doubled_or_wrong_are_refused,
    what_may_not_change_is_refused,
    a_lease_is_taken_and_renewed,
    a_namespace_ends_with_its_deletion,
];

async fn map(server: &Server, metadata: Value) -> String {
    let body = json!({ "metadata": metadata, "data": { "k": "v" } });
    server.post(&server.core("configmaps"), body).await.ok();
    server.core("configmaps/m")
}

async fn an_object_with_a_finalizer_stays_until_it_is_taken_away(server: Server) {
    let map = map(&server, json!({ "name": "m", "finalizers": ["x/y"] })).await;

    server.delete(&map).await.ok();
    let ending = server.get(&map).await.ok();
    server.delete(&map).await.ok();
    let change = json!({ "data": { "k": "w" } });
    server.patch(&map, MERGE, change).await.ok();
    let free = json!({ "metadata": { "finalizers": null } });
    server.patch(&map, MERGE, free).await.ok();

    assert!(ending["metadata"]["deletionTimestamp"].is_string());
    server.get(&map).await.refused(404);
}

async fn an_object_that_ends_takes_no_new_finalizer(server: Server) {
    let map = map(&server, json!({ "name": "m", "finalizers": ["x/y"] })).await;
    server.delete(&map).await.ok();

    let more = json!({ "metadata": { "finalizers": ["x/y", "x/z"] } });
    server.patch(&map, MERGE, more).await.refused(422);
    let undone = json!({ "metadata": { "deletionTimestamp": null } });
    let undone = server.patch(&map, MERGE, undone).await.ok();

    assert!(undone["metadata"]["deletionTimestamp"].is_string());
    let free = json!({ "metadata": { "finalizers": [] } });
    server.patch(&map, MERGE, free).await.ok();
}

async fn a_deletion_assumes_what_it_names(server: Server) {
    let map = map(&server, json!({ "name": "m" })).await;
    let made = server.get(&map).await.ok();
    let change = json!({ "data": { "k": "w" } });
    server.patch(&map, MERGE, change).await.ok();
    let only = |preconditions: Value| json!({ "preconditions": preconditions });

    let other = only(json!({ "uid": "11111111-0000-0000-0000-000000000000" }));
    server.delete_with(&map, other).await.refused(409);
    let old = only(json!({ "resourceVersion": made["metadata"]["resourceVersion"] }));
    server.delete_with(&map, old).await.refused(409);
    let this = only(json!({ "uid": made["metadata"]["uid"] }));
    server.delete_with(&map, this).await.ok();
    server.delete(&map).await.refused(404);
}

async fn a_deletion_in_the_foreground_or_that_orphans_waits_for_a_collector(server: Server) {
    let map = map(&server, json!({ "name": "m" })).await;

    let foreground = format!("{map}?propagationPolicy=Foreground");
    server.delete(&foreground).await.ok();
    let ending = server.get(&map).await.ok();

    assert_eq!(
        ending["metadata"]["finalizers"],
        json!(["foregroundDeletion"])
    );
    let orphan = json!({ "propagationPolicy": "Orphan" });
    server.delete_with(&map, orphan).await.ok();
    server.get(&map).await.ok();
    let free = json!({ "metadata": { "finalizers": null } });
    server.patch(&map, MERGE, free).await.ok();
}

async fn a_pod_ends_within_its_grace_and_a_shorter_one_wins(server: Server) {
    crate::listing::service_account(&server).await;
    let pod = json!({
        "metadata": { "name": "p" },
        "spec": { "nodeName": "n1", "containers": [{ "name": "c", "image": "i" }] },
    });
    server.post(&server.core("pods"), pod).await.ok();
    let path = server.core("pods/p");

    let grace = |seconds: i64| json!({ "gracePeriodSeconds": seconds });
    server.delete_with(&path, grace(20)).await.ok();
    server.delete_with(&path, grace(30)).await.ok();
    server.delete_with(&path, grace(5)).await.ok();
    let ending = server.get(&path).await.ok();
    server.delete_with(&path, grace(0)).await.ok();

    assert_eq!(ending["metadata"]["deletionGracePeriodSeconds"], 5);
    server.get(&path).await.refused(404);
}

fn deployment() -> Value {
    json!({
        "metadata": { "name": "d" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "c", "image": "i" }] },
            },
        },
    })
}

async fn a_generation_counts_changes_of_the_spec_alone(server: Server) {
    let deployments = server.group("apps/v1", "deployments");
    server.post(&deployments, deployment()).await.ok();
    let path = format!("{deployments}/d");
    let generation = |object: &Value| object["metadata"]["generation"].as_i64();

    let spec = json!({ "spec": { "replicas": 3 } });
    let spec = server.patch(&path, MERGE, spec).await.ok();
    let same = json!({ "spec": { "replicas": 3 } });
    let same = server.patch(&path, MERGE, same).await.ok();
    let labels = json!({ "metadata": { "labels": { "a": "b" } } });
    let labels = server.patch(&path, MERGE, labels).await.ok();
    let status = json!({ "status": { "observedGeneration": 2, "replicas": 3 } });
    let status = server
        .patch(&format!("{path}/status"), MERGE, status)
        .await
        .ok();
    let forged = json!({ "metadata": { "generation": 9 } });
    let forged = server.patch(&path, MERGE, forged).await.ok();

    let counted = [&spec, &same, &labels, &status, &forged].map(generation);
    assert_eq!(counted, [Some(2); 5]);
}

async fn a_put_replaces_all_but_what_the_server_owns(server: Server) {
    let map = map(&server, json!({ "name": "m", "labels": { "a": "b" } })).await;
    let old = server.get(&map).await.ok();

    let bare = json!({ "metadata": { "name": "m" } });
    let put = server.put(&map, bare).await.ok();
    server.put(&map, old).await.refused(409);
    let other = json!({ "metadata": { "name": "n" } });
    server.put(&map, other).await.refused(400);
    let forged =
        json!({ "metadata": { "name": "m", "uid": "11111111-0000-0000-0000-000000000000" } });
    server.put(&map, forged).await.refused(409);
    let none = server.core("configmaps/none");
    let made = json!({ "metadata": { "name": "none" } });
    server.put(&none, made).await.refused(404);

    assert!(put.get("data").is_none() && put["metadata"].get("labels").is_none());
}

async fn a_put_of_status_changes_status_alone(server: Server) {
    let deployments = server.group("apps/v1", "deployments");
    server.post(&deployments, deployment()).await.ok();
    let path = format!("{deployments}/d");
    let mut whole = server.get(&path).await.ok();
    whole["spec"]["replicas"] = json!(9);
    whole["metadata"]["labels"] = json!({ "a": "b" });
    whole["status"] = json!({ "replicas": 1 });

    let put = server.put(&format!("{path}/status"), whole).await.ok();

    assert_eq!(put["spec"]["replicas"], 2);
    assert_eq!(put["status"]["replicas"], 1);
}

async fn a_scale_is_read_and_written(server: Server) {
    let deployments = server.group("apps/v1", "deployments");
    server.post(&deployments, deployment()).await.ok();
    let path = format!("{deployments}/d/scale");

    let mut scale = server.get(&path).await.ok();
    scale["spec"]["replicas"] = json!(5);
    server.put(&path, scale.clone()).await.ok();
    server.put(&path, scale).await.refused(409);
    let patch = json!({ "spec": { "replicas": 3 } });
    server.patch(&path, MERGE, patch).await.ok();

    let left = server.get(&format!("{deployments}/d")).await.ok();
    assert_eq!(left["spec"]["replicas"], json!(3));
    assert_eq!(left["metadata"]["generation"], 3);
}

async fn a_subresource_that_is_not_there_is_not_found(server: Server) {
    let map = map(&server, json!({ "name": "m" })).await;

    server.get(&format!("{map}/status")).await.refused(404);
    server
        .patch(&format!("{map}/status"), MERGE, json!({}))
        .await
        .refused(404);
    server.get(&format!("{map}/scale")).await.refused(404);
}

async fn taints_that_are_doubled_or_wrong_are_refused(server: Server) {
    let name = server.namespace().to_owned();
    let made = json!({ "metadata": { "name": name } });
    server.post("/api/v1/nodes", made).await.ok();
    let node = format!("/api/v1/nodes/{name}");
    let taint = |key: &str, value: &str, effect: &str| json!({ "key": key, "value": value, "effect": effect });

    for taints in [
        json!([taint("a", "1", "NoSchedule"), taint("a", "2", "NoSchedule")]),
        json!([taint("a", "1", "Sometimes")]),
        json!([taint("a b", "1", "NoSchedule")]),
        json!([taint("a", "b c", "NoSchedule")]),
        json!([taint("", "1", "NoSchedule")]),
        json!([{ "key": "a" }]),
    ] {
        let patch = json!({ "spec": { "taints": taints } });
        server.patch(&node, MERGE, patch).await.refused(422);
    }
    let both = json!([taint("a", "1", "NoSchedule"), taint("a", "1", "NoExecute")]);
    let patch = json!({ "spec": { "taints": both } });
    server.patch(&node, MERGE, patch).await.ok();
}

async fn what_may_not_change_is_refused(server: Server) {
    let deployments = server.group("apps/v1", "deployments");
    server.post(&deployments, deployment()).await.ok();
    let other = json!({ "spec": { "selector": { "matchLabels": { "app": "db" } },
        "template": { "metadata": { "labels": { "app": "db" } } } } });
    server
        .patch(&format!("{deployments}/d"), MERGE, other)
        .await
        .refused(422);
    let fixed = json!({ "metadata": { "name": "m" }, "immutable": true, "data": { "k": "v" } });
    server.post(&server.core("configmaps"), fixed).await.ok();
    let change = json!({ "data": { "k": "w" } });
    server
        .patch(&server.core("configmaps/m"), MERGE, change)
        .await
        .refused(422);
}

async fn a_lease_is_taken_and_renewed(server: Server) {
    let leases = server.group("coordination.k8s.io/v1", "leases");
    let body = json!({
        "metadata": { "name": "l" },
        "spec": { "holderIdentity": "one", "leaseDurationSeconds": 15,
            "acquireTime": "2020-01-01T00:00:00.000000Z", "renewTime": "2020-01-01T00:00:00.000000Z" },
    });
    let made = server.post(&leases, body).await.ok();
    let mut mine = made.clone();
    mine["spec"]["renewTime"] = json!("2020-01-01T00:00:05.123456Z");

    server.put(&format!("{leases}/l"), mine).await.ok();
    let mut theirs = made;
    theirs["spec"]["holderIdentity"] = json!("two");
    server
        .put(&format!("{leases}/l"), theirs)
        .await
        .refused(409);
    let negative = json!({ "metadata": { "name": "m" }, "spec": { "leaseDurationSeconds": -1 } });
    server.post(&leases, negative).await.refused(422);
}

async fn a_namespace_ends_with_its_deletion(server: Server) {
    let name = format!("{}-more", server.namespace());
    let made = json!({ "metadata": { "name": name } });
    server.post("/api/v1/namespaces", made).await.ok();
    let path = format!("/api/v1/namespaces/{name}");

    let ending = server.delete(&path).await.ok();
    let map = json!({ "metadata": { "name": "m" } });
    server
        .post(&format!("{path}/configmaps"), map)
        .await
        .refused(403);

    assert_eq!(ending["status"]["phase"], "Terminating");
    server
        .delete("/api/v1/namespaces/default")
        .await
        .refused(403);
}
