//! Told, not asked: a stream of changes, and a feed.

use super::super::Guards;
use super::super::history::STEPS_MAX;
use super::wire::Running;
use super::*;

const WATCH: &str = "/api/v1/watch?channel=stable-4.1";
const FEED: &str = "/api/v1/feed?channel=stable-4.1";

/// The id of the last event of a text.
fn last_id(text: &str) -> String {
    let mut ids = text.lines().filter_map(|line| line.strip_prefix("id: "));
    ids.next_back().unwrap().to_owned()
}

async fn running() -> Running {
    Running::start(serving(), Guards::default()).await
}

#[tokio::test]
async fn who_follows_a_channel_is_told_each_change_once_it_is_served() {
    let service = running().await;
    let mut client = service.connect().await;
    client.send(WATCH, "").await;
    let head = client.head().await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    let first = client.until("\n\n\r\n").await;
    assert!(first.contains("retry: "), "{first}");

    swap(&service.house, &["4.1.0", "4.1.1", "4.1.2"]);

    let told = client.until("\n\n\r\n").await;
    assert!(told.contains("event: ReleaseAdded\n"), "{told}");
    let data = r#"data: {"change":"ReleaseAdded","version":"4.1.2","payload":"image:4.1.2"}"#;
    assert!(told.contains(data), "{told}");
    assert_ne!(last_id(&first), last_id(&told));
    drop(client);
    service.end().await;
}

#[tokio::test]
async fn who_was_cut_off_is_told_what_came_meanwhile() {
    let service = running().await;
    let mut client = service.connect().await;
    client.send(WATCH, "").await;
    client.head().await;
    let known = last_id(&client.until("\n\n\r\n").await);
    drop(client);

    swap(&service.house, &["4.1.0", "4.1.1", "4.1.2"]);
    swap(&service.house, &["4.1.0", "4.1.2"]);

    let mut again = service.connect().await;
    again
        .send(WATCH, &format!("last-event-id: {known}\r\n"))
        .await;
    again.head().await;
    again.until("\n\n\r\n").await;
    let one = again.until("\n\n\r\n").await;
    let two = again.until("\n\n\r\n").await;
    assert!(one.contains(r#""ReleaseAdded","version":"4.1.2""#), "{one}");
    assert!(
        two.contains(r#""ReleaseWithdrawn","version":"4.1.1""#),
        "{two}"
    );
    service.end().await;
}

#[tokio::test]
async fn another_replica_goes_on_where_one_ended() {
    let (one, other) = (running().await, running().await);
    let mut client = one.connect().await;
    client.send(WATCH, "").await;
    client.head().await;
    let known = last_id(&client.until("\n\n\r\n").await);
    one.end().await;

    let mut again = other.connect().await;
    again
        .send(WATCH, &format!("last-event-id: {known}\r\n"))
        .await;
    again.head().await;

    let first = again.until("\n\n\r\n").await;
    assert!(!first.contains("Reset"), "{first}");
    assert_eq!(last_id(&first), known);
    other.end().await;
}

#[tokio::test]
async fn who_knows_a_graph_that_nobody_remembers_reads_anew() {
    let service = running().await;
    let mut client = service.connect().await;

    client.send(WATCH, "last-event-id: long-ago\r\n").await;

    client.head().await;
    let first = client.until("\n\n\r\n").await;
    assert!(first.contains("event: Reset\n"), "{first}");
    assert!(first.contains("UnknownEventId"), "{first}");
    service.end().await;
}

/// As many graphs as make the history forget the one that was served before.
fn swap_until_all_is_forgotten(house: &House) {
    for turn in 0..=STEPS_MAX {
        let more: &[&str] = if turn % 2 == 0 {
            &["4.1.0"]
        } else {
            &["4.1.0", "4.1.1", "4.1.2"]
        };
        swap(house, more);
    }
}

#[tokio::test]
async fn who_is_too_late_for_the_history_is_let_go_and_counted() {
    let service = running().await;
    let mut client = service.connect().await;
    client.send(WATCH, "").await;
    client.head().await;
    client.until("\n\n\r\n").await;

    // Nobody else runs on this thread meanwhile: the follower takes nothing.
    swap_until_all_is_forgotten(&service.house);

    client.until("0\r\n\r\n").await;
    let metrics = text(&get(&service.house, "/metrics"));
    assert!(
        metrics.contains("windlass_update_followers_dropped_total 1"),
        "{metrics}"
    );
    service.end().await;
}

#[test]
fn the_history_forgets_the_oldest_and_says_so() {
    let house = serving();
    let first = house
        .served
        .with_history(|history| history.now().to_owned());

    swap_until_all_is_forgotten(&house);

    house.served.with_history(|history| {
        assert_eq!(history.find(&first), None);
        assert!(matches!(
            history.after(0),
            super::super::history::After::Lost
        ));
        assert_eq!(history.newest_first().len(), STEPS_MAX);
    });
}

#[tokio::test]
async fn a_stream_ends_with_the_service_and_is_no_longer_counted() {
    let service = running().await;
    let house = service.house.clone();
    let mut client = service.connect().await;
    client.send(WATCH, "").await;
    client.head().await;
    client.until("\n\n\r\n").await;
    let followers = |house: &House| text(&get(house, "/metrics"));
    assert!(followers(&house).contains("windlass_update_followers 1"));

    service.end().await;

    let rest = client.until("0\r\n\r\n").await;
    assert!(rest.ends_with("0\r\n\r\n"), "the end is told: {rest}");
    assert!(followers(&house).contains("windlass_update_followers 0"));
}

#[test]
fn the_same_graph_again_is_told_to_nobody() {
    let house = serving();

    swap(&house, &["4.1.0", "4.1.1"]);

    let number = house.served.with_history(|history| history.number());
    assert_eq!(number, 0);
}

#[test]
fn the_feed_has_an_entry_for_each_graph_that_changed_the_channel() {
    let house = serving();
    swap(&house, &["4.1.0", "4.1.1", "4.1.2"]);
    swap(&house, &["4.1.0", "4.1.2"]);

    let reply = get(&house, FEED);

    assert_eq!(
        header(&reply, "content-type"),
        "application/atom+xml; charset=utf-8"
    );
    let feed = text(&reply);
    let titles: Vec<&str> = feed
        .lines()
        .filter_map(|line| line.strip_prefix("<title>"))
        .collect();
    assert_eq!(
        titles,
        [
            "Updates of stable-4.1 for amd64</title>",
            "release 4.1.1 is withdrawn</title>",
            "release 4.1.2 is new</title>"
        ]
    );
    assert!(
        feed.contains("<updated>1970-01-01T00:00:00Z</updated>"),
        "{feed}"
    );
}

#[test]
fn a_channel_without_changes_has_a_feed_without_entries() {
    let feed = text(&get(&serving(), FEED));

    assert!(
        feed.contains("</feed>") && !feed.contains("<entry>"),
        "{feed}"
    );
}
