//! The two subresources of a pod that are not parts of it: eviction, which asks the budgets, and binding, which gives it a node.

use serde_json::{Value, json};

use super::delete::{DeleteOptions, Deleted, delete_object};
use super::handle::{Answer, Context};
use super::refusal::Refusal;
use super::selector::LabelSelector;
use super::store::{Key, Object};
use super::{State, read, shape, value};

/// How many evicted pods a budget may still be waiting for; more, and it allows none. The real server has the same limit.
const MOST_DISRUPTED: usize = 2000;

/// Seconds after which a caller asks again when a budget has not been computed.
const UNPROCESSED_RETRY: u32 = 10;

/// Evicts a pod, if its budgets allow it.
pub(crate) fn evict(state: &mut State, context: &Context<'_>) -> Result<Answer, Refusal> {
    let body = shape::parse_json(&context.call.body)?;
    let name = context.target.name.clone().unwrap_or_default();
    let stated = value::text(&body, &["metadata", "name"]);
    if stated != name {
        return Err(Refusal::bad_request(
            "name in URL does not match name in Eviction object",
        ));
    }
    let options = value::get(&body, &["deleteOptions"])
        .map(DeleteOptions::of)
        .unwrap_or_default();
    let dry_run = context.dry_run()?
        || value::list(&body, &["deleteOptions", "dryRun"])
            .iter()
            .any(|which| which == "All");
    let pod = read::get(state, context.resource, context.target)?;
    options.check(context.resource, &pod)?;
    if ignores_budgets(&pod) {
        return Ok(carry_out(state, context, &pod, &options, dry_run));
    }
    match budgets_of(state, &pod).as_slice() {
        [] => {}
        [budget] => {
            if !unhealthy_may_go(&pod, budget) {
                let spent = spend(budget, &name, &context.shared.now())?;
                if !dry_run {
                    let mut spent = spent;
                    let resource = state
                        .registry
                        .find("policy", "v1", "poddisruptionbudgets")
                        .cloned();
                    if let Some(resource) = resource {
                        shape::manage_server_write(
                            &resource,
                            budget,
                            &mut spent,
                            &context.shared.now(),
                        );
                    }
                    state.store.put("poddisruptionbudgets.policy", spent);
                }
            }
        }
        _ => {
            return Err(Refusal::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
                "",
            ));
        }
    }
    Ok(carry_out(state, context, &pod, &options, dry_run))
}

/// A pod that has ended, has not begun, or is already going, disturbs nobody by going.
fn ignores_budgets(pod: &Value) -> bool {
    matches!(
        value::text(pod, &["status", "phase"]),
        "Succeeded" | "Failed" | "Pending"
    ) || value::get(pod, &["metadata", "deletionTimestamp"]).is_some()
}

fn is_ready(pod: &Value) -> bool {
    value::list(pod, &["status", "conditions"])
        .iter()
        .any(|condition| {
            value::text(condition, &["type"]) == "Ready"
                && value::text(condition, &["status"]) == "True"
        })
}

/// The budgets that cover a pod. A budget without a selector covers nothing; one with an empty selector covers its namespace.
fn budgets_of(state: &State, pod: &Value) -> Vec<Object> {
    let namespace = value::text(pod, &["metadata", "namespace"]);
    state
        .store
        .list("poddisruptionbudgets.policy", Some(namespace))
        .filter(|budget| {
            value::get(budget, &["spec", "selector"])
                .is_some_and(|selector| LabelSelector::from_object(selector).matches(pod))
        })
        .cloned()
        .collect()
}

/// Whether a pod that is not ready may go without spending anything: always where the policy says so, else while the budget's
/// wish is met without it.
fn unhealthy_may_go(pod: &Value, budget: &Value) -> bool {
    if is_ready(pod) {
        return false;
    }
    let current = value::integer(budget, &["status", "currentHealthy"]);
    let desired = value::integer(budget, &["status", "desiredHealthy"]);
    value::text(budget, &["spec", "unhealthyPodEvictionPolicy"]) == "AlwaysAllow"
        || (current >= desired && desired > 0)
}

/// The budget with one disruption spent for the pod.
fn spend(budget: &Value, pod: &str, now: &str) -> Result<Value, Refusal> {
    let name = value::text(budget, &["metadata", "name"]);
    let status = |field| value::integer(budget, &["status", field]);
    if status("observedGeneration") < value::integer(budget, &["metadata", "generation"]) {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(Refusal::budget(&why, UNPROCESSED_RETRY));
    }
    let allowed = status("disruptionsAllowed");
    let disrupted =
        value::map(budget, &["status", "disruptedPods"]).map_or(0, serde_json::Map::len);
    if allowed < 0 {
        let about = super::About {
            group: "policy",
            kind: "poddisruptionbudgets",
            name,
        };
        return Err(Refusal::forbidden(
            about,
            "pdb disruptions allowed is negative",
        ));
    }
    if disrupted > MOST_DISRUPTED {
        let about = super::About {
            group: "policy",
            kind: "poddisruptionbudgets",
            name,
        };
        let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(Refusal::forbidden(about, why));
    }
    if allowed == 0 {
        let (current, desired) = (status("currentHealthy"), status("desiredHealthy"));
        let why = if current <= desired {
            format!(
                "The disruption budget {name} needs {desired} healthy pods and has {current} currently"
            )
        } else {
            format!("The disruption budget {name} does not allow evicting pods currently")
        };
        return Err(Refusal::budget(&why, 0));
    }
    let mut spent = budget.clone();
    value::set(&mut spent, &["status", "disruptionsAllowed"], allowed - 1);
    value::set(&mut spent, &["status", "disruptedPods", pod], now);
    if allowed == 1 {
        let generation = value::integer(budget, &["metadata", "generation"]);
        set_condition(
            &mut spent,
            json!({
                "type": "DisruptionAllowed",
                "status": "False",
                "observedGeneration": generation,
                "lastTransitionTime": now,
                "reason": "InsufficientPods",
                "message": "",
            }),
        );
    }
    Ok(spent)
}

/// Sets the condition of its type; the time of the last transition stays where the status does.
fn set_condition(object: &mut Value, mut condition: Value) {
    let mut conditions = value::list(object, &["status", "conditions"]).to_vec();
    let of_type = value::text(&condition, &["type"]).to_owned();
    match conditions
        .iter_mut()
        .find(|known| value::text(known, &["type"]) == of_type)
    {
        Some(known) => {
            if value::text(known, &["status"]) == value::text(&condition, &["status"]) {
                value::copy(&mut condition, known, &["lastTransitionTime"]);
            }
            *known = condition;
        }
        None => conditions.push(condition),
    }
    value::set(object, &["status", "conditions"], conditions);
}

fn carry_out(
    state: &mut State,
    context: &Context<'_>,
    pod: &Object,
    options: &DeleteOptions,
    dry_run: bool,
) -> Answer {
    if !dry_run {
        let mut pod = pod.clone();
        if value::get(&pod, &["metadata", "deletionTimestamp"]).is_none() {
            let mut marked = Value::clone(&pod);
            set_condition(
                &mut marked,
                json!({
                    "type": "DisruptionTarget",
                    "status": "True",
                    "lastProbeTime": null,
                    "lastTransitionTime": context.shared.now(),
                    "reason": "EvictionByEvictionAPI",
                    "message": "Eviction API: evicting",
                }),
            );
            pod = state.store.put(&context.resource.storage, marked);
        }
        match delete_object(state, context.shared, context.resource, &pod, options) {
            Deleted::Gone(_) | Deleted::Terminating(_) => {}
        }
    }
    created()
}

fn created() -> Answer {
    Answer::json(
        201,
        &json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "code": 201,
        }),
    )
}

/// Gives a pod its node. Once only.
pub(crate) fn bind(state: &mut State, context: &Context<'_>) -> Result<Answer, Refusal> {
    let body = shape::parse_json(&context.call.body)?;
    let node = value::text(&body, &["target", "name"]);
    let pod = read::get(state, context.resource, context.target)?;
    let key = Key::of(&pod);
    if node.is_empty() {
        return Err(Refusal::bad_request(
            "binding needs target.name, the node of the pod",
        ));
    }
    let bound = value::text(&pod, &["spec", "nodeName"]);
    if !bound.is_empty() {
        let why = format!("pod {} is already assigned to node \"{bound}\"", key.name);
        return Err(Refusal::conflict(context.resource.about(&key.name), &why));
    }
    if !context.dry_run()? {
        let mut placed = Value::clone(&pod);
        value::set(&mut placed, &["spec", "nodeName"], node);
        set_condition(
            &mut placed,
            json!({
                "type": "PodScheduled",
                "status": "True",
                "lastProbeTime": null,
                "lastTransitionTime": context.shared.now(),
            }),
        );
        state.store.put(&context.resource.storage, placed);
    }
    Ok(created())
}
