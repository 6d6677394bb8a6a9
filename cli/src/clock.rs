//! The program's one look at the machine's clock; everything else is handed the [`Clock`].

use api::clock::Clock;

/// The machine's clock.
pub(crate) fn of_the_machine() -> Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where a real process learns the time"
    )]
    Clock::new(jiff::Timestamp::now)
}
