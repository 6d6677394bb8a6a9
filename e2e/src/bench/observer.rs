//! Watches a rollout, and notes when what happened.
//!
//! # Guarantees
//! Times are those at which the watch brought the change: a little later than the truth, and never earlier.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::SlotLedger;
use api::names::{node as contract, ours};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::fleet::{is_ready, note};
use crate::machines::clock;

/// What was seen until now.
#[derive(Debug, Default)]
struct Seen {
    /// Nodes whose desiredConfig is not the one that all had at the beginning.
    targeted: BTreeSet<String>,
    first_targeted: Option<Instant>,
    /// Nodes that are through.
    through: BTreeSet<String>,
    /// Since when whose slot is held.
    held: BTreeMap<String, Instant>,
    /// For how long slots were held that were given back.
    visits: Vec<Duration>,
}

/// Watches until dropped.
pub(super) struct Observer {
    seen: Arc<Mutex<Seen>>,
    over: watch::Receiver<Option<(Instant, Timestamp)>>,
    task: JoinHandle<()>,
}

/// What a rollout took.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) first_targeted: Option<Instant>,
    pub(super) over: Instant,
    /// The same by the machine's clock, as the audit log has it.
    pub(super) over_at: Timestamp,
    pub(super) visits: Vec<Duration>,
}

impl Observer {
    /// Watches a fleet of so many nodes that all have the config `from`; returns when the watches have begun.
    pub(super) async fn start(client: Client, nodes: usize, from: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (told, over) = watch::channel(None);
        let (ready, mut listed) = watch::channel(0);
        let (shared, from) = (seen.clone(), from.to_owned());
        let task = tokio::spawn(async move {
            let nodes_seen = kube::runtime::watcher(
                Api::<Node>::all(client.clone()),
                watcher::Config::default(),
            );
            let ledgers =
                kube::runtime::watcher(Api::<SlotLedger>::all(client), watcher::Config::default());
            let nodes_seen = nodes_seen.map(|event| Either::Node(Box::new(event)));
            let ledgers = ledgers.map(|event| Either::Ledger(Box::new(event)));
            let mut events = std::pin::pin!(stream::select(nodes_seen, ledgers));
            while let Some(event) = events.next().await {
                let now = Instant::now();
                let mut seen = lock(&shared);
                match event {
                    Either::Node(event) => match *event {
                        Ok(Event::Apply(node) | Event::InitApply(node)) => {
                            seen.node(&node, &from, now);
                        }
                        Ok(Event::InitDone) => ready.send_modify(|count| *count += 1),
                        _ => {}
                    },
                    Either::Ledger(event) => match *event {
                        Ok(Event::Apply(ledger) | Event::InitApply(ledger)) => {
                            seen.ledger(&ledger, now);
                        }
                        Ok(Event::InitDone) => ready.send_modify(|count| *count += 1),
                        _ => {}
                    },
                }
                if seen.through.len() == nodes && seen.held.is_empty() {
                    told.send_if_modified(|over| {
                        let first = over.is_none();
                        over.get_or_insert_with(|| (now, clock().now()));
                        first
                    });
                }
            }
        });
        // The sender lives in the task, which ends never.
        drop(listed.wait_for(|count| *count >= 2).await);
        Self { seen, over, task }
    }

    /// Waits until it is over; if that takes too long, tells how far it is.
    pub(super) async fn over(mut self, patience: Duration) -> Result<Observed, String> {
        let waited = tokio::time::timeout(patience, self.over.wait_for(Option::is_some)).await;
        let over = waited
            .ok()
            .and_then(|seen| seen.ok().and_then(|over| *over));
        let seen = std::mem::take(&mut *lock(&self.seen));
        let Some((over, over_at)) = over else {
            let (targeted, through) = (seen.targeted.len(), seen.through.len());
            let held: Vec<&String> = seen.held.keys().collect();
            return Err(format!(
                "{targeted} nodes were given the new config, {through} are through, slots are held by {held:?}"
            ));
        };
        Ok(Observed {
            first_targeted: seen.first_targeted,
            over,
            over_at,
            visits: seen.visits,
        })
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

enum Either {
    Node(Box<watcher::Result<Event<Node>>>),
    Ledger(Box<watcher::Result<Event<SlotLedger>>>),
}

impl Seen {
    fn node(&mut self, node: &Node, from: &str, now: Instant) {
        let name = node.name_any();
        let desired = note(node, contract::DESIRED_CONFIG);
        if desired == from || desired.is_empty() {
            return;
        }
        self.first_targeted.get_or_insert(now);
        let unschedulable = node.spec.as_ref().and_then(|spec| spec.unschedulable);
        let through = note(node, contract::CURRENT_CONFIG) == desired
            && note(node, contract::STATE) == api::names::node_state::DONE
            && unschedulable != Some(true)
            && note(node, ours::CORDONED).is_empty()
            && is_ready(node);
        if through {
            self.through.insert(name.clone());
        } else {
            self.through.remove(&name);
        }
        self.targeted.insert(name);
    }

    fn ledger(&mut self, ledger: &SlotLedger, now: Instant) {
        let holders = ledger.spec.holders.iter();
        let holders: BTreeSet<&str> = holders.map(|holder| holder.node.as_str()).collect();
        for holder in &holders {
            self.held.entry((*holder).to_owned()).or_insert(now);
        }
        let visits = &mut self.visits;
        self.held.retain(|node, since| {
            let held = holders.contains(node.as_str());
            if !held {
                visits.push(now.duration_since(*since));
            }
            held
        });
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
