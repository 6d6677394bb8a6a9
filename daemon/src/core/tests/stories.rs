//! The rules that the table cannot show, because they take more than one event.

use super::*;

/// Feeds events, one a second, and gives the end with all effects in order.
fn run(mut daemon: Daemon, events: impl IntoIterator<Item = Event>) -> (Daemon, Vec<Effect>) {
    let mut all = Vec::new();
    for (second, event) in events.into_iter().enumerate() {
        let now = at(i64::try_from(second).unwrap());
        let (next, effects) = daemon.on(event, now).unwrap();
        daemon = next;
        all.extend(effects);
    }
    (daemon, all)
}

/// Takes the journal through a restart in `boot`.
fn restarted(daemon: &Daemon, boot: &str) -> (Daemon, Vec<Effect>) {
    let (mut next, effects) =
        Daemon::start(daemon.memory.clone(), boot.into(), Settings::default());
    next.node.clone_from(&daemon.node);
    (next, effects)
}

fn idle() -> Daemon {
    let done = Outcome {
        intent: Some(1),
        ..outcome(Verdict::Done)
    };
    let mut daemon = daemon(State::Idle {
        outcome: Some(done),
    });
    daemon.memory.acted = Some(order(1, "old"));
    daemon.node = Some(node(1, "old"));
    daemon
}

fn wants(proposal: Proposal) -> Event {
    prepared(Ok(proposal))
}

fn restarts_kubelet() -> Proposal {
    Proposal {
        actions: vec![Action::Restart {
            service: "kubelet.service".into(),
        }],
        on_trial: true,
        kubelet: Some("1.33.1".into()),
        ..Proposal::default()
    }
}

fn drains() -> Proposal {
    Proposal {
        actions: vec![Action::Reboot],
        drain: true,
        ..Proposal::default()
    }
}

fn done_without_reboot(proposal: Proposal) -> Vec<Event> {
    vec![
        Event::NodeSeen(node(2, "new")),
        wants(proposal),
        Event::Applied(Ok(())),
        Event::Acted(Ok(())),
        Event::Proved(Vec::new()),
    ]
}

fn not_ready(ready: Ready) -> NodeView {
    NodeView {
        ready,
        ..node(2, "new")
    }
}

#[test]
fn the_journal_is_stored_before_anything_is_touched() {
    let events = done_without_reboot(restarts_kubelet());
    let (_, effects) = run(idle(), events);
    let touching = |effect: &Effect| {
        matches!(
            effect,
            Effect::Apply { .. } | Effect::Act { .. } | Effect::Reboot
        )
    };
    for (index, _) in effects.iter().enumerate().filter(|(_, e)| touching(e)) {
        let before = &effects[..index];
        let last_store = before.iter().rposition(|e| *e == Effect::Store).unwrap();
        let only_words = before[last_store + 1..]
            .iter()
            .all(|e| matches!(e, Effect::Announce(_)));
        assert!(only_words, "{effects:?}");
    }
}

#[test]
fn an_intent_that_was_acted_on_is_never_acted_on_again_after_a_restart() {
    let (done, _) = run(idle(), done_without_reboot(Proposal::default()));
    let (restarted, _) = restarted(&done, "boot-2");
    for seen in [node(2, "new"), node(1, "old"), node(2, "old")] {
        let (after, _) = restarted.on(Event::NodeSeen(seen), at(9)).unwrap();
        assert_eq!(after.memory.state.visit(), None);
    }
}

#[test]
fn a_higher_intent_waits_for_a_visit_that_has_touched_the_disk_and_then_comes_before_the_uncordon()
{
    let mut events = vec![
        Event::NodeSeen(node(2, "new")),
        wants(drains()),
        Event::NodeSeen(drained(2)),
        Event::NodeSeen(NodeView {
            cordoned: true,
            ..node(3, "newer")
        }),
        Event::Applied(Ok(())),
    ];
    let (rebooting, _) = run(idle(), events.drain(..));
    let (booted, effects) = restarted(&rebooting, "boot-2");
    assert_eq!(
        effects.last(),
        Some(&Effect::Prove {
            config: "new".into()
        })
    );
    let (next, _) = run(booted, [Event::Proved(Vec::new())]);
    assert_eq!(next.memory.on_disk.as_deref(), Some("new"));
    assert_eq!(next.memory.state.visit().unwrap().order, order(3, "newer"));
    assert_eq!(next.report().desired_drain, None);
}

#[test]
fn a_drain_that_has_touched_nothing_gives_way_to_a_higher_intent() {
    let events = [
        Event::NodeSeen(node(2, "new")),
        wants(drains()),
        Event::NodeSeen(node(3, "newer")),
        Event::Prepared {
            intent: 3,
            proposal: Ok(drains()),
            kubelet_answers: true,
        },
        // The acknowledgement of the request that was withdrawn.
        Event::NodeSeen(NodeView {
            last_applied_drain: Some("drain-new".into()),
            drained_intent: Some(2),
            ..node(3, "newer")
        }),
    ];
    let (daemon, _) = run(idle(), events);
    assert_eq!(daemon.memory.state.name(), "Draining");
    assert_eq!(
        daemon.report().desired_drain.as_deref(),
        Some("drain-newer")
    );
}

#[test]
fn an_uncordon_is_over_when_our_cordon_is_gone_whatever_was_acknowledged_before() {
    let before = NodeView {
        last_applied_drain: Some("uncordon-old".into()),
        ..node(2, "new")
    };
    let cordoned = NodeView {
        cordoned: true,
        last_applied_drain: Some("uncordon-old".into()),
        ..node(3, "old")
    };
    let events = [
        Event::NodeSeen(before),
        wants(drains()),
        Event::NodeSeen(cordoned.clone()),
        Event::Prepared {
            intent: 3,
            proposal: Ok(Proposal::default()),
            kubelet_answers: true,
        },
        Event::Applied(Ok(())),
        Event::Acted(Ok(())),
        Event::Proved(Vec::new()),
        Event::NodeSeen(cordoned.clone()),
    ];
    let (waiting, _) = run(idle(), events);
    assert_eq!(waiting.memory.state.name(), "Uncordoning");
    let free = NodeView {
        cordoned: false,
        ..cordoned
    };
    let (over, _) = run(waiting, [Event::NodeSeen(free)]);
    assert_eq!(over.memory.state.name(), "Idle");
}

#[test]
fn a_drain_of_another_intent_is_not_ours() {
    let events = [
        Event::NodeSeen(node(2, "new")),
        wants(drains()),
        Event::NodeSeen(drained(1)),
    ];
    let (daemon, _) = run(idle(), events);
    assert_eq!(daemon.memory.state.name(), "Draining");
}

#[test]
fn no_drain_is_waited_for_where_nobody_could_end_the_pods() {
    let broken_by_us = |mut daemon: Daemon| {
        daemon.memory.awaiting_ready = Some(AwaitingReady {
            since: at(-9),
            boot: "boot-1".into(),
            fallback: None,
        });
        daemon
    };
    let stale = Ready::True { heartbeat: None };
    let cases = [
        (idle(), Ready::False, true, "Draining"),
        (idle(), Ready::False, false, "Applying"),
        (idle(), Ready::Unknown, true, "Applying"),
        (idle(), stale, false, "Draining"),
        (broken_by_us(idle()), Ready::False, true, "Applying"),
        (broken_by_us(idle()), stale, false, "Applying"),
        (broken_by_us(idle()), stale, true, "Draining"),
    ];
    for (daemon, ready, kubelet_answers, state) in cases {
        let ours = daemon.memory.awaiting_ready.is_some();
        let prepared = Event::Prepared {
            intent: 2,
            proposal: Ok(drains()),
            kubelet_answers,
        };
        let (after, _) = run(daemon, [Event::NodeSeen(not_ready(ready)), prepared]);
        let why = format!("ours {ours}, {ready:?}, kubelet answers {kubelet_answers}");
        assert_eq!(after.memory.state.name(), state, "{why}");
    }
}

#[test]
fn a_kubelet_that_dies_while_its_node_is_drained_ends_the_wait() {
    let events = [
        Event::NodeSeen(node(2, "new")),
        wants(drains()),
        Event::NodeSeen(not_ready(Ready::Unknown)),
    ];
    let (daemon, _) = run(idle(), events);
    assert_eq!(daemon.memory.state.name(), "Applying");
}

#[test]
fn the_single_node_of_a_control_plane_is_updated_without_a_drain() {
    let alone = NodeView {
        single_control_plane: true,
        ..node(2, "new")
    };
    let (daemon, _) = run(idle(), [Event::NodeSeen(alone), wants(drains())]);
    assert_eq!(daemon.memory.state.name(), "Applying");
}

#[test]
fn a_reboot_that_did_not_happen_is_asked_for_again_and_one_that_did_is_proven() {
    let events = [
        Event::NodeSeen(not_ready(Ready::Unknown)),
        wants(drains()),
        Event::Applied(Ok(())),
    ];
    let (rebooting, _) = run(idle(), events);
    assert_eq!(restarted(&rebooting, "boot-1").1, [Effect::Reboot]);
    let (booted, effects) = restarted(&rebooting, "boot-2");
    assert_eq!(booted.memory.state.name(), "Proving");
    assert_eq!(effects.first(), Some(&Effect::Store));
}

#[test]
fn a_node_that_never_becomes_ready_goes_back_once_and_says_so() {
    let (done, _) = run(idle(), done_without_reboot(restarts_kubelet()));
    let (deadline, _) = done.poll_timeout().unwrap();
    assert_eq!(deadline, at(4).saturating_add(WAY_BACK_AFTER).unwrap());

    let (daemon, _) = done.on(Event::TimeoutReached, deadline).unwrap();
    let dead = Event::KubeletProbed { answers: false };
    let (daemon, effects) = daemon.on(dead, deadline).unwrap();
    let offline = Effect::Prepare {
        order: order(2, "old"),
        on_disk: Some("new".into()),
        offline: true,
    };
    assert!(effects.contains(&offline), "{effects:?}");

    let (daemon, effects) = daemon.on(wants(drains()), deadline).unwrap();
    let apply = Effect::Apply {
        config: Some("old".into()),
        kubelet: Some("1.33.1".into()),
    };
    assert_eq!(
        effects.last(),
        Some(&apply),
        "no drain, and the old kubelet"
    );
    let (daemon, _) = daemon.on(Event::Applied(Ok(())), deadline).unwrap();
    let (daemon, _) = restarted(&daemon, "boot-2");
    let (daemon, _) = daemon.on(Event::Proved(Vec::new()), deadline).unwrap();

    let report = daemon.report();
    assert_eq!(report.state, Some(NodeState::Degraded));
    assert_eq!(report.current_config.as_deref(), Some("old"));
    assert_eq!(report.acted_intent, Some(2));
    assert!(report.reason.starts_with("WentBack: "), "{}", report.reason);
    assert_eq!(daemon.poll_timeout(), None, "once");
}

#[test]
fn a_fresh_ready_closes_the_way_back_and_a_stale_one_does_not() {
    let (done, _) = run(idle(), done_without_reboot(restarts_kubelet()));
    let beat = |seconds| {
        Event::NodeSeen(NodeView {
            ready: Ready::True {
                heartbeat: Some(at(seconds)),
            },
            ..node(2, "new")
        })
    };
    let (stale, _) = done.on(beat(4), at(5)).unwrap();
    assert!(stale.poll_timeout().is_some());
    let (fresh, _) = done.on(beat(5), at(5)).unwrap();
    assert_eq!(fresh.poll_timeout(), None);
}

#[test]
fn after_a_reboot_only_a_ready_of_the_new_boot_is_fresh() {
    let proposal = Proposal {
        on_trial: true,
        ..drains()
    };
    let events = [
        Event::NodeSeen(not_ready(Ready::Unknown)),
        wants(proposal),
        Event::Applied(Ok(())),
    ];
    let (rebooting, _) = run(idle(), events);
    let (booted, _) = restarted(&rebooting, "boot-2");
    let (done, _) = booted.on(Event::Proved(Vec::new()), at(60)).unwrap();
    let ready = |boot: &str| {
        Event::NodeSeen(NodeView {
            boot_id: boot.into(),
            ..node(2, "new")
        })
    };
    let (stale, _) = done.on(ready("boot-1"), at(61)).unwrap();
    assert!(stale.poll_timeout().is_some());
    let (fresh, _) = done.on(ready("boot-2"), at(61)).unwrap();
    assert_eq!(fresh.poll_timeout(), None);
}

#[test]
fn a_config_that_withholds_a_part_has_no_way_back() {
    let proposal = Proposal {
        withholds: true,
        ..restarts_kubelet()
    };
    let (done, _) = run(idle(), done_without_reboot(proposal));
    assert_eq!(done.poll_timeout(), None);
}

#[test]
fn the_last_good_config_is_the_one_before_the_first_that_failed() {
    let mut events = done_without_reboot(restarts_kubelet());
    events.extend([
        Event::NodeSeen(node(3, "newer")),
        Event::Prepared {
            intent: 3,
            proposal: Ok(Proposal::default()),
            kubelet_answers: false,
        },
    ]);
    let (daemon, _) = run(idle(), events);
    let fallback = daemon.memory.awaiting_ready.unwrap().fallback.unwrap();
    assert_eq!(fallback.last_good, "old");
}

#[test]
fn an_outage_of_the_api_server_is_no_reason_to_go_back() {
    let (done, _) = run(idle(), done_without_reboot(restarts_kubelet()));
    let (deadline, _) = done.poll_timeout().unwrap();
    let (daemon, _) = done.on(Event::NodeLost, deadline).unwrap();
    let (daemon, _) = daemon.on(Event::TimeoutReached, deadline).unwrap();
    let alive = Event::KubeletProbed { answers: true };
    let (daemon, _) = daemon.on(alive, deadline).unwrap();
    assert_eq!(daemon.memory.state.visit(), None);
    assert!(daemon.poll_timeout().unwrap().0 > deadline);
}

#[test]
fn actions_that_a_failed_visit_left_undone_are_due_in_the_next() {
    let proposal = Proposal {
        actions: vec![restart()],
        ..Proposal::default()
    };
    let events = [
        Event::NodeSeen(node(2, "new")),
        wants(proposal),
        Event::Applied(Ok(())),
        Event::Acted(Err("exited".into())),
        Event::NodeSeen(node(3, "new")),
        Event::Prepared {
            intent: 3,
            proposal: Ok(Proposal::default()),
            kubelet_answers: true,
        },
        Event::Applied(Ok(())),
    ];
    let (_, effects) = run(idle(), events);
    let act = Effect::Act {
        actions: vec![restart()],
    };
    assert_eq!(effects.last(), Some(&act));
}

#[test]
fn a_change_that_was_put_back_leaves_nothing_due() {
    let events = [
        Event::NodeSeen(not_ready(Ready::Unknown)),
        wants(drains()),
        Event::Applied(Err("disk full".into())),
        Event::Applied(Ok(())),
    ];
    let (daemon, effects) = run(idle(), events);
    let undo = Effect::Apply {
        config: Some("old".into()),
        kubelet: None,
    };
    assert!(effects.contains(&undo));
    assert_eq!(daemon.memory.unsettled, []);
    assert_eq!(daemon.report().current_config.as_deref(), Some("old"));
    assert_eq!(daemon.report().state, Some(NodeState::Degraded));
}

#[test]
fn a_lost_journal_still_keeps_to_what_the_node_reported() {
    let (daemon, _) = Daemon::start(Memory::default(), "boot-1".into(), Settings::default());
    let seen = |intent| NodeView {
        acted_intent: Some(7),
        ..node(intent, "new")
    };
    let (quiet, _) = daemon.on(Event::NodeSeen(seen(7)), at(0)).unwrap();
    assert_eq!(quiet.memory.state.visit(), None);
    let (acting, _) = daemon.on(Event::NodeSeen(seen(8)), at(0)).unwrap();
    assert_eq!(acting.memory.state.name(), "Preparing");
}

#[test]
fn a_config_that_somebody_set_by_hand_is_reported_and_not_acted_on() {
    let by_hand = || Event::NodeSeen(node(1, "by-hand"));
    let (daemon, effects) = run(idle(), [by_hand(), by_hand()]);
    assert_eq!(daemon.memory.state.visit(), None);
    assert!(daemon.report().reason.contains("by-hand"));
    assert_eq!(daemon.report().state, Some(NodeState::Done));
    let words =
        |e: &&Effect| matches!(e, Effect::Announce(a) if a.reason == "DesiredConfigIgnored");
    assert_eq!(effects.iter().filter(words).count(), 1);
}

#[test]
fn done_is_reported_with_intent_boot_and_time_together() {
    let (daemon, _) = run(idle(), done_without_reboot(Proposal::default()));
    let report = daemon.report();
    assert_eq!(report.state, Some(NodeState::Done));
    assert_eq!(report.current_config.as_deref(), Some("new"));
    assert_eq!(report.acted_intent, Some(2));
    assert_eq!(report.boot_id, "boot-1");
    assert_eq!(report.reported_at, Some(at(4)));
    assert_eq!(report.reason, "");
}

#[test]
fn a_refusal_of_this_machine_is_unreconcilable_and_uncordons_what_it_drained() {
    let failure = Failure::Irreconcilable {
        config: "newer".into(),
        error: "x".repeat(3000),
    };
    let events = [
        Event::NodeSeen(node(2, "new")),
        wants(drains()),
        Event::NodeSeen(node(3, "newer")),
        Event::Prepared {
            intent: 3,
            proposal: Err(failure),
            kubelet_answers: true,
        },
    ];
    let (daemon, _) = run(idle(), events);
    let report = daemon.report();
    assert_eq!(report.state, Some(NodeState::Unreconcilable));
    assert_eq!(report.reason.chars().count(), REASON_CHARS_MAX);
    assert_eq!(report.desired_drain.as_deref(), Some("uncordon-newer"));
}

#[test]
fn conditions_say_how_far_a_visit_is() {
    let status = |daemon: &Daemon, kind: &str| {
        let conditions = daemon.conditions();
        let found = conditions.iter().find(|condition| condition.kind == kind);
        found.unwrap().status.as_str()
    };
    let (applying, _) = run(
        idle(),
        [Event::NodeSeen(node(2, "new")), wants(Proposal::default())],
    );
    assert_eq!(status(&applying, "UpdatePrepared"), "True");
    assert_eq!(status(&applying, "AppliedFilesAndOS"), "Unknown");
    assert_eq!(status(&applying, "UpdateComplete"), "False");
    let (acting, _) = run(applying, [Event::Applied(Ok(()))]);
    assert_eq!(status(&acting, "AppliedFilesAndOS"), "True");
    assert_eq!(status(&acting, "UpdatePostActionComplete"), "Unknown");
    assert_eq!(status(&acting, "RebootedNode"), "False");
    let (failed, _) = run(acting, [Event::Acted(Err("exited".into()))]);
    assert_eq!(status(&failed, "NodeDegraded"), "True");
}
