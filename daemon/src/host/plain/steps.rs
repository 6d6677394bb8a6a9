//! The single steps of a change of the disk: where a test lets the power go.
//!
//! Outside of tests taking a step does nothing.

use std::io;

/// Counts steps, and refuses them all from a chosen one on.
#[derive(Debug, Default)]
pub(super) struct Steps {
    #[cfg(test)]
    counted: std::sync::Mutex<Counted>,
}

/// What a test sees of the steps.
#[cfg(test)]
#[derive(Debug, Default)]
struct Counted {
    taken: Vec<&'static str>,
    cut_at: Option<usize>,
}

impl Steps {
    /// Takes the next step, called `name`.
    #[cfg(not(test))]
    #[allow(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "its twin for tests needs both"
    )]
    pub(super) fn take(&self, _name: &'static str) -> io::Result<()> {
        Ok(())
    }

    /// Takes the next step, called `name`.
    #[cfg(test)]
    pub(super) fn take(&self, name: &'static str) -> io::Result<()> {
        let mut counted = self.counted();
        if counted.cut_at.is_some_and(|at| counted.taken.len() >= at) {
            return Err(io::Error::other("the machine has no power"));
        }
        counted.taken.push(name);
        Ok(())
    }

    #[cfg(test)]
    fn counted(&self) -> std::sync::MutexGuard<'_, Counted> {
        let counted = self.counted.lock();
        counted.unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// All steps so far.
    #[cfg(test)]
    pub(super) fn taken(&self) -> Vec<&'static str> {
        self.counted().taken.clone()
    }

    /// Lets the power go before the `step`-th step from now, counted from 0.
    #[cfg(test)]
    pub(super) fn cut_at(&self, step: usize) {
        let mut counted = self.counted();
        counted.cut_at = Some(counted.taken.len() + step);
    }
}
