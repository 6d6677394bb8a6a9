//! A client that can be taken away from whoever uses it.
//!
//! # Guarantees
//! [`Tap::kill_after`] is `kill -9` as the API server sees it: the n-th write is carried out, its answer reaches nobody, and no
//! request follows. What was on its way beside it arrives, as it would. A controller keeps nothing on any disk, so there is
//! nothing else that a real signal would take from it; and a task is ended in no time, for every n of a rollout.
//!
//! Renewals of the lease are no writes of a rollout: they are not counted, or n would mean another moment in each run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;

/// What stands between a controller and its API server.
pub(crate) struct Tap {
    /// Writes so far.
    writes: AtomicU64,
    /// The write after which nothing follows.
    last: AtomicU64,
    /// Whether requests on leases are refused.
    no_lease: AtomicBool,
    dead: watch::Sender<bool>,
}

impl Tap {
    pub(crate) fn open() -> Arc<Self> {
        Arc::new(Self {
            writes: AtomicU64::new(0),
            last: AtomicU64::new(u64::MAX),
            no_lease: AtomicBool::new(false),
            dead: watch::Sender::new(false),
        })
    }

    /// The client, seen through it.
    pub(crate) fn on(self: &Arc<Self>, client: Client) -> Client {
        let tap = Arc::clone(self);
        let service = tower::service_fn(move |request: Request<Body>| {
            let (tap, client) = (Arc::clone(&tap), client.clone());
            async move { tap.pass(client, request).await }
        });
        Client::new(service, api::names::install::NAMESPACE)
    }

    async fn pass(&self, client: Client, request: Request<Body>) -> kube::Result<Response<Body>> {
        if *self.dead.borrow() {
            std::future::pending::<()>().await;
        }
        let on_lease = request.uri().path().contains("/leases/");
        let writes = request.method() != Method::GET;
        if on_lease && writes && self.no_lease.load(Ordering::SeqCst) {
            let lost = std::io::Error::other("the request on the lease is lost");
            return Err(kube::Error::Service(lost.into()));
        }
        let answer = client.send(request).await;
        if writes && !on_lease && self.is_the_last() {
            self.dead.send_replace(true);
        }
        // Another request's write may have been the last one meanwhile.
        if *self.dead.borrow() {
            std::future::pending::<()>().await;
        }
        answer
    }

    fn is_the_last(&self) -> bool {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        number >= self.last.load(Ordering::SeqCst)
    }

    /// Takes everything away after the n-th write from now, counted from 1.
    pub(crate) fn kill_after(&self, n: u64) {
        let written = self.writes();
        self.last.store(written + n, Ordering::SeqCst);
    }

    /// Refuses renewals of the lease from now on.
    pub(crate) fn lose_lease(&self) {
        self.no_lease.store(true, Ordering::SeqCst);
    }

    /// How many writes there were.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Waits until the last write was made.
    pub(crate) async fn dead(&self) {
        self.dead
            .subscribe()
            .wait_for(|dead| *dead)
            .await
            .map(drop)
            .unwrap_or_default();
    }
}
