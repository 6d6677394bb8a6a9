//! What may go wrong between a caller and the server, decided request by request by whoever runs the simulation.
//!
//! The server asks [`Faults::decide`] once for each request, in order, before it does anything. Decisions that shall be
//! repeatable must follow from a seed and from what they are asked, in that order, and from nothing else.

use std::time::Duration;

use super::request::Verb;

/// A request that is about to be served.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Who asks.
    pub actor: &'a str,
    /// What for.
    pub verb: Verb,
    /// The API group, empty for core and for what is no resource.
    pub group: &'a str,
    /// The plural; empty for what is no resource.
    pub resource: &'a str,
    /// Such as `status` or `eviction`; may be empty.
    pub subresource: &'a str,
    /// May be empty.
    pub namespace: &'a str,
    /// May be empty.
    pub name: &'a str,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is served.
    Serve,
    /// It is refused with this code before anything happens: 409, 429, 500, 503 and 504 have their own Status.
    Refuse(u16),
    /// It is served, and then its answer is lost: the caller sees a broken connection after a write that happened.
    LoseAnswer,
    /// It never arrives: the caller sees a broken connection, and nothing happened.
    Unreachable,
}

/// The decision about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// How long it takes until the request is served.
    pub delay: Duration,
    /// What becomes of it.
    pub outcome: Outcome,
    /// A watch breaks off this long after it began; none: it lives as long as it should.
    pub watch_breaks_after: Option<Duration>,
    /// Each event of a watch reaches its watcher this long after it happened. Order is kept.
    pub watch_delay: Duration,
}

impl Default for Fate {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            outcome: Outcome::Serve,
            watch_breaks_after: None,
            watch_delay: Duration::ZERO,
        }
    }
}

/// Decides what goes wrong.
pub trait Faults: Send + Sync {
    /// Decides about one request.
    fn decide(&self, attempt: &Attempt<'_>) -> Fate;
}

/// Nothing goes wrong, and nothing takes time.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn decide(&self, _: &Attempt<'_>) -> Fate {
        Fate::default()
    }
}

impl<F: Fn(&Attempt<'_>) -> Fate + Send + Sync> Faults for F {
    fn decide(&self, attempt: &Attempt<'_>) -> Fate {
        self(attempt)
    }
}
