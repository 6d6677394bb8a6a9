//! What the API server instances last answered, and since when.

use jiff::Timestamp;
use std::collections::BTreeMap;

/// What an instance last answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The version that it serves; or why it did not say so.
    pub answer: Result<String, String>,
    /// Since when it has answered so at every asking. For silence: since when it has been silent.
    pub since: Timestamp,
}

/// What all of them last answered, by address.
pub type AllHeard = BTreeMap<String, Heard>;

/// Takes the answers of one asking.
pub fn fold(
    before: &AllHeard,
    answers: BTreeMap<String, Result<String, String>>,
    now: Timestamp,
) -> AllHeard {
    let heard = |(instance, answer): (String, Result<String, String>)| {
        let last = before.get(&instance);
        let same = last.filter(|last| match (&last.answer, &answer) {
            (Ok(last), Ok(now)) => last == now,
            // The words of a failure change; that it is one does not.
            (Err(_), Err(_)) => true,
            _ => false,
        });
        let since = same.map_or(now, |last| last.since);
        (instance, Heard { answer, since })
    };
    answers.into_iter().map(heard).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn answered(before: &AllHeard, answer: Result<&str, &str>, second: i64) -> AllHeard {
        let answer = answer.map(str::to_owned).map_err(str::to_owned);
        fold(
            before,
            BTreeMap::from([("10.0.0.1:6443".to_owned(), answer)]),
            at(second),
        )
    }

    #[test]
    fn an_instance_that_keeps_its_answer_keeps_its_since() {
        let first = answered(&AllHeard::new(), Ok("v1.34.0"), 0);

        let second = answered(&first, Ok("v1.34.0"), 5);

        assert_eq!(second, first);
    }

    #[test]
    fn silence_breaks_the_time_that_an_instance_has_answered() {
        let first = answered(&AllHeard::new(), Ok("v1.34.0"), 0);
        let silent = answered(&first, Err("connection refused"), 5);

        let back = answered(&silent, Ok("v1.34.0"), 10);

        assert_eq!(back.values().next().map(|heard| heard.since), Some(at(10)));
    }

    #[test]
    fn an_upgrade_starts_the_time_anew() {
        let first = answered(&AllHeard::new(), Ok("v1.33.0"), 0);

        let second = answered(&first, Ok("v1.34.0"), 5);

        assert_eq!(second.values().next().map(|heard| heard.since), Some(at(5)));
    }

    #[test]
    fn an_instance_that_is_no_longer_one_is_forgotten() {
        let first = answered(&AllHeard::new(), Ok("v1.34.0"), 0);

        assert_eq!(fold(&first, BTreeMap::new(), at(5)), AllHeard::new());
    }
}
