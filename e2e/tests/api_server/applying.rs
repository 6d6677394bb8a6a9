//! Server-side apply.

use serde_json::{Value, json};

use crate::cases;
use crate::server::{APPLY, MERGE, Reply, Server};

cases![
    an_apply_creates_and_the_same_again_writes_nothing,
    two_managers_conflict_over_a_field_and_the_second_may_force,
    a_field_that_its_only_manager_leaves_out_goes,
    a_field_of_two_managers_stays_until_both_leave_it_out,
    an_update_takes_a_field_over_and_an_apply_then_conflicts,
    an_apply_merges_maps_and_lists_by_key,
    an_apply_to_a_set_keeps_the_values_of_others,
    an_apply_of_an_atomic_list_owns_all_of_it,
    an_apply_assumes_the_version_and_uid_it_names,
    an_apply_without_name_kind_or_manager_is_refused,
    an_apply_to_status_is_a_manager_of_its_own,
    managed_fields_can_be_reset,
    an_apply_of_unknown_fields_is_refused,
    an_apply_in_dry_run_leaves_nothing,
];

async fn apply(server: &Server, by: &str, data: Value) -> Reply {
    let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m" }, "data": data });
    apply_to(server, &server.core("configmaps/m"), by, body).await
}

async fn apply_to(server: &Server, path: &str, by: &str, body: Value) -> Reply {
    let path = format!("{path}?fieldManager={by}");
    server.patch(&path, APPLY, body).await
}

async fn an_apply_creates_and_the_same_again_writes_nothing(server: Server) {
    let created = apply(&server, "one", json!({ "k": "v" })).await;
    let again = apply(&server, "one", json!({ "k": "v" })).await;

    assert_eq!((created.status, again.status), (201, 200));
    assert_eq!(
        created.body["metadata"]["resourceVersion"],
        again.body["metadata"]["resourceVersion"]
    );
}

async fn two_managers_conflict_over_a_field_and_the_second_may_force(server: Server) {
    apply(&server, "one", json!({ "k": "1", "l": "1" }))
        .await
        .ok();

    let refused = apply(&server, "two", json!({ "k": "2", "l": "2", "m": "2" })).await;
    let refused = refused.refused(409);
    let forced = apply(&server, "two&force=true", json!({ "k": "2" }))
        .await
        .ok();
    apply(&server, "one", json!({ "k": "1", "l": "1" }))
        .await
        .refused(409);

    assert_eq!(
        refused["details"]["causes"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(forced["data"], json!({ "k": "2", "l": "1" }));
}

async fn a_field_that_its_only_manager_leaves_out_goes(server: Server) {
    apply(&server, "one", json!({ "a": "1", "b": "1" }))
        .await
        .ok();

    let left = apply(&server, "one", json!({ "b": "1" })).await.ok();
    let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m" } });
    let none = apply_to(&server, &server.core("configmaps/m"), "one", body)
        .await
        .ok();

    assert_eq!(left["data"], json!({ "b": "1" }));
    assert!(none.get("data").is_none(), "{none}");
}

async fn a_field_of_two_managers_stays_until_both_leave_it_out(server: Server) {
    apply(&server, "one", json!({ "a": "1", "b": "1" }))
        .await
        .ok();
    apply(&server, "two", json!({ "a": "1" })).await.ok();

    let one_left = apply(&server, "one", json!({ "b": "1" })).await.ok();
    let both_left = apply(&server, "two", json!({})).await.ok();

    assert_eq!(one_left["data"]["a"], "1");
    assert_eq!(both_left["data"], json!({ "b": "1" }));
}

async fn an_update_takes_a_field_over_and_an_apply_then_conflicts(server: Server) {
    apply(&server, "one", json!({ "k": "1", "l": "1" }))
        .await
        .ok();
    let map = server.core("configmaps/m");

    let patch = json!({ "data": { "k": "2" } });
    let path = format!("{map}?fieldManager=hand");
    server.patch(&path, MERGE, patch).await.ok();
    apply(&server, "one", json!({ "k": "1", "l": "1" }))
        .await
        .refused(409);
    apply(&server, "one", json!({ "k": "2", "l": "1" }))
        .await
        .ok();
    let mut whole = server.get(&map).await.ok();
    whole["data"] = json!({ "l": "3" });
    let put = server.put(&map, whole).await.ok();

    assert_eq!(put["data"], json!({ "l": "3" }));
}

fn deployment(containers: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": containers },
            },
        },
    })
}

async fn an_apply_merges_maps_and_lists_by_key(server: Server) {
    let path = server.group("apps/v1", "deployments/d");
    let first =
        deployment(json!([{ "name": "a", "image": "one", "ports": [{ "containerPort": 80 }] }]));
    apply_to(&server, &path, "one", first).await.ok();

    let second = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d", "labels": { "by": "two" } },
        "spec": { "template": { "spec": { "containers": [
            { "name": "a", "ports": [{ "containerPort": 81 }], "env": [{ "name": "X", "value": "1" }] },
            { "name": "side", "image": "car" },
        ] } } },
    });
    let merged = apply_to(&server, &path, "two", second).await.ok();
    let third = deployment(json!([{ "name": "a", "image": "uno" }]));
    let dropped = apply_to(&server, &path, "one", third).await.ok();
    let conflict = deployment(json!([{ "name": "side", "image": "truck" }]));
    apply_to(&server, &path, "three", conflict)
        .await
        .refused(409);

    let containers = &merged["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers.as_array().map(Vec::len), Some(2));
    let ports = &dropped["spec"]["template"]["spec"]["containers"][0]["ports"];
    assert_eq!(*ports, json!([{ "containerPort": 81, "protocol": "TCP" }]));
}

async fn an_apply_to_a_set_keeps_the_values_of_others(server: Server) {
    let map = server.core("configmaps/m");
    let with = |finalizers: Value| {
        json!({ "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "m", "finalizers": finalizers } })
    };

    apply_to(&server, &map, "one", with(json!(["x/a", "x/b"])))
        .await
        .ok();
    let both = apply_to(&server, &map, "two", with(json!(["x/b", "x/c"])))
        .await
        .ok();
    let left = apply_to(&server, &map, "one", with(json!([]))).await.ok();

    assert_eq!(both["metadata"]["finalizers"], json!(["x/a", "x/b", "x/c"]));
    assert_eq!(left["metadata"]["finalizers"], json!(["x/b", "x/c"]));
    apply_to(&server, &map, "two", with(json!([]))).await.ok();
}

async fn an_apply_of_an_atomic_list_owns_all_of_it(server: Server) {
    let name = server.namespace().to_owned();
    let node = format!("/api/v1/nodes/{name}");
    let with = |taints: Value| json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name }, "spec": { "taints": taints } });
    let taint = |key: &str| json!({ "key": key, "effect": "NoSchedule" });

    apply_to(&server, &node, "one", with(json!([taint("a")]))).await;
    let other = with(json!([taint("b")]));
    let refused = apply_to(&server, &node, "two", other.clone()).await;
    let forced = apply_to(&server, &node, "two&force=true", other).await.ok();

    assert_eq!(refused.status, 409, "{}", refused.body);
    assert_eq!(forced["spec"]["taints"], json!([taint("b")]));
}

async fn an_apply_assumes_the_version_and_uid_it_names(server: Server) {
    let made = apply(&server, "one", json!({ "k": "1" })).await.ok();
    apply(&server, "one", json!({ "k": "2" })).await.ok();
    let map = server.core("configmaps/m");
    let named = |metadata: Value, value: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "k": value } });

    let old = &made["metadata"]["resourceVersion"];
    let stale = named(json!({ "name": "m", "resourceVersion": old }), "3");
    apply_to(&server, &map, "one", stale).await.refused(409);
    let other = named(
        json!({ "name": "m", "uid": "11111111-0000-0000-0000-000000000000" }),
        "3",
    );
    apply_to(&server, &map, "one", other).await.refused(422);
    // Of what is not there, no version can be meant.
    let none = named(json!({ "name": "none", "resourceVersion": "1" }), "3");
    apply_to(&server, &server.core("configmaps/none"), "one", none)
        .await
        .ok();
}

async fn an_apply_without_name_kind_or_manager_is_refused(server: Server) {
    let map = server.core("configmaps/m");
    let whole = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m" } });

    for (by, body) in [
        ("", whole.clone()),
        (
            "one",
            json!({ "kind": "ConfigMap", "metadata": { "name": "m" } }),
        ),
        (
            "one",
            json!({ "apiVersion": "v1", "metadata": { "name": "m" } }),
        ),
        (
            "one",
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "m" } }),
        ),
        (
            "one",
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "n" } }),
        ),
        (
            "one",
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m", "namespace": "other" } }),
        ),
        (
            "one",
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m", "managedFields": [{ "manager": "x" }] } }),
        ),
        ("one", json!("a: b: c")),
    ] {
        let reply = apply_to(&server, &map, by, body).await;
        assert!((400..500).contains(&reply.status), "{reply:?}");
    }
    let long = "m".repeat(129);
    apply_to(&server, &map, &long, whole.clone())
        .await
        .refused(422);
    apply_to(&server, &map, "%01", whole).await.refused(422);
    server
        .patch(
            &format!("{map}?fieldManager=x&force=true"),
            MERGE,
            json!({}),
        )
        .await;
}

async fn an_apply_to_status_is_a_manager_of_its_own(server: Server) {
    let name = server.namespace().to_owned();
    let made = json!({ "metadata": { "name": name } });
    server.post("/api/v1/nodes", made).await.ok();
    let status = format!("/api/v1/nodes/{name}/status");
    let ready = |value: &str| {
        json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name },
            "status": { "conditions": [{ "type": "Ready", "status": value }] } })
    };

    let one = apply_to(&server, &status, "one", ready("True")).await.ok();
    let refused = apply_to(&server, &status, "two", ready("False")).await;
    refused.refused(409);
    apply_to(&server, &status, "two", ready("True")).await.ok();
    let forced = apply_to(&server, &status, "two&force=true", ready("False")).await;

    assert_eq!(one["status"]["conditions"][0]["status"], "True");
    assert_eq!(forced.ok()["status"]["conditions"][0]["status"], "False");
}

async fn managed_fields_can_be_reset(server: Server) {
    apply(&server, "one", json!({ "k": "1" })).await.ok();
    let map = server.core("configmaps/m");

    let reset = json!({ "metadata": { "managedFields": [{}] } });
    let after = server.patch(&map, MERGE, reset).await.ok();
    apply(&server, "two", json!({ "k": "2" })).await;
    let broken =
        json!({ "metadata": { "managedFields": [{ "manager": "x", "operation": "Jump" }] } });
    server.patch(&map, MERGE, broken).await;

    assert!(after["metadata"].get("managedFields").is_none(), "{after}");
}

async fn an_apply_of_unknown_fields_is_refused(server: Server) {
    let map = server.core("configmaps/m");
    let body =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m" }, "dada": {} });

    for validation in ["Ignore", "Warn", "Strict"] {
        let by = format!("one&fieldValidation={validation}");
        apply_to(&server, &map, &by, body.clone()).await;
    }
}

async fn an_apply_in_dry_run_leaves_nothing(server: Server) {
    let created = apply(&server, "one&dryRun=All", json!({ "k": "1" })).await;
    server.get(&server.core("configmaps/m")).await.refused(404);
    apply(&server, "one", json!({ "k": "1" })).await.ok();
    let dry = apply(&server, "one&dryRun=All", json!({ "k": "2" }))
        .await
        .ok();

    assert_eq!(created.status, 201);
    assert_eq!(dry["data"]["k"], "2");
    let left = server.get(&server.core("configmaps/m")).await.ok();
    assert_eq!(left["data"]["k"], "1");
}
