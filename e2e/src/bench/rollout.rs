//! Measures one rollout.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use api::names::node as contract;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use tokio::time::Instant;

use super::fleet::{self, Fleet, note};
use super::observer::Observer;
use super::requests::{Requests, evicted};
use super::stage::{self, Stage};
use super::{Figures, Scenario, Spread, Tools, mib, per_node};
use crate::control_plane::processes::Process;
use crate::control_plane::{Controllers, Options};

/// A rollout that takes longer than this beyond its ideal is no figure.
const PATIENCE: Duration = Duration::from_secs(600);
/// After the end, for so long it is counted what the controller still writes: reports, and taints at their own rate.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// Sets the stage, measures, and strikes it.
pub async fn rollout(scenario: &Scenario, tools: &Tools) -> Result<Figures> {
    let options = Options {
        // What a cluster's own controllers do to a node that is cordoned or silent costs time, too.
        controllers: Controllers::Only(vec![
            "node-lifecycle-controller",
            "serviceaccount-controller",
        ]),
        ..Options::default()
    };
    let mut stage = Stage::set(options, tools).await?;
    let fleet = Fleet::start(&mut stage, scenario).await?;
    let first = settle(&mut stage, scenario).await?;
    let figures = measure(&mut stage, scenario, &first).await?;
    stage.end_controller()?;
    fleet.end().await;
    Ok(figures)
}

/// Brings the fleet to its first config, all nodes at once; tells which.
async fn settle(stage: &mut Stage, scenario: &Scenario) -> Result<String> {
    let settings = stage.settings(scenario.defaults);
    stage.start_controller(&settings).await?;
    stage.configure("first").await?;
    stage.pool(json!("100%"), Some(0)).await?;
    stage.approve().await?;
    let nodes = Api::<Node>::all(stage.admin.clone());
    let (count, client) = (scenario.nodes, nodes.clone());
    stage
        .until("all nodes have the first config", async || {
            let list = client.list(&ListParams::default()).await;
            let settled = |node: &&Node| {
                !note(node, contract::CURRENT_CONFIG).is_empty()
                    && note(node, contract::STATE) == api::names::node_state::DONE
            };
            list.is_ok_and(|list| list.items.iter().filter(settled).count() == count)
        })
        .await?;
    let first_alone = if scenario.defaults { None } else { Some(0) };
    stage
        .pool(json!(scenario.max_unavailable), first_alone)
        .await?;
    fleet::populate(stage, scenario).await?;
    stage.until_quiet().await?;
    let list = nodes.list(&ListParams::default()).await?;
    let config = list
        .items
        .first()
        .map(|node| note(node, contract::CURRENT_CONFIG).to_owned());
    config.context("there is no node")
}

async fn measure(stage: &mut Stage, scenario: &Scenario, first: &str) -> Result<Figures> {
    let observer = Observer::start(stage.admin.clone(), scenario.nodes, first).await;
    let log = stage.cluster.audit().from_now()?;
    let processor = |stage: &Stage| stage.controller.as_ref().and_then(Process::on_processor);
    let spent_before = processor(stage).context("the controller is gone")?;
    let started = Instant::now();
    stage.configure("second").await?;
    let patience = PATIENCE + scenario.ideal();
    let observed = match observer.over(patience).await {
        Ok(observed) => observed,
        Err(progress) => {
            let tail = stage.controller.as_ref().map(Process::log_tail);
            let (name, tail) = (scenario.name, tail.unwrap_or_default());
            bail!(
                "{name}: no end within {patience:?}: {progress}; the controller's log ends with\n{tail}"
            );
        }
    };
    let spent = processor(stage).context("the controller is gone")?;
    let controller = stage.controller.as_ref();
    let rss = controller.and_then(Process::resident_kib);
    let peak = controller.and_then(Process::resident_peak_kib);
    tokio::time::sleep(AFTERWARDS).await;
    stage.alive()?;
    let events = log.events()?;
    let of = |user: &str| Requests::of(&events, user, observed.over_at);
    let (controller, daemons) = (of(&stage::controller()), of(&stage::daemon()));
    let since_start = |at: Instant| at.duration_since(started).as_secs_f64();
    let waiting = observed.visits.iter();
    let waiting = waiting.map(|held| held.as_secs_f64() - scenario.pod_end.as_secs_f64());
    Ok(Figures {
        scenario: scenario.name,
        nodes: scenario.nodes,
        max_unavailable: scenario.max_unavailable,
        pods_per_node: scenario.pods_per_node,
        total_seconds: Some(since_start(observed.over)),
        ideal_seconds: Some(scenario.ideal().as_secs_f64()),
        first_target_seconds: observed.first_targeted.map(since_start),
        controller_requests_per_node: Some(per_node(controller.total(), scenario.nodes)),
        evicted_pods_per_node: Some(per_node(
            evicted(&events, &stage::controller()),
            scenario.nodes,
        )),
        daemon_requests_per_node: Some(per_node(daemons.total(), scenario.nodes)),
        controller_rss_mib: mib(rss),
        controller_rss_peak_mib: mib(peak),
        controller_cpu_seconds: spent.saturating_sub(spent_before).as_secs_f64(),
        visit_waiting_seconds: Spread::of(waiting.collect()),
        controller_requests: controller,
        daemon_requests: daemons,
    })
}
