//! Carries out one step about one node.

use super::asked::{Answer, Asked, Seen};
use super::cordon;
use super::evict::evict;
use super::machine;
use super::pod::PodView;
use super::request::Request;
use super::step::Step;
use crate::context::Context;
use crate::error::{ApiError, Chain, Meaning};
use crate::events::{self, Tone};
use crate::metrics::OfReason;
use crate::patch::Written;
use crate::stores::NodeKept;
use futures::{StreamExt, stream};
use std::collections::BTreeMap;
use std::sync::Arc;
use tracing::{debug, info, warn};

/// So many evictions of one node wait for their answer at a time. The rate limits them further; this
/// keeps one node of a thousand pods from filling the connection.
const AT_ONCE: usize = 16;

/// What came of a step.
pub(super) struct Done {
    pub(super) node: String,
    /// What was asked, by the pods' uid.
    pub(super) asked: BTreeMap<String, Asked>,
    /// The node was written; or could not be.
    pub(super) wrote: Option<Result<Written, ()>>,
}

/// Carries out `step`; errors are told and tried again later.
pub(super) async fn carry_out(
    context: &Context,
    kept: Arc<NodeKept>,
    request: Request,
    step: Step,
    asked: BTreeMap<String, Asked>,
) -> Done {
    let node = kept.name.clone();
    match step {
        Step::Wait => Done {
            node,
            asked: BTreeMap::new(),
            wrote: None,
        },
        Step::Evict(pods) => {
            let asked = evict_all(context, pods, &asked).await;
            Done {
                node,
                asked,
                wrote: None,
            }
        }
        Step::Cordon | Step::Acknowledge { .. } | Step::Uncordon => {
            let written = write(context, &kept, &request, &step).await;
            let wrote = Some(written.map_err(|error| {
                if error.meaning() == Meaning::Stale {
                    debug!(%node, error = %Chain(&error), "the node is not as it was seen");
                } else {
                    warn!(%node, error = %Chain(&error), "the node was not written");
                }
            }));
            Done {
                node,
                asked: BTreeMap::new(),
                wrote,
            }
        }
    }
}

async fn write(
    context: &Context,
    kept: &NodeKept,
    request: &Request,
    step: &Step,
) -> Result<Written, ApiError> {
    let (client, node) = (&context.client, &kept.node);
    context.limits.node_writes.ready().await;
    let (written, reason) = match step {
        Step::Cordon => {
            machine::protect(client, node).await;
            let now = context.clock.now();
            let patch = cordon::cordon(node, request, now);
            (patch.send(client, "cordoning the node").await?, "Cordon")
        }
        Step::Acknowledge { cordoned } => {
            let patch = cordon::acknowledge(node, request, *cordoned);
            (
                patch.send(client, "acknowledging the drain of").await?,
                "Drain",
            )
        }
        Step::Uncordon => {
            // First the Machine: once the request is carried out nobody would come back for it.
            machine::release(client, node).await?;
            let patch = cordon::uncordon(node, request);
            (
                patch.send(client, "uncordoning the node").await?,
                "Uncordon",
            )
        }
        Step::Wait | Step::Evict(_) => return Ok(Written::default()),
    };
    info!(node = %kept.name, intent = request.intent, reason, "the node's request was carried out");
    if let Some(message) = worth_an_event(step, request) {
        let about = events::about(node);
        context.events.tell(&about, Tone::Normal, reason, &message);
    }
    Ok(written)
}

/// What is told as an event beside what stands on the node. Of cordon and uncordon the kubelet tells itself, of the end of
/// a visit the daemon does, and of a drain its condition.
fn worth_an_event(step: &Step, request: &Request) -> Option<String> {
    let config = request.wish.config();
    (*step == Step::Acknowledge { cordoned: false })
        .then(|| format!("the only control-plane node is not drained, to reach {config}"))
}

/// Asks for all these evictions, at the rate.
async fn evict_all(
    context: &Context,
    pods: Vec<Arc<PodView>>,
    before: &BTreeMap<String, Asked>,
) -> BTreeMap<String, Asked> {
    let asks: Vec<_> = pods
        .into_iter()
        .map(|pod| ask(context, before.get(&pod.uid).cloned(), pod))
        .collect();
    stream::iter(asks).buffer_unordered(AT_ONCE).collect().await
}

/// Asks for one; returns the pod's uid with what came of it.
async fn ask(context: &Context, before: Option<Asked>, pod: Arc<PodView>) -> (String, Asked) {
    context.limits.evictions.ready().await;
    let budgets = context.stores.budgets.all_in(&pod.pod.namespace);
    let seen = Seen::of(&pod, &budgets);
    let at = context.clock.now();
    let answer = evict(&context.client, &pod, seen, before.as_ref(), at).await;
    let reason = match &answer {
        Answer::Granted => "Granted",
        Answer::Refused { .. } => "Refused",
        Answer::Failed { .. } => "Failed",
    };
    context
        .metrics
        .evictions
        .get_or_create(&OfReason { reason })
        .inc();
    (pod.uid.clone(), Asked { at, answer })
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::requests::DrainRequest;

    #[test]
    fn only_a_drain_that_is_none_is_worth_an_event() {
        let request = Request {
            wish: DrainRequest::Drain("rendered-worker-1".to_owned()),
            intent: 1,
        };
        let told = |step| worth_an_event(&step, &request);

        assert_eq!(told(Step::Cordon), None);
        assert_eq!(told(Step::Acknowledge { cordoned: true }), None);
        assert_eq!(
            told(Step::Acknowledge { cordoned: false }).as_deref(),
            Some("the only control-plane node is not drained, to reach rendered-worker-1")
        );
    }
}
