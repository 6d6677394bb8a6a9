//! Making the cluster say what the core says: the Node's annotations, the MachineConfigNode's status, Events.
//!
//! Each is an outlet of its own, so that none waits for another: one write under way at a time, started from what the
//! core says at that moment, and again only after a wait where it failed.

use super::chain;
use super::cluster::Cluster;
use super::machine_config_node::{self, Known, Status, Written};
use super::node::{self, Seen};
use super::outlet::Outlet;
use crate::core::{Announcement, Daemon, REASON_CHARS_MAX};
use crate::host::HostFacts;
use api::clock::Clock;
use futures::FutureExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::Error;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// What changes in the conditions waits for so long for what follows: a person hardly sees the difference, and a visit that
/// nothing holds up is one write and not five. Nothing else waits for them.
const GATHERED: Duration = Duration::from_secs(2);

/// Events that wait for the API server: the latest tell what an outage was about, and a state says the rest.
const ANNOUNCEMENTS_MAX: usize = 32;

/// How a write ended.
pub(super) enum Answer {
    Node(Box<Result<Node, Error>>),
    MachineConfigNode(Written),
    Event(Result<(), Error>),
}

/// Something that people are told, with what makes its name.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) announcement: Announcement,
    pub(super) at: Timestamp,
    pub(super) number: u32,
}

/// All that is written to the API server.
pub(super) struct Publisher {
    cluster: Cluster,
    /// The Node as last seen; `None` while there is none.
    seen: Option<Seen>,
    node: Outlet<Result<Node, Error>>,
    machine_config_node: Outlet<Written>,
    /// What is there, where it is known.
    known: Option<Known>,
    /// What was last written there, or is being written.
    status: Option<Status>,
    /// When what has changed since is written.
    status_at: Option<Instant>,
    events: Outlet<Result<(), Error>>,
    /// Oldest first; the first may be under way.
    announcements: VecDeque<Told>,
    /// How many there were: two of one moment need two names.
    announced: u32,
}

impl Publisher {
    pub(super) fn new(cluster: Cluster, node: &str) -> Self {
        Self {
            cluster,
            seen: None,
            node: Outlet::of(node),
            machine_config_node: Outlet::of(node),
            known: None,
            status: None,
            status_at: None,
            events: Outlet::of(node),
            announcements: VecDeque::new(),
            announced: 0,
        }
    }

    /// Takes note of the Node; says whether it is newer than what is known.
    pub(super) fn see(&mut self, seen: Seen) -> bool {
        if self
            .seen
            .as_ref()
            .is_some_and(|known| seen.is_older_than(known))
        {
            return false;
        }
        if self.known.is_none() && self.machine_config_node.is_free() {
            // The controller makes the MachineConfigNode in its own time: every sign of life is worth a look.
            self.status = None;
        }
        self.seen = Some(seen);
        true
    }

    /// There is no Node to write to.
    pub(super) fn lose_node(&mut self) {
        self.seen = None;
    }

    pub(super) fn announce(&mut self, announcement: Announcement, at: Timestamp) {
        if self.announcements.len() == ANNOUNCEMENTS_MAX {
            self.announcements.pop_front();
        }
        self.announced = self.announced.wrapping_add(1);
        self.announcements.push_back(Told {
            announcement,
            at,
            number: self.announced,
        });
    }

    /// Whether everything that was started has ended, or waits for another try.
    pub(super) fn is_quiet(&self) -> bool {
        !self.node.is_under_way() && !self.machine_config_node.is_under_way()
    }

    /// Starts what is due. `trouble`, where there is any, is the reason that the Node gives.
    pub(super) fn publish(
        &mut self,
        core: &Daemon,
        trouble: Option<&str>,
        facts: Option<&HostFacts>,
        clock: &Clock,
    ) {
        let Some(seen) = &self.seen else {
            return;
        };
        if self.node.is_free() {
            let mut report = core.report();
            if let Some(trouble) = trouble {
                report.reason = trouble.chars().take(REASON_CHARS_MAX).collect();
            }
            let changes = node::changes(&report, facts, seen);
            if !changes.is_empty() {
                let (cluster, uid) = (self.cluster.clone(), seen.uid.clone());
                let write = async move { cluster.annotate(uid, changes).await };
                self.node.start(write.boxed());
            }
        }
        if self.events.is_free()
            && let Some(told) = self.announcements.front().cloned()
        {
            let (cluster, seen) = (self.cluster.clone(), seen.clone());
            let write = async move { cluster.announce(told, seen).await };
            self.events.start(write.boxed());
        }
        if self.machine_config_node.is_free() {
            self.publish_status(core, clock.now());
        }
    }

    /// What is gathered waits for nothing that follows any more.
    pub(super) fn gather_no_more(&mut self) {
        self.status_at = Some(Instant::now());
    }

    fn publish_status(&mut self, core: &Daemon, now: Timestamp) {
        let status = Status {
            conditions: core.conditions(),
            desired: core.desired_config().map(str::to_owned),
            current: core.memory().on_disk.clone(),
        };
        if self.status.as_ref() == Some(&status) {
            self.status_at = None;
            return;
        }
        let gathered = Instant::now() + GATHERED;
        if *self.status_at.get_or_insert(gathered) > Instant::now() {
            return;
        }
        self.status_at = None;
        self.status = Some(status.clone());
        let write =
            machine_config_node::write(self.cluster.clone(), status, self.known.clone(), now);
        self.machine_config_node.start(write.boxed());
    }

    /// The answer of whichever write ends first.
    pub(super) async fn answer(&mut self) -> Answer {
        tokio::select! {
            biased;
            answer = self.node.answer() => Answer::Node(Box::new(answer)),
            answer = self.machine_config_node.answer() => Answer::MachineConfigNode(answer),
            answer = self.events.answer() => Answer::Event(answer),
        }
    }

    /// Takes note of how a write ended; gives the Node as it is since.
    pub(super) fn on_answer(&mut self, answer: Answer) -> Option<Node> {
        match answer {
            Answer::Node(answer) => match *answer {
                Ok(node) => {
                    self.node.succeeded();
                    return Some(node);
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the report waits");
                    self.node.failed();
                }
            },
            Answer::MachineConfigNode(written) => self.on_status(written),
            Answer::Event(Ok(())) => {
                self.announcements.pop_front();
                self.events.succeeded();
            }
            Answer::Event(Err(error)) => {
                tracing::debug!(error = %chain(&error), "an event waits");
                self.events.failed();
            }
        }
        None
    }

    fn on_status(&mut self, written: Written) {
        match written {
            Written::Yes(known) => {
                self.known = Some(known);
                self.machine_config_node.succeeded();
            }
            Written::NoObject => {
                self.known = None;
                self.machine_config_node.succeeded();
            }
            Written::Conflict(known, error) => {
                self.known = Some(known);
                tracing::warn!(error = %chain(&error), "somebody else writes our conditions");
                self.machine_config_node.succeeded();
            }
            Written::Failed(error) => {
                tracing::warn!(error = %chain(&error), "the conditions wait");
                self.status = None;
                self.machine_config_node.failed();
            }
        }
    }

    /// When the next write is due that failed, or gathers what follows.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let may_write = self.seen.is_some() && self.machine_config_node.is_free();
        let waits = [
            self.node.retry_at(),
            self.machine_config_node.retry_at(),
            self.status_at.filter(|_| may_write),
            self.events.retry_at(),
        ];
        waits.into_iter().flatten().min()
    }

    /// Ends the waits that are over.
    pub(super) fn look_at_the_time(&mut self) {
        self.node.look_at_the_time();
        self.machine_config_node.look_at_the_time();
        self.events.look_at_the_time();
    }
}
