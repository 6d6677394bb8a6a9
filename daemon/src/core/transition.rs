//! The transitions: one function an event, each an exhaustive look at the states it means something in.

use super::event::{Announcement, Effect, Event, NodeView, Proposal, Refused};
use super::failure::{Failure, limited};
use super::state::{Order, Outcome, Plan, Purpose, State, Verdict, Visit};
use super::visit::{Step, application, warn};
use super::{Daemon, uncordon_request};
use jiff::Timestamp;

pub(super) fn on(daemon: Daemon, event: Event, now: Timestamp) -> Result<Step, Refused> {
    let refused = Refused {
        state: daemon.memory.state.name(),
        event: event.name(),
    };
    let step = match event {
        Event::NodeSeen(node) => Some(daemon.on_node(node, now)),
        Event::NodeLost => Some(daemon.on_node_lost()),
        Event::Prepared {
            intent,
            proposal,
            kubelet_answers,
        } => daemon.on_prepared(intent, proposal, kubelet_answers, now),
        Event::Applied(result) => daemon.on_applied(result, now),
        Event::Acted(result) => daemon.on_acted(result, now),
        Event::RebootRefused(error) => daemon.on_reboot_refused(error, now),
        Event::Proved(mismatches) => daemon.on_proved(mismatches, now),
        Event::TimeoutReached => daemon.on_timeout(now),
        Event::KubeletProbed { answers } => daemon.on_kubelet_probed(answers, now),
    };
    step.ok_or(refused)
}

impl Daemon {
    /// How a start goes on from what was remembered.
    pub(super) fn resume(mut self) -> Step {
        let effects = match self.memory.state.clone() {
            State::Idle { outcome } => self.proof_at_rest(outcome.as_ref()),
            State::Uncordoning { .. } | State::Draining { .. } => Vec::new(),
            State::Preparing { visit } => vec![self.preparation(&visit)],
            State::Applying { visit, .. } => vec![application(&visit)],
            State::Undoing { plan, .. } => vec![self.undoing(&plan)],
            State::Acting { plan, .. } => vec![Effect::Act {
                actions: plan.actions,
            }],
            State::Rebooting {
                visit,
                plan,
                leaving,
            } => {
                if leaving == self.boot {
                    vec![Effect::Reboot]
                } else {
                    self.memory.unsettled.clear();
                    let config = visit.order.config.clone();
                    self.memory.state = State::Proving { visit, plan };
                    vec![Effect::Store, Effect::Prove { config }]
                }
            }
            State::Proving { visit, .. } => vec![Effect::Prove {
                config: visit.order.config,
            }],
        };
        (self, effects)
    }

    /// At rest after a success, a start looks whether all is still as it was left.
    fn proof_at_rest(&self, outcome: Option<&Outcome>) -> Vec<Effect> {
        let left_whole = outcome.is_some_and(Outcome::left_whole);
        match &self.memory.on_disk {
            Some(config) if left_whole => vec![Effect::Prove {
                config: config.clone(),
            }],
            _ => Vec::new(),
        }
    }

    fn on_node_lost(mut self) -> Step {
        self.connected = false;
        (self, Vec::new())
    }

    fn on_node(mut self, node: NodeView, now: Timestamp) -> Step {
        let ignored_before = self.ignored_config().map(str::to_owned);
        self.node = Some(node);
        self.connected = true;
        let mut effects = Vec::new();
        if let Some(config) = self.ignored_config()
            && ignored_before.as_deref() != Some(config)
        {
            effects.push(Effect::Announce(Announcement {
                warning: true,
                reason: "DesiredConfigIgnored",
                note: format!(
                    "desiredConfig was set to {config} without a higher intent; it is not acted on. \
                     Use `windlass assign` to force a node"
                ),
            }));
        }
        if self.memory.state.visit().is_none()
            && let Some(awaiting) = &self.memory.awaiting_ready
            && self.is_freshly_ready(awaiting)
        {
            self.memory.awaiting_ready = None;
            self.probing = false;
            effects.push(Effect::Store);
        }
        let (daemon, next) = match self.memory.state.clone() {
            State::Idle { outcome } => self.look_at_rest(outcome),
            State::Preparing { .. } => self.begin_if_due(),
            State::Uncordoning { config, outcome } => self.look_for_uncordon(&config, outcome),
            State::Draining { visit, plan } => self.look_for_drain(visit, plan, now),
            State::Applying { .. }
            | State::Undoing { .. }
            | State::Acting { .. }
            | State::Rebooting { .. }
            | State::Proving { .. } => (self, Vec::new()),
        };
        effects.extend(next);
        (daemon, effects)
    }

    /// At rest: takes what is due; else gives back a node that is whole and still bears a drain of ours, as after the
    /// loss of a journal.
    fn look_at_rest(mut self, outcome: Option<Outcome>) -> Step {
        let bears_drain = self.node.as_ref().is_some_and(|node| {
            let applied = node.last_applied_drain.as_deref().unwrap_or_default();
            node.cordoned && applied.starts_with("drain-")
        });
        match (outcome, self.memory.on_disk.clone()) {
            (Some(outcome), Some(config))
                if outcome.verdict == Verdict::Done && bears_drain && self.due().is_none() =>
            {
                self.memory.state = State::Uncordoning { config, outcome };
                (self, vec![Effect::Store])
            }
            _ => self.begin_if_due(),
        }
    }

    /// Starts on the order that is due, if there is one. Only from states that have touched nothing.
    fn begin_if_due(self) -> Step {
        match self.due().cloned() {
            Some(order) => self.begin(order),
            None => (self, Vec::new()),
        }
    }

    fn look_for_uncordon(mut self, config: &str, outcome: Outcome) -> Step {
        if self.due().is_some() {
            return self.begin_if_due();
        }
        let acknowledged = self.node.as_ref().is_some_and(|node| {
            // The words may be those of an earlier visit to the same config; the mark is this one's.
            node.last_applied_drain.as_deref() == Some(uncordon_request(config).as_str())
                && !node.cordoned
        });
        if !acknowledged {
            return (self, Vec::new());
        }
        self.memory.cordon_asked = false;
        self.memory.state = State::Idle {
            outcome: Some(outcome),
        };
        (self, vec![Effect::Store])
    }

    fn look_for_drain(self, visit: Visit, plan: Plan, now: Timestamp) -> Step {
        if self.due().is_some() {
            return self.begin_if_due();
        }
        // A kubelet that stops answering while its node is drained shows as Unknown.
        if self.is_drained(&visit.order) || self.is_beyond_draining(true) {
            return self.enter_applying(visit, plan, now);
        }
        (self, Vec::new())
    }

    fn on_prepared(
        self,
        intent: u64,
        proposal: Result<Proposal, Failure>,
        kubelet_answers: bool,
        now: Timestamp,
    ) -> Option<Step> {
        let State::Preparing { visit } = &self.memory.state else {
            return None;
        };
        if visit.order.intent != intent {
            return None;
        }
        let visit = visit.clone();
        Some(match proposal {
            Err(failure) => self.fail_untouched(&visit, failure, now),
            Ok(proposal) => {
                let plan = self.plan(&visit, proposal, kubelet_answers);
                if plan.drain && !self.is_drained(&visit.order) {
                    self.enter_draining(visit, plan)
                } else {
                    self.enter_applying(visit, plan, now)
                }
            }
        })
    }

    fn on_applied(self, result: Result<(), String>, now: Timestamp) -> Option<Step> {
        match self.memory.state.clone() {
            State::Applying { visit, plan } => Some(match result {
                Ok(()) => self.enter_acting(visit, plan),
                Err(error) => self.enter_undoing(visit, plan, error),
            }),
            State::Undoing {
                visit,
                plan,
                failure,
            } => Some(self.undone(&visit, plan, failure, result, now)),
            _ => None,
        }
    }

    fn undone(
        mut self,
        visit: &Visit,
        plan: Plan,
        failure: Failure,
        result: Result<(), String>,
        now: Timestamp,
    ) -> Step {
        match (result, failure) {
            (Ok(()), failure) => {
                self.memory.unsettled = plan.inherited;
                self.fail(visit, failure, now)
            }
            (Err(undo_error), Failure::ApplyFailed { config, error }) => self.fail(
                visit,
                Failure::UndoFailed {
                    config,
                    error,
                    undo_error,
                },
                now,
            ),
            (Err(_), failure) => self.fail(visit, failure, now),
        }
    }

    fn on_acted(mut self, result: Result<(), String>, now: Timestamp) -> Option<Step> {
        let State::Acting { visit, plan } = self.memory.state.clone() else {
            return None;
        };
        Some(match result {
            Ok(()) => {
                self.memory.unsettled.clear();
                let config = visit.order.config.clone();
                self.memory.state = State::Proving { visit, plan };
                (self, vec![Effect::Store, Effect::Prove { config }])
            }
            Err(error) => {
                let config = visit.order.config.clone();
                self.fail(&visit, Failure::ActionFailed { config, error }, now)
            }
        })
    }

    fn on_reboot_refused(self, error: String, now: Timestamp) -> Option<Step> {
        let State::Rebooting { visit, .. } = self.memory.state.clone() else {
            return None;
        };
        let config = visit.order.config.clone();
        Some(self.fail(&visit, Failure::RebootFailed { config, error }, now))
    }

    fn on_proved(self, mismatches: Vec<String>, now: Timestamp) -> Option<Step> {
        let mismatches = limited(mismatches);
        match self.memory.state.clone() {
            State::Proving { visit, .. } => Some(if mismatches.is_empty() {
                self.succeed(&visit, now)
            } else {
                let config = visit.order.config.clone();
                self.fail(&visit, Failure::ProofFailed { config, mismatches }, now)
            }),
            State::Idle {
                outcome: Some(outcome),
            } if outcome.left_whole() => Some(self.proved_at_rest(&outcome, mismatches, now)),
            _ => None,
        }
    }

    fn proved_at_rest(
        mut self,
        outcome: &Outcome,
        mismatches: Vec<String>,
        now: Timestamp,
    ) -> Step {
        let Some(config) = self.memory.on_disk.clone() else {
            return (self, Vec::new());
        };
        let verdict = if mismatches.is_empty() {
            Verdict::Done
        } else {
            let failure = Failure::Drifted { config, mismatches };
            Verdict::Failed { failure }
        };
        if verdict == outcome.verdict {
            return (self, Vec::new());
        }
        let mut effects = vec![Effect::Store];
        if let Verdict::Failed { failure } = &verdict {
            effects.push(warn("ConfigDriftDetected", failure.to_string()));
        }
        self.memory.state = State::Idle {
            outcome: Some(Outcome {
                intent: outcome.intent,
                at: now,
                verdict,
            }),
        };
        (self, effects)
    }

    fn on_timeout(mut self, now: Timestamp) -> Option<Step> {
        let (deadline, _) = self.poll_timeout()?;
        if now < deadline {
            return None;
        }
        self.probing = true;
        Some((self, vec![Effect::ProbeKubelet]))
    }

    fn on_kubelet_probed(mut self, answers: bool, now: Timestamp) -> Option<Step> {
        if !self.probing {
            return None;
        }
        self.probing = false;
        let deadline = self.deadline(now);
        let acted = self.memory.acted.clone()?;
        let fallback = self.memory.awaiting_ready.as_mut()?.fallback.as_mut()?;
        if answers && !self.connected {
            // The kubelet lives and nobody can say whether its node is Ready: an outage of the API
            // server is no reason to leave a config.
            fallback.deadline = deadline;
            return Some((self, vec![Effect::Store]));
        }
        let order = Order {
            intent: acted.intent,
            config: fallback.last_good.clone(),
        };
        let note = format!(
            "the node has not been Ready with {}; it goes back to {}",
            acted.config, order.config
        );
        let purpose = Purpose::WayBack {
            from: acted.config,
            kubelet: fallback.kubelet.clone(),
        };
        let (daemon, effects) = self.enter_preparing(Visit { order, purpose });
        let mut all = vec![warn("GoingBack", note)];
        all.extend(effects);
        Some((daemon, all))
    }
}
