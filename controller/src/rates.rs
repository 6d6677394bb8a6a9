//! Limits how often something may be done, on tokio's time.
//!
//! # Guarantees
//! Waiting is done with tokio's sleep, so that paused time moves it; governor is only asked.
//! # Not here
//! Delays after failures: those are no rate, see [`crate::error::Backoff`].

use governor::clock::Clock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::time::Instant;

/// Something may be done so many times a second, and so many at once.
pub struct Rate {
    limiter: RateLimiter<NotKeyed, InMemoryState, TokioClock>,
}

impl Rate {
    /// `per_second` in the long run, `burst` at once.
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self {
            limiter: RateLimiter::direct_with_clock(quota, TokioClock),
        }
    }

    /// Waits until it may be done once more, and counts it.
    ///
    /// Dropping this future counts nothing that was not granted.
    pub async fn ready(&self) {
        while let Err(not_yet) = self.limiter.check() {
            // At least a millisecond: tokio's timer knows nothing finer, and less would spin.
            let wait = not_yet
                .wait_time_from(TokioClock.now())
                .max(Duration::from_millis(1));
            tokio::time::sleep(wait).await;
        }
    }
}

impl std::fmt::Debug for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rate").finish_non_exhaustive()
    }
}

/// Governor's clock over tokio's, so that virtual time moves the limits too.
#[derive(Clone, Debug)]
struct TokioClock;

impl Clock for TokioClock {
    type Instant = std::time::Instant;
    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: NonZeroU32 = NonZeroU32::new(5).unwrap();
    const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let rate = Rate::new(FIVE, TWO);
        let start = Instant::now();

        for _ in 0..7 {
            rate.ready().await;
        }

        // Two at once, five more at five a second.
        let taken = start.elapsed();
        assert!(taken >= Duration::from_secs(1), "{taken:?}");
        assert!(taken <= Duration::from_millis(1010), "{taken:?}");
    }
}
