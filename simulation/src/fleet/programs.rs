//! Windlass's own programs, unmodified, as processes of the simulated cluster.

use crate::machine::{Machine, SimHost, lock};
use crate::pace::Pace;
use crate::server::ApiServer;
use controller::gate::AskVersion;
use controller::metrics::Metrics;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How Windlass's programs are set up in a fleet.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// Settings of the controller; its identity, and the second one's lease, are the fleet's business.
    pub controller: controller::Config,
    /// Settings of the daemons.
    pub daemon: daemon::shell::Config,
}

/// The controllers of one cluster: usually one, and two where a lease is ignored.
pub(super) struct Controllers {
    server: ApiServer,
    pace: Pace,
    config: controller::Config,
    kills: watch::Sender<u64>,
    paused: watch::Sender<bool>,
    ends: Mutex<BTreeMap<String, watch::Sender<bool>>>,
}

impl Controllers {
    pub(super) fn new(server: &ApiServer, pace: &Pace, config: controller::Config) -> Self {
        Self {
            server: server.clone(),
            pace: pace.clone(),
            config,
            kills: watch::Sender::new(0),
            paused: watch::Sender::new(false),
            ends: Mutex::default(),
        }
    }

    /// Starts the controller `name` on `tasks`, and starts it again whenever it ends or is killed.
    ///
    /// Every controller but `a` has a lease of its own: it acts beside the first one, as after a lease that was lost
    /// unnoticed.
    pub(super) fn start(&self, name: &str, tasks: &mut JoinSet<()>) {
        let mut config = self.config.clone();
        config.identity = format!("{}-{name}", config.identity);
        if name != "a" {
            config.lease.name = format!("{}-{name}", config.lease.name);
        }
        let end = watch::Sender::new(false);
        lock(&self.ends).insert(name.to_owned(), end.clone());
        let keeper = Keeper {
            server: self.server.clone(),
            actor: format!("controller/{name}"),
            config,
            rest: self.pace.daemon_start,
            kills: self.kills.subscribe(),
            paused: self.paused.subscribe(),
            end: end.subscribe(),
        };
        tasks.spawn(keeper.keep());
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
        if let Some(end) = lock(&self.ends).get(name) {
            end.send_replace(true);
        }
    }
}

/// Keeps one controller running, as its Deployment does.
struct Keeper {
    server: ApiServer,
    actor: String,
    config: controller::Config,
    rest: std::time::Duration,
    kills: watch::Receiver<u64>,
    paused: watch::Receiver<bool>,
    end: watch::Receiver<bool>,
}

impl Keeper {
    async fn keep(mut self) {
        loop {
            if self.paused.wait_for(|paused| !paused).await.is_err() {
                return;
            }
            self.kills.mark_unchanged();
            let parts = controller::Parts {
                client: self.server.client(&self.actor),
                config: self.config.clone(),
                clock: self.server.clock().clone(),
                ask: Arc::new(AskInstances {
                    server: self.server.clone(),
                    actor: self.actor.clone(),
                }),
                metrics: Arc::new(Metrics::default()),
            };
            tokio::select! {
                biased;
                _ = self.end.wait_for(|end| *end) => return,
                _ = self.paused.wait_for(|paused| *paused) => {}
                _ = self.kills.changed() => tracing::debug!(actor = self.actor, "a controller was killed"),
                ended = controller::run(parts, std::future::pending()) => {
                    if let Err(error) = ended {
                        tracing::warn!(actor = self.actor, error = %chain(&error), "a controller ended by itself");
                    }
                }
            }
            tokio::time::sleep(self.rest).await;
        }
    }
}

/// Asks the simulated API server's instances, each at its own address.
struct AskInstances {
    server: ApiServer,
    actor: String,
}

impl AskVersion for AskInstances {
    fn ask<'a>(&'a self, instance: &'a str) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let address = instance.split(':').next().unwrap_or(instance);
            let client = self.server.instance_client(&self.actor, address);
            let answer = client.apiserver_version().await;
            answer
                .map(|version| version.git_version)
                .map_err(|error| error.to_string())
        })
    }
}

/// One start of the daemon of `machine`.
pub(super) fn daemon(
    machine: &Arc<Machine>,
    server: &ApiServer,
    config: daemon::shell::Config,
) -> BoxFuture<'static, ()> {
    let name = machine.name().to_owned();
    let client = server.client(&format!("daemon/{name}"));
    let host = SimHost::new(Arc::clone(machine));
    let clock = server.clock().clone();
    Box::pin(async move {
        let ended = daemon::shell::run(
            client,
            name.clone(),
            host,
            clock,
            config,
            std::future::pending(),
        )
        .await;
        if let Err(error) = ended {
            tracing::warn!(machine = name, error = %chain(&error), "a daemon ended by itself");
        }
    })
}

/// An error and all its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
