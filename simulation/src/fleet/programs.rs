//! Windlass's own programs, unmodified, as processes of the simulated cluster.

use crate::machine::Machine;
use crate::pace::Pace;
use crate::server::ApiServer;
use api::clock::Clock;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How Windlass's controller is set up.
#[derive(Clone, Debug, Default)]
pub struct ControllerOptions {}

/// The controllers of one cluster: usually one, and two where a lease is ignored.
pub(super) struct Controllers {
    server: ApiServer,
    clock: Clock,
    pace: Pace,
    options: ControllerOptions,
    kills: watch::Sender<u64>,
    paused: watch::Sender<bool>,
    ends: Mutex<BTreeMap<String, watch::Sender<bool>>>,
}

impl Controllers {
    pub(super) fn new(
        server: &ApiServer,
        clock: &Clock,
        pace: &Pace,
        options: ControllerOptions,
    ) -> Self {
        Self {
            server: server.clone(),
            clock: clock.clone(),
            pace: pace.clone(),
            options,
            kills: watch::Sender::new(0),
            paused: watch::Sender::new(false),
            ends: Mutex::default(),
        }
    }

    /// Starts the controller `name` on `tasks`, and starts it again whenever it is killed.
    pub(super) fn start(&self, name: &str, tasks: &mut JoinSet<()>) {
        let _ = (
            name,
            tasks,
            &self.server,
            &self.clock,
            &self.pace,
            &self.options,
        );
    }

    /// Raising it kills every controller.
    pub(super) fn killer(&self) -> watch::Sender<u64> {
        self.kills.clone()
    }

    /// Stops all controllers, or lets them run again.
    pub(super) fn pause(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    /// Ends the controller `name` for good.
    pub(super) fn end(&self, name: &str) {
        if let Some(end) = crate::machine::lock(&self.ends).get(name) {
            end.send_replace(true);
        }
    }
}

/// One start of the daemon of `machine`.
pub(super) fn daemon(machine: &Arc<Machine>, server: &ApiServer) -> BoxFuture<'static, ()> {
    let _ = (machine, server);
    Box::pin(std::future::pending())
}
