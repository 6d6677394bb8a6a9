//! `disruption`: what an update does to the node.
//!
//! The policy is Windlass's own merge of built-in table and user's entries; that it equals the published one
//! (`clusterPolicies` of the input) is part of every case.

use anyhow::ensure;
use api::operator::NodeDisruptionPolicy;
use rendering::changes::{Changes, Kind, Section};
use rendering::configuration::Configuration;
use rendering::disruption::{self, Action, Cause, Policy, Subject};
use serde_json::{Value, json};

use super::{Corpus, machine_config};

pub(super) struct Disruption;

impl Corpus for Disruption {
    fn name(&self) -> &'static str {
        "disruption"
    }

    fn answer(&self, input: &Value) -> anyhow::Result<Value> {
        let owner: NodeDisruptionPolicy = serde_json::from_value(input["userPolicy"].clone())?;
        let policy = Policy::cluster(&owner)?;
        let published = &input["clusterPolicies"];
        let mut merged = json!({"files": [], "units": []});
        if let (Value::Object(told), Some(merged)) = (
            serde_json::to_value(policy.to_api())?,
            merged.as_object_mut(),
        ) {
            merged.extend(told);
        }
        ensure!(
            merged == *published,
            "the merged policy is {merged}, published is {published}"
        );

        let old = Configuration::read(&machine_config::read(&input["old"])?)?;
        let new = Configuration::read(&machine_config::read(&input["new"])?)?;
        let changes = Changes::between(Some(&old), &new);
        let disruption = disruption::judge(Some(&old), &new, &changes, &policy)?;
        let units = |kind: Kind| changes.units.names(kind).collect::<Vec<_>>();
        let mut answer = json!({
            "actions": disruption.actions,
            "diff": {
                "osUpdate": changes.os_image.is_some(),
                "kargs": changes.kernel_arguments.is_some(),
                "fips": changes.fips.is_some(),
                "kernelType": changes.kernel_type.is_some(),
                "extensions": changes.extensions.is_some(),
                "passwd": changes.passwd(),
                "files": !changes.files.is_same(),
                "units": !changes.units.is_same(),
            },
            "drainRequired": disruption.needs_drain(),
            "files": names(&changes.files),
            "units": {
                "added": units(Kind::Added),
                "updated": units(Kind::Updated),
                "removed": units(Kind::Removed),
            },
        });
        if order_matters(&disruption, &changes) {
            answer["orderUnspecified"] = json!(true);
        }
        Ok(answer)
    }
}

fn names(section: &Section) -> Vec<&str> {
    section
        .entries
        .iter()
        .map(|entry| entry.name.as_str())
        .collect()
}

/// Whether the reference, which goes through the files and through each list of units in random order, could have
/// come to another list of actions: the reverse order gives one.
fn order_matters(disruption: &disruption::Disruption, changes: &Changes) -> bool {
    let groups = |cause: &Cause| match &cause.subject {
        Subject::Path(_) => 0,
        Subject::Unit(name) => {
            let entry = changes
                .units
                .entries
                .iter()
                .find(|entry| entry.name == *name);
            entry.map_or(0, |entry| 1 + entry.kind as usize)
        }
        _ => usize::MAX,
    };
    let mut reversed: Vec<&Cause> = disruption.causes.iter().rev().collect();
    reversed.sort_by_key(|cause| groups(cause));
    let done = |causes: &mut dyn Iterator<Item = &Cause>| -> Vec<Action> {
        causes
            .flat_map(|cause| cause.actions.clone())
            .filter(|action| *action != Action::None)
            .collect()
    };
    !disruption.reboots() && done(&mut disruption.causes.iter()) != done(&mut reversed.into_iter())
}
