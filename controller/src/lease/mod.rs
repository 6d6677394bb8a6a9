//! Who leads: one of several controllers, for speed alone.
//!
//! # Guarantees
//! [`evaluate`] is pure. Like client-go it measures the time since it last *saw* the record change and
//! never compares the record's own times with a local clock, so skewed clocks do no harm.
//! # Assumptions
//! None for safety: every write that matters is a compare-and-swap, so that two leaders may waste work
//! and break nothing (design.md 7).
//! # Not here
//! The requests: see [`shell`].

pub mod shell;

use jiff::{SignedDuration, Timestamp};

/// What the stored Lease says, as far as leading is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; none once it was released.
    pub holder: Option<String>,
    /// For how long a holder that stays silent is believed.
    pub duration: SignedDuration,
    /// Changes with every write: the Lease's resourceVersion.
    pub version: String,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Me<'a> {
    /// The identity of this process, unlike any other's.
    pub name: &'a str,
    /// Whether this process leads at present.
    pub leading: bool,
}

/// How long to wait for what. The names and defaults are client-go's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How long a silent leader is believed by the others.
    pub duration: SignedDuration,
    /// A leader that could not renew for so long steps down; shorter than `duration`.
    pub renew_deadline: SignedDuration,
    /// How often a leader renews.
    pub retry_period: SignedDuration,
}

/// What to do about the lease now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write ourselves into it, on the version that was seen.
    Acquire,
    /// We hold it: write it again.
    Renew,
    /// Nothing before this instant, unless the record changes.
    Wait(Timestamp),
    /// We believed to lead, and cannot any longer.
    StepDown,
}

/// Decides what to do about the record that was seen to change at `observed_at`.
pub fn evaluate(
    record: Option<&Record>,
    observed_at: Timestamp,
    me: Me<'_>,
    times: Times,
    now: Timestamp,
) -> Decision {
    let Some(record) = record else {
        return if me.leading {
            Decision::StepDown
        } else {
            Decision::Acquire
        };
    };
    match record.holder.as_deref() {
        Some(holder) if holder == me.name => ours(observed_at, me, times, now),
        _ if me.leading => Decision::StepDown,
        None => Decision::Acquire,
        Some(_) => {
            let expires = later(observed_at, record.duration);
            if now >= expires {
                Decision::Acquire
            } else {
                Decision::Wait(expires)
            }
        }
    }
}

/// The record names us: renew it in time, or stop believing it.
fn ours(observed_at: Timestamp, me: Me<'_>, times: Times, now: Timestamp) -> Decision {
    if !me.leading {
        // Our own record from before: writing it again proves that we still can.
        return Decision::Acquire;
    }
    let renew_at = later(observed_at, times.retry_period);
    if now >= later(observed_at, times.renew_deadline) {
        Decision::StepDown
    } else if now >= renew_at {
        Decision::Renew
    } else {
        Decision::Wait(renew_at)
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        duration: SignedDuration::from_secs(15),
        renew_deadline: SignedDuration::from_secs(10),
        retry_period: SignedDuration::from_secs(2),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn held_by(holder: &str) -> Record {
        Record {
            holder: Some(holder.to_owned()),
            duration: TIMES.duration,
            version: "7".to_owned(),
        }
    }

    fn follower() -> Me<'static> {
        Me {
            name: "a",
            leading: false,
        }
    }

    fn leader() -> Me<'static> {
        Me {
            name: "a",
            leading: true,
        }
    }

    #[test]
    fn a_lease_that_nobody_ever_held_is_acquired() {
        assert_eq!(
            evaluate(None, at(0), follower(), TIMES, at(0)),
            Decision::Acquire
        );
    }

    #[test]
    fn a_released_lease_is_acquired_at_once() {
        let released = Record {
            holder: None,
            ..held_by("b")
        };

        assert_eq!(
            evaluate(Some(&released), at(5), follower(), TIMES, at(5)),
            Decision::Acquire
        );
    }

    #[test]
    fn another_holder_is_believed_for_its_duration_since_we_saw_it_change() {
        let record = held_by("b");

        let before = evaluate(Some(&record), at(100), follower(), TIMES, at(114));
        let after = evaluate(Some(&record), at(100), follower(), TIMES, at(115));

        assert_eq!(before, Decision::Wait(at(115)));
        assert_eq!(after, Decision::Acquire);
    }

    #[test]
    fn a_leader_renews_after_the_retry_period_and_not_before() {
        let record = held_by("a");

        assert_eq!(
            evaluate(Some(&record), at(0), leader(), TIMES, at(1)),
            Decision::Wait(at(2))
        );
        assert_eq!(
            evaluate(Some(&record), at(0), leader(), TIMES, at(2)),
            Decision::Renew
        );
    }

    #[test]
    fn a_leader_that_could_not_renew_in_time_steps_down_before_others_take_over() {
        let record = held_by("a");

        assert_eq!(
            evaluate(Some(&record), at(0), leader(), TIMES, at(10)),
            Decision::StepDown
        );
    }

    #[test]
    fn a_leader_that_sees_another_name_steps_down() {
        assert_eq!(
            evaluate(Some(&held_by("b")), at(9), leader(), TIMES, at(9)),
            Decision::StepDown
        );
    }

    #[test]
    fn a_restarted_process_of_the_same_name_takes_its_own_lease_without_waiting() {
        assert_eq!(
            evaluate(Some(&held_by("a")), at(0), follower(), TIMES, at(1)),
            Decision::Acquire
        );
    }
}
