//! Which rendered configs may go.
//!
//! # Guarantees
//! Pure. One goes only if nothing names it, it is not among the pool's newest, and it is old enough. The
//! configs that something names are handed in; naming one too many only keeps it longer.

use crate::config::Pruning;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// A rendered config, as far as removing it is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Its name.
    pub name: String,
    /// The pool that it was made for; kept apart from the others even after the pool is gone.
    pub pool: String,
    /// When it was made.
    pub created: Timestamp,
}

/// The names of those that may go now, in order.
pub fn prunable(
    rendered: &[Rendered],
    named: &BTreeSet<String>,
    settings: &Pruning,
    now: Timestamp,
) -> Vec<String> {
    let mut by_pool: BTreeMap<&str, Vec<&Rendered>> = BTreeMap::new();
    for one in rendered {
        by_pool.entry(&one.pool).or_default().push(one);
    }
    let mut names = Vec::new();
    for mut of_pool in by_pool.into_values() {
        of_pool.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.name.cmp(&b.name)));
        let beyond_newest = of_pool.into_iter().skip(settings.keep);
        let old = beyond_newest.filter(|one| now.duration_since(one.created) >= settings.min_age);
        names.extend(
            old.filter(|one| !named.contains(&one.name))
                .map(|one| one.name.clone()),
        );
    }
    names.sort();
    names
}

/// When the next one of these that nothing names will be old enough.
pub fn next_old_enough(
    rendered: &[Rendered],
    named: &BTreeSet<String>,
    settings: &Pruning,
    now: Timestamp,
) -> Option<Timestamp> {
    let unnamed = rendered.iter().filter(|one| !named.contains(&one.name));
    let old_at = |one: &Rendered| one.created.saturating_add(settings.min_age).ok();
    unnamed.filter_map(old_at).filter(|at| *at > now).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    const DAY: i64 = 86_400;

    fn rendered(pool: &str, count: i64) -> Vec<Rendered> {
        let one = |number| Rendered {
            name: format!("rendered-{pool}-{number}"),
            pool: pool.to_owned(),
            created: Timestamp::from_second(number).expect("in range"),
        };
        (0..count).map(one).collect()
    }

    fn prune(rendered: &[Rendered], named: &[&str], second: i64) -> Vec<String> {
        let named = named.iter().map(|name| (*name).to_owned()).collect();
        let now = Timestamp::from_second(second).expect("in range");
        prunable(rendered, &named, &Pruning::default(), now)
    }

    #[test]
    fn the_ten_newest_of_each_pool_stay_however_old() {
        let all = [rendered("worker", 12), rendered("master", 10)].concat();

        assert_eq!(
            prune(&all, &[], 9 * DAY),
            ["rendered-worker-0", "rendered-worker-1"]
        );
    }

    #[test]
    fn what_anything_names_stays() {
        assert_eq!(
            prune(&rendered("worker", 12), &["rendered-worker-0"], 9 * DAY),
            ["rendered-worker-1"]
        );
    }

    #[test]
    fn what_is_younger_than_a_day_stays() {
        let second = SignedDuration::from_hours(24).as_secs();

        assert_eq!(
            prune(&rendered("worker", 12), &[], second),
            ["rendered-worker-0"]
        );
    }
}
