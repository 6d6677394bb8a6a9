//! Kubernetes Events: what an operator sees under `kubectl describe`.
//!
//! # Guarantees
//! Telling never waits and never fails: the queue is bounded, and what does not fit is counted and dropped.
//! An Event's name and times are functions of what is told and of the handed-in clock, so that a
//! simulation repeats them; kube's own recorder reads the wall clock.
//! # Assumptions
//! Callers tell edges only (a slot granted, a hold with a new reason): nothing is deduplicated here but
//! the same words on the same object at the same instant.

use crate::error::{Attempt, Chain, Meaning};
use crate::metrics::Metrics;
use api::clock::Clock;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::PostParams;
use kube::{Api, Client, Resource};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::sync::mpsc;
use tracing::debug;

/// Events that wait to be written. A round of a large rollout tells a few hundred; more than that are
/// better dropped than kept in memory while the API server is away.
const QUEUE_MAX: usize = 1024;

/// The API server's own limit of an Event's note, in bytes.
const MESSAGE_MAX: usize = 1024;

/// The component that speaks.
const COMPONENT: &str = "windlass-controller";

/// Whether something is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

/// Where events are told.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<Event>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// Writes what was told, in order.
pub struct Writer {
    queue: mpsc::Receiver<Event>,
    client: Client,
}

/// Both ends of the queue.
pub fn queue(client: Client, clock: Clock, metrics: Arc<Metrics>) -> (Events, Writer) {
    let (tx, rx) = mpsc::channel(QUEUE_MAX);
    (
        Events {
            queue: tx,
            clock,
            metrics,
        },
        Writer { queue: rx, client },
    )
}

impl Events {
    /// Says something about an object.
    pub fn tell(&self, on: &ObjectReference, tone: Tone, reason: &str, message: &str) {
        let event = event(on, tone, reason, message, self.clock.now());
        if self.queue.try_send(event).is_err() {
            self.metrics.events_dropped.inc();
        }
    }
}

impl Writer {
    /// Writes until dropped. What cannot be written is dropped: an event is worth no second try.
    pub async fn run(mut self) {
        while let Some(event) = self.queue.recv().await {
            let namespace = event.metadata.namespace.clone().unwrap_or_default();
            let name = event.metadata.name.clone().unwrap_or_default();
            let api = Api::<Event>::namespaced(self.client.clone(), &namespace);
            let created = api.create(&PostParams::default(), &event).await;
            match created.attempt("writing the event", name) {
                Err(error) if error.meaning() != Meaning::AlreadyExists => {
                    debug!(error = %Chain(&error), "an event was not written");
                }
                _ => {}
            }
        }
    }
}

/// What an Event speaks about.
pub fn about<K: Resource<DynamicType = ()>>(object: &K) -> ObjectReference {
    about_named::<K>(
        object.meta().name.as_deref().unwrap_or_default(),
        object.meta().uid.as_deref(),
        object.meta().namespace.as_deref(),
    )
}

/// The same for an object of which only the name is at hand.
pub fn about_named<K: Resource<DynamicType = ()>>(
    name: &str,
    uid: Option<&str>,
    namespace: Option<&str>,
) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        name: Some(name.to_owned()),
        uid: uid.map(str::to_owned),
        namespace: namespace.map(str::to_owned),
        ..ObjectReference::default()
    }
}

fn event(on: &ObjectReference, tone: Tone, reason: &str, message: &str, now: Timestamp) -> Event {
    let object = on.name.clone().unwrap_or_default();
    // Events on cluster-scoped objects live in `default`; that is where kubectl looks for them.
    let namespace = on.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let told = format!("{:?}\n{reason}\n{message}\n{now}", on.uid);
    let digest = Sha256::digest(told.as_bytes());
    let suffix = digest
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{object}.{suffix:016x}")),
            namespace: Some(namespace),
            ..ObjectMeta::default()
        },
        involved_object: on.clone(),
        type_: Some(format!("{tone:?}")),
        reason: Some(reason.to_owned()),
        message: Some(cut(message).to_owned()),
        count: Some(1),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        source: Some(EventSource {
            component: Some(COMPONENT.to_owned()),
            host: None,
        }),
        reporting_component: Some(COMPONENT.to_owned()),
        ..Event::default()
    }
}

/// The longest beginning that fits, ending between two characters.
fn cut(message: &str) -> &str {
    let end = (0..=MESSAGE_MAX.min(message.len()))
        .rev()
        .find(|at| message.is_char_boundary(*at));
    end.and_then(|end| message.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Node;

    fn named(message: &str, second: i64) -> Event {
        let on = about_named::<Node>("a", Some("uid-1"), None);
        event(
            &on,
            Tone::Normal,
            "Drain",
            message,
            Timestamp::from_second(second).expect("in range"),
        )
    }

    #[test]
    fn the_same_words_at_the_same_instant_are_one_event() {
        assert_eq!(named("x", 1).metadata.name, named("x", 1).metadata.name);
        assert_ne!(named("x", 1).metadata.name, named("x", 2).metadata.name);
        assert_ne!(named("x", 1).metadata.name, named("y", 1).metadata.name);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let long = "é".repeat(MESSAGE_MAX);

        let message = named(&long, 0).message.expect("a message");

        assert_eq!(message.len(), MESSAGE_MAX);
    }

    #[test]
    fn events_on_nodes_live_in_the_default_namespace() {
        assert_eq!(named("x", 0).metadata.namespace.as_deref(), Some("default"));
    }
}
