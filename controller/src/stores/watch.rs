//! Keeps a cache true: one watch, restarted with a growing delay for as long as the process lives.

use super::cache::{Cache, Kept};
use crate::error::{Backoff, Chain};
use futures::{StreamExt, TryStreamExt};
use kube::runtime::watcher;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use tracing::{debug, warn};

/// Feeds `cache` from `api` until dropped.
///
/// A kind that is not installed counts as installed and empty; it is looked for again with the same delay
/// as any failed watch.
pub async fn follow<V>(api: Api<V::Object>, config: watcher::Config, cache: Arc<Cache<V>>)
where
    V: Kept,
    V::Object: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    <V::Object as Resource>::DynamicType: Default,
{
    let kind = <V::Object as Resource>::kind(&Default::default()).into_owned();
    let events = watcher(api, config)
        // Nobody reads who owns which field, and it is half of many an object.
        .map_ok(|event| event.modify(|object| object.managed_fields_mut().clear()));
    let mut events = std::pin::pin!(events);
    let mut backoff = Backoff::default();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                // Each try begins with `Init`, before anything was asked: that alone is no success.
                if !matches!(event, watcher::Event::Init) {
                    backoff.reset();
                }
                cache.apply(event);
                continue;
            }
            Err(error) if is_absent(&error) => {
                debug!(%kind, "the kind is not installed");
                cache.not_installed();
            }
            Err(error) => {
                warn!(%kind, error = %Chain(&error), "the watch broke and is started again");
            }
        }
        tokio::time::sleep(backoff.delay()).await;
    }
}

fn is_absent(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404
    )
}
