//! Watches: from which version, through which selection, in which form, and for how long.
//!
//! A watch reads the history of its collection from its own place, so it misses nothing and repeats nothing. It is woken when the
//! collection changes, and never polls. A selection is judged on the object before and after a change: what enters it is `ADDED`,
//! what leaves it is `DELETED`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http_body::Frame;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::faults::Fate;
use super::present::{Form, Presenter};
use super::read::Selection;
use super::refusal::Refusal;
use super::request::{Age, ListOptions};
use super::resource::Resource;
use super::service::ConnectionLost;
use super::store::{Change, Event, Object};
use super::{Passage, Shared, State, value};

/// A watch that lasts as long as its watcher, where it gives no timeout, ends after this long; the real server draws between
/// 30 and 60 minutes.
const LONGEST: Duration = Duration::from_secs(3600);

/// What a watch is to do, decided when it is asked for.
pub(crate) struct WatchPlan {
    pub resource: Arc<Resource>,
    pub selection: Selection,
    pub presenter: Presenter,
    /// What is sent before anything happens.
    pub first: VecDeque<(Change, Object)>,
    /// Whether the first events end with a bookmark that says so.
    pub announce_end: bool,
    /// The version up to which everything is known.
    pub from: u64,
    pub bookmarks: bool,
    pub timeout: Option<u64>,
    wake: watch::Receiver<u64>,
}

/// Decides what a watch is to do.
pub(crate) fn plan(
    state: &mut State,
    resource: &Arc<Resource>,
    selection: Selection,
    options: &ListOptions,
    form: Form,
) -> Result<WatchPlan, Refusal> {
    let newest = state.store.version();
    let start = match options.age {
        Age::Newest => 0,
        Age::NotOlderThan(version) | Age::Exactly(version) => version,
    };
    if start > newest {
        return Err(Refusal::version_in_the_future(start, newest));
    }
    let from_state = start == 0 || options.initial_events;
    let first: VecDeque<(Change, Object)> = if from_state {
        selection
            .over(state, &resource.storage)
            .map(|object| (Change::Added, object))
            .collect()
    } else {
        VecDeque::new()
    };
    let wake = state.store.subscribe(&resource.storage);
    Ok(WatchPlan {
        resource: Arc::clone(resource),
        selection,
        presenter: Presenter::new(Arc::clone(resource), form),
        first,
        announce_end: options.initial_events && options.bookmarks,
        from: if from_state { newest } else { start },
        bookmarks: options.bookmarks,
        timeout: options.timeout,
        wake,
    })
}

struct Watcher {
    shared: Arc<Shared>,
    plan: WatchPlan,
    actor: String,
    number: u64,
    ends_at: Instant,
    breaks_at: Option<Instant>,
    next_bookmark: Instant,
    delay: Duration,
    ready: VecDeque<(Instant, Value)>,
    lost: ConnectionLost,
    /// The history can tell no more.
    exhausted: bool,
    /// The watch has ended.
    over: bool,
}

/// The frames of a watch, one event a line.
pub(crate) fn follow(
    shared: Arc<Shared>,
    plan: WatchPlan,
    actor: String,
    number: u64,
    fate: Fate,
    lost: ConnectionLost,
) -> impl Stream<Item = Result<Frame<Bytes>, ConnectionLost>> + Send {
    let now = Instant::now();
    let lifetime = plan.timeout.map_or(LONGEST, Duration::from_secs);
    let watcher = Watcher {
        next_bookmark: now + shared.options.bookmark_every,
        shared,
        plan,
        actor,
        number,
        ends_at: now + lifetime,
        breaks_at: fate.watch_breaks_after.map(|after| now + after),
        delay: fate.watch_delay,
        ready: VecDeque::new(),
        lost,
        exhausted: false,
        over: false,
    };
    futures::stream::unfold(watcher, |mut watcher| async move {
        let frame = watcher.next().await?;
        Some((frame, watcher))
    })
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, ConnectionLost>> {
        if self.over {
            return None;
        }
        self.first_events();
        loop {
            self.read_history();
            let now = Instant::now();
            if self.breaks_at.is_some_and(|at| at <= now) {
                return self.end(Some(Err(self.lost.clone())));
            }
            if let Some((due, _)) = self.ready.front() {
                if *due <= now {
                    let (_, event) = self.ready.pop_front()?;
                    return Some(Ok(self.send(&event)));
                }
            } else if self.exhausted {
                return self.end(None);
            }
            if self.ends_at <= now {
                return self.end(None);
            }
            if self.plan.bookmarks && self.next_bookmark <= now && self.ready.is_empty() {
                self.next_bookmark = now + self.shared.options.bookmark_every;
                let bookmark = self.plan.presenter.bookmark(self.plan.from, false);
                return Some(Ok(self.send(&bookmark)));
            }
            self.wait().await;
        }
    }

    /// Waits until there may be something to do.
    async fn wait(&mut self) {
        let mut until = self.ends_at;
        if let Some(at) = self.breaks_at {
            until = until.min(at);
        }
        // A bookmark waits for the events before it; waiting for a bookmark that is overdue would never end.
        match self.ready.front() {
            Some((due, _)) => until = until.min(*due),
            None if self.plan.bookmarks => until = until.min(self.next_bookmark),
            None => {}
        }
        tokio::select! {
            biased;
            // The sender lives as long as the server; should it go, the deadline ends the watch.
            changed = self.plan.wake.changed() => {
                if changed.is_err() {
                    sleep_until(until).await;
                }
            }
            () = sleep_until(until) => {}
        }
    }

    fn first_events(&mut self) {
        let now = Instant::now();
        while let Some((change, object)) = self.plan.first.pop_front() {
            let event = self
                .plan
                .presenter
                .event(change, &object, self.shared.clock.now());
            self.ready.push_back((now, event));
        }
        if self.plan.announce_end {
            self.plan.announce_end = false;
            self.ready
                .push_back((now, self.plan.presenter.bookmark(self.plan.from, true)));
        }
    }

    fn read_history(&mut self) {
        self.plan.wake.borrow_and_update();
        let shared = Arc::clone(&self.shared);
        let state = shared.state();
        let due = Instant::now() + self.delay;
        match state
            .store
            .changes_after(&self.plan.resource.storage, self.plan.from)
        {
            Ok(changes) => {
                let now = shared.clock.now();
                for event in changes {
                    self.plan.from = event.version;
                    if let Some((change, object)) = seen_through(&self.plan.selection, event) {
                        let sent = self.plan.presenter.event(change, &object, now);
                        self.ready.push_back((due, sent));
                    }
                }
                if self.ready.is_empty() {
                    self.plan.from = self.plan.from.max(state.store.version());
                }
            }
            Err(forgotten) if !self.exhausted => {
                let message = format!(
                    "too old resource version: {} ({})",
                    self.plan.from, forgotten.oldest
                );
                let status = Refusal::expired(message).to_status();
                self.ready
                    .push_back((due, json!({ "type": "ERROR", "object": status })));
                self.exhausted = true;
            }
            Err(_) => {}
        }
    }

    fn send(&mut self, event: &Value) -> Frame<Bytes> {
        let mut line = event.to_string();
        self.shared
            .record(&self.actor, self.number, || Passage::WatchEvent {
                body: line.clone(),
            });
        line.push('\n');
        Frame::data(Bytes::from(line))
    }

    fn end(
        &mut self,
        last: Option<Result<Frame<Bytes>, ConnectionLost>>,
    ) -> Option<Result<Frame<Bytes>, ConnectionLost>> {
        self.over = true;
        self.shared
            .record(&self.actor, self.number, || Passage::WatchEnd);
        last
    }
}

/// What a watcher with this selection sees of a change.
fn seen_through(selection: &Selection, event: &Event) -> Option<(Change, Object)> {
    let before = event
        .previous
        .as_ref()
        .is_some_and(|previous| selection.matches(previous));
    match event.change {
        Change::Deleted => before.then(|| (Change::Deleted, Arc::clone(&event.object))),
        Change::Added | Change::Modified => match (before, selection.matches(&event.object)) {
            (false, false) => None,
            (false, true) => Some((Change::Added, Arc::clone(&event.object))),
            (true, true) => Some((Change::Modified, Arc::clone(&event.object))),
            // It leaves the selection: its last matching state, with the version of the change.
            (true, false) => event.previous.as_ref().map(|previous| {
                let mut last = Value::clone(previous);
                value::set(
                    &mut last,
                    &["metadata", "resourceVersion"],
                    event.version.to_string(),
                );
                (Change::Deleted, Arc::new(last))
            }),
        },
    }
}
