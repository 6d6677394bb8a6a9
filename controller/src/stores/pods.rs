//! Pods, and where they run.

use super::cache::Cache;
use super::{Attention, Opening, Wakes};
use crate::drain::pod::{PodName, PodView};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pods by node. Clusters have thirty times as many pods as nodes: nobody walks through all of them.
#[derive(Debug)]
pub struct Pods {
    cache: Arc<Cache<PodView>>,
    by_node: Arc<Mutex<ByNode>>,
}

type ByNode = BTreeMap<Arc<str>, BTreeSet<PodName>>;

impl Pods {
    pub(super) fn open(open: &mut Opening<'_>, wakes: &Wakes, requests: &Attention) -> Arc<Self> {
        let by_node = Arc::new(Mutex::new(ByNode::new()));
        let (index, wakes, requests) = (by_node.clone(), wakes.clone(), requests.clone());
        let observer = move |before: Option<&PodView>, now: Option<&PodView>| {
            file(&mut lock(&index), before, now);
            for pod in before.into_iter().chain(now) {
                // A static pod's copy tells whether the node's own API server runs.
                if pod.mirror {
                    wakes.rollout.notify_one();
                }
                if pod.node.as_ref().is_some_and(|node| requests.is_on(node)) {
                    wakes.drain.notify_one();
                }
            }
        };
        let cache = open.cluster(Cache::new(vec![]).observed_by(observer));
        Arc::new(Self { cache, by_node })
    }

    /// The pods on a node, in the order of their names.
    pub fn on(&self, node: &str) -> Vec<Arc<PodView>> {
        let names = lock(&self.by_node).get(node).cloned().unwrap_or_default();
        let pods = names
            .iter()
            .filter_map(|pod| self.cache.get_in(&pod.namespace, &pod.name));
        pods.filter(|pod| pod.node.as_deref() == Some(node))
            .collect()
    }

    /// Waits until the first list is complete.
    pub async fn synced(&self) {
        self.cache.synced().await;
    }
}

/// Files a pod under its node. A pod is bound once, so it moves only by being another one.
fn file(by_node: &mut ByNode, before: Option<&PodView>, now: Option<&PodView>) {
    if let Some((before, node)) = before.and_then(|pod| Some((pod, pod.node.as_ref()?)))
        && now.is_none_or(|now| now.node.as_ref() != Some(node))
        && let Some(pods) = by_node.get_mut(node)
    {
        pods.remove(&before.pod);
        if pods.is_empty() {
            by_node.remove(node);
        }
    }
    if let Some((now, node)) = now.and_then(|pod| Some((pod, pod.node.as_ref()?))) {
        by_node
            .entry(node.clone())
            .or_default()
            .insert(now.pod.clone());
    }
}

fn lock(by_node: &Mutex<ByNode>) -> MutexGuard<'_, ByNode> {
    by_node.lock().unwrap_or_else(PoisonError::into_inner)
}
