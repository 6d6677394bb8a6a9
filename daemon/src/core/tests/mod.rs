//! The whole table of states and events.

mod stories;

use super::*;

const NOW: i64 = 1_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

fn order(intent: u64, config: &str) -> Order {
    Order {
        intent,
        config: config.into(),
    }
}

fn assigned() -> Visit {
    Visit {
        order: order(2, "new"),
        purpose: Purpose::Assigned,
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    Outcome {
        intent: Some(2),
        at: at(0),
        verdict,
    }
}

fn restart() -> Action {
    Action::Restart {
        service: "chronyd.service".into(),
    }
}

fn acts() -> Plan {
    Plan {
        actions: vec![restart()],
        ..Plan::default()
    }
}

fn reboots() -> Plan {
    Plan {
        actions: vec![Action::Reboot],
        drain: true,
        ..Plan::default()
    }
}

/// A node that has `old` on its disk and was last assigned intent 2.
fn daemon(state: State) -> Daemon {
    let memory = Memory {
        acted: Some(order(2, "new")),
        on_disk: Some("old".into()),
        state,
        ..Memory::default()
    };
    let mut daemon = Daemon::start(memory, "boot-1".into(), Settings::default()).0;
    daemon.node = Some(node(2, "new"));
    daemon
}

/// A Ready node that was assigned `config` with `intent`.
fn node(intent: u64, config: &str) -> NodeView {
    NodeView {
        order: Some(order(intent, config)),
        desired_config: Some(config.into()),
        ready: Ready::True {
            heartbeat: Some(at(-30)),
        },
        boot_id: "boot-1".into(),
        ..NodeView::default()
    }
}

fn drained(intent: u64) -> NodeView {
    NodeView {
        last_applied_drain: Some("drain-new".into()),
        drained_intent: Some(intent),
        cordoned: true,
        ..node(2, "new")
    }
}

fn prepared(proposal: Result<Proposal, Failure>) -> Event {
    Event::Prepared {
        intent: 2,
        proposal,
        kubelet_answers: true,
    }
}

fn missing() -> Failure {
    Failure::ConfigMissing {
        config: "new".into(),
    }
}

/// Every kind of state.
fn states() -> Vec<(&'static str, Daemon)> {
    let failed = Verdict::Failed { failure: missing() };
    let mut on_trial = daemon(State::Idle {
        outcome: Some(outcome(Verdict::Done)),
    });
    on_trial.memory.awaiting_ready = Some(AwaitingReady {
        since: at(-60),
        boot: "boot-1".into(),
        fallback: Some(Fallback {
            last_good: "old".into(),
            kubelet: None,
            deadline: at(-1),
        }),
    });
    let mut probing = on_trial.clone();
    probing.probing = true;
    let mut states = vec![
        ("unborn", daemon(State::Idle { outcome: None })),
        (
            "done",
            daemon(State::Idle {
                outcome: Some(outcome(Verdict::Done)),
            }),
        ),
        (
            "failed",
            daemon(State::Idle {
                outcome: Some(outcome(failed)),
            }),
        ),
        ("onTrial", on_trial),
        ("probing", probing),
    ];
    states.extend(visits());
    states
}

/// Every kind of state with a visit in it or just behind it.
fn visits() -> Vec<(&'static str, Daemon)> {
    let visit = assigned;
    let apply_failed = Failure::ApplyFailed {
        config: "new".into(),
        error: "disk full".into(),
    };
    let uncordoning = State::Uncordoning {
        config: "new".into(),
        outcome: outcome(Verdict::Done),
    };
    let applying = |plan| State::Applying {
        visit: visit(),
        plan,
    };
    vec![
        ("preparing", daemon(State::Preparing { visit: visit() })),
        (
            "draining",
            daemon(State::Draining {
                visit: visit(),
                plan: reboots(),
            }),
        ),
        ("applying", daemon(applying(acts()))),
        ("applyingBoot", daemon(applying(reboots()))),
        (
            "undoing",
            daemon(State::Undoing {
                visit: visit(),
                plan: acts(),
                failure: apply_failed,
            }),
        ),
        (
            "acting",
            daemon(State::Acting {
                visit: visit(),
                plan: acts(),
            }),
        ),
        (
            "rebooting",
            daemon(State::Rebooting {
                visit: visit(),
                plan: reboots(),
                leaving: "boot-1".into(),
            }),
        ),
        (
            "proving",
            daemon(State::Proving {
                visit: visit(),
                plan: reboots(),
            }),
        ),
        ("uncordoning", daemon(uncordoning)),
    ]
}

/// Every kind of event.
fn events() -> Vec<(&'static str, Event)> {
    let uncordoned = NodeView {
        last_applied_drain: Some("uncordon-new".into()),
        ..node(2, "new")
    };
    let drain = Proposal {
        actions: vec![Action::Reboot],
        drain: true,
        ..Proposal::default()
    };
    vec![
        ("quiet", Event::NodeSeen(node(2, "new"))),
        ("order", Event::NodeSeen(node(3, "newer"))),
        ("lower", Event::NodeSeen(node(1, "older"))),
        ("drained", Event::NodeSeen(drained(2))),
        ("uncordoned", Event::NodeSeen(uncordoned)),
        ("lost", Event::NodeLost),
        ("prepared", prepared(Ok(Proposal::default()))),
        ("prepDrain", prepared(Ok(drain))),
        ("prepFailed", prepared(Err(missing()))),
        ("applied", Event::Applied(Ok(()))),
        ("applyFailed", Event::Applied(Err("disk full".into()))),
        ("acted", Event::Acted(Ok(()))),
        ("actFailed", Event::Acted(Err("exited".into()))),
        ("noReboot", Event::RebootRefused("refused".into())),
        ("proven", Event::Proved(Vec::new())),
        ("differs", Event::Proved(vec!["file /a".into()])),
        ("timeout", Event::TimeoutReached),
        ("alive", Event::KubeletProbed { answers: true }),
        ("dead", Event::KubeletProbed { answers: false }),
    ]
}

/// What each event does in each state: the next state, with `!` and the lasting effect that it asks for. Where nothing
/// changes the event is listed under `nothing`; where it has no meaning, under `refused`.
const TABLE: &str = "
unborn
  order -> Preparing!Prepare
  nothing: quiet lower drained uncordoned lost
  refused: prepared prepDrain prepFailed applied applyFailed acted actFailed noReboot proven differs timeout alive dead
done
  order -> Preparing!Prepare
  drained -> Uncordoning
  differs -> Idle
  nothing: quiet lower uncordoned lost proven
  refused: prepared prepDrain prepFailed applied applyFailed acted actFailed noReboot timeout alive dead
failed
  order -> Preparing!Prepare
  nothing: quiet lower drained uncordoned lost
  refused: prepared prepDrain prepFailed applied applyFailed acted actFailed noReboot proven differs timeout alive dead
onTrial
  quiet -> Idle
  order -> Preparing!Prepare
  lower -> Idle
  drained -> Uncordoning
  uncordoned -> Idle
  differs -> Idle
  timeout -> Idle!Probe
  nothing: lost proven
  refused: prepared prepDrain prepFailed applied applyFailed acted actFailed noReboot alive dead
probing
  quiet -> Idle
  order -> Preparing!Prepare
  lower -> Idle
  drained -> Uncordoning
  uncordoned -> Idle
  differs -> Idle
  alive -> Idle
  dead -> Preparing!Prepare
  nothing: lost proven
  refused: prepared prepDrain prepFailed applied applyFailed acted actFailed noReboot timeout
preparing
  order -> Preparing!Prepare
  prepared -> Applying!Apply
  prepDrain -> Draining
  prepFailed -> Idle
  nothing: quiet lower drained uncordoned lost
  refused: applied applyFailed acted actFailed noReboot proven differs timeout alive dead
draining
  order -> Preparing!Prepare
  drained -> Applying!Apply
  nothing: quiet lower uncordoned lost
  refused: prepared prepDrain prepFailed applied applyFailed acted actFailed noReboot proven differs timeout alive dead
applying
  applied -> Acting!Act
  applyFailed -> Undoing!Apply
  nothing: quiet order lower drained uncordoned lost
  refused: prepared prepDrain prepFailed acted actFailed noReboot proven differs timeout alive dead
applyingBoot
  applied -> Rebooting!Reboot
  applyFailed -> Undoing!Apply
  nothing: quiet order lower drained uncordoned lost
  refused: prepared prepDrain prepFailed acted actFailed noReboot proven differs timeout alive dead
undoing
  applied -> Idle
  applyFailed -> Idle
  nothing: quiet order lower drained uncordoned lost
  refused: prepared prepDrain prepFailed acted actFailed noReboot proven differs timeout alive dead
acting
  acted -> Proving!Prove
  actFailed -> Idle
  nothing: quiet order lower drained uncordoned lost
  refused: prepared prepDrain prepFailed applied applyFailed noReboot proven differs timeout alive dead
rebooting
  noReboot -> Idle
  nothing: quiet order lower drained uncordoned lost
  refused: prepared prepDrain prepFailed applied applyFailed acted actFailed proven differs timeout alive dead
proving
  proven -> Idle
  differs -> Idle
  nothing: quiet order lower drained uncordoned lost
  refused: prepared prepDrain prepFailed applied applyFailed acted actFailed noReboot timeout alive dead
uncordoning
  order -> Preparing!Prepare
  uncordoned -> Idle
  nothing: quiet lower drained lost
  refused: prepared prepDrain prepFailed applied applyFailed acted actFailed noReboot proven differs timeout alive dead
";

fn lasting(effect: &Effect) -> Option<&'static str> {
    match effect {
        Effect::Store | Effect::Announce(_) => None,
        Effect::Prepare { .. } => Some("!Prepare"),
        Effect::Apply { .. } => Some("!Apply"),
        Effect::Act { .. } => Some("!Act"),
        Effect::Reboot => Some("!Reboot"),
        Effect::Prove { .. } => Some("!Prove"),
        Effect::ProbeKubelet => Some("!Probe"),
    }
}

fn cell(before: &Daemon, event: Event) -> String {
    match before.on(event, at(0)) {
        Err(Refused { .. }) => "-".into(),
        Ok((after, effects)) => {
            let effect = effects.iter().find_map(lasting).unwrap_or_default();
            if effect.is_empty() && after.memory == before.memory {
                return ".".into();
            }
            format!("{}{effect}", after.memory.state.name())
        }
    }
}

fn row(state: &str, daemon: &Daemon) -> String {
    let mut row = format!("{state}\n");
    let mut nothing = vec!["  nothing:"];
    let mut refused = vec!["  refused:"];
    for (name, event) in events() {
        match cell(daemon, event).as_str() {
            "." => nothing.push(name),
            "-" => refused.push(name),
            next => row.extend(["  ", name, " -> ", next, "\n"]),
        }
    }
    format!("{row}{}\n{}\n", nothing.join(" "), refused.join(" "))
}

#[test]
fn every_event_does_in_every_state_what_the_table_says() {
    let states = states();
    let rows: Vec<String> = states
        .iter()
        .map(|(name, daemon)| row(name, daemon))
        .collect();
    let table = format!("\n{}", rows.concat());
    for (line, expected) in table.lines().zip(TABLE.lines()) {
        assert_eq!(line, expected, "in\n{table}");
    }
    assert_eq!(table.lines().count(), TABLE.lines().count(), "{table}");
}

#[test]
fn the_book_shows_the_table() {
    let page = include_str!("../../../../docs/daemon.md");
    assert!(
        page.contains(TABLE.trim_start()),
        "copy the table into docs/daemon.md"
    );
}

#[test]
fn every_state_is_read_back_from_the_journal_as_it_was() {
    for (name, daemon) in states() {
        let text = serde_json::to_string(&daemon.memory).unwrap();
        let read: Memory = serde_json::from_str(&text).unwrap();
        assert_eq!(read, daemon.memory, "{name}");
    }
}
