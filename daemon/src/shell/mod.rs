//! The daemon as it runs: watches its own Node, drives the core, and keeps the Node and the MachineConfigNode saying what
//! the core says.
//!
//! Guarantees:
//! - What the core decides is in the journal before it is carried out; this future may be dropped at any await, and a
//!   new one goes on from the journal.
//! - Nothing is polled: a Node event, the end of a piece of work, a change of the machine's facts, or a deadline wakes it.
//!   Only what failed is tried again, after doubling waits.
//! - What is published is level, not edge: whatever the Node says, it is made to say the core's report. No write waits
//!   for another, and no work waits for a write, except where the core waits for the controller's answer; a reboot
//!   gives the last ones [`FAREWELL_MAX`].
//! - It writes annotations that are the daemon's, and its conditions in the MachineConfigNode's status, and nothing else.
//!
//! Assumes a clock that goes with tokio's time, so that paused time moves both. Not here: what is decided (`core`), and
//! how the machine is changed (`work`, `apply`).

pub(crate) mod backoff;
mod cluster;
mod machine_config_node;
mod node;
mod outlet;
mod publish;

use crate::core::{Announcement, Daemon, Effect, Event, Settings};
use crate::host::{Host, HostError, HostFacts};
use crate::journal::{self, JournalError};
use crate::work;
use api::clock::Clock;
use backoff::Backoff;
use cluster::Cluster;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::runtime::watcher;
use node::Seen;
use outlet::Outlet;
use publish::Publisher;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a reboot waits for the API server to hear of it: enough for a busy one, nothing beside a boot. Nothing depends
/// on its being heard.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// What an owner may set of a daemon.
#[derive(Debug, Clone, Copy, Default)]
pub struct Config {
    /// What the core decides by.
    pub settings: Settings,
}

/// Why the daemon stopped. Whoever runs it starts it again: the journal knows how to go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What was remembered cannot be taken up.
    #[error("the journal could not be taken up; look at the daemon's state directory")]
    Journal(#[from] JournalError),
    /// The machine does not say which boot it is in.
    #[error("the machine could not be asked for its boot")]
    Host(#[from] HostError),
}

/// Runs the daemon of `node_name` until `shutdown` completes.
///
/// # Errors
///
/// See [`RunError`]. Whatever the API server does is waited out.
pub async fn run<H: Host>(
    client: Client,
    node_name: String,
    host: H,
    clock: Clock,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    let mut shell = Shell::start(client, node_name, host, clock, config).await?;
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        shell.publish();
        let happening = tokio::select! {
            biased;
            () = &mut shutdown => return Ok(()),
            happening = shell.next() => happening,
        };
        tokio::select! {
            biased;
            () = &mut shutdown => return Ok(()),
            handled = shell.handle(happening) => handled?,
        }
    }
}

/// What woke the loop.
enum Happening {
    Watched(Box<Option<watcher::Result<watcher::Event<Node>>>>),
    Worked(Event),
    Published(publish::Answer),
    FactsChanged,
    /// A wait or a deadline is over.
    Time,
}

struct Shell<H> {
    host: Arc<H>,
    cluster: Cluster,
    clock: Clock,
    core: Daemon,
    facts: Option<HostFacts>,
    facts_backoff: Backoff,
    /// The facts are not asked for before, after that failed.
    facts_at: Option<Instant>,
    /// What keeps the journal from being written, in words.
    trouble: Option<String>,
    watch: BoxStream<'static, watcher::Result<watcher::Event<Node>>>,
    watch_backoff: Backoff,
    /// The watch is not asked before, after it failed.
    watch_at: Option<Instant>,
    /// Whether the list that a watch starts with has shown the Node.
    listed: bool,
    work: Outlet<Event>,
    publisher: Publisher,
}

impl<H: Host> Shell<H> {
    async fn start(
        client: Client,
        node_name: String,
        host: H,
        clock: Clock,
        config: Config,
    ) -> Result<Self, RunError> {
        let boot = host.boot_id().await?;
        let memory = journal::load(&host, clock.now()).await?;
        let (core, effects) = Daemon::start(memory, boot, config.settings);
        let cluster = Cluster::new(client, node_name.clone());
        let mut shell = Self {
            host: Arc::new(host),
            core,
            facts: None,
            facts_backoff: Backoff::of(&node_name),
            facts_at: None,
            trouble: None,
            watch: cluster.watch().boxed(),
            watch_backoff: Backoff::of(&node_name),
            watch_at: None,
            listed: false,
            work: Outlet::of(&node_name),
            publisher: Publisher::new(cluster.clone(), &node_name),
            cluster,
            clock,
        };
        shell.read_facts().await;
        shell.carry_out(effects).await?;
        Ok(shell)
    }

    async fn read_facts(&mut self) {
        match self.host.facts().await {
            Ok(facts) => {
                self.facts = Some(facts);
                self.facts_at = None;
                self.facts_backoff.reset();
            }
            Err(error) => {
                self.facts_at = Some(Instant::now() + self.facts_backoff.next());
                tracing::warn!(
                    error = error.in_full(),
                    "the machine's facts are not to be had"
                );
            }
        }
    }

    /// Starts the writes that are due.
    fn publish(&mut self) {
        let (trouble, facts) = (self.trouble.as_deref(), self.facts.as_ref());
        self.publisher
            .publish(&self.core, trouble, facts, &self.clock);
    }

    async fn next(&mut self) -> Happening {
        let waits = [self.watch_at, self.facts_at, self.publisher.wake_at()];
        let alarm = waits.into_iter().chain([self.deadline()]).flatten().min();
        let (watching, listening) = (self.watch_at.is_none(), self.facts_at.is_none());
        tokio::select! {
            biased;
            event = self.work.answer() => Happening::Worked(event),
            event = self.watch.next(), if watching => Happening::Watched(Box::new(event)),
            answer = self.publisher.answer() => Happening::Published(answer),
            () = self.host.facts_changed(), if listening => Happening::FactsChanged,
            () = sleep_until(alarm) => Happening::Time,
        }
    }

    /// The core's next moment on tokio's time.
    fn deadline(&self) -> Option<Instant> {
        let (at, _) = self.core.poll_timeout()?;
        let left = at.duration_since(self.clock.now());
        Some(Instant::now() + left.try_into().unwrap_or_default())
    }

    async fn handle(&mut self, happening: Happening) -> Result<(), RunError> {
        match happening {
            Happening::Worked(event) => self.tell(event).await,
            Happening::Watched(event) => self.on_watch(*event).await,
            Happening::Published(answer) => match self.publisher.on_answer(answer) {
                Some(node) => self.on_node(&node).await,
                None => Ok(()),
            },
            Happening::FactsChanged => {
                self.read_facts().await;
                Ok(())
            }
            Happening::Time => self.on_time().await,
        }
    }

    async fn on_time(&mut self) -> Result<(), RunError> {
        if self.watch_at.is_some_and(|at| at <= Instant::now()) {
            self.watch_at = None;
        }
        if self.facts_at.is_some_and(|at| at <= Instant::now()) {
            self.read_facts().await;
        }
        self.publisher.look_at_the_time();
        let due = self
            .core
            .poll_timeout()
            .is_some_and(|(at, _)| at <= self.clock.now());
        if due {
            self.tell(Event::TimeoutReached).await?;
        }
        Ok(())
    }

    async fn on_watch(
        &mut self,
        event: Option<watcher::Result<watcher::Event<Node>>>,
    ) -> Result<(), RunError> {
        match event {
            Some(Ok(event)) => {
                self.watch_backoff.reset();
                match event {
                    watcher::Event::Apply(node) => self.on_node(&node).await,
                    watcher::Event::InitApply(node) => {
                        self.listed = true;
                        self.on_node(&node).await
                    }
                    watcher::Event::Init => {
                        self.listed = false;
                        Ok(())
                    }
                    watcher::Event::InitDone if self.listed => Ok(()),
                    watcher::Event::InitDone | watcher::Event::Delete(_) => {
                        self.publisher.lose_node();
                        self.tell(Event::NodeLost).await
                    }
                }
            }
            Some(Err(error)) => {
                tracing::warn!(error = %chain(&error), "the watch of the Node broke");
                self.watch_at = Some(Instant::now() + self.watch_backoff.next());
                self.tell(Event::NodeLost).await
            }
            None => {
                self.watch = self.cluster.watch().boxed();
                Ok(())
            }
        }
    }

    async fn on_node(&mut self, node: &Node) -> Result<(), RunError> {
        if !self.publisher.see(Seen::of(node)) {
            return Ok(());
        }
        self.tell(Event::NodeSeen(node::view(node))).await
    }

    /// Lets the core take note of `event`, and carries out what it asks for.
    async fn tell(&mut self, event: Event) -> Result<(), RunError> {
        match self.core.on(event, self.clock.now()) {
            Ok((core, effects)) => {
                self.core = core;
                self.carry_out(effects).await
            }
            Err(refused) => {
                tracing::debug!(%refused, "left aside");
                Ok(())
            }
        }
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), RunError> {
        for effect in effects {
            match effect {
                Effect::Store => self.store().await?,
                Effect::Announce(announcement) => self.announce(announcement),
                Effect::Prepare {
                    order,
                    on_disk,
                    offline,
                } => {
                    let host = Arc::clone(&self.host);
                    let cluster = self.cluster.clone();
                    self.work.start(
                        async move {
                            let mut backoff = Backoff::of(cluster.node_name());
                            loop {
                                let on_disk = on_disk.as_deref();
                                let prepared =
                                    work::prepare(&*host, &cluster, &order, on_disk, offline);
                                match prepared.await {
                                    Ok(event) => return event,
                                    Err(error) => {
                                        tracing::warn!(error = %chain(&error), "asking again");
                                        tokio::time::sleep(backoff.next()).await;
                                    }
                                }
                            }
                        }
                        .boxed(),
                    );
                }
                effect => {
                    if effect == Effect::Reboot {
                        self.say_farewell().await;
                    }
                    let host = Arc::clone(&self.host);
                    self.work.start(
                        async move {
                            match work::on_machine(&*host, &effect).await {
                                Some(event) => event,
                                None => std::future::pending().await,
                            }
                        }
                        .boxed(),
                    );
                }
            }
        }
        Ok(())
    }

    /// Lets the cluster know that the machine goes down, as far as it listens.
    async fn say_farewell(&mut self) {
        self.publisher.gather_no_more();
        self.publish();
        let said = async {
            while !self.publisher.is_quiet() {
                let answer = self.publisher.answer().await;
                self.publisher.on_answer(answer);
            }
        };
        if tokio::time::timeout(FAREWELL_MAX, said).await.is_err() {
            tracing::debug!("the API server does not hear that the machine goes down");
        }
    }

    /// Writes the journal, and between visits drops the configs that it no longer names. Until it is written nothing goes
    /// on, and the Node says why.
    async fn store(&mut self) -> Result<(), RunError> {
        let mut backoff = Backoff::of(self.cluster.node_name());
        while let Err(error) = journal::store(&*self.host, self.core.memory()).await {
            let JournalError::Host(cause) = &error else {
                return Err(error.into());
            };
            let words = format!("JournalUnwritable: {}", cause.in_full());
            tracing::warn!(
                error = words,
                "nothing goes on until the journal is written"
            );
            self.trouble = Some(words);
            // The time is up: the disk may have room again.
            let _elapsed = tokio::time::timeout(backoff.next(), self.keep_publishing()).await;
        }
        self.trouble = None;
        let memory = self.core.memory();
        if memory.state.visit().is_none()
            && let Err(error) = journal::drop_unnamed_configs(&*self.host, memory).await
        {
            tracing::warn!(error = error.in_full(), "old configs stay on the disk");
        }
        Ok(())
    }

    /// Publishes and does nothing else, for ever.
    async fn keep_publishing(&mut self) {
        loop {
            self.publish();
            let answer = self.publisher.answer().await;
            if let Some(node) = self.publisher.on_answer(answer) {
                self.publisher.see(Seen::of(&node));
            }
        }
    }

    fn announce(&mut self, announcement: Announcement) {
        let (reason, note) = (announcement.reason, announcement.note.as_str());
        if announcement.warning {
            tracing::warn!(reason, note, "told");
        } else {
            tracing::info!(reason, note, "told");
        }
        self.publisher.announce(announcement, self.clock.now());
    }
}

async fn sleep_until(alarm: Option<Instant>) {
    match alarm {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// An error and all its causes in one line. Some libraries repeat a cause in their own words; so does this then.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
