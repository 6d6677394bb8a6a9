//! The kubelet's own health question.

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

/// Longest wait for an answer: a kubelet that takes longer does not answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Whether a kubelet says at `url` that it is well.
pub(super) async fn answers(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else {
        return false;
    };
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let asked = tokio::time::timeout(ANSWER_MAX, client.get(url)).await;
    matches!(asked, Ok(Ok(answer)) if answer.status().is_success())
}
