//! An API server in memory that the binary reaches over loopback, filled as a test wants it.

use kube::Client;
use simulation::clock::starting_at;
use simulation::server::http::{Listener, listen};
use simulation::server::{ApiServer, Options};
use tokio::runtime::{Builder, Runtime};

/// The way in. Closed when dropped.
pub(crate) struct Door {
    /// Dropped before the runtime that it lives on.
    listener: Listener,
    _runtime: Runtime,
}

impl Door {
    /// Opens it once the server is filled.
    pub(crate) fn open(fill: impl AsyncFnOnce(&Client)) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(async {
            let clock = starting_at("2026-11-24T00:00:00Z".parse().unwrap());
            let server = ApiServer::new(clock, Options::default());
            fill(&server.client("installer")).await;
            listen(&server).await.unwrap()
        });
        Self {
            listener,
            _runtime: runtime,
        }
    }

    pub(crate) fn kubeconfig(&self) -> String {
        self.listener.kubeconfig()
    }
}
