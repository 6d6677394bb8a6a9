//! Boots a machine, runs its services, and drops them when it loses power.

use super::{Kubelet, Machine, Power, Process};
use futures::future::BoxFuture;
use std::sync::Arc;

/// The services of one machine: each call gives a fresh process, and dropping it kills that process.
pub struct Services {
    /// The kubelet; it ends never.
    pub kubelet: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
    /// The daemon; when it ends, the service manager starts it again.
    pub daemon: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

/// Runs `machine` for ever: boots it, and boots it again whenever it is left.
///
/// `first_boot_done` machines come up at once, as those of a cluster that has been there for long.
pub async fn run(machine: Arc<Machine>, services: Services) {
    machine.start_boot();
    loop {
        let mut power = machine.power.subscribe();
        tokio::select! {
            // Power goes before everything else: what runs is lost where it stands.
            biased;
            _ = power.wait_for(|power| *power == Power::Leaving) => {}
            () = keep_daemon(&machine, &services) => {}
            () = (services.kubelet)() => {}
        }
        machine.power.send_replace(Power::Booting);
        machine
            .kubelet
            .send_modify(|kubelet| kubelet.process = Process::Starting);
        tokio::time::sleep(machine.pace.boot).await;
        while machine.boot_fails() {
            tokio::time::sleep(machine.pace.boot).await;
        }
        machine.start_boot();
    }
}

/// Starts the daemon, and starts it again whenever it ends or is killed.
async fn keep_daemon(machine: &Arc<Machine>, services: &Services) {
    let mut kills = machine.daemon_kills.subscribe();
    loop {
        tokio::time::sleep(machine.pace.daemon_start).await;
        kills.mark_unchanged();
        tokio::select! {
            biased;
            _ = kills.changed() => tracing::debug!(machine = machine.name(), "the daemon was killed"),
            () = (services.daemon)() => {
                tracing::warn!(machine = machine.name(), "the daemon ended by itself and is started again");
            }
        }
    }
}

impl Machine {
    /// A new boot begins to run services.
    fn start_boot(&self) {
        {
            let mut state = self.state();
            state.boot_number += 1;
            state.boot_id = self.boots.branch(&state.boot_number.to_string()).uuid();
            state.running = state.next.clone();
        }
        self.kubelet.send_modify(|kubelet| {
            *kubelet = Kubelet {
                ordered: kubelet.ordered + 1,
                answered: kubelet.answered,
                process: Process::Starting,
            };
        });
        self.power.send_replace(Power::On);
    }

    /// Whether this boot ends before any service has started.
    fn boot_fails(&self) -> bool {
        let mut state = self.state();
        let fails = state.failing_boots > 0;
        state.failing_boots = state.failing_boots.saturating_sub(1);
        fails
    }
}
