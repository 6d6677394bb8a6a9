//! How long to wait before asking an API server again that did not answer.

use std::time::Duration;

/// The first wait: long enough for a connection to fail over.
const WAIT_MIN: Duration = Duration::from_millis(500);

/// The longest wait: an outage that is over is noticed within it.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Doubling waits, spread over the fleet: thousands of daemons lose the same API server at the same moment, and each
/// comes back at a moment that follows from its node's name, so that a simulation can be repeated.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    spread: u64,
    failures: u32,
}

impl Backoff {
    pub(crate) fn of(node: &str) -> Self {
        // FNV-1a: a few bits of difference between names are all that is asked of it.
        let spread = node.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self {
            spread,
            failures: 0,
        }
    }

    /// The wait after one more failure: between three quarters and five quarters of the doubled one.
    pub(crate) fn next(&mut self) -> Duration {
        let doubled = WAIT_MIN
            .saturating_mul(1 << self.failures.min(10))
            .min(WAIT_MAX);
        self.failures = self.failures.saturating_add(1);
        let turn = self
            .spread
            .rotate_left(self.failures.saturating_mul(7) % 64);
        let percent = 75 + u32::try_from(turn % 51).unwrap_or_default();
        doubled.saturating_mul(percent) / 100
    }

    /// It answered.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_start_anew_after_an_answer() {
        let mut backoff = Backoff::of("worker-1");
        let waits: Vec<Duration> = (0..20).map(|_| backoff.next()).collect();
        assert!(waits[0] < Duration::from_secs(1));
        assert!(waits[19] >= WAIT_MAX.saturating_mul(3) / 4);
        assert!(
            waits
                .iter()
                .all(|wait| *wait <= WAIT_MAX.saturating_mul(5) / 4)
        );
        backoff.reset();
        assert!(backoff.next() < Duration::from_secs(1));
    }

    #[test]
    fn nodes_come_back_at_different_moments() {
        let first: std::collections::BTreeSet<Duration> = (0..100)
            .map(|number| Backoff::of(&format!("worker-{number}")).next())
            .collect();
        assert!(first.len() > 20, "{}", first.len());
    }
}
