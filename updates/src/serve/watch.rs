//! `GET /v1/watch`: each change of a channel as it comes, as server-sent events.
//!
//! # Guarantees
//! * Each change is one event, named by its kind. The last of those that one new graph brings carries its name as the id, so
//!   that who was cut off in between gets them all again: at least once, never less.
//! * Who comes with a `Last-Event-ID` is told everything since, or `Reset`: read the graph again.
//! * Nothing waits in memory for a slow reader: the next event is made when the last one was taken. Who is so late that the
//!   history has gone on is let go, and counted; so is who does not read at all, by the server's own limit.
//! * A line comes at least every [`KEEP_ALIVE`], so that nobody in between takes the connection for dead.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{Stream, unfold};
use http_body::Frame;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Served;
use super::history::{After, Step, TOO_MANY, one_by_one};
use super::metrics::Metrics;

/// The media type of server-sent events.
pub(super) const MEDIA_TYPE: &str = "text/event-stream";
/// So many follow at a time; it is a quarter of the connections, so that who asks for a graph always comes through.
pub(super) const FOLLOWERS_MAX: usize = 1024;
/// Proxies let go of what is silent for a minute.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After so many milliseconds a browser that was cut off comes again.
const RETRY_MILLIS: u32 = 5000;

/// What is followed, and what of it is known.
#[derive(Debug, Clone)]
pub(super) struct Following {
    pub(super) channel: String,
    pub(super) architecture: String,
    /// The graph that the follower knows.
    pub(super) known: Option<String>,
}

/// Events from now on, until the service ends or the follower is too late.
pub(super) fn events(
    following: Following,
    served: Arc<Served>,
    metrics: Arc<Metrics>,
    place: OwnedSemaphorePermit,
    end: watch::Receiver<bool>,
) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
    let (told, seen, first) = served.with_history(|history| {
        let known = following.known.as_deref();
        let found = known.and_then(|known| history.find(known));
        let first = match (known, found) {
            (Some(_), None) => reset("UnknownEventId", history.now()),
            (Some(known), Some(_)) => named(known),
            (None, _) => named(history.now()),
        };
        let seen = found.unwrap_or_else(|| history.number());
        (history.told(), seen, first)
    });
    metrics.followers(1);
    let follower = Follower {
        following,
        first: Some(format!("retry: {RETRY_MILLIS}\n{first}")),
        seen,
        served,
        told,
        end,
        counted: Counted(metrics),
        _place: place,
    };
    unfold(follower, |mut follower| async move {
        let text = follower.next().await?;
        Some((Ok(Frame::data(Bytes::from(text))), follower))
    })
}

struct Follower {
    following: Following,
    first: Option<String>,
    seen: u64,
    served: Arc<Served>,
    told: watch::Receiver<u64>,
    end: watch::Receiver<bool>,
    counted: Counted,
    _place: OwnedSemaphorePermit,
}

/// One less follows when this goes, however it goes.
struct Counted(Arc<Metrics>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.followers(-1);
    }
}

impl Follower {
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            match self.served.with_history(|history| history.after(self.seen)) {
                After::Step(step) => {
                    self.seen = step.number;
                    return Some(self.told(&step));
                }
                After::Lost => {
                    self.counted.0.follower_dropped();
                    return None;
                }
                After::Nothing => {}
            }
            tokio::select! {
                biased;
                _ = self.end.wait_for(|end| *end) => return None,
                more = self.told.changed() => more.ok()?,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(":\n\n".to_owned()),
            }
        }
    }

    fn told(&self, step: &Step) -> String {
        let Following {
            channel,
            architecture,
            ..
        } = &self.following;
        let Some(changes) = one_by_one(step.of(channel, architecture)) else {
            return reset(TOO_MANY, &step.graph);
        };
        let mut text = String::new();
        for change in changes {
            // Writing to a string does not fail, and a change is text and lists of text.
            let data = serde_json::to_string(change).unwrap_or_default();
            write!(text, "event: {}\ndata: {data}\n\n", change.kind()).unwrap_or_default();
        }
        if text.is_empty() {
            return named(&step.graph);
        }
        text.truncate(text.len() - 1);
        text.push_str(&named(&step.graph));
        text
    }
}

/// The name of the graph that the follower knows now, without an event.
fn named(graph: &str) -> String {
    format!("id: {graph}\n\n")
}

/// Tells the follower to read the graph again.
fn reset(reason: &str, graph: &str) -> String {
    let data = json!({"change": "Reset", "reason": reason});
    format!("event: Reset\ndata: {data}\n{}", named(graph))
}
