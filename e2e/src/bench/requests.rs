//! Requests of somebody, counted from the audit log.
//!
//! # Guarantees
//! Each request is counted once. Watches, lists that start one, and renewals of leases are counted apart: they are what it
//! costs to be there, and not what a node costs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::control_plane::audit::Event;

/// Requests by what they were, such as `patch nodes` or `create pods/eviction`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Those that count.
    pub counted: BTreeMap<String, usize>,
    /// Watches, lists that start one, and renewals of leases.
    pub apart: BTreeMap<String, usize>,
    /// Those that came when all was over: reports that nothing waits for.
    pub afterwards: BTreeMap<String, usize>,
}

impl Requests {
    /// Those of one user, `until` when all was over.
    pub fn of(events: &[Event], user: &str, until: Timestamp) -> Self {
        let mut requests = Self::default();
        let theirs = events
            .iter()
            .filter(|event| event.counts() && event.username() == user);
        for event in theirs {
            let into = if is_apart(event) {
                &mut requests.apart
            } else if event.request_received_timestamp > until {
                &mut requests.afterwards
            } else {
                &mut requests.counted
            };
            *into.entry(name(event)).or_default() += 1;
        }
        requests
    }

    /// How many count.
    pub fn total(&self) -> usize {
        self.counted.values().sum()
    }
}

/// Evictions of this user that were granted.
pub fn evicted(events: &[Event], user: &str) -> usize {
    let granted = |event: &&Event| {
        event.counts()
            && event.username() == user
            && event
                .object_ref
                .as_ref()
                .is_some_and(|object| object.subresource == "eviction")
            && event
                .response_status
                .as_ref()
                .is_some_and(|status| status.code < 300)
    };
    events.iter().filter(granted).count()
}

fn is_apart(event: &Event) -> bool {
    let resource = event.object_ref.as_ref().map(|object| &object.resource);
    // Whoever lists in order to watch reads in pages; nothing else here does.
    let starts_watch = event.verb == "list" && event.request_uri.contains("limit=");
    event.verb == "watch" || starts_watch || resource.is_some_and(|name| name == "leases")
}

fn name(event: &Event) -> String {
    match &event.object_ref {
        Some(object) if object.subresource.is_empty() => {
            format!("{} {}", event.verb, object.resource)
        }
        Some(object) => format!("{} {}/{}", event.verb, object.resource, object.subresource),
        None => {
            let path = event.request_uri.split('?').next().unwrap_or_default();
            format!("{} {path}", event.verb)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(verb: &str, resource: &str, uri: &str, second: i64) -> Event {
        let at = Timestamp::from_second(second).unwrap().to_string();
        serde_json::from_value(json!({
            "auditID": "1", "stage": if verb == "watch" { "ResponseStarted" } else { "ResponseComplete" },
            "verb": verb, "requestURI": uri, "user": {"username": "c"},
            "objectRef": {"resource": resource}, "responseStatus": {"code": 200},
            "requestReceivedTimestamp": at, "stageTimestamp": at,
        }))
        .unwrap()
    }

    #[test]
    fn what_it_costs_to_be_there_is_counted_apart_and_what_comes_late_too() {
        let events = [
            event("patch", "nodes", "/api/v1/nodes/a", 1),
            event("list", "nodes", "/api/v1/nodes", 1),
            event("list", "pods", "/api/v1/pods?limit=5", 1),
            event("watch", "pods", "/api/v1/pods?watch=1", 1),
            event("update", "leases", "/apis/coordination.k8s.io/x", 1),
            event("patch", "nodes", "/api/v1/nodes/a", 3),
        ];

        let requests = Requests::of(&events, "c", Timestamp::from_second(2).unwrap());

        let names = |map: &BTreeMap<String, usize>| map.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&requests.counted), ["list nodes", "patch nodes"]);
        assert_eq!(
            names(&requests.apart),
            ["list pods", "update leases", "watch pods"]
        );
        assert_eq!(names(&requests.afterwards), ["patch nodes"]);
        assert_eq!(requests.total(), 2);
    }
}
