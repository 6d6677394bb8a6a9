//! Wall time made of a start and tokio's clock.
//!
//! In tokio's paused time both move together: a sleep of an hour moves the wall clock by an hour, and nothing else does.

use api::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A clock that tells `start` now, and goes on with tokio's time from here.
///
/// Call it inside the runtime whose time it shall follow.
pub fn starting_at(start: Timestamp) -> Clock {
    let origin = Instant::now();
    Clock::new(move || {
        let elapsed = SignedDuration::try_from(origin.elapsed()).unwrap_or(SignedDuration::MAX);
        start.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn the_wall_clock_moves_with_paused_time_and_only_with_it() {
        let start: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let clock = starting_at(start);
        assert_eq!(clock.now(), start);

        tokio::time::sleep(Duration::from_secs(3600)).await;

        assert_eq!(clock.now().to_string(), "2026-11-24T01:00:00Z");
    }
}
