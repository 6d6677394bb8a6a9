//! What a visit is made of: its plan, its steps, its end.

use super::event::{Announcement, Effect, Proposal};
use super::failure::Failure;
use super::state::{
    Action, AwaitingReady, Fallback, Order, Outcome, Plan, Purpose, State, Verdict, Visit,
};
use super::{Daemon, drain_request, uncordon_request};
use jiff::Timestamp;

/// The next state, and what has to be done, in order.
pub(super) type Step = (Daemon, Vec<Effect>);

impl Daemon {
    pub(super) fn begin(mut self, order: Order) -> Step {
        self.memory.acted = Some(order.clone());
        let visit = Visit {
            order,
            purpose: Purpose::Assigned,
        };
        self.enter_preparing(visit)
    }

    pub(super) fn enter_preparing(mut self, visit: Visit) -> Step {
        self.probing = false;
        let preparation = self.preparation(&visit);
        self.memory.state = State::Preparing { visit };
        (self, vec![Effect::Store, preparation])
    }

    pub(super) fn preparation(&self, visit: &Visit) -> Effect {
        Effect::Prepare {
            order: visit.order.clone(),
            on_disk: self.memory.on_disk.clone(),
            offline: matches!(visit.purpose, Purpose::WayBack { .. }),
        }
    }

    pub(super) fn plan(&self, visit: &Visit, proposal: Proposal, kubelet_answers: bool) -> Plan {
        let inherited = self.memory.unsettled.clone();
        let mut actions = inherited.clone();
        for action in proposal.actions {
            if !inherited.contains(&action) {
                actions.push(action);
            }
        }
        if actions.contains(&Action::Reboot) {
            actions = vec![Action::Reboot];
        }
        let assigned = visit.purpose == Purpose::Assigned;
        let alone = self
            .node
            .as_ref()
            .is_some_and(|node| node.single_control_plane);
        // A reboot that an earlier visit left undone disturbs as much as one of this visit.
        let wanted = proposal.drain || inherited.contains(&Action::Reboot);
        Plan {
            actions,
            inherited,
            drain: wanted && assigned && !alone && !self.is_beyond_draining(kubelet_answers),
            on_trial: proposal.on_trial,
            withholds: proposal.withholds,
            kubelet: proposal.kubelet,
        }
    }

    pub(super) fn enter_draining(mut self, visit: Visit, plan: Plan) -> Step {
        let note = format!(
            "a drain is asked for before MachineConfig {} is applied",
            visit.order.config
        );
        self.memory.cordon_asked = true;
        self.memory.state = State::Draining { visit, plan };
        (self, vec![Effect::Store, tell("Drain", note)])
    }

    pub(super) fn enter_applying(mut self, visit: Visit, plan: Plan, now: Timestamp) -> Step {
        self.memory.unsettled.clone_from(&plan.actions);
        self.memory.awaiting_ready = Some(AwaitingReady {
            since: now,
            boot: self.boot.clone(),
            fallback: self.fallback(&visit, &plan, now),
        });
        let note = format!("MachineConfig {} is being applied", visit.order.config);
        let apply = application(&visit);
        self.memory.state = State::Applying { visit, plan };
        (
            self,
            vec![Effect::Store, tell("OSUpdateStarted", note), apply],
        )
    }

    /// Where the way back leads while this visit has not made the node Ready.
    pub(super) fn fallback(&self, visit: &Visit, plan: &Plan, now: Timestamp) -> Option<Fallback> {
        // Once is enough, and a config that withholds a part expects to be NotReady.
        if visit.purpose != Purpose::Assigned || plan.withholds {
            return None;
        }
        let open = self.memory.awaiting_ready.as_ref();
        let (last_good, kubelet) = match open.and_then(|awaiting| awaiting.fallback.as_ref()) {
            // The config in between never made the node Ready: what was good before it still is.
            Some(fallback) => (fallback.last_good.clone(), fallback.kubelet.clone()),
            None if plan.on_trial => (self.memory.on_disk.clone()?, plan.kubelet.clone()),
            None => return None,
        };
        (last_good != visit.order.config).then(|| Fallback {
            last_good,
            kubelet,
            deadline: self.deadline(now),
        })
    }

    pub(super) fn deadline(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.settings.way_back_after)
            .unwrap_or(Timestamp::MAX)
    }

    pub(super) fn enter_acting(mut self, visit: Visit, plan: Plan) -> Step {
        let config = &visit.order.config;
        if plan.reboots() {
            let note = format!("the machine reboots into MachineConfig {config}");
            self.memory.state = State::Rebooting {
                visit,
                plan,
                leaving: self.boot.clone(),
            };
            return (
                self,
                vec![Effect::Store, tell("Reboot", note), Effect::Reboot],
            );
        }
        let note = format!("MachineConfig {config} needs no reboot");
        let act = Effect::Act {
            actions: plan.actions.clone(),
        };
        self.memory.state = State::Acting { visit, plan };
        (self, vec![Effect::Store, tell("SkipReboot", note), act])
    }

    pub(super) fn enter_undoing(mut self, visit: Visit, plan: Plan, error: String) -> Step {
        let failure = Failure::ApplyFailed {
            config: visit.order.config.clone(),
            error,
        };
        let undo = self.undoing(&plan);
        self.memory.state = State::Undoing {
            visit,
            plan,
            failure,
        };
        (self, vec![Effect::Store, undo])
    }

    /// Back to what the disk was before the visit, with the kubelet that was there.
    pub(super) fn undoing(&self, plan: &Plan) -> Effect {
        Effect::Apply {
            config: self.memory.on_disk.clone(),
            kubelet: plan.kubelet.clone(),
        }
    }

    pub(super) fn succeed(mut self, visit: &Visit, now: Timestamp) -> Step {
        let config = visit.order.config.clone();
        self.memory.on_disk = Some(config.clone());
        let (verdict, word) = match &visit.purpose {
            Purpose::Assigned => {
                let note = format!("MachineConfig {config} is on the machine, and proven");
                (Verdict::Done, tell("NodeDone", note))
            }
            Purpose::WayBack { from, .. } => {
                let failure = Failure::WentBack {
                    from: from.clone(),
                    to: config,
                };
                let word = warn("WentBack", failure.to_string());
                (Verdict::Failed { failure }, word)
            }
        };
        self.end(visit, verdict, word, now)
    }

    /// A visit that failed before it touched anything.
    pub(super) fn fail_untouched(
        mut self,
        visit: &Visit,
        failure: Failure,
        now: Timestamp,
    ) -> Step {
        if visit.purpose != Purpose::Assigned
            && let Some(awaiting) = &mut self.memory.awaiting_ready
        {
            awaiting.fallback = None;
        }
        self.fail(visit, failure, now)
    }

    pub(super) fn fail(self, visit: &Visit, failure: Failure, now: Timestamp) -> Step {
        let word = if failure.is_unreconcilable() {
            warn("FailedToReconcile", failure.to_string())
        } else {
            warn(failure.reason(), failure.to_string())
        };
        self.end(visit, Verdict::Failed { failure }, word, now)
    }

    /// Ends a visit: a higher intent follows at once, before the node is uncordoned.
    pub(super) fn end(
        mut self,
        visit: &Visit,
        verdict: Verdict,
        word: Effect,
        now: Timestamp,
    ) -> Step {
        let in_service = self.may_serve(&verdict);
        let touched = !matches!(self.memory.state, State::Preparing { .. });
        let deadline = self.deadline(now);
        if touched && let Some(awaiting) = &mut self.memory.awaiting_ready {
            awaiting.since = now;
            if let Some(fallback) = &mut awaiting.fallback {
                fallback.deadline = deadline;
            }
        }
        let outcome = Outcome {
            intent: Some(visit.order.intent),
            at: now,
            verdict,
        };
        let bears_cordon = self.node.as_ref().is_some_and(|node| node.cordoned);
        self.memory.state = if in_service && (self.memory.cordon_asked || bears_cordon) {
            State::Uncordoning {
                config: visit.order.config.clone(),
                outcome,
            }
        } else {
            State::Idle {
                outcome: Some(outcome),
            }
        };
        if let Some(order) = self.due().cloned() {
            let (daemon, next) = self.begin(order);
            let mut effects = vec![word];
            effects.extend(next);
            return (daemon, effects);
        }
        (self, vec![Effect::Store, word])
    }

    /// Whether a node whose visit ended so may take pods again: it is whole on one config.
    pub(super) fn may_serve(&self, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Done => true,
            Verdict::Failed { failure } => match failure {
                Failure::WentBack { .. } | Failure::ApplyFailed { .. } => {
                    self.memory.unsettled.is_empty()
                }
                Failure::ConfigMissing { .. }
                | Failure::ConfigUnreadable { .. }
                | Failure::PolicyUnreadable { .. }
                | Failure::Irreconcilable { .. }
                | Failure::SurveyFailed { .. } => {
                    self.memory.unsettled.is_empty() && self.memory.awaiting_ready.is_none()
                }
                Failure::UndoFailed { .. }
                | Failure::ActionFailed { .. }
                | Failure::RebootFailed { .. }
                | Failure::ProofFailed { .. }
                | Failure::Drifted { .. }
                | Failure::JournalDamaged { .. } => false,
            },
        }
    }
}

pub(super) fn tell(reason: &'static str, note: String) -> Effect {
    Effect::Announce(Announcement {
        warning: false,
        reason,
        note,
    })
}

pub(super) fn warn(reason: &'static str, note: String) -> Effect {
    Effect::Announce(Announcement {
        warning: true,
        reason,
        note,
    })
}

/// The change of the disk that `visit` is about. Only the way back asks for one exact kubelet.
pub(super) fn application(visit: &Visit) -> Effect {
    let kubelet = match &visit.purpose {
        Purpose::Assigned => None,
        Purpose::WayBack { kubelet, .. } => kubelet.clone(),
    };
    Effect::Apply {
        config: Some(visit.order.config.clone()),
        kubelet,
    }
}

/// The request that state `state` makes of the controller, if it makes one.
pub(super) fn drain_wish(state: &State) -> Option<String> {
    match state {
        State::Draining { visit, .. } => Some(drain_request(&visit.order.config)),
        State::Uncordoning { config, .. } => Some(uncordon_request(config)),
        _ => None,
    }
}
