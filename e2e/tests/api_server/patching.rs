//! Patches of each kind.

use serde_json::{Value, json};

use crate::cases;
use crate::server::{MERGE, STEPS, STRATEGIC, Server};

cases![
    a_merge_patch_sets_replaces_and_takes_away,
    a_merge_patch_that_changes_nothing_writes_nothing,
    a_merge_patch_assumes_the_version_it_names,
    a_merge_patch_cannot_rename_or_move_an_object,
    a_patch_of_what_is_not_there_is_not_found,
    a_patch_that_is_not_one_is_a_bad_request,
    a_patch_of_a_kind_that_nobody_knows_is_refused,
    steps_add_remove_replace_move_and_copy,
    steps_reach_keys_with_slashes_and_tildes,
    a_step_that_tests_in_vain_changes_nothing,
    a_step_on_a_path_that_is_not_there_is_refused,
    steps_that_are_wrong_are_refused,
    a_strategic_patch_merges_lists_by_their_keys,
    a_strategic_patch_orders_replaces_and_deletes_elements,
    a_strategic_patch_of_a_list_of_values_adds_or_deletes,
    a_strategic_patch_of_taints_replaces_all,
    a_strategic_patch_of_conditions_merges_by_type,
    a_strategic_patch_replaces_a_map_that_asks_for_it,
    a_dry_run_answers_and_leaves_nothing,
    an_unknown_field_is_dropped_told_or_refused,
    a_patch_of_status_leaves_spec_and_a_patch_of_spec_leaves_status,
];

async fn map(server: &Server, data: Value) -> String {
    let body = json!({ "metadata": { "name": "m", "labels": { "a": "1" } }, "data": data });
    server.post(&server.core("configmaps"), body).await.ok();
    server.core("configmaps/m")
}

async fn a_merge_patch_sets_replaces_and_takes_away(server: Server) {
    let map = map(&server, json!({ "keep": "1", "change": "1", "drop": "1" })).await;

    let patch = json!({ "data": { "change": "2", "drop": null, "new": "1" }, "metadata": { "labels": null } });
    let patched = server.patch(&map, MERGE, patch).await.ok();

    assert_eq!(
        patched["data"],
        json!({ "change": "2", "keep": "1", "new": "1" })
    );
    assert!(patched["metadata"].get("labels").is_none());
}

async fn a_merge_patch_that_changes_nothing_writes_nothing(server: Server) {
    let map = map(&server, json!({ "k": "v" })).await;
    let before = server.get(&map).await.ok();

    for patch in [
        json!({}),
        json!({ "data": { "k": "v" } }),
        json!({ "data": { "absent": null } }),
    ] {
        let after = server.patch(&map, MERGE, patch).await.ok();
        assert_eq!(
            after["metadata"]["resourceVersion"],
            before["metadata"]["resourceVersion"]
        );
    }
}

async fn a_merge_patch_assumes_the_version_it_names(server: Server) {
    let map = map(&server, json!({ "k": "v" })).await;
    let old = server.get(&map).await.ok()["metadata"]["resourceVersion"].clone();
    let uid = server.get(&map).await.ok()["metadata"]["uid"].clone();
    let change = |to: &str, metadata: Value| json!({ "metadata": metadata, "data": { "k": to } });

    let fresh = change("1", json!({ "resourceVersion": old }));
    server.patch(&map, MERGE, fresh).await.ok();
    let stale = change("2", json!({ "resourceVersion": old }));
    server.patch(&map, MERGE, stale).await.refused(409);
    server
        .patch(&map, MERGE, change("3", json!({ "uid": uid })))
        .await
        .ok();
    server
        .patch(
            &map,
            MERGE,
            change(
                "4",
                json!({ "uid": "11111111-0000-0000-0000-000000000000" }),
            ),
        )
        .await
        .refused(422);

    assert_eq!(server.get(&map).await.ok()["data"]["k"], "3");
}

async fn a_merge_patch_cannot_rename_or_move_an_object(server: Server) {
    let map = map(&server, json!({ "k": "v" })).await;

    for metadata in [
        json!({ "name": "other" }),
        json!({ "namespace": "other" }),
        json!({ "creationTimestamp": "2020-01-01T00:00:00Z" }),
        json!({ "deletionTimestamp": "2020-01-01T00:00:00Z" }),
        json!({ "generation": 7 }),
        json!({ "generateName": "x-" }),
        json!({ "selfLink": "/x" }),
    ] {
        server
            .patch(&map, MERGE, json!({ "metadata": metadata }))
            .await;
    }
    server.get(&map).await.ok();
    for other in [json!({ "kind": "Secret" }), json!({ "apiVersion": "v2" })] {
        server.patch(&map, MERGE, other).await.refused(422);
    }
}

async fn a_patch_of_what_is_not_there_is_not_found(server: Server) {
    let path = server.core("configmaps/none");

    for kind in [MERGE, STRATEGIC] {
        server.patch(&path, kind, json!({})).await.refused(404);
    }
    server.patch(&path, STEPS, json!([])).await.refused(404);
    let elsewhere = "/api/v1/namespaces/nowhere/configmaps/none";
    server.patch(elsewhere, MERGE, json!({})).await.refused(404);
}

async fn a_patch_that_is_not_one_is_a_bad_request(server: Server) {
    let map = map(&server, json!({ "k": "v" })).await;

    for (kind, body) in [
        (MERGE, json!("{")),
        (MERGE, json!([])),
        (MERGE, json!({ "data": "text" })),
        (MERGE, json!({ "data": { "k": 1 } })),
        (MERGE, json!({ "metadata": { "labels": { "a": 1 } } })),
        (STRATEGIC, json!("{")),
        (STRATEGIC, json!({ "data": { "k": 1 } })),
        (STEPS, json!({})),
        (STEPS, json!("[")),
    ] {
        let reply = server.patch(&map, kind, body).await;
        assert!((400..500).contains(&reply.status), "{reply:?}");
    }
}

async fn a_patch_of_a_kind_that_nobody_knows_is_refused(server: Server) {
    let map = map(&server, json!({ "k": "v" })).await;

    server
        .patch(&map, "application/json", json!({}))
        .await
        .refused(415);
    server
        .patch(&map, "text/plain", json!({}))
        .await
        .refused(415);
}

async fn steps_add_remove_replace_move_and_copy(server: Server) {
    let map = map(&server, json!({ "a": "1", "b": "2", "c": "3" })).await;

    let patched = server
        .patch(
            &map,
            STEPS,
            json!([
                { "op": "test", "path": "/data/a", "value": "1" },
                { "op": "add", "path": "/data/d", "value": "4" },
                { "op": "add", "path": "/data/a", "value": "one" },
                { "op": "replace", "path": "/data/b", "value": "two" },
                { "op": "copy", "from": "/data/a", "path": "/data/e" },
                { "op": "move", "from": "/data/c", "path": "/data/f" },
                { "op": "remove", "path": "/metadata/labels" },
                { "op": "add", "path": "/metadata/finalizers", "value": ["x/y"] },
                { "op": "add", "path": "/metadata/finalizers/-", "value": "x/z" },
                { "op": "add", "path": "/metadata/finalizers/0", "value": "x/a" },
            ]),
        )
        .await
        .ok();

    assert_eq!(
        patched["data"],
        json!({ "a": "one", "b": "two", "d": "4", "e": "one", "f": "3" })
    );
    assert_eq!(
        patched["metadata"]["finalizers"],
        json!(["x/a", "x/y", "x/z"])
    );
    let free = json!([{ "op": "remove", "path": "/metadata/finalizers" }]);
    server.patch(&map, STEPS, free).await.ok();
}

async fn steps_reach_keys_with_slashes_and_tildes(server: Server) {
    let map = map(&server, json!({ "k": "v" })).await;
    let add = json!([{ "op": "add", "path": "/metadata/annotations", "value": { "a.b/c": "1" } }]);
    server.patch(&map, STEPS, add).await.ok();

    let patched = server
        .patch(
            &map,
            STEPS,
            json!([
                { "op": "test", "path": "/metadata/annotations/a.b~1c", "value": "1" },
                { "op": "replace", "path": "/metadata/annotations/a.b~1c", "value": "2" },
            ]),
        )
        .await
        .ok();

    assert_eq!(patched["metadata"]["annotations"]["a.b/c"], "2");
}

async fn a_step_that_tests_in_vain_changes_nothing(server: Server) {
    let map = map(&server, json!({ "k": "v" })).await;

    for test in [
        json!({ "op": "test", "path": "/data/k", "value": "w" }),
        json!({ "op": "test", "path": "/data/absent", "value": "w" }),
        json!({ "op": "test", "path": "/metadata/resourceVersion", "value": "1" }),
    ] {
        let steps = json!([{ "op": "replace", "path": "/data/k", "value": "x" }, test]);
        server.patch(&map, STEPS, steps).await.refused(422);
    }
    let absent = json!([
        { "op": "test", "path": "/data/absent", "value": null },
        { "op": "add", "path": "/data/absent", "value": "now" },
    ]);
    server.patch(&map, STEPS, absent).await.ok();

    let left = server.get(&map).await.ok();
    assert_eq!(left["data"], json!({ "k": "v", "absent": "now" }));
}

async fn a_step_on_a_path_that_is_not_there_is_refused(server: Server) {
    let map = map(&server, json!({ "k": "v" })).await;

    for step in [
        json!({ "op": "remove", "path": "/data/absent" }),
        json!({ "op": "replace", "path": "/metadata/annotations/a", "value": "x" }),
        json!({ "op": "add", "path": "/metadata/annotations/a", "value": "x" }),
        json!({ "op": "move", "from": "/data/absent", "path": "/data/x" }),
        json!({ "op": "remove", "path": "/metadata/finalizers/0" }),
    ] {
        server.patch(&map, STEPS, json!([step])).await.refused(422);
    }
    // A key that is not there may be replaced all the same, as long as its object is there.
    let replaced = json!([{ "op": "replace", "path": "/data/absent", "value": "x" }]);
    server.patch(&map, STEPS, replaced).await.ok();
}

async fn steps_that_are_wrong_are_refused(server: Server) {
    let map = map(&server, json!({ "k": "v" })).await;

    for step in [
        json!({ "op": "jump", "path": "/data/k" }),
        json!({ "path": "/data/k" }),
        json!({ "op": "replace", "path": "/data/k", "value": 7 }),
    ] {
        let reply = server.patch(&map, STEPS, json!([step])).await;
        assert!(reply.status >= 400, "{reply:?}");
    }
}

fn pod(containers: Value) -> Value {
    json!({
        "metadata": { "name": "d" },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": containers },
            },
        },
    })
}

async fn deployment(server: &Server, containers: Value) -> String {
    let path = server.group("apps/v1", "deployments");
    server.post(&path, pod(containers)).await.ok();
    format!("{path}/d")
}

fn template(spec: Value) -> Value {
    json!({ "spec": { "template": { "spec": spec } } })
}

async fn a_strategic_patch_merges_lists_by_their_keys(server: Server) {
    let containers = json!([
        { "name": "a", "image": "one", "env": [{ "name": "X", "value": "1" }],
          "ports": [{ "containerPort": 80 }, { "containerPort": 81, "protocol": "UDP" }] },
        { "name": "b", "image": "two" },
    ]);
    let deployment = deployment(&server, containers).await;

    let patched = server
        .patch(
            &deployment,
            STRATEGIC,
            template(json!({ "containers": [
                { "name": "a", "env": [{ "name": "Y", "value": "2" }, { "name": "X", "value": "3" }],
                  "ports": [{ "containerPort": 80, "name": "http" }, { "containerPort": 82 }] },
                { "name": "c", "image": "three" },
            ] })),
        ).await.ok();

    let containers = &patched["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers.as_array().map(Vec::len), Some(3));
}

async fn a_strategic_patch_orders_replaces_and_deletes_elements(server: Server) {
    let containers = json!([
        { "name": "a", "image": "one" },
        { "name": "b", "image": "two" },
        { "name": "c", "image": "three" },
    ]);
    let deployment = deployment(&server, containers).await;

    for spec in [
        json!({ "$setElementOrder/containers": [{ "name": "c" }, { "name": "a" }, { "name": "b" }],
                "containers": [{ "name": "a", "image": "uno" }] }),
        json!({ "containers": [{ "name": "b", "$patch": "delete" }] }),
        json!({ "containers": [{ "$patch": "replace" }, { "name": "z", "image": "last" }] }),
        json!({ "containers": [{ "image": "nameless" }] }),
        json!({ "containers": [{ "name": "z", "$patch": "jump" }] }),
    ] {
        server.patch(&deployment, STRATEGIC, template(spec)).await;
    }

    let left = server.get(&deployment).await.ok();
    let containers = left["spec"]["template"]["spec"]["containers"].as_array();
    assert_eq!(containers.map(Vec::len), Some(1));
}

async fn a_strategic_patch_of_a_list_of_values_adds_or_deletes(server: Server) {
    let map = map(&server, json!({ "k": "v" })).await;
    let finalizers = |list: Value| json!({ "metadata": { "finalizers": list } });

    server
        .patch(&map, STRATEGIC, finalizers(json!(["x/a", "x/b"])))
        .await
        .ok();
    let added = server
        .patch(&map, STRATEGIC, finalizers(json!(["x/b", "x/c"])))
        .await
        .ok();
    let deleted = server
        .patch(
            &map,
            STRATEGIC,
            json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["x/a", "x/c"] } }),
        )
        .await
        .ok();

    assert_eq!(
        added["metadata"]["finalizers"],
        json!(["x/a", "x/b", "x/c"])
    );
    assert_eq!(deleted["metadata"]["finalizers"], json!(["x/b"]));
    server
        .patch(&map, STRATEGIC, finalizers(Value::Null))
        .await
        .ok();
}

async fn node(server: &Server) -> String {
    let name = server.namespace();
    let body = json!({ "metadata": { "name": name, "labels": { "case": name } } });
    server.post("/api/v1/nodes", body).await.ok();
    format!("/api/v1/nodes/{name}")
}

async fn a_strategic_patch_of_taints_replaces_all(server: Server) {
    let node = node(&server).await;
    let taints = |list: Value| json!({ "spec": { "taints": list } });

    let first = taints(json!([{ "key": "a", "effect": "NoSchedule" }]));
    server.patch(&node, STRATEGIC, first).await.ok();
    let second = taints(json!([{ "key": "b", "effect": "NoExecute" }]));
    let patched = server.patch(&node, STRATEGIC, second).await.ok();

    let taints = patched["spec"]["taints"].as_array().map(Vec::len);
    assert_eq!(taints, Some(1), "{patched}");
}

async fn a_strategic_patch_of_conditions_merges_by_type(server: Server) {
    let node = node(&server).await;
    let status = format!("{node}/status");
    let condition = |kind: &str, status: &str| json!({ "type": kind, "status": status });
    let conditions = |list: Value| json!({ "status": { "conditions": list } });

    for list in [
        json!([condition("Ready", "True")]),
        json!([condition("DiskPressure", "False")]),
        json!([condition("Ready", "False")]),
        json!([{ "type": "DiskPressure", "$patch": "delete" }]),
    ] {
        server
            .patch(&status, STRATEGIC, conditions(list))
            .await
            .ok();
    }

    let left = server.get(&node).await.ok();
    assert_eq!(
        left["status"]["conditions"],
        json!([condition("Ready", "False")])
            .as_array()
            .map(|list| list
                .iter()
                .map(|one| {
                    let mut one = one.clone();
                    one["lastHeartbeatTime"] = Value::Null;
                    one["lastTransitionTime"] = Value::Null;
                    one
                })
                .collect::<Value>())
            .unwrap()
    );
}

async fn a_strategic_patch_replaces_a_map_that_asks_for_it(server: Server) {
    let map = map(&server, json!({ "a": "1", "b": "2" })).await;

    let patch = json!({ "data": { "$patch": "replace", "c": "3" } });
    let replaced = server.patch(&map, STRATEGIC, patch).await.ok();
    let patch = json!({ "data": { "$patch": "delete" } });
    let deleted = server.patch(&map, STRATEGIC, patch).await.ok();

    assert_eq!(replaced["data"], json!({ "c": "3" }));
    assert!(deleted.get("data").is_none(), "{deleted}");
}

async fn a_dry_run_answers_and_leaves_nothing(server: Server) {
    let map = map(&server, json!({ "k": "v" })).await;
    let dry = |path: &str| format!("{path}?dryRun=All");

    let patch = json!({ "data": { "k": "w" } });
    let answered = server.patch(&dry(&map), MERGE, patch).await.ok();
    server
        .post(
            &dry(&server.core("configmaps")),
            json!({ "metadata": { "name": "dry" } }),
        )
        .await
        .ok();
    server.delete(&dry(&map)).await.ok();
    server
        .patch(&format!("{map}?dryRun=Some"), MERGE, json!({}))
        .await
        .refused(422);

    assert_eq!(answered["data"]["k"], "w");
    assert_eq!(server.get(&map).await.ok()["data"]["k"], "v");
    server
        .get(&server.core("configmaps/dry"))
        .await
        .refused(404);
}

async fn an_unknown_field_is_dropped_told_or_refused(server: Server) {
    let map = map(&server, json!({ "k": "v" })).await;
    let unknown = json!({ "dada": { "k": "v" }, "metadata": { "nam": "x" } });

    for (validation, status) in [("Ignore", 200), ("Warn", 200), ("Strict", 422)] {
        for kind in [MERGE, STRATEGIC] {
            let path = format!("{map}?fieldValidation={validation}");
            let reply = server.patch(&path, kind, unknown.clone()).await;
            assert_eq!(reply.status, status, "{validation} {kind}: {}", reply.body);
        }
    }
    let steps = json!([{ "op": "add", "path": "/dada", "value": "x" }]);
    let path = format!("{map}?fieldValidation=Strict");
    server.patch(&path, STEPS, steps).await.refused(422);

    server
        .patch(&format!("{map}?fieldValidation=Maybe"), MERGE, json!({}))
        .await
        .refused(422);
}

async fn a_patch_of_status_leaves_spec_and_a_patch_of_spec_leaves_status(server: Server) {
    let node = node(&server).await;
    let both = json!({ "spec": { "unschedulable": true }, "status": { "phase": "Running" } });

    let status = format!("{node}/status");
    let by_status = server.patch(&status, MERGE, both.clone()).await.ok();
    let by_spec = server
        .patch(
            &node,
            MERGE,
            json!({ "spec": { "unschedulable": true }, "status": { "phase": "Terminated" } }),
        )
        .await
        .ok();

    assert_eq!(by_status["status"]["phase"], "Running");
    assert_eq!(by_spec["spec"]["unschedulable"], true);
    assert_eq!(by_spec["status"]["phase"], "Running");
}
