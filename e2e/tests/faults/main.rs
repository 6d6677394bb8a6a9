//! Faults on the real thing: real API servers, etcd and rights under the real controller and daemons, and what breaks there.
//!
//! Machines and kubelets are simulated; the controller and every daemon run in this process, each with its own token. A story finds
//! the fleet at rest and leaves it so. What was stored is judged by the simulation's observer ([`record`]).
//!
//! This program is its own test harness, so that one control plane serves all stories and ends with them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod balancer;
#[path = "../install/fleet.rs"]
#[allow(dead_code, reason = "the installation's stories need more of it")]
mod fleet;
mod kills;
mod leading;
mod outages;
mod record;
mod stage;
#[path = "../install/support.rs"]
#[allow(dead_code, reason = "the installation's stories need more of it")]
mod support;
mod tap;

use std::process::ExitCode;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use self::stage::{Stage, options};

/// A story on the stage that all share.
type Story = for<'a> fn(&'a mut Stage) -> LocalBoxFuture<'a, ()>;

macro_rules! stories {
    ($($room:ident::$story:ident),* $(,)?) => {
        [$((
            concat!(stringify!($room), "::", stringify!($story)),
            (|stage| $room::$story(stage).boxed_local()) as Story,
        )),*]
    };
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new().unwrap());
    let shared = Arc::new(Mutex::new(None));
    let stories = stories![
        kills::a_controller_killed_after_any_of_its_writes_does_nothing_twice,
        leading::scaled_to_zero_is_a_safe_stop,
        leading::two_leaders_at_once_break_nothing_and_do_nothing_twice,
        leading::a_leader_that_cannot_renew_steps_down_before_another_goes_on,
        leading::a_lease_that_is_taken_away_stops_its_holder_until_the_taker_is_silent,
        outages::a_rollout_goes_on_after_the_api_server_and_etcd_were_killed,
        outages::a_rollout_goes_on_while_all_watches_are_cut,
    ];
    let trials = stories.map(|(name, story)| {
        let (runtime, shared) = (Arc::clone(&runtime), Arc::clone(&shared));
        Trial::test(name, move || {
            runtime.block_on(async {
                let mut shared = shared.lock().await;
                if shared.is_none() {
                    *shared =
                        Some(Stage::set(options(), "worker", &["worker-0", "worker-1"]).await);
                }
                if let Some(stage) = shared.as_mut() {
                    story(stage).await;
                }
            });
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.into());
    // The control plane ends here, before the program's end.
    runtime.block_on(async { drop(shared.lock().await.take()) });
    conclusion.exit_code()
}
