//! The update service: answers over HTTP, made once for each graph.
//!
//! # Guarantees
//! * A request is a look-up and a copy: an answer, its gzip form and its entity tag are made when they are first asked for
//!   and kept as long as their graph. What was asked for before is made before a new graph takes over.
//! * A response is of one graph: a new graph takes over between two requests, never within one.
//! * Before the first graph, and whatever fails, both ports answer; readiness says why there is no graph.
//! * What the reference answers is answered; where more is accepted, `docs/deviations.md` says so.
//!
//! # Not here
//! Where graphs come from: [`crate::source`]. Sockets are handed in; so is the clock.

pub mod metrics;
mod negotiate;
mod openapi;
mod page;
mod pictures;
mod prepared;
mod query;
mod respond;
mod server;

use std::sync::{Arc, PoisonError, RwLock};

pub use metrics::Metrics;
pub use prepared::Prepared;
pub use respond::{Door, House, Reply};
pub use server::{CONNECTIONS_MAX, HEADER_TIME_MAX, serve};

use crate::Graph;

/// What the service knows: the graph that it serves, or why there is none.
#[derive(Debug)]
pub struct Served {
    now: RwLock<Result<Arc<Prepared>, String>>,
}

impl Served {
    /// Before the first graph.
    pub fn waiting(reason: &str) -> Self {
        Self {
            now: RwLock::new(Err(reason.to_owned())),
        }
    }

    /// The graph that is served now, or why there is none.
    pub fn current(&self) -> Result<Arc<Prepared>, String> {
        // Only whole values are ever written, so a writer that died left one.
        self.now
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Lets a graph take over, with the answers that were asked for made before.
    pub fn swap(&self, graph: Graph) {
        let next = Prepared::new(graph);
        if let Ok(last) = self.current() {
            next.make_what_was_asked(&last);
        }
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Ok(Arc::new(next));
    }

    /// Says why there is no graph. A graph that is served stays.
    pub fn failed(&self, reason: String) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        if now.is_err() {
            *now = Err(reason);
        }
    }
}

#[cfg(test)]
mod tests;
