//! The unmodified controller over an API server: over the one in memory, in paused time, and over a real one. Daemons are played.
//!
//! Each story is told on both ([`server`]); one that shows what a real server cannot, or not in time that anybody waits for, says
//! so in the list below. The real server is started when the first story needs it and ends with the last.
//!
//! This program is its own test harness, so that one control plane serves all stories and ends with them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "helpers of tests fail by panicking, and nothing reaches beyond this binary"
)]

mod drains;
mod machines;
mod played;
mod process;
mod real;
mod rendering;
mod replaced;
mod rollouts;
mod server;
mod shown;
mod support;
mod workers;

use std::process::ExitCode;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;

use self::real::Stage;
use self::server::Place;

/// A story, wherever it is told.
type Tell = for<'a> fn(&'a Place) -> LocalBoxFuture<'a, ()>;

/// A story, and why it is told in memory alone, if it is.
struct Story {
    name: &'static str,
    tell: Tell,
    in_memory_alone: Option<&'static str>,
}

/// Lists stories; behind one that is told in memory alone stands why.
macro_rules! stories {
    ($($room:ident::$story:ident $(=> $why:literal)?),* $(,)?) => {
        vec![$(Story {
            name: concat!(stringify!($room), "::", stringify!($story)),
            tell: |place| $room::$story(place).boxed_local(),
            in_memory_alone: None$(.or(Some($why)))?,
        }),*]
    };
}

#[rustfmt::skip]
fn stories() -> Vec<Story> {
    stories![
        rollouts::a_change_reaches_every_node_and_leaves_no_trace_of_its_drains,
        rollouts::never_more_nodes_are_away_than_the_budget_allows,
        rollouts::a_slot_stays_with_a_node_whose_not_ready_the_watch_has_not_told_yet
            => "a watch is late by ten seconds",
        rollouts::a_budget_at_zero_is_named_at_the_first_refusal_and_waited_for,
        rollouts::a_controller_that_is_killed_in_mid_drain_goes_on_where_the_cluster_is,
        rollouts::a_lost_ledger_is_rebuilt_from_the_nodes_before_anybody_is_taken,
        rollouts::a_desired_config_that_somebody_wrote_by_hand_is_put_back,
        rollouts::a_node_that_was_cordoned_by_somebody_is_left_as_it_was_found,
        rollouts::a_person_may_force_a_node_through_the_ledger,
        rollouts::a_settled_cluster_is_left_alone
            => "half an hour in which nothing is asked; what is asked in real time, the bench counts",
        drains::a_refused_eviction_is_asked_once_a_minute_and_at_once_when_its_budget_changes
            => "ten minutes, and how often something is asked in them",
        drains::what_the_owner_has_not_allowed_blocks_the_drain_by_name_and_disturbs_nobody_else,
        drains::a_pod_with_two_budgets_is_named_with_both,
        drains::finalizers_that_keep_a_pod_are_named
            => "they are named after half a minute",
        drains::pods_of_daemon_sets_and_mirror_pods_stay_and_empty_dirs_go,
        drains::a_drain_that_takes_too_long_is_told_once_and_waited_for,
        drains::a_drain_that_takes_too_long_is_given_up_where_the_owner_says_so_and_others_go_first,
        machines::cluster_api_heals_no_machine_while_its_node_is_drained_and_may_again_afterwards,
        machines::a_machine_that_somebody_else_protects_stays_protected,
        machines::a_controller_that_dies_between_the_machine_and_the_node_leaves_no_protection_behind
            => "some writes of the controller, and no others, do not arrive",
        process::another_replica_takes_over_once_the_leader_has_been_silent_for_the_lease,
        process::a_leader_that_ends_gives_the_lease_back_at_once
            => "what is shown is how soon; real time is not judged",
        process::it_refuses_to_start_beside_another_owner_of_the_definitions_and_names_it,
        process::a_configuration_that_cannot_be_meant_ends_it_before_it_asks_anything
            => "no server is asked",
        process::a_watched_kind_that_is_installed_later_is_found,
        rendering::a_directory_that_is_applied_at_once_becomes_one_rendered_config,
        rendering::a_revert_brings_the_former_name_back_and_makes_nothing_new,
        rendering::a_config_that_does_not_render_leaves_the_target_and_is_named,
        rendering::a_change_that_no_node_can_apply_is_stopped_before_any_node_sees_it,
        rendering::an_old_rendered_config_is_removed_once_nothing_names_it_and_not_before
            => "the record of a deleted node names it until a garbage collector comes, and then until the hourly pass",
        rendering::deleting_a_pool_takes_its_config_from_no_node
            => "a garbage collector deletes what the pool owned, and none runs beside the real server",
        rendering::the_disruption_policy_is_published_where_there_is_something_to_publish_it_on
            => "not tried on a real server yet",
        replaced::a_node_replaced_under_its_name_in_its_visit_is_a_new_node
            => "not tried on a real server yet",
        replaced::a_node_that_changes_pool_in_its_visit_keeps_its_slot_until_it_is_done
            => "not tried on a real server yet",
        shown::a_node_that_is_still_to_come_bears_the_taint_and_loses_it_with_its_assignment
            => "a node bears it once it has waited for five seconds, and real visits are over by then",
        shown::taints_are_written_at_a_limited_rate_and_no_assignment_waits_for_them
            => "how much is written in fifteen seconds",
        shown::a_pool_s_changing_facts_are_written_at_most_once_a_second
            => "how much is written in a second",
        shown::a_config_that_does_not_render_degrades_the_pool_until_it_is_mended
            => "not tried on a real server yet",
        shown::a_change_that_only_some_hosts_can_apply_is_held_on_those_by_name
            => "not tried on a real server yet",
        shown::a_status_that_cannot_be_written_keeps_no_other_pool_from_being_shown
            => "the server refuses one write with 500, again and again",
    ]
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let shared = Arc::new(Shared {
        stage: Mutex::new(None),
        runtime: Runtime::new().unwrap(),
    });
    let mut trials = Vec::new();
    // Alternately: while one story waits on the real server, another one can be told in memory.
    for Story {
        name,
        tell,
        in_memory_alone,
    } in stories()
    {
        if in_memory_alone.is_none() {
            let shared = Arc::clone(&shared);
            trials.push(Trial::test(format!("real::{name}"), move || {
                shared.tell(tell);
                Ok(())
            }));
        }
        trials.push(Trial::test(format!("memory::{name}"), move || {
            in_paused_time().block_on(tell(&Place::InMemory));
            Ok(())
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The control plane ends here, before the program's end.
    drop(shared);
    conclusion.exit_code()
}

fn in_paused_time() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

/// The real server, when it is needed, and what it and all that speaks to it runs on.
struct Shared {
    stage: Mutex<Option<Arc<Stage>>>,
    runtime: Runtime,
}

impl Shared {
    /// Tells a story on the real server, after those that are told there now.
    fn tell(&self, tell: Tell) {
        self.runtime.block_on(async {
            let mut stage = self.stage.lock().await;
            if stage.is_none() {
                *stage = Some(Arc::new(Stage::set().await));
            }
            if let Some(stage) = &*stage {
                tell(&Place::Real(Arc::clone(stage))).await;
            }
        });
    }
}
