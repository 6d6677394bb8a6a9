//! When a pool's inputs count: once they have been left alone for a moment.
//!
//! # Guarantees
//! Pure. A directory that is applied at once becomes one rendered config and one visit to each node.
//! Inputs that never rest count anyway after a limit. Inputs that once counted count until they change.

use crate::config;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// What is remembered of the inputs of each pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quiet {
    pools: BTreeMap<String, Inputs>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inputs {
    /// Equal for equal inputs.
    print: String,
    /// When they last changed.
    changed_at: Timestamp,
    /// Since when they have been changing; none once they have counted.
    restless_since: Option<Timestamp>,
}

/// Whether inputs count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They count.
    Settled,
    /// Not before this instant.
    Until(Timestamp),
}

impl Quiet {
    /// Looks at the inputs of a pool, which `print` tells apart.
    pub fn look(
        &mut self,
        pool: &str,
        print: &str,
        settings: &config::Quiet,
        now: Timestamp,
    ) -> Rest {
        let inputs = self.pools.entry(pool.to_owned()).or_insert_with(|| Inputs {
            print: print.to_owned(),
            changed_at: now,
            restless_since: Some(now),
        });
        if inputs.print != print {
            print.clone_into(&mut inputs.print);
            inputs.changed_at = now;
            inputs.restless_since.get_or_insert(now);
        }
        let Some(restless_since) = inputs.restless_since else {
            return Rest::Settled;
        };
        let rested = later(inputs.changed_at, settings.period);
        let until = rested.min(later(restless_since, settings.at_most));
        if now < until {
            return Rest::Until(until);
        }
        inputs.restless_since = None;
        Rest::Settled
    }

    /// Forgets pools that are gone.
    pub fn keep(&mut self, is_pool: impl Fn(&str) -> bool) {
        self.pools.retain(|pool, _| is_pool(pool));
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).expect("in range")
    }

    fn look(quiet: &mut Quiet, print: &str, millis: i64) -> Rest {
        quiet.look("worker", print, &config::Quiet::default(), at(millis))
    }

    #[test]
    fn inputs_count_once_they_were_left_alone_for_a_second() {
        let mut quiet = Quiet::default();

        assert_eq!(look(&mut quiet, "a", 0), Rest::Until(at(1000)));
        assert_eq!(look(&mut quiet, "b", 900), Rest::Until(at(1900)));
        assert_eq!(look(&mut quiet, "b", 1900), Rest::Settled);
    }

    #[test]
    fn inputs_that_never_rest_count_after_ten_seconds() {
        let mut quiet = Quiet::default();
        for step in 0..=10 {
            look(&mut quiet, &format!("{step}"), step * 900);
        }

        assert_eq!(look(&mut quiet, "last", 9_900), Rest::Until(at(10_000)));
        assert_eq!(look(&mut quiet, "even later", 10_000), Rest::Settled);
    }

    #[test]
    fn inputs_that_counted_count_until_they_change() {
        let mut quiet = Quiet::default();
        look(&mut quiet, "a", 0);
        look(&mut quiet, "a", 1000);

        assert_eq!(look(&mut quiet, "a", 50_000), Rest::Settled);
        assert_eq!(look(&mut quiet, "b", 60_000), Rest::Until(at(61_000)));
    }
}
