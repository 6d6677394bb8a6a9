//! One request to a registry, until it is answered: convinced, and with patience.

use std::fmt;
use std::time::Duration;

use api::clock::Clock;
use bytes::Bytes;
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{Response, StatusCode};
use hyper::body::Incoming;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::Deserialize;
use tracing::debug;

use super::auth::Purpose;
use super::challenge::Challenge;
use super::counts::Asked;
use super::error::{RegistryError, Why};
use super::reference::Repository;
use super::transport::Ask;
use super::{Inner, Registry};
use crate::patience::Backoff;

/// What a registry says of a refusal is read so far.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// And told so far.
const REFUSAL_TOLD_MAX: usize = 200;

impl Inner {
    /// Sends a request once; if the registry wants to know who asks, once more.
    pub(super) async fn ask(
        &self,
        at: &Repository,
        purpose: Purpose,
        ask: &Ask,
    ) -> Result<Response<Incoming>, Why> {
        let mut ask = ask.clone();
        let mut tried = self.known(at, purpose).await;
        for again in [true, false] {
            if let Some(header) = &tried {
                ask.headers.insert(AUTHORIZATION, header.clone());
            }
            let response = self.transport.send(&ask).await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                return self.judged(response).await;
            }
            let challenge = Challenge::among(response.headers());
            // Read to its end, so that the connection can be used again; what it says is told by the hint.
            let told = self.transport.whole(response, REFUSAL_BYTES_MAX).await;
            debug!(on = %ask.uri, read = told.is_ok(), "asked who we are");
            match challenge.filter(|_| again) {
                Some(challenge) => {
                    let next = self
                        .convince(at, purpose, challenge, tried.as_ref())
                        .await?;
                    tried = Some(next);
                }
                None => break,
            }
        }
        Err(Why::Denied(self.credentials.hint(at)))
    }

    /// A response that gives something, or why there is none.
    async fn judged(&self, response: Response<Incoming>) -> Result<Response<Incoming>, Why> {
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let why = why(&response, &self.clock);
        match self.transport.whole(response, REFUSAL_BYTES_MAX).await {
            Ok(body) => Err(told(why, &body)),
            Err(_) => Err(why),
        }
    }

    /// Tries until it is answered, or refused for good, or often enough.
    pub(super) async fn patiently<T, F, R>(
        &self,
        on: &(dyn fmt::Display + Sync),
        tries: F,
    ) -> Result<T, Why>
    where
        F: Fn() -> R,
        R: Future<Output = Result<T, Why>>,
    {
        let patience = &self.patience;
        let mut backoff = Backoff::new(
            patience.first_wait,
            patience.longest_wait,
            self.chance.clone(),
        );
        loop {
            let why = match tries().await {
                Ok(answer) => return Ok(answer),
                Err(why) => why,
            };
            let wait = backoff.after_failure(why.retry_after());
            // Who wants more rest than that gets it from whoever asked us, who has something better to do meanwhile.
            if !why.may_pass()
                || backoff.failures() >= patience.tries
                || wait > patience.longest_wait
            {
                return Err(why);
            }
            debug!(%on, %why, ?wait, "asking again");
            self.counts.asked(Asked::Again);
            tokio::time::sleep(wait).await;
        }
    }
}

impl Registry {
    /// Asks the mirrors of a repository in their order, and itself at last; each with patience.
    pub(super) async fn anywhere<T, F, R>(
        &self,
        attempt: &'static str,
        repository: &Repository,
        on: &(dyn fmt::Display + Sync),
        ask: F,
    ) -> Result<T, RegistryError>
    where
        F: Fn(Repository) -> R,
        R: Future<Output = Result<T, Why>>,
    {
        let ask = &ask;
        let patiently =
            |at: Repository| async move { self.0.patiently(on, || ask(at.clone())).await };
        self.first(attempt, repository, on, patiently).await
    }

    /// As [`Self::anywhere`], for what has patience itself.
    pub(super) async fn first<T, F, R>(
        &self,
        attempt: &'static str,
        repository: &Repository,
        on: &(dyn fmt::Display + Sync),
        ask: F,
    ) -> Result<T, RegistryError>
    where
        F: Fn(Repository) -> R,
        R: Future<Output = Result<T, Why>>,
    {
        let mut refused: Option<RegistryError> = None;
        for at in self.0.mirrors.of(repository) {
            match Box::pin(ask(at.clone())).await {
                Ok(answer) => return Ok(answer),
                Err(why) => {
                    let place = if at == *repository {
                        on.to_string()
                    } else {
                        format!("{on} at its mirror {at}")
                    };
                    let error = RegistryError::new(attempt, place, why);
                    debug!(%error, "not from there");
                    // A mirror that lacks it says less than one that cannot be asked, or than the source.
                    let says_more = refused
                        .as_ref()
                        .is_none_or(|refused| refused.why == Why::NotFound);
                    if says_more {
                        refused = Some(error);
                    }
                }
            }
        }
        Err(refused.unwrap_or_else(|| RegistryError::new(attempt, on, Why::NotFound)))
    }
}

/// Why a response gives nothing, from its status.
pub(crate) fn why(response: &Response<Incoming>, clock: &Clock) -> Why {
    let status = response.status();
    match status {
        StatusCode::NOT_FOUND => Why::NotFound,
        StatusCode::FORBIDDEN => Why::Denied("it forbids it".to_owned()),
        StatusCode::TOO_MANY_REQUESTS => {
            let header = response.headers().get(RETRY_AFTER);
            let text = header.and_then(|header| header.to_str().ok());
            Why::TooManyRequests {
                retry_after: text.and_then(|text| rest(text, clock)),
            }
        }
        StatusCode::REQUEST_TIMEOUT => Why::Failing(status.as_u16()),
        _ if status.is_server_error() => Why::Failing(status.as_u16()),
        _ => Why::Refused(status.as_u16(), String::new()),
    }
}

/// The header that asks for rest: seconds, or a date.
fn rest(text: &str, clock: &Clock) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    let left = until.duration_since(clock.now());
    Some(left.try_into().unwrap_or_default())
}

#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Adds what the registry says of it.
fn told(why: Why, body: &Bytes) -> Why {
    let said = serde_json::from_slice::<Refusal>(body)
        .ok()
        .and_then(|refusal| refusal.errors.into_iter().next())
        .map(|reason| {
            let says = format!("{} {}", reason.code, reason.message);
            let printable = says.trim().chars().filter(|c| !c.is_control());
            printable.take(REFUSAL_TOLD_MAX).collect::<String>()
        });
    match (why, said) {
        (Why::Refused(status, _), Some(said)) => Why::Refused(status, said),
        (Why::Denied(hint), Some(said)) => Why::Denied(format!("{hint} ({said})")),
        (why, _) => why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_is_asked_for_in_seconds_or_until_a_date() {
        let clock = Clock::fixed("2026-11-26T10:00:00Z".parse().unwrap());

        assert_eq!(rest("120", &clock), Some(Duration::from_secs(120)));
        assert_eq!(
            rest("Thu, 26 Nov 2026 10:02:00 GMT", &clock),
            Some(Duration::from_secs(120))
        );
        assert_eq!(
            rest("Thu, 26 Nov 2026 09:00:00 GMT", &clock),
            Some(Duration::ZERO)
        );
        assert_eq!(rest("soon", &clock), None);
    }

    #[test]
    fn what_a_registry_says_of_a_refusal_is_told_in_one_line() {
        let body =
            Bytes::from_static(br#"{"errors":[{"code":"TAG_INVALID","message":"no\nsuch tag"}]}"#);

        assert_eq!(
            told(Why::Refused(400, String::new()), &body),
            Why::Refused(400, "TAG_INVALID nosuch tag".to_owned())
        );
        assert_eq!(told(Why::NotFound, &body), Why::NotFound);
    }
}
