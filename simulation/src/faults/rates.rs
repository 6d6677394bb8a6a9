//! How often each thing goes wrong in one run.

use crate::chance::Chance;
use std::fmt;
use std::time::Duration;

/// Fault rates. Zero, or nothing, means never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// The longest that the way to the API server takes; each request draws up to it.
    pub latency_most: Duration,
    /// Requests of 1000 that are answered with 500.
    pub server_error: u16,
    /// Requests of 1000 that are answered with 429 and a Retry-After.
    pub too_many: u16,
    /// Writes of 1000 that are answered with 409 and change nothing.
    pub conflict: u16,
    /// Requests of 1000 that never arrive.
    pub lost_before: u16,
    /// Writes of 1000 that are done and whose answer never arrives.
    pub lost_after: u16,
    /// Watches of 1000 that break before their time.
    pub watch_break: u16,
    /// The longest life of a watch that breaks.
    pub watch_life_most: Duration,
    /// The longest that watch events lag behind; each watch draws up to it, and its cache is stale for so long.
    pub watch_lag_most: Duration,
    /// Mean time between two deaths of a daemon, over the fleet.
    pub daemon_death_every: Option<Duration>,
    /// Mean time between two power cuts, over the fleet.
    pub power_cut_every: Option<Duration>,
    /// How many boots in a row may fail after a power cut.
    pub failed_boots_most: u32,
    /// Mean time between two deaths of a controller.
    pub controller_death_every: Option<Duration>,
    /// Whether two controllers act at once, as when a lease is ignored.
    pub second_controller: bool,
    /// Mean time between two spells in which a budget allows nothing.
    pub budget_zero_every: Option<Duration>,
}

impl Rates {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// Rates for one run. Each kind of fault is left out of half the runs, so that every combination comes up: faults that
    /// always come together hide one another.
    pub fn draw(chance: &Chance) -> Self {
        let per_mille = |purpose: &str, most: u64| {
            let mut draw = chance.branch(purpose);
            if draw.happens(500) {
                u16::try_from(1 + draw.below(most)).unwrap_or(0)
            } else {
                0
            }
        };
        let every = |purpose: &str, shortest: u64, longest: u64| {
            let mut draw = chance.branch(purpose);
            let range = Duration::from_secs(shortest)..=Duration::from_secs(longest);
            draw.happens(500).then(|| draw.duration(range))
        };
        let mut latency = chance.branch("latency");
        let mut lag = chance.branch("watch-lag");
        Self {
            latency_most: Duration::from_millis(if latency.happens(500) {
                latency.below(800)
            } else {
                0
            }),
            server_error: per_mille("server-error", 80),
            too_many: per_mille("too-many", 40),
            conflict: per_mille("conflict", 100),
            lost_before: per_mille("lost-before", 60),
            lost_after: per_mille("lost-after", 80),
            watch_break: per_mille("watch-break", 600),
            watch_life_most: Duration::from_secs(1 + chance.branch("watch-life").below(120)),
            watch_lag_most: Duration::from_millis(if lag.happens(500) {
                lag.below(3000)
            } else {
                0
            }),
            daemon_death_every: every("daemon-death", 20, 300),
            power_cut_every: every("power-cut", 60, 600),
            failed_boots_most: u32::try_from(chance.branch("failed-boots").below(3)).unwrap_or(0),
            controller_death_every: every("controller-death", 20, 300),
            second_controller: chance.branch("second-controller").happens(250),
            budget_zero_every: every("budget-zero", 60, 400),
        }
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every field by name: a new one must be printed here before this compiles.
        let Self {
            latency_most,
            server_error,
            too_many,
            conflict,
            lost_before,
            lost_after,
            watch_break,
            watch_life_most,
            watch_lag_most,
            daemon_death_every,
            power_cut_every,
            failed_boots_most,
            controller_death_every,
            second_controller,
            budget_zero_every,
        } = self;
        let every = |rate: &Option<Duration>| {
            rate.map_or_else(|| "never".to_owned(), |every| format!("every {every:.0?}"))
        };
        write!(
            out,
            "latency <= {latency_most:?}, of 1000: server_error {server_error}, too_many {too_many}, conflict {conflict}, \
             lost_before {lost_before}, lost_after {lost_after}, watch_break {watch_break} (within {watch_life_most:?}), \
             watches lag <= {watch_lag_most:?}; \
             daemon dies {}, power cut {} (then <= {failed_boots_most} failed boots), controller dies {}, \
             second controller {second_controller}, budget zero {}",
            every(daemon_death_every),
            every(power_cut_every),
            every(controller_death_every),
            every(budget_zero_every),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_set_of_rates_and_another_seed_another() {
        let rates = |seed| Rates::draw(&Chance::from_seed(seed));

        assert_eq!(rates(41), rates(41));
        assert_ne!(rates(41), rates(42));
    }

    #[test]
    fn every_kind_of_fault_is_left_out_of_some_runs() {
        let runs: Vec<Rates> = (0..40)
            .map(|seed| Rates::draw(&Chance::from_seed(seed)))
            .collect();

        assert!(runs.iter().any(|rates| rates.lost_after == 0));
        assert!(runs.iter().any(|rates| rates.lost_after > 0));
        assert!(runs.iter().any(|rates| rates.power_cut_every.is_none()));
        assert!(runs.iter().any(|rates| rates.power_cut_every.is_some()));
    }
}
