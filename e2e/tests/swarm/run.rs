//! One run: breaks, heals, and must then converge.

use crate::fleet;
use crate::logs::Logs;
use crate::people::People;
use crate::report::{self, Run};
use crate::story::Story;
use simulation::chance::Chance;
use simulation::clock;
use simulation::faults::{Faults, Rates};
use simulation::fleet::{Fleet, Programs, Setup};
use simulation::observer::Observer;
use simulation::pace::Pace;
use simulation::trace::Trace;
use std::sync::Arc;
use std::time::Duration;

/// Once faults have stopped, every node converges within this time: a dozen nodes one after the other, each with two boots,
/// a slow drain, and the API server's minute of patience.
const CONVERGES_WITHIN: Duration = Duration::from_mins(120);
/// After healing, what was broken is mended by whoever broke it, and open requests end.
const MENDED_AFTER: Duration = Duration::from_secs(10);
/// So long the fleet must stay as it is once it has converged: nothing is done twice.
const STAYS: Duration = Duration::from_mins(2);
/// Requests, answers and watch events of one run. The longest that ended well had some 60,000; a run that comes here goes in a
/// circle.
const ENTRIES_MAX: u64 = 400_000;
/// Somebody looks so often whether a rollout has stopped.
const SOMEBODY_LOOKS: Duration = Duration::from_mins(1);

/// Runs one seed on this thread in paused time; what is wrong with it, in words.
pub(crate) fn run(seed: u64) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(tell(seed))
}

async fn tell(seed: u64) -> Result<(), String> {
    let chance = Chance::from_seed(seed);
    let clock = clock::starting_at("2026-11-24T08:00:00Z".parse().unwrap());
    let logs = Logs::begin(clock.clone());
    let trace = Arc::new(Trace::new(std::env::var_os(report::TRACE_FILE).is_some()));
    let description = fleet::draw(&chance);
    let rates = Rates::draw(&chance);
    let mut programs = Programs::default();
    programs.controller.approve_first = true;
    let fleet = Fleet::start(Setup {
        description: description.clone(),
        seed,
        pace: Pace::real(),
        clock,
        faults: Faults::new(rates.clone(), &chance),
        trace: Some(Arc::clone(&trace)),
        directory: None,
        programs,
    })
    .await
    .unwrap();
    let people = People::new(fleet.client("people"));
    let mut story = Story::new(people, description, &chance);
    let acts = 2 + chance.branch("acts").below(6);
    let ended = tokio::select! {
        settled = play(&fleet, &mut story, acts) => Some(settled),
        () = trace.reaches(ENTRIES_MAX) => None,
    };
    let settled = ended == Some(true);
    let stays = fleet.observe(Observer::has_converged);
    let run = Run {
        seed,
        rates: &rates,
        fleet: &fleet,
        story: &story,
        logs: &logs,
        trace: &trace,
    };
    let told = match ended {
        Some(_) => report::judge(&run, settled, stays),
        None => report::endless(&run, ENTRIES_MAX),
    };
    fleet.stop().await;
    told
}

/// Breaks and heals; whether the fleet has converged in time.
async fn play(fleet: &Fleet, story: &mut Story, acts: u64) -> bool {
    story.begin().await;
    story.act(fleet, acts).await;
    fleet.heal();
    story
        .told
        .push(format!("{} healed", fleet.server().clock().now()));
    tokio::time::sleep(MENDED_AFTER).await;
    story.put_right(fleet).await;
    // Inputs have to be quiet for a while before they count; until then the fleet looks settled on its old target.
    tokio::time::sleep(MENDED_AFTER).await;
    let settled = settle(fleet, story).await;
    if settled {
        tokio::time::sleep(STAYS).await;
    }
    settled
}

/// Waits until the fleet has converged, while somebody lets stopped rollouts go on; false where it takes too long.
async fn settle(fleet: &Fleet, story: &mut Story) -> bool {
    let deadline = tokio::time::Instant::now() + CONVERGES_WITHIN;
    while tokio::time::Instant::now() < deadline {
        let converged = fleet.until(Observer::has_converged);
        if tokio::time::timeout(SOMEBODY_LOOKS, converged)
            .await
            .is_ok()
        {
            return true;
        }
        for pool in report::stopped_pools(fleet) {
            story.people.approve(&pool).await;
            story.told.push(format!(
                "{} let the stopped rollout of {pool} go on",
                fleet.server().clock().now()
            ));
        }
    }
    false
}
