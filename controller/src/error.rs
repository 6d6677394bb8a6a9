//! What can go wrong between the controller and the API server, and what follows from it.
//!
//! # Guarantees
//! An error's sentence says what was attempted and on what, and never repeats its source; logs print
//! the whole chain through [`Chain`]. Whether a request may have taken effect is a method here
//! ([`ApiError::meaning`]) and not a guess at the call site.
//! # Not here
//! When to try again: each reconciler is level-triggered and waits on its own [`Backoff`].

use std::fmt;
use std::time::Duration;

/// A request to the API server that was not answered with success.
#[derive(Debug, thiserror::Error)]
#[error("{attempt} {object}")]
pub struct ApiError {
    /// What was attempted, as in "reading the node".
    attempt: &'static str,
    /// The name of the object that it was attempted on.
    object: String,
    #[source]
    answer: Answer,
}

/// The answer itself: one from the API server, or none that could be understood.
#[derive(Debug, thiserror::Error)]
pub enum Answer {
    /// The API server said no.
    #[error("the API server answered {} {}: {}", status.code, status.reason, status.message)]
    Refused {
        /// The Status object of the answer.
        status: Box<kube::core::Status>,
    },
    /// No answer that can be understood: the request may have taken effect or not.
    #[error("no answer from the API server")]
    None {
        /// What the client said.
        #[source]
        source: Box<kube::Error>,
    },
}

/// What an error means for the one who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The object is not there.
    NotFound,
    /// Somebody wrote first, or a `test` of a JSON patch failed: read again, then decide again.
    Stale,
    /// An object of that name is there already.
    AlreadyExists,
    /// Too many requests: the server asks to wait that long.
    Busy(Duration),
    /// Refused for good, by rights, schema or admission.
    Refused,
    /// It may have taken effect: only reading tells.
    Unsure,
}

impl ApiError {
    /// What follows from this error.
    pub fn meaning(&self) -> Meaning {
        match &self.answer {
            Answer::None { .. } => Meaning::Unsure,
            Answer::Refused { status } => match status.code {
                404 | 410 => Meaning::NotFound,
                409 if status.reason == "AlreadyExists" => Meaning::AlreadyExists,
                // 422 is what a failed `test` operation of a JSON patch is answered with.
                409 | 412 | 422 => Meaning::Stale,
                429 => Meaning::Busy(retry_after(status)),
                400..=499 => Meaning::Refused,
                _ => Meaning::Unsure,
            },
        }
    }

    /// Whether the object was not there.
    pub fn is_not_found(&self) -> bool {
        self.meaning() == Meaning::NotFound
    }

    /// Whether the same request may be answered otherwise in a moment.
    pub fn may_pass(&self) -> bool {
        matches!(
            self.meaning(),
            Meaning::Unsure | Meaning::Busy(_) | Meaning::Stale
        )
    }

    /// The Status object of the answer, when there was one.
    pub fn status(&self) -> Option<&kube::core::Status> {
        match &self.answer {
            Answer::Refused { status } => Some(status),
            Answer::None { .. } => None,
        }
    }
}

/// Names the attempt in an error of the client.
pub trait Attempt<T> {
    /// Says that `attempt` (as in "reading the node") was made on `object`.
    fn attempt(self, attempt: &'static str, object: impl Into<String>) -> Result<T, ApiError>;
}

impl<T> Attempt<T> for Result<T, kube::Error> {
    fn attempt(self, attempt: &'static str, object: impl Into<String>) -> Result<T, ApiError> {
        self.map_err(|error| {
            let answer = match error {
                kube::Error::Api(status) => Answer::Refused { status },
                other => Answer::None {
                    source: Box::new(other),
                },
            };
            ApiError {
                attempt,
                object: object.into(),
                answer,
            }
        })
    }
}

/// How long a 429 asks to wait: its `retryAfterSeconds`, at least a second.
fn retry_after(status: &kube::core::Status) -> Duration {
    let seconds = status
        .details
        .as_ref()
        .map_or(1, |details| details.retry_after_seconds);
    Duration::from_secs(u64::from(seconds.max(1)))
}

/// Prints an error with all that caused it, for logs: "reading the pool `workers`: the API server answered 503".
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            let text = error.to_string();
            // Errors of libraries often repeat their source: once is enough.
            if !last.contains(&text) {
                write!(f, ": {text}")?;
                last = text;
            }
            next = error.source();
        }
        Ok(())
    }
}

/// Delays that double from a first to a longest one, and start again after a success.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Default for Backoff {
    /// From 200 ms, the time of a few round trips, to 10 s, which a rollout of minutes does not feel.
    fn default() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(10))
    }
}

impl Backoff {
    /// Delays from `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The delay before the next try.
    pub fn delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = delay.saturating_mul(2).min(self.longest);
        delay
    }

    /// A try succeeded: the next failure starts with the first delay.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

impl Iterator for Backoff {
    type Item = Duration;
    fn next(&mut self) -> Option<Duration> {
        Some(self.delay())
    }
}

impl kube::runtime::utils::Backoff for Backoff {
    fn reset(&mut self) {
        Self::reset(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, reason: &str) -> ApiError {
        let status = kube::core::Status {
            code,
            ..kube::core::Status::failure("no", reason)
        };
        Err::<(), _>(kube::Error::Api(Box::new(status)))
            .attempt("reading the node", "a")
            .expect_err("it was an error")
    }

    #[test]
    fn an_answer_tells_a_lost_race_from_a_name_that_is_taken() {
        assert_eq!(refused(409, "Conflict").meaning(), Meaning::Stale);
        assert_eq!(
            refused(409, "AlreadyExists").meaning(),
            Meaning::AlreadyExists
        );
    }

    #[test]
    fn a_server_error_may_have_taken_effect() {
        assert_eq!(refused(500, "InternalError").meaning(), Meaning::Unsure);
        assert_eq!(refused(504, "Timeout").meaning(), Meaning::Unsure);
    }

    #[test]
    fn the_chain_says_what_was_attempted_and_what_the_server_answered() {
        let error = refused(403, "Forbidden");

        let text = Chain(&error).to_string();

        assert_eq!(
            text,
            "reading the node a: the API server answered 403 Forbidden: no"
        );
    }

    #[test]
    fn delays_double_up_to_the_longest_and_start_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(3));
        let seconds: Vec<u64> = (0..4).map(|_| backoff.delay().as_secs()).collect();

        backoff.reset();

        assert_eq!(seconds, [1, 2, 3, 3]);
        assert_eq!(backoff.delay().as_secs(), 1);
    }
}
