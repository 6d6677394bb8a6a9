//! Convincing a registry: a name and a password, or a token that they buy.
//!
//! # Guarantees
//! A token is bought once for all who need it at the same time, and again before it ends or when it is refused. A registry
//! that refuses a new one has said no. Secrets go only where plain http is not spoken, or where that is allowed.

use std::collections::HashMap;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::challenge::Challenge;
use super::counts::Asked;
use super::credentials::Secret;
use super::error::Why;
use super::reference::Repository;
use super::transport::{Ask, Content};
use super::{Inner, session};

/// An answer with a token is no larger.
const TOKEN_BYTES_MAX: usize = 256 << 10;
/// A token that names no end lives as long as the protocol says.
const TOKEN_SECONDS: i64 = 60;
/// It is not used in its last moments: a request takes a while to arrive.
const TOKEN_SPARE: SignedDuration = SignedDuration::from_secs(10);
/// What stays as it is in a query or form.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is to be done with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    Pull,
    Push,
}

impl Purpose {
    fn scope(self, repository: &Repository) -> String {
        let actions = match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        };
        format!("repository:{}:{actions}", repository.path())
    }
}

type Key = (String, String);

/// What convinced registries so far. One entry for each repository that is worked with.
#[derive(Debug, Default)]
pub(super) struct Convinced(Mutex<HashMap<Key, Held>>);

#[derive(Debug, Clone)]
struct Held {
    header: HeaderValue,
    until: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<i64>,
}

impl Inner {
    /// The header that convinced this registry before.
    pub(super) async fn known(&self, at: &Repository, purpose: Purpose) -> Option<HeaderValue> {
        let key = (at.registry().to_owned(), purpose.scope(at));
        let held = self.convinced.0.lock().await.get(&key).cloned()?;
        let now = self.clock.now();
        let lives = held.until.is_none_or(|until| now < until);
        lives.then_some(held.header)
    }

    /// A header that may convince it, after `tried` (or nothing) did not.
    pub(super) async fn convince(
        &self,
        at: &Repository,
        purpose: Purpose,
        challenge: Challenge,
        tried: Option<&HeaderValue>,
    ) -> Result<HeaderValue, Why> {
        let scope = purpose.scope(at);
        let key = (at.registry().to_owned(), scope.clone());
        // Held until the token is there, so that all who wait for it buy one.
        let mut convinced = self.convinced.0.lock().await;
        if let Some(held) = convinced.get(&key)
            && Some(&held.header) != tried
        {
            return Ok(held.header.clone());
        }
        let held = match (challenge, self.credentials.of(at)) {
            (_, Some(Secret::Token(token))) => Held::forever(&format!("Bearer {token}"))?,
            (Challenge::Basic, Some(Secret::Password { user, password })) => {
                Held::forever(&Secret::basic(user, password))?
            }
            (Challenge::Basic, _) => return Err(Why::Denied(self.credentials.hint(at))),
            (
                Challenge::Bearer {
                    realm,
                    service,
                    scope: asked,
                },
                secret,
            ) => {
                let scope = asked.unwrap_or(scope);
                let ask = token_request(&realm, service.as_deref(), &scope, secret)?;
                self.buy(at, &ask).await?
            }
        };
        convinced.insert(key, held.clone());
        Ok(held.header)
    }

    async fn buy(&self, at: &Repository, ask: &Ask) -> Result<Held, Why> {
        self.counts.asked(Asked::Token);
        let response = self.transport.send(ask).await?;
        let status = response.status();
        if matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST
        ) {
            let hint = self.credentials.hint(at);
            return Err(Why::Denied(format!("no token from {}: {hint}", ask.uri)));
        }
        if !status.is_success() {
            return Err(session::why(&response, &self.clock));
        }
        let body = self.transport.whole(response, TOKEN_BYTES_MAX).await?;
        // What came may hold a token, so it is not quoted.
        let no_token = || Why::NotUnderstood("the answer for a token holds none".to_owned());
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| no_token())?;
        let token = answer
            .token
            .or(answer.access_token)
            .filter(|token| !token.is_empty())
            .ok_or_else(no_token)?;
        let lives = SignedDuration::from_secs(answer.expires_in.unwrap_or(TOKEN_SECONDS).max(0));
        let mut held = Held::forever(&format!("Bearer {token}"))?;
        held.until = Some(
            self.clock
                .now()
                .saturating_add(lives - TOKEN_SPARE)
                .unwrap_or(Timestamp::MAX),
        );
        Ok(held)
    }
}

impl Held {
    fn forever(header: &str) -> Result<Self, Why> {
        let mut header = HeaderValue::from_str(header)
            .map_err(|_| Why::Denied("the credentials cannot stand in a header".to_owned()))?;
        header.set_sensitive(true);
        Ok(Self {
            header,
            until: None,
        })
    }
}

fn token_request(
    realm: &str,
    service: Option<&str>,
    scope: &str,
    secret: Option<&Secret>,
) -> Result<Ask, Why> {
    let mut parameters = vec![("scope", scope)];
    parameters.extend(service.map(|service| ("service", service)));
    let not_one = |_| Why::NotUnderstood("it gives tokens at what is no URL".to_owned());
    if let Some(Secret::Identity(identity)) = secret {
        parameters.extend([
            ("grant_type", "refresh_token"),
            ("client_id", "windlass"),
            ("refresh_token", identity),
        ]);
        let mut ask = Ask::get(realm.parse().map_err(not_one)?);
        ask.method = Method::POST;
        ask.content = Content::Bytes(Bytes::from(encoded(&parameters)));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        ask.headers.insert(CONTENT_TYPE, form);
        return Ok(ask);
    }
    let user = match secret {
        Some(Secret::Password { user, password }) => Some((user, password)),
        _ => None,
    };
    parameters.extend(user.map(|(user, _)| ("account", user.as_str())));
    let between = if realm.contains('?') { '&' } else { '?' };
    let uri: Uri = format!("{realm}{between}{}", encoded(&parameters))
        .parse()
        .map_err(not_one)?;
    let mut ask = Ask::get(uri);
    if let Some((user, password)) = user {
        let header = Held::forever(&Secret::basic(user, password))?.header;
        ask.headers.insert(AUTHORIZATION, header);
    }
    Ok(ask)
}

fn encoded(parameters: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ENCODED)))
        .collect();
    pairs.join("&")
}
