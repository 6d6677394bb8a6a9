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
mod gate;
mod kills;
mod leading;
mod outages;
mod quorum;
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

use self::stage::{Plan, Stage, two_workers};

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
    let workers = stories![
        kills::a_controller_killed_after_any_of_its_writes_does_nothing_twice,
        leading::scaled_to_zero_is_a_safe_stop,
        leading::two_leaders_at_once_break_nothing_and_do_nothing_twice,
        leading::a_leader_that_cannot_renew_steps_down_before_another_goes_on,
        leading::a_lease_that_is_taken_away_stops_its_holder_until_the_taker_is_silent,
        outages::a_rollout_goes_on_after_the_api_server_and_etcd_were_killed,
        outages::a_rollout_goes_on_while_all_watches_are_cut,
        gate::a_kubelet_waits_until_both_api_servers_serve_its_version,
    ];
    let masters = stories![quorum::never_a_second_control_plane_node_is_away];
    // The longest ones first: each stage has a thread of its own as far as there are two.
    let mut trials = on_a_stage(&runtime, quorum::plan, masters.to_vec());
    trials.extend(on_a_stage(&runtime, two_workers, workers.to_vec()));
    let conclusion = libtest_mimic::run(&arguments, trials);
    conclusion.exit_code()
}

/// Stories on one stage, which is set when the first of them needs it and ends with the last.
fn on_a_stage(
    runtime: &Arc<Runtime>,
    plan: fn() -> Plan,
    stories: Vec<(&'static str, Story)>,
) -> Vec<Trial> {
    let shared = Arc::new(Shared {
        stage: Mutex::new(None),
        runtime: Arc::clone(runtime),
    });
    let trial = |(name, story): (&'static str, Story)| {
        let shared = Arc::clone(&shared);
        Trial::test(name, move || {
            shared.runtime.block_on(async {
                let mut stage = shared.stage.lock().await;
                if stage.is_none() {
                    *stage = Some(Stage::set(plan()).await);
                }
                if let Some(stage) = stage.as_mut() {
                    story(stage).await;
                }
            });
            Ok(())
        })
    };
    stories.into_iter().map(trial).collect()
}

/// A stage and what it runs on.
struct Shared {
    stage: Mutex<Option<Stage>>,
    runtime: Arc<Runtime>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // What a stage consists of ends its tasks when it is dropped.
        let _inside = self.runtime.enter();
        drop(self.stage.get_mut().take());
    }
}
