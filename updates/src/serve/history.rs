//! What changed with the last graphs, for those who follow a channel.
//!
//! # Guarantees
//! * A step is there once the graph that it leads to is served, never before.
//! * Bounded by [`STEPS_MAX`] and [`CHANGES_KEPT_MAX`]: the oldest steps go first. Nothing is kept for anybody who follows;
//!   they come and take the next step when they are ready, and who comes too late is told so.
//! * A graph's name is its fingerprint, so that a follower may go on at another replica, which knows the same graphs.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::Graph;
use crate::difference::{Change, Changes, Difference, difference, fingerprint};

/// So many steps are kept: a day of a graph that changes each half hour.
pub(super) const STEPS_MAX: usize = 48;
/// So many changes are kept in all steps together: some tens of MiB if each names known issues. The last step is kept in any
/// case; its own changes are bounded as well.
const CHANGES_KEPT_MAX: usize = 40_000;

/// From one graph to the next.
#[derive(Debug)]
pub(super) struct Step {
    /// Steps are numbered from 1.
    pub(super) number: u64,
    /// The graph that it leads to.
    pub(super) graph: String,
    /// When that took over.
    pub(super) at: Timestamp,
    difference: Difference,
    changes: usize,
}

impl Step {
    /// What it changed for a channel and an architecture; none if nothing.
    pub(super) fn of(&self, channel: &str, architecture: &str) -> Option<&Changes> {
        self.difference.get(channel)?.get(architecture)
    }
}

/// What comes after a step that somebody knows.
#[derive(Debug)]
pub(super) enum After {
    /// This one.
    Step(Arc<Step>),
    /// Nothing yet.
    Nothing,
    /// It is not kept any more.
    Lost,
}

/// The last steps.
#[derive(Debug)]
pub(super) struct History {
    /// The graph before the oldest step that is kept.
    start: String,
    number: u64,
    steps: VecDeque<Arc<Step>>,
    told: watch::Sender<u64>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            start: String::new(),
            number: 0,
            steps: VecDeque::new(),
            told: watch::Sender::new(0),
        }
    }
}

impl History {
    /// The first graph: nothing changes with it, for nobody follows.
    pub(super) fn begin(&mut self, graph: &Graph) {
        self.start = fingerprint(graph);
    }

    /// The difference of two graphs as a step, which is added by [`Self::add`]. It is made without holding anything.
    pub(super) fn step(last: &Graph, next: &Graph, at: Timestamp) -> Step {
        let difference = difference(last, next);
        let changes = difference.values().flat_map(|of_channel| {
            of_channel.values().map(|changes| match changes {
                Changes::These(changes) => changes.len(),
                Changes::TooMany => 1,
            })
        });
        Step {
            number: 0,
            graph: fingerprint(next),
            at,
            changes: changes.sum(),
            difference,
        }
    }

    /// Adds a step, and wakes those who wait for it. The same graph again is none.
    pub(super) fn add(&mut self, step: Step) {
        if step.graph == self.now() {
            return;
        }
        self.number += 1;
        self.steps.push_back(Arc::new(Step {
            number: self.number,
            ..step
        }));
        let kept =
            |steps: &VecDeque<Arc<Step>>| steps.iter().map(|step| step.changes).sum::<usize>();
        while self.steps.len() > STEPS_MAX
            || (self.steps.len() > 1 && kept(&self.steps) > CHANGES_KEPT_MAX)
        {
            if let Some(oldest) = self.steps.pop_front() {
                self.start.clone_from(&oldest.graph);
            }
        }
        self.told.send_replace(self.number);
    }

    /// The graph that is served.
    pub(super) fn now(&self) -> &str {
        self.steps.back().map_or(&self.start, |step| &step.graph)
    }

    /// The number of the last step.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The number of the step that led to this graph; none if it is not kept.
    pub(super) fn find(&self, graph: &str) -> Option<u64> {
        let step = self.steps.iter().rev().find(|step| step.graph == graph);
        match step {
            Some(step) => Some(step.number),
            None if self.start == graph => Some(self.before_oldest()),
            None => None,
        }
    }

    /// The step after one with this number.
    pub(super) fn after(&self, number: u64) -> After {
        if number >= self.number {
            return After::Nothing;
        }
        let place = number.checked_sub(self.before_oldest());
        let place = place.and_then(|place| usize::try_from(place).ok());
        match place.and_then(|place| self.steps.get(place)) {
            Some(step) => After::Step(Arc::clone(step)),
            None => After::Lost,
        }
    }

    /// All steps, the newest first.
    pub(super) fn newest_first(&self) -> Vec<Arc<Step>> {
        self.steps.iter().rev().cloned().collect()
    }

    /// Tells the number of each new step.
    pub(super) fn told(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    fn before_oldest(&self) -> u64 {
        let oldest = self.steps.front();
        oldest.map_or(self.number, |step| step.number.saturating_sub(1))
    }
}

/// What stands in the place of changes that are too many to be told.
pub(super) const TOO_MANY: &str = "TooManyChanges";

/// The changes one by one; none if they are too many.
pub(super) fn one_by_one(changes: Option<&Changes>) -> Option<&[Change]> {
    match changes {
        None => Some(&[]),
        Some(Changes::These(changes)) => Some(changes),
        Some(Changes::TooMany) => None,
    }
}
