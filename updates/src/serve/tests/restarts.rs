//! Replicas agree, and one after the other may be restarted under load.

use std::collections::BTreeSet;

use super::super::Guards;
use super::wire::Running;
use super::*;

/// So many answers are taken between two events of a restart.
const BETWEEN: usize = 20;

/// What a load balancer does: a request goes to the first replica that is ready.
async fn ask(replicas: &[&Running], tags: &mut BTreeSet<String>) {
    for _ in 0..BETWEEN {
        let ready = replicas
            .iter()
            .find(|replica| get(&replica.house, "/readyz").status() == 200)
            .unwrap();
        let mut client = ready.connect().await;
        client.send(GRAPH, "").await;
        let (head, _) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let tag = head.lines().find(|line| line.starts_with("etag: "));
        tags.insert(tag.unwrap().to_owned());
    }
}

#[tokio::test]
async fn a_rolling_restart_loses_no_request_and_changes_no_answer() {
    let mut tags = BTreeSet::new();
    let one = Running::start(serving(), Guards::default()).await;
    let other = Running::start(serving(), Guards::default()).await;
    ask(&[&one, &other], &mut tags).await;

    // A client that stays with the replica that is about to end.
    let mut stays = one.connect().await;
    stays.send(GRAPH, "").await;
    stays.answer().await;
    one.house.served.end_soon();
    ask(&[&one, &other], &mut tags).await;
    stays.send(GRAPH, "").await;
    let (last, _) = stays.answer().await;
    assert!(last.starts_with("HTTP/1.1 200"), "{last}");
    assert!(last.contains("connection: close"), "{last}");
    one.end().await;

    let started_again = Running::start(serving(), Guards::default()).await;
    ask(&[&started_again, &other], &mut tags).await;
    other.house.served.end_soon();
    ask(&[&other, &started_again], &mut tags).await;
    other.end().await;
    ask(&[&started_again], &mut tags).await;
    started_again.end().await;

    assert_eq!(tags.len(), 1, "{tags:?}");
}

#[tokio::test]
async fn a_request_that_was_sent_before_the_end_is_answered() {
    let service = Running::start(serving(), Guards::default()).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = service.connect().await;
        // The connection is known to the service before it is told to end.
        client.send(GRAPH, "").await;
        client.answer().await;
        client
            .send("/api/v1/explain?channel=stable-4.1&from=4.1.0", "")
            .await;
        clients.push(client);
    }

    service.house.served.end_soon();
    for client in &mut clients {
        let (head, _) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    }

    service.end().await;
}
