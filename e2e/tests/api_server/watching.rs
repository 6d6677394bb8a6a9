//! Watches.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cases;
use crate::server::{MERGE, Server};

cases![
    a_watch_from_a_version_tells_what_came_after_it,
    a_watch_of_a_selector_tells_of_coming_and_going,
    a_watch_without_a_version_begins_with_what_is_there,
    a_streaming_list_ends_with_a_bookmark,
    a_streaming_list_is_refused_where_it_makes_no_sense,
    a_watch_from_the_beginning_tells_everything,
    a_watch_of_one_object_tells_of_no_other,
    a_watch_tells_of_a_deletion_with_the_last_state,
    a_watch_can_be_a_table_or_metadata,
    a_watch_of_the_future_waits,
];

async fn maps(server: &Server) -> (String, String) {
    let maps = server.core("configmaps");
    for (name, app) in [("a", "web"), ("b", "db")] {
        let body = json!({ "metadata": { "name": name, "labels": { "app": app } } });
        server.post(&maps, body).await.ok();
    }
    let list = server.get(&maps).await.ok();
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    (maps, version.to_owned())
}

/// Types and names of events.
fn told(events: &Value) -> Vec<(String, String)> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    events
        .iter()
        .map(|event| {
            (
                text(&event["type"]),
                text(&event["object"]["metadata"]["name"]),
            )
        })
        .collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned()))
        .collect()
}

async fn change_everything(server: &Server, maps: &str) {
    let label = |app: &str| json!({ "metadata": { "labels": { "app": app } } });
    server
        .patch(&format!("{maps}/b"), MERGE, label("web"))
        .await
        .ok();
    server
        .patch(&format!("{maps}/a"), MERGE, json!({ "data": { "k": "v" } }))
        .await
        .ok();
    server
        .patch(&format!("{maps}/a"), MERGE, label("db"))
        .await
        .ok();
    let made = json!({ "metadata": { "name": "c", "labels": { "app": "web" } } });
    server.post(maps, made).await.ok();
    server.delete(&format!("{maps}/b")).await.ok();
}

async fn a_watch_from_a_version_tells_what_came_after_it(server: Server) {
    let (maps, version) = maps(&server).await;
    change_everything(&server, &maps).await;

    let path = format!("{maps}?watch=true&resourceVersion={version}&timeoutSeconds=1");
    let events = server.get(&path).await.ok();

    let expected = [
        ("MODIFIED", "b"),
        ("MODIFIED", "a"),
        ("MODIFIED", "a"),
        ("ADDED", "c"),
        ("DELETED", "b"),
    ];
    assert_eq!(told(&events), pairs(&expected));
}

async fn a_watch_of_a_selector_tells_of_coming_and_going(server: Server) {
    let (maps, version) = maps(&server).await;
    change_everything(&server, &maps).await;

    let path = format!(
        "{maps}?watch=true&resourceVersion={version}&timeoutSeconds=1&labelSelector=app%3Dweb"
    );
    let events = server.get(&path).await.ok();

    let expected = [
        ("ADDED", "b"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
        ("ADDED", "c"),
        ("DELETED", "b"),
    ];
    assert_eq!(told(&events), pairs(&expected));
}

async fn a_watch_without_a_version_begins_with_what_is_there(server: Server) {
    let (maps, _) = maps(&server).await;

    for version in ["", "&resourceVersion=0"] {
        let path = format!("{maps}?watch=true&timeoutSeconds=1{version}");
        let events = server.get(&path).await.ok();
        let mut told = told(&events);
        told.sort();
        assert_eq!(told, pairs(&[("ADDED", "a"), ("ADDED", "b")]));
    }
}

async fn a_streaming_list_ends_with_a_bookmark(server: Server) {
    let (maps, _) = maps(&server).await;

    let path = format!(
        "{maps}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"
    );
    let events = server.get(&path).await.ok();

    let mut told = told(&events);
    assert_eq!(told.pop(), Some(("BOOKMARK".to_owned(), String::new())));
    told.sort();
    assert_eq!(told, pairs(&[("ADDED", "a"), ("ADDED", "b")]));
    let last = events.as_array().unwrap().last().unwrap();
    assert_eq!(
        last["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
}

async fn a_streaming_list_is_refused_where_it_makes_no_sense(server: Server) {
    let (maps, version) = maps(&server).await;

    for query in [
        "sendInitialEvents=true".to_owned(),
        "sendInitialEvents=true&resourceVersionMatch=Exact".to_owned(),
        format!(
            "sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion={version}&allowWatchBookmarks=true"
        ),
        "resourceVersionMatch=NotOlderThan".to_owned(),
        "sendInitialEvents=maybe".to_owned(),
        "resourceVersion=abc".to_owned(),
        "limit=1&continue=x".to_owned(),
    ] {
        server
            .get(&format!("{maps}?watch=true&timeoutSeconds=1&{query}"))
            .await;
    }
    let path = format!("{maps}?sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    server.get(&path).await;
}

async fn a_watch_from_the_beginning_tells_everything(server: Server) {
    let (maps, _) = maps(&server).await;
    change_everything(&server, &maps).await;

    let path = format!("{maps}?watch=true&resourceVersion=1&timeoutSeconds=1");
    let events = server.get(&path).await.ok();

    let told = told(&events);
    assert_eq!(told.first(), pairs(&[("ADDED", "a")]).first());
    assert_eq!(told.last(), pairs(&[("DELETED", "b")]).last());
}

async fn a_watch_of_one_object_tells_of_no_other(server: Server) {
    let (maps, version) = maps(&server).await;
    change_everything(&server, &maps).await;

    let path = format!(
        "{maps}?watch=true&resourceVersion={version}&timeoutSeconds=1&fieldSelector=metadata.name%3Da"
    );
    let events = server.get(&path).await.ok();
    assert_eq!(
        told(&events),
        pairs(&[("MODIFIED", "a"), ("MODIFIED", "a")])
    );
}

async fn a_watch_tells_of_a_deletion_with_the_last_state(server: Server) {
    let (maps, _) = maps(&server).await;
    let finalizer = json!({ "metadata": { "finalizers": ["x/y"] } });
    let held = server
        .patch(&format!("{maps}/a"), MERGE, finalizer)
        .await
        .ok();
    let version = held["metadata"]["resourceVersion"].as_str().unwrap();
    server.delete(&format!("{maps}/a")).await.ok();
    let free = json!({ "metadata": { "finalizers": null }, "data": { "last": "words" } });
    server.patch(&format!("{maps}/a"), MERGE, free).await.ok();

    let path = format!("{maps}?watch=true&resourceVersion={version}&timeoutSeconds=1");
    let events = server.get(&path).await.ok();

    assert_eq!(told(&events), pairs(&[("MODIFIED", "a"), ("DELETED", "a")]));
}

async fn a_watch_can_be_a_table_or_metadata(server: Server) {
    let (maps, _) = maps(&server).await;
    let path = format!("{maps}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Da");

    for accept in [
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    ] {
        let events = server.send("GET", &path, accept, None, None).await.ok();
        assert_eq!(events.as_array().map(Vec::len), Some(1), "{events}");
    }
}

async fn a_watch_of_the_future_waits(server: Server) {
    let (maps, version) = maps(&server).await;
    let path = format!("{maps}?watch=true&resourceVersion={version}&timeoutSeconds=2");

    let (events, ()) = tokio::join!(server.get(&path), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
    });

    assert_eq!(events.ok(), json!([]));
}
