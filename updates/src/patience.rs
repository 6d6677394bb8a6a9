//! How long to wait before asking again somebody who did not answer.
//!
//! # Guarantees
//! No clock and no sleep: waits are values, and the chance that spreads them is handed in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A server that asks for patience is believed up to here: a slip in its header does not silence a source for a day.
pub const ASKED_FOR_MAX: Duration = Duration::from_secs(3600);

/// Gives numbers from 0 to 1, 1 not among them, that nobody can foretell. Cheap to clone.
#[derive(Clone)]
pub struct Chance(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Chance {
    /// A chance that gives what `next` gives.
    pub fn new(next: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(next))
    }

    /// The same number for ever, for tests and for whoever is alone.
    pub fn fixed(number: f64) -> Self {
        Self::new(move || number)
    }

    fn next(&self) -> f64 {
        (self.0)().clamp(0.0, 1.0)
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chance")
    }
}

/// Doubling waits: replicas that lose the same server at the same moment come back at different ones.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    chance: Chance,
    failures: u32,
}

impl Backoff {
    /// The wait after the first failure, and the longest one.
    pub fn new(first: Duration, longest: Duration, chance: Chance) -> Self {
        Self {
            first,
            longest,
            chance,
            failures: 0,
        }
    }

    /// The wait after one more failure: between half and the whole of the doubled one, and not less than what the server
    /// asked for.
    pub fn after_failure(&mut self, asked_for: Option<Duration>) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1 << self.failures.min(16))
            .min(self.longest);
        self.failures = self.failures.saturating_add(1);
        let spread = doubled.mul_f64(0.5 + self.chance.next() / 2.0);
        spread.max(asked_for.unwrap_or_default().min(ASKED_FOR_MAX))
    }

    /// Failures since it last answered.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// It answered.
    pub fn answered(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(chance: f64) -> Backoff {
        Backoff::new(
            Duration::from_secs(1),
            Duration::from_secs(60),
            Chance::fixed(chance),
        )
    }

    #[test]
    fn waits_double_up_to_the_longest_and_start_anew_after_an_answer() {
        let mut backoff = backoff(1.0);

        let waits: Vec<u64> = (0..8)
            .map(|_| backoff.after_failure(None).as_secs())
            .collect();

        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.answered();
        assert_eq!(backoff.after_failure(None), Duration::from_secs(1));
    }

    #[test]
    fn chance_spreads_a_wait_over_its_second_half() {
        assert_eq!(backoff(0.0).after_failure(None), Duration::from_millis(500));
        assert_eq!(backoff(1.0).after_failure(None), Duration::from_secs(1));
    }

    #[test]
    fn a_server_that_asks_for_patience_gets_it_within_reason() {
        let minute = Duration::from_secs(60);

        assert_eq!(backoff(0.0).after_failure(Some(minute)), minute);
        assert_eq!(
            backoff(0.0).after_failure(Some(minute * 600)),
            ASKED_FOR_MAX
        );
    }
}
