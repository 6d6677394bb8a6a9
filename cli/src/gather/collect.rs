//! Reads what is packed. Lists, gets and logs only.
//!
//! # Guarantees
//! Nothing is written to the cluster. Every list is read page by page, and every bound that cuts something is told in the
//! manifest; so is whatever the caller may not read, which ends nothing else.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use api::names::{label, node as contract, node_state};
use http::Request;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, ListParams, LogParams};
use kube::{Client, ResourceExt as _};
use serde::Serialize;
use serde_json::{Value, json};

use super::archive::Archive;
use super::redact::Redactor;
use super::shape::{Packed, component, packed};

/// Objects of one page: what the API server's own clients ask for.
const PAGE: u32 = 500;
/// Objects of one kind. A cluster of 5,000 nodes with 30 pods each has three times as many pods; those of the nodes that
/// wait are judged in the decisions all the same.
const OBJECTS_MAX: usize = 50_000;
/// Daemons whose logs are packed: nodes in trouble first. A failure that is everywhere shows on any of them.
const DAEMON_LOGS_MAX: usize = 50;
/// The end of a log: some hours of a busy controller.
const LOG_LINES: i64 = 20_000;
/// What the API server sends of it at most.
const LOG_BYTES: i64 = 8 << 20;

/// What was packed, and what was not.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    /// How many objects of each kind.
    pub(crate) objects: BTreeMap<String, usize>,
    /// How many answers.
    pub(crate) decisions: usize,
    /// The logs.
    pub(crate) logs: Vec<String>,
    /// What was left out, and why.
    pub(crate) left_out: Vec<String>,
}

/// Packs the objects of each kind.
pub(crate) async fn objects(
    client: &Client,
    namespace: &str,
    redactor: &Redactor,
    (archive, manifest): (&mut Archive, &mut Manifest),
) -> Result<()> {
    for kind in packed(namespace) {
        let (items, why) = list(client, &kind, redactor).await;
        manifest.left_out.extend(why);
        manifest.objects.insert(kind.name.clone(), items.len());
        let all = json!({"kind": "List", "apiVersion": "v1", "items": items});
        archive.add_json(&format!("objects/{}.json", kind.name), &all)?;
    }
    Ok(())
}

/// The objects of one kind, and what is missing of them.
async fn list(client: &Client, kind: &Packed, redactor: &Redactor) -> (Vec<Value>, Option<String>) {
    let mut items = Vec::new();
    let mut go_on: Option<String> = None;
    loop {
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector.clone_from(&kind.labels);
        params.continue_token = go_on.take();
        let page = match page(client, &kind.path, &params).await {
            Ok(page) => page,
            Err(error) => return (items, Some(format!("{}: {error:#}", kind.name))),
        };
        let Value::Object(mut page) = page else {
            return (items, Some(format!("{}: the answer is no list", kind.name)));
        };
        if let Some(Value::Array(found)) = page.remove("items") {
            items.extend(found.into_iter().map(|object| kind.of(object, redactor)));
        }
        let next = page
            .get("metadata")
            .and_then(|meta| meta["continue"].as_str());
        match next.filter(|token| !token.is_empty()) {
            None => return (items, None),
            Some(_) if items.len() >= OBJECTS_MAX => {
                let why = format!(
                    "{}: more than {OBJECTS_MAX}; these are the first",
                    kind.name
                );
                return (items, Some(why));
            }
            Some(token) => go_on = Some(token.to_owned()),
        }
    }
}

async fn page(client: &Client, path: &str, params: &ListParams) -> Result<Value> {
    let request: Request<Vec<u8>> = kube::core::Request::new(path)
        .list(params)
        .with_context(|| format!("asking for {path}"))?;
    client
        .request(request)
        .await
        .with_context(|| format!("listing {path}"))
}

/// Packs the logs of Windlass's own pods. `nodes`: to know whose daemons tell most.
pub(crate) async fn logs(
    client: &Client,
    namespace: &str,
    nodes: &[Node],
    redactor: &Redactor,
    (archive, manifest): (&mut Archive, &mut Manifest),
) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let ours = format!("{}={}", label::OWNER, label::OWNER_WINDLASS);
    let found = match pods.list(&ListParams::default().labels(&ours)).await {
        Ok(found) => found.items,
        Err(error) => {
            let why = format!("logs: listing Windlass's pods in {namespace}: {error}");
            manifest.left_out.push(why);
            return Ok(());
        }
    };
    let (chosen, left) = chosen(found, nodes);
    if left > 0 {
        manifest.left_out.push(format!(
            "logs of {left} daemons: {DAEMON_LOGS_MAX} are packed, of nodes in trouble first"
        ));
    }
    for pod in chosen {
        for (container, previous) in runs(&pod) {
            let params = LogParams {
                container: Some(container.clone()),
                previous,
                tail_lines: Some(LOG_LINES),
                limit_bytes: Some(LOG_BYTES),
                timestamps: true,
                ..LogParams::default()
            };
            let ending = if previous { ".previous" } else { "" };
            let name = format!("logs/{}/{container}{ending}.log", pod.name_any());
            match pods.logs(&pod.name_any(), &params).await {
                Ok(text) => {
                    archive.add(&name, redactor.text(&text).as_bytes())?;
                    manifest.logs.push(name);
                }
                Err(error) => manifest.left_out.push(format!("{name}: {error}")),
            }
        }
    }
    Ok(())
}

/// Whose logs are packed, and how many are not.
fn chosen(pods: Vec<Pod>, nodes: &[Node]) -> (Vec<Pod>, usize) {
    let state = |node: &Node| node.annotations().get(contract::STATE).cloned();
    let calm: BTreeSet<String> = nodes
        .iter()
        .filter(|node| {
            let at_rest = state(node).is_none_or(|state| state == node_state::DONE);
            let notes = node.annotations();
            at_rest && notes.get(contract::CURRENT_CONFIG) == notes.get(contract::DESIRED_CONFIG)
        })
        .map(kube::ResourceExt::name_any)
        .collect();
    let (mut daemons, mut chosen): (Vec<Pod>, Vec<Pod>) = pods
        .into_iter()
        .partition(|pod| component(pod.metadata.labels.as_ref()) == Some("daemon"));
    let is_calm = |pod: &Pod| {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
        node.is_none_or(|node| calm.contains(node))
    };
    daemons.sort_by_key(|pod| (is_calm(pod), pod.name_any()));
    let left = daemons.len().saturating_sub(DAEMON_LOGS_MAX);
    daemons.truncate(DAEMON_LOGS_MAX);
    chosen.extend(daemons);
    (chosen, left)
}

/// The runs of a pod's containers that left a log: those that run, and those before them.
fn runs(pod: &Pod) -> Vec<(String, bool)> {
    let status = pod.status.as_ref();
    let all = status.into_iter().flat_map(|status| {
        let init = status.init_container_statuses.iter().flatten();
        init.chain(status.container_statuses.iter().flatten())
    });
    let mut runs = Vec::new();
    for container in all {
        let state = container.state.as_ref();
        if state.is_some_and(|state| state.running.is_some() || state.terminated.is_some()) {
            runs.push((container.name.clone(), false));
        }
        if container.restart_count > 0 {
            runs.push((container.name.clone(), true));
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon(node: &str) -> Pod {
        let pod = json!({
            "metadata": {"name": format!("windlass-daemon-{node}"), "labels": {
                "windlass.dev/owner": "windlass", "app.kubernetes.io/component": "daemon"}},
            "spec": {"nodeName": node, "containers": []},
        });
        serde_json::from_value(pod).unwrap()
    }

    fn node(name: &str, state: &str) -> Node {
        let node = json!({"metadata": {"name": name, "annotations": {contract::STATE: state}}});
        serde_json::from_value(node).unwrap()
    }

    #[test]
    fn where_not_all_logs_are_packed_those_of_nodes_in_trouble_are() {
        let names: Vec<String> = (0..DAEMON_LOGS_MAX + 5)
            .map(|n| format!("worker-{n:03}"))
            .collect();
        let last = names.last().unwrap().clone();
        let nodes: Vec<Node> = names
            .iter()
            .map(|name| node(name, if *name == last { "Degraded" } else { "Done" }))
            .collect();

        let (chosen, left) = chosen(names.iter().map(|name| daemon(name)).collect(), &nodes);

        assert_eq!(left, 5);
        assert_eq!(chosen[0].name_any(), format!("windlass-daemon-{last}"));
    }

    #[test]
    fn a_container_that_was_restarted_has_two_logs() {
        let mut pod = daemon("worker-0");
        let status = json!({"containerStatuses": [{"name": "daemon", "ready": true, "image": "", "imageID": "",
            "restartCount": 2, "state": {"running": {}}}]});
        pod.status = serde_json::from_value(status).unwrap();

        let runs = runs(&pod);

        assert_eq!(
            runs,
            [("daemon".to_owned(), false), ("daemon".to_owned(), true)]
        );
    }
}
