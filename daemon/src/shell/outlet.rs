//! One request at a time to one place, and the wait after one that failed.

use super::backoff::Backoff;
use futures::future::BoxFuture;
use tokio::time::Instant;

/// A request that may be under way, or be waiting for its next try.
pub(super) struct Outlet<T> {
    flight: Option<BoxFuture<'static, T>>,
    retry_at: Option<Instant>,
    backoff: Backoff,
}

impl<T> Outlet<T> {
    pub(super) fn of(node: &str) -> Self {
        Self {
            flight: None,
            retry_at: None,
            backoff: Backoff::of(node),
        }
    }

    /// Whether a request may be started: none is under way, and no wait is on.
    pub(super) fn is_free(&self) -> bool {
        self.flight.is_none() && self.retry_at.is_none()
    }

    /// Whether a request is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.flight.is_some()
    }

    /// Starts a request; what was under way is dropped.
    pub(super) fn start(&mut self, request: BoxFuture<'static, T>) {
        self.flight = Some(request);
    }

    /// The answer of the request under way; pending for ever where there is none. Safe to drop.
    pub(super) async fn answer(&mut self) -> T {
        match &mut self.flight {
            None => std::future::pending().await,
            Some(flight) => {
                let answer = flight.await;
                self.flight = None;
                answer
            }
        }
    }

    /// It worked: the next may follow at once.
    pub(super) fn succeeded(&mut self) {
        self.backoff.reset();
        self.retry_at = None;
    }

    /// It failed: the next has to wait.
    pub(super) fn failed(&mut self) {
        self.retry_at = Some(Instant::now() + self.backoff.next());
    }

    /// When the wait is over, if one is on.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Ends a wait that is over.
    pub(super) fn look_at_the_time(&mut self) {
        if self.retry_at.is_some_and(|at| at <= Instant::now()) {
            self.retry_at = None;
        }
    }
}
