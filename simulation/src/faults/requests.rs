//! What goes wrong between an actor and the API server.

use super::{Faults, Rates};
use crate::chance::Chance;
use crate::server::{Attempt, Fate, Faults as Decide, Outcome};
use std::sync::Arc;
use std::time::Duration;

/// Actors whose requests fail. The others are the cluster around Windlass, whose own mishaps would only hide ours.
const AFFLICTED: [&str; 2] = ["controller", "daemon"];

impl Decide for Arc<Faults> {
    fn decide(&self, attempt: &Attempt<'_>) -> Fate {
        let role = attempt.actor.split(['/', ':']).next().unwrap_or_default();
        if self.are_healed() || !AFFLICTED.contains(&role) {
            return Fate::default();
        }
        self.draw(attempt.actor, |chance| {
            fate(attempt.verb.as_str(), self.rates(), chance)
        })
    }
}

/// What becomes of a request with `verb`.
fn fate(verb: &str, rates: &Rates, chance: &mut Chance) -> Fate {
    let writes = matches!(
        verb,
        "create" | "update" | "patch" | "delete" | "deletecollection"
    );
    let rewrites = matches!(verb, "update" | "patch");
    // All are drawn, whatever comes of it: a rate that is raised leaves the other draws as they were.
    let server_error = chance.happens(rates.server_error);
    let too_many = chance.happens(rates.too_many);
    let conflict = chance.happens(rates.conflict);
    let lost_before = chance.happens(rates.lost_before);
    let lost_after = chance.happens(rates.lost_after);
    let breaks = chance.happens(rates.watch_break);
    let shortest = Duration::from_millis(1);
    let life = chance.duration(shortest..=rates.watch_life_most.max(shortest));
    let delay = chance.duration(Duration::ZERO..=rates.latency_most);
    let watch_delay = chance.duration(Duration::ZERO..=rates.watch_lag_most);
    let outcome = if lost_before {
        Outcome::Unreachable
    } else if server_error {
        Outcome::Refuse(500)
    } else if too_many {
        Outcome::Refuse(429)
    } else if rewrites && conflict {
        Outcome::Refuse(409)
    } else if writes && lost_after {
        Outcome::LoseAnswer
    } else {
        Outcome::Serve
    };
    Fate {
        delay,
        outcome,
        watch_breaks_after: breaks.then_some(life),
        watch_delay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_is_never_lost_after_the_write_and_never_conflicts() {
        let rates = Rates {
            lost_after: 1000,
            conflict: 1000,
            ..Rates::none()
        };
        let mut chance = Chance::from_seed(1);

        assert_eq!(fate("get", &rates, &mut chance).outcome, Outcome::Serve);
        assert_eq!(
            fate("patch", &rates, &mut chance).outcome,
            Outcome::Refuse(409)
        );
        assert_eq!(
            fate("create", &rates, &mut chance).outcome,
            Outcome::LoseAnswer
        );
    }

    #[test]
    fn without_rates_nothing_happens() {
        let mut chance = Chance::from_seed(1);

        let all_well =
            (0..100).all(|_| fate("patch", &Rates::none(), &mut chance) == Fate::default());

        assert!(all_well);
    }
}
