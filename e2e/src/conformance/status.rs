//! `status`: what a pool says of itself, from its nodes.

use api::MachineConfigNode;
use jiff::Timestamp;
use rollout::snapshot::NodeView;
use rollout::status::{NodeReport, pool_status};
use rollout::{ConfigName, Policy};
use serde_json::{Value, json};

use super::{Corpus, objects};

pub(super) struct Status;

impl Corpus for Status {
    fn name(&self) -> &'static str {
        "status"
    }

    fn answer(&self, input: &Value) -> anyhow::Result<Value> {
        let pool = objects::pool(&input["pool"])?;
        let nodes: Vec<NodeView> = objects::list(input, "nodes")
            .iter()
            .map(objects::node)
            .collect::<Result<_, _>>()?;
        let reports: Vec<NodeReport> = objects::list(input, "machineConfigNodes")
            .iter()
            .map(|report| Ok(NodeReport::from_object(&node_report(report)?)))
            .collect::<anyhow::Result<_>>()?;
        let policy = Policy::reference();
        let nodes: Vec<&NodeView> = nodes.iter().collect();
        let status = pool_status(
            &pool,
            &nodes,
            &reports,
            policy.of(&pool.name),
            Timestamp::MAX,
        );
        let conditions: Vec<Value> = status
            .conditions
            .iter()
            .map(|condition| {
                json!({
                    "type": condition.kind,
                    "status": condition.status,
                    "reason": condition.reason,
                    "message": condition.message,
                })
            })
            .collect();
        let source: Vec<&str> = status.source.iter().map(AsRef::as_ref).collect();
        Ok(json!({
            "machineCount": status.machines,
            "updatedMachineCount": status.updated,
            "readyMachineCount": status.ready,
            "unavailableMachineCount": status.unavailable,
            "degradedMachineCount": status.degraded,
            "observedGeneration": status.observed_generation.unwrap_or_default(),
            "configurationName": status.configuration.as_ref().map_or("", ConfigName::as_str),
            "configurationSource": source,
            "conditions": conditions,
            "lastTransitionTimeChanged": status.transitions,
        }))
    }
}

/// A MachineConfigNode; the corpora leave out its spec, which is not looked at.
fn node_report(report: &Value) -> anyhow::Result<MachineConfigNode> {
    let mut whole = report.clone();
    whole["spec"] =
        json!({"configVersion": {"desired": ""}, "node": {"name": ""}, "pool": {"name": ""}});
    objects::read(&whole)
}
