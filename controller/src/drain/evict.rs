//! Asks the eviction API to let a pod go, and understands what it says.
//!
//! # Guarantees
//! An eviction names the pod's uid: a successor of the same name is not touched. The answer is a value;
//! nothing is retried here.
//! # Not here
//! kube's own eviction request spells its delete options in a way that the API server does not read
//! (so it would lose the uid), so the body is the API's own type here.

use super::asked::{ASK_AGAIN, Answer, Asked, Seen};
use super::blocker::Blocker;
use super::pod::PodView;
use crate::error::{ApiError, Attempt, Chain, Meaning};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::Eviction;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, ObjectMeta, Preconditions};
use kube::api::PostParams;
use kube::{Api, Client};

/// The delay after a first error of the API server itself; it doubles up to [`ASK_AGAIN`].
const ERROR_DELAY: SignedDuration = SignedDuration::from_secs(1);

/// Asks for the eviction of `pod`; `seen` is what the decision to ask rested on, `before` what came of
/// asking the last time.
pub async fn evict(
    client: &Client,
    pod: &PodView,
    seen: Seen,
    before: Option<&Asked>,
    now: Timestamp,
) -> Answer {
    let api = Api::<Pod>::namespaced(client.clone(), &pod.pod.namespace);
    let eviction = Eviction {
        metadata: ObjectMeta {
            name: Some(pod.pod.name.to_string()),
            namespace: Some(pod.pod.namespace.to_string()),
            ..ObjectMeta::default()
        },
        delete_options: Some(DeleteOptions {
            preconditions: Some(Preconditions {
                uid: Some(pod.uid.clone()),
                ..Preconditions::default()
            }),
            ..DeleteOptions::default()
        }),
    };
    let post = PostParams::default();
    let answer =
        api.create_subresource::<_, serde_json::Value>("eviction", &pod.pod.name, &post, &eviction);
    match answer
        .await
        .attempt("evicting the pod", pod.pod.to_string())
    {
        Ok(_) => Answer::Granted,
        Err(error) => understand(&error, pod, seen, before, now),
    }
}

/// What a "no" means. A pod that is gone counts as granted: the watch will show it.
fn understand(
    error: &ApiError,
    pod: &PodView,
    seen: Seen,
    before: Option<&Asked>,
    now: Timestamp,
) -> Answer {
    let budgets = seen.names();
    match error.meaning() {
        Meaning::NotFound => Answer::Granted,
        Meaning::Busy(_) if is_budget(error) => Answer::Refused {
            blocker: Blocker::Budget {
                pod: pod.pod.clone(),
                budgets,
            },
            seen,
        },
        Meaning::Busy(wait) => failed(
            error,
            pod,
            now,
            SignedDuration::try_from(wait).unwrap_or(ASK_AGAIN),
        ),
        _ if error.status().is_some_and(|status| status.code == 500) && budgets.len() > 1 => {
            Answer::Refused {
                blocker: Blocker::TwoBudgets {
                    pod: pod.pod.clone(),
                    budgets,
                },
                seen,
            }
        }
        _ => failed(error, pod, now, delay_after(before)),
    }
}

/// Twice the delay of the failure before, if that was one.
fn delay_after(before: Option<&Asked>) -> SignedDuration {
    match before {
        Some(Asked {
            at,
            answer: Answer::Failed { again_at, .. },
        }) => {
            let last = again_at.duration_since(*at);
            last.checked_mul(2)
                .unwrap_or(ASK_AGAIN)
                .clamp(ERROR_DELAY, ASK_AGAIN)
        }
        _ => ERROR_DELAY,
    }
}

/// A 429 of a budget names it as the cause; any other 429 is an API server that has too much to do.
fn is_budget(error: &ApiError) -> bool {
    let details = error.status().and_then(|status| status.details.as_ref());
    details.is_some_and(|d| {
        d.causes
            .iter()
            .any(|cause| cause.reason == "DisruptionBudget")
    })
}

fn failed(error: &ApiError, pod: &PodView, now: Timestamp, wait: SignedDuration) -> Answer {
    let message = Chain(error).to_string();
    Answer::Failed {
        blocker: Blocker::Error {
            pod: pod.pod.clone(),
            message,
        },
        again_at: now.saturating_add(wait).unwrap_or(Timestamp::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_server_that_keeps_failing_is_asked_less_and_less_up_to_once_a_minute() {
        let mut delay = delay_after(None);
        let mut seconds = vec![delay.as_secs()];
        for _ in 0..7 {
            let at = Timestamp::UNIX_EPOCH;
            let again_at = at.saturating_add(delay).expect("in range");
            let pod = crate::drain::pod::PodName::new("", "");
            let blocker = Blocker::Error {
                pod,
                message: String::new(),
            };
            delay = delay_after(Some(&Asked {
                at,
                answer: Answer::Failed { blocker, again_at },
            }));
            seconds.push(delay.as_secs());
        }

        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
