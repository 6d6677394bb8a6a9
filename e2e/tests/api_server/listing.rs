//! Lists: selectors, pages and versions.

use serde_json::{Value, json};

use crate::cases;
use crate::server::{MERGE, Server};

cases![
    labels_select_by_every_operator,
    a_label_selector_that_is_wrong_is_refused,
    fields_select_by_name_and_namespace_everywhere,
    pods_are_selected_by_their_own_fields,
    nodes_events_and_secrets_are_selected_by_their_own_fields,
    a_field_that_cannot_select_is_refused,
    a_list_comes_in_pages_of_the_state_that_it_began_with,
    a_page_after_a_change_continues_the_old_state,
    a_continue_token_belongs_to_its_list,
    a_list_names_its_version_and_refuses_one_of_the_future,
    a_list_of_a_namespace_that_is_not_there_is_empty,
    a_collection_is_deleted_by_selector,
    a_list_can_be_metadata_alone,
    what_is_created_twice_or_misnamed_is_refused,
    names_are_drawn_after_a_prefix,
];

async fn maps(server: &Server) -> String {
    for (name, labels) in [
        ("a", json!({ "app": "web", "tier": "1" })),
        ("b", json!({ "app": "web", "tier": "2" })),
        ("c", json!({ "app": "db", "tier": "2" })),
        ("d", json!({ "app": "" })),
        ("e", json!({})),
    ] {
        let body = json!({ "metadata": { "name": name, "labels": labels } });
        server.post(&server.core("configmaps"), body).await.ok();
    }
    server.core("configmaps")
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().map(Vec::as_slice);
    items
        .unwrap_or_default()
        .iter()
        .filter_map(|item| item["metadata"]["name"].as_str())
        .collect()
}

async fn labels_select_by_every_operator(server: Server) {
    let maps = maps(&server).await;

    for (selector, expected) in [
        ("app=web", vec!["a", "b"]),
        ("app==web,tier=2", vec!["b"]),
        ("app!=web", vec!["c", "d", "e"]),
        ("app", vec!["a", "b", "c", "d"]),
        ("!app", vec!["e"]),
        ("app=", vec!["d"]),
        ("app in (web,db)", vec!["a", "b", "c"]),
        ("app in (web, db),tier notin (1)", vec!["b", "c"]),
        ("app notin (web)", vec!["c", "d", "e"]),
        ("tier>1", vec!["b", "c"]),
        ("tier<2", vec!["a"]),
        ("app in ()", vec!["d"]),
        ("", vec!["a", "b", "c", "d", "e"]),
        (" app = web ", vec!["a", "b"]),
    ] {
        let encoded = encoded(selector);
        let list = server
            .get(&format!("{maps}?labelSelector={encoded}"))
            .await
            .ok();
        assert_eq!(names(&list), expected, "{selector}");
    }
}

fn encoded(selector: &str) -> String {
    selector
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-' {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

async fn a_label_selector_that_is_wrong_is_refused(server: Server) {
    let maps = maps(&server).await;

    for selector in [
        "app=a=b",
        "a b=c",
        "=x",
        "app in web",
        "app in (web",
        "app,,tier",
        "tier>x",
        "app=-x",
        "!app=web",
        "app in (web))",
    ] {
        let encoded = encoded(selector);
        let path = format!("{maps}?labelSelector={encoded}");
        let reply = server.get(&path).await;
        assert_eq!(reply.status, 400, "{selector}: {}", reply.body);
    }
}

async fn fields_select_by_name_and_namespace_everywhere(server: Server) {
    let maps = maps(&server).await;
    let here = server.namespace().to_owned();

    for (selector, expected) in [
        ("metadata.name=a".to_owned(), vec!["a"]),
        ("metadata.name==a".to_owned(), vec!["a"]),
        (
            "metadata.name!=a,metadata.name!=b".to_owned(),
            vec!["c", "d", "e"],
        ),
        (
            format!("metadata.namespace={here}"),
            vec!["a", "b", "c", "d", "e"],
        ),
        ("metadata.namespace=other".to_owned(), vec![]),
        ("metadata.name=none".to_owned(), vec![]),
    ] {
        let encoded = encoded(&selector);
        let path = format!("{maps}?fieldSelector={encoded}");
        let list = server.get(&path).await.ok();
        assert_eq!(names(&list), expected, "{selector}");
    }
}

async fn pods_are_selected_by_their_own_fields(server: Server) {
    service_account(&server).await;
    for (name, node, policy) in [
        ("a", "n1", "Always"),
        ("b", "n2", "Never"),
        ("c", "", "Always"),
    ] {
        let mut spec =
            json!({ "restartPolicy": policy, "containers": [{ "name": "c", "image": "i" }] });
        if !node.is_empty() {
            spec["nodeName"] = json!(node);
        }
        let pod = json!({ "metadata": { "name": name }, "spec": spec });
        server.post(&server.core("pods"), pod).await.ok();
    }
    let running = json!({ "status": { "phase": "Running", "podIP": "10.0.0.1", "podIPs": [{ "ip": "10.0.0.1" }] } });
    server
        .patch(&server.core("pods/a/status"), MERGE, running)
        .await
        .ok();

    for (selector, expected) in [
        ("spec.nodeName=n1", vec!["a"]),
        ("spec.nodeName!=n1", vec!["b", "c"]),
        ("spec.nodeName=", vec!["c"]),
        ("status.phase=Running", vec!["a"]),
        ("status.phase!=Running", vec!["b", "c"]),
        ("spec.restartPolicy=Never", vec!["b"]),
        ("spec.schedulerName=default-scheduler", vec!["a", "b", "c"]),
        ("spec.serviceAccountName=default", vec!["a", "b", "c"]),
        ("spec.hostNetwork=false", vec!["a", "b", "c"]),
        ("status.podIP=10.0.0.1", vec!["a"]),
        ("status.nominatedNodeName=", vec!["a", "b", "c"]),
        ("spec.nodeName=n2,status.phase=Pending", vec!["b"]),
    ] {
        let encoded = encoded(selector);
        let path = server.core(&format!("pods?fieldSelector={encoded}"));
        let list = server.get(&path).await.ok();
        assert_eq!(names(&list), expected, "{selector}");
    }
}

/// Pods need one, and no controller makes it.
pub async fn service_account(server: &Server) {
    let account = json!({ "metadata": { "name": "default" } });
    server
        .post(&server.core("serviceaccounts"), account)
        .await
        .ok();
}

async fn nodes_events_and_secrets_are_selected_by_their_own_fields(server: Server) {
    let case = server.namespace().to_owned();
    for (suffix, spec) in [("x", json!({})), ("y", json!({ "unschedulable": true }))] {
        let node = json!({ "metadata": { "name": format!("{case}-{suffix}"), "labels": { "case": case } }, "spec": spec });
        server.post("/api/v1/nodes", node).await.ok();
    }
    for (selector, found) in [
        ("spec.unschedulable=true", 1),
        ("spec.unschedulable=false", 1),
    ] {
        let encoded = encoded(selector);
        let path = format!("/api/v1/nodes?labelSelector=case%3D{case}&fieldSelector={encoded}");
        let list = server.get(&path).await.ok();
        assert_eq!(names(&list).len(), found, "{selector}");
    }
    for (name, kind) in [("a", "Opaque"), ("b", "example.com/token")] {
        let secret =
            json!({ "metadata": { "name": name }, "type": kind, "stringData": { "k": "v" } });
        server.post(&server.core("secrets"), secret).await.ok();
    }
    let path = server.core("secrets?fieldSelector=type%3DOpaque");
    assert_eq!(names(&server.get(&path).await.ok()), ["a"]);
    let event = json!({
        "metadata": { "name": "e" }, "reason": "Test", "type": "Normal", "message": "m",
        "involvedObject": { "apiVersion": "v1", "kind": "Pod", "name": "p", "namespace": case, "uid": "u" },
        "source": { "component": "suite" },
    });
    server.post(&server.core("events"), event).await.ok();
    for selector in [
        "involvedObject.name=p",
        "involvedObject.kind=Pod",
        "involvedObject.uid=u",
        "reason=Test",
        "type=Normal",
        "source=suite",
        "reportingComponent=",
    ] {
        let encoded = encoded(selector);
        let path = server.core(&format!("events?fieldSelector={encoded}"));
        assert_eq!(names(&server.get(&path).await.ok()), ["e"], "{selector}");
    }
}

async fn a_field_that_cannot_select_is_refused(server: Server) {
    for (resource, selector) in [
        ("configmaps", "data.k=v"),
        ("configmaps", "metadata.labels=x"),
        ("configmaps", "metadata.name"),
        ("configmaps", "metadata.name>a"),
        ("pods", "spec.image=i"),
        ("secrets", "data=x"),
    ] {
        let encoded = encoded(selector);
        let path = server.core(&format!("{resource}?fieldSelector={encoded}"));
        let reply = server.get(&path).await;
        assert_eq!(reply.status, 400, "{selector}: {}", reply.body);
    }
}

async fn a_list_comes_in_pages_of_the_state_that_it_began_with(server: Server) {
    let maps = maps(&server).await;

    let first = server.get(&format!("{maps}?limit=2")).await.ok();
    let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
    let second = server
        .get(&format!("{maps}?limit=2&continue={token}"))
        .await
        .ok();
    let token = second["metadata"]["continue"].as_str().unwrap().to_owned();
    let third = server
        .get(&format!("{maps}?limit=2&continue={token}"))
        .await
        .ok();

    let pages = [names(&first), names(&second), names(&third)];
    assert_eq!(pages, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    assert!(third["metadata"].get("continue").is_none());
    let selected = server
        .get(&format!("{maps}?limit=1&labelSelector=app%3Dweb"))
        .await
        .ok();
    assert!(selected["metadata"].get("remainingItemCount").is_none());
    server.get(&format!("{maps}?limit=5")).await.ok();
    server.get(&format!("{maps}?limit=0")).await.ok();
    server.get(&format!("{maps}?limit=-1")).await;
    server.get(&format!("{maps}?limit=x")).await;
}

async fn a_page_after_a_change_continues_the_old_state(server: Server) {
    let maps = maps(&server).await;
    let first = server.get(&format!("{maps}?limit=2")).await.ok();
    let token = first["metadata"]["continue"].as_str().unwrap();
    server.delete(&format!("{maps}/c")).await.ok();
    let late = json!({ "metadata": { "name": "f" } });
    server.post(&maps, late).await.ok();
    let changed = json!({ "data": { "k": "v" } });
    server
        .patch(&format!("{maps}/d"), MERGE, changed)
        .await
        .ok();

    let rest = server.get(&format!("{maps}?continue={token}")).await.ok();

    assert_eq!(names(&rest), ["c", "d", "e"]);
    assert!(rest["items"][1].get("data").is_none());
}

async fn a_continue_token_belongs_to_its_list(server: Server) {
    let maps = maps(&server).await;
    let first = server.get(&format!("{maps}?limit=2")).await.ok();
    let token = first["metadata"]["continue"].as_str().unwrap();

    server
        .get(&format!("{maps}?continue={token}&resourceVersion=5"))
        .await
        .refused(400);
    server
        .get(&format!("{maps}?continue=rubbish"))
        .await
        .refused(400);
    server.get(&format!("{maps}?continue=")).await.ok();
}

async fn a_list_names_its_version_and_refuses_one_of_the_future(server: Server) {
    let maps = maps(&server).await;
    let list = server.get(&maps).await.ok();
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    let change = json!({ "data": { "k": "v" } });
    server.patch(&format!("{maps}/a"), MERGE, change).await.ok();

    let exact = server
        .get(&format!(
            "{maps}?resourceVersion={version}&resourceVersionMatch=Exact"
        ))
        .await
        .ok();
    let newer = server
        .get(&format!(
            "{maps}?resourceVersion={version}&resourceVersionMatch=NotOlderThan"
        ))
        .await
        .ok();
    for query in [
        "resourceVersionMatch=Exact",
        "resourceVersion=0&resourceVersionMatch=Exact",
        "resourceVersion=abc",
        "resourceVersion=-1",
        "resourceVersion=1&resourceVersionMatch=Sometimes",
    ] {
        let reply = server.get(&format!("{maps}?{query}")).await;
        assert!(reply.status >= 400, "{query}: {}", reply.body);
    }

    assert!(exact["items"][0].get("data").is_none(), "{exact}");
    assert_eq!(newer["items"][0]["data"]["k"], "v");
    assert_eq!(exact["metadata"]["resourceVersion"], version);
}

async fn a_list_of_a_namespace_that_is_not_there_is_empty(server: Server) {
    let list = server
        .get("/api/v1/namespaces/nowhere/configmaps")
        .await
        .ok();
    assert_eq!(list["items"], json!([]));

    let map = json!({ "metadata": { "name": "m" } });
    server
        .post("/api/v1/namespaces/nowhere/configmaps", map)
        .await
        .refused(404);
    server
        .get("/api/v1/namespaces/nowhere/configmaps/m")
        .await
        .refused(404);
    server.get("/api/v1/namespaces/nowhere").await.refused(404);
}

async fn a_collection_is_deleted_by_selector(server: Server) {
    let maps = maps(&server).await;

    server
        .delete(&format!("{maps}?labelSelector=app%3Dweb"))
        .await
        .ok();
    let left = server.get(&maps).await.ok();
    server.delete(&maps).await.ok();

    assert_eq!(names(&left), ["c", "d", "e"]);
    assert_eq!(names(&server.get(&maps).await.ok()), [""; 0]);
}

async fn a_list_can_be_metadata_alone(server: Server) {
    const METADATA: &str =
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
    const METADATA_LIST: &str =
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
    let maps = maps(&server).await;

    let list = server.send("GET", &maps, METADATA_LIST, None, None).await;
    let one = server
        .send("GET", &format!("{maps}/a"), METADATA, None, None)
        .await;

    assert_eq!(list.ok()["kind"], "PartialObjectMetadataList");
    assert_eq!(one.ok()["kind"], "PartialObjectMetadata");
    server
        .send("GET", &format!("{maps}/a"), "application/xml", None, None)
        .await
        .refused(406);
}

async fn what_is_created_twice_or_misnamed_is_refused(server: Server) {
    let maps = maps(&server).await;
    for (status, body) in [
        (409, json!({ "metadata": { "name": "a" } })),
        (422, json!({ "metadata": { "name": "A" } })),
        (422, json!({ "metadata": {} })),
        (422, json!({ "metadata": { "name": "x".repeat(254) } })),
        (
            422,
            json!({ "metadata": { "name": "l", "labels": { "a b": "c" } } }),
        ),
        (
            422,
            json!({ "metadata": { "name": "l", "labels": { "a": "c d" } } }),
        ),
        (
            422,
            json!({ "metadata": { "name": "l", "labels": { "a": "x".repeat(64) } } }),
        ),
        (
            422,
            json!({ "metadata": { "name": "l", "annotations": { "a b": "c" } } }),
        ),
        (
            422,
            json!({ "metadata": { "name": "l", "annotations": { "a": "x".repeat(262_145) } } }),
        ),
        (
            400,
            json!({ "metadata": { "name": "l", "namespace": "other" } }),
        ),
        (
            400,
            json!({ "kind": "Secret", "metadata": { "name": "l" } }),
        ),
        (
            400,
            json!({ "metadata": { "name": "l", "labels": { "a": 1 } } }),
        ),
    ] {
        let sent: String = body.to_string().chars().take(200).collect();
        let reply = server.post(&maps, body).await;
        assert_eq!(reply.status, status, "{sent}: {}", reply.body);
    }
    let versioned = json!({ "metadata": { "name": "l", "resourceVersion": "1" } });
    server.post(&maps, versioned).await;
}

async fn names_are_drawn_after_a_prefix(server: Server) {
    let maps = server.core("configmaps");

    let body = json!({ "metadata": { "generateName": "drawn-" } });
    let first = server.post(&maps, body.clone()).await.ok();
    let second = server.post(&maps, body).await.ok();

    let name = first["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("drawn-") && name.len() == 11, "{name}");
    assert_ne!(first["metadata"]["name"], second["metadata"]["name"]);
}
