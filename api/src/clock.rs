//! The one clock of the program, handed to whoever needs the time.
//!
//! A controller, a daemon and the simulated cluster around them must agree on what time it is, also where time is
//! virtual. So nobody asks the operating system: the binary (or a test) makes one [`Clock`] and hands it around. This room
//! touches nothing of the world, so the clock is a closure that somebody else wrote.
//!
//! Not here: waiting. Who sleeps does so on tokio's time, which the binary's clock reads too.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// Tells the time. Cheap to clone; all clones tell the same time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that tells what `now` answers. `now` must never go back.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// A clock that stands still, for tests of one moment.
    pub fn fixed(at: Timestamp) -> Self {
        Self::new(move || at)
    }

    /// The time now, in UTC.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}
