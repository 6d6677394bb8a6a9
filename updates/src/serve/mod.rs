//! The update service: answers over HTTP, made once for each graph.
//!
//! # Guarantees
//! * A request is a look-up and a copy: an answer, its gzip form and its entity tag are made when they are first asked for
//!   and kept as long as their graph. What was asked for before is made before a new graph takes over.
//! * A response is of one graph: a new graph takes over between two requests, never within one.
//! * Before the first graph, and whatever fails, both ports answer; readiness says why there is no graph.
//! * Who follows a channel is told each change once the graph is served that brings it.
//! * What is costly is done away from the sockets, for a bounded number at a time; a client that reads slowly, asks too much or
//!   stays too long hinders nobody else.
//! * What the reference answers is answered; where more is accepted, `docs/deviations.md` says so.
//!
//! # Not here
//! Where graphs come from: [`crate::source`]. Sockets are handed in; so is the clock.

pub mod available;
mod desk;
mod feed;
mod history;
pub mod metrics;
mod negotiate;
mod openapi;
mod page;
mod pictures;
mod prepared;
mod query;
mod rates;
mod respond;
mod server;
mod signatures;
mod timely;
mod tls;
mod watch;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;

pub use metrics::Metrics;
pub use prepared::Prepared;
pub use rates::Rates;
pub use respond::{Door, House, Reply};
pub use server::{CONNECTIONS_MAX, Guards, HEADER_TIME_MAX, WRITE_TIME_MAX, serve, serve_guarded};
pub use tls::{Certificate, NoCertificate};

use crate::Graph;
use history::History;

/// What the service knows: the graph that it serves, or why there is none.
#[derive(Debug)]
pub struct Served {
    now: RwLock<Result<Arc<Prepared>, String>>,
    history: Mutex<History>,
    ending: AtomicBool,
}

impl Served {
    /// Before the first graph.
    pub fn waiting(reason: &str) -> Self {
        Self {
            now: RwLock::new(Err(reason.to_owned())),
            history: Mutex::default(),
            ending: AtomicBool::new(false),
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

    /// Lets a graph take over, with the answers that were asked for made before; then tells what changed with it.
    pub fn swap(&self, graph: Graph, at: Timestamp) {
        let next = Arc::new(Prepared::new(graph));
        let last = self.current();
        if let Ok(last) = &last {
            next.make_what_was_asked(last);
        }
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Ok(Arc::clone(&next));
        match last {
            Ok(last) => {
                let step = History::step(last.graph(), next.graph(), at);
                self.with_history(|history| history.add(step));
            }
            Err(_) => self.with_history(|history| history.begin(next.graph())),
        }
    }

    /// Whether the answer to this query is still to be made.
    fn has_to_make(&self, query: Option<&str>) -> bool {
        let (Ok(asked), Ok(graph)) = (query::read(query.unwrap_or_default()), self.current())
        else {
            return false;
        };
        !graph.is_made(&asked.channel, &asked.architecture)
    }

    /// Says that the service ends soon: it is no longer ready, and asks clients to come on new connections, which lead
    /// elsewhere. All are still answered.
    pub fn end_soon(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether it ends soon.
    pub(crate) fn ends_soon(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    fn with_history<T>(&self, what: impl FnOnce(&mut History) -> T) -> T {
        // Each change of it is whole or not begun, as far as a reader can tell: counters and a list.
        what(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner))
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
