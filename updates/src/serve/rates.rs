//! How often a client may ask.
//!
//! # Guarantees
//! * Each address has its own measure; IPv6 addresses of one /64 are one client, for it is handed out as a whole.
//! * Memory is bounded by [`CLIENTS_MAX`]: addresses that have been quiet are forgotten, and where that does not help, the
//!   rest share one measure.
//! * Waiting is told in whole seconds, at least one.
//!
//! # Not here
//! Who stands behind a proxy: there all clients have its address, and the proxy limits them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use governor::clock::Clock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// So many addresses are told apart: some MiB.
const CLIENTS_MAX: usize = 65_536;
/// What all others share when there are too many.
const ALL_OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// So many questions of one client in a second.
pub struct Rates {
    limiter: RateLimiter<
        IpAddr,
        HashMapStateStore<IpAddr>,
        TokioClock,
        governor::middleware::NoOpMiddleware<std::time::Instant>,
    >,
}

impl Rates {
    /// `per_second` in the long run, and as many at once.
    pub fn new(per_second: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second);
        Self {
            limiter: RateLimiter::hashmap_with_clock(quota, TokioClock),
        }
    }

    /// Counts a question; if it comes too early, tells in how many seconds it would not.
    pub(super) fn ask(&self, client: IpAddr) -> Result<(), u64> {
        if self.limiter.len() >= CLIENTS_MAX {
            self.limiter.retain_recent();
        }
        let key = if self.limiter.len() >= CLIENTS_MAX {
            ALL_OTHERS
        } else {
            of_one_client(client)
        };
        self.limiter.check_key(&key).map_err(|not_yet| {
            let wait = not_yet.wait_time_from(TokioClock.now());
            let whole = u64::from(wait.subsec_nanos() > 0);
            (wait.as_secs() + whole).max(1)
        })
    }
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rates").finish_non_exhaustive()
    }
}

fn of_one_client(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Governor's clock over tokio's, so that virtual time moves the limits too.
#[derive(Clone, Debug)]
struct TokioClock;

impl Clock for TokioClock {
    type Instant = std::time::Instant;
    fn now(&self) -> std::time::Instant {
        tokio::time::Instant::now().into_std()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_too_often_is_told_when_it_may_and_hinders_nobody_else() {
        let rates = Rates::new(TWO);
        let (eager, other) = (address("192.0.2.1"), address("192.0.2.2"));

        let asked: Vec<_> = (0..3).map(|_| rates.ask(eager)).collect();

        assert_eq!(asked, [Ok(()), Ok(()), Err(1)]);
        assert_eq!(rates.ask(other), Ok(()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(rates.ask(eager), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_network_are_one_client() {
        let rates = Rates::new(TWO);

        let asked: Vec<_> = [
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8::3",
            "2001:db8:0:1::1",
        ]
        .map(|client| rates.ask(address(client)).is_ok())
        .to_vec();

        assert_eq!(asked, [true, true, false, true]);
    }
}
