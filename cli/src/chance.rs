//! The program's one source of chance; everything else is handed the [`Chance`].

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use ::updates::patience::Chance;

/// Numbers that no other process draws: the standard library seeds its hashes with what the system gives. They spread
/// waits, and keep no secret.
pub(crate) fn of_the_machine() -> Chance {
    let (seed, drawn) = (RandomState::new(), AtomicU64::new(0));
    Chance::new(move || {
        let hash = seed.hash_one(drawn.fetch_add(1, Ordering::Relaxed));
        let upper = u32::try_from(hash >> 32).unwrap_or_default();
        f64::from(upper) / (f64::from(u32::MAX) + 1.0)
    })
}

#[cfg(test)]
mod tests {
    use ::updates::patience::Backoff;
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    #[test]
    fn processes_that_lose_the_same_server_come_back_at_different_moments() {
        let waits: BTreeSet<Duration> = (0..50)
            .map(|_| {
                let second = Duration::from_secs(1);
                Backoff::new(second, second, of_the_machine()).after_failure(None)
            })
            .collect();

        assert!(waits.len() > 40, "{}", waits.len());
    }
}
