//! The MachineConfigNode's spec: the record of what the controller assigned.
//!
//! # Guarantees
//! It follows the assignment. An assignment whose record was not written is recorded by the next round, as
//! long as the ledger proves it ours.

use super::control_plane::{api_pod_names, is_control_plane};
use crate::context::Context;
use crate::error::{ApiError, Attempt, Meaning};
use api::machineconfiguration::{ConfigVersion, ObjectName};
use api::names::ours::API_PODS;
use api::{MachineConfigNode, MachineConfigNodeSpec};
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, TestOperation};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, Patch as ApiPatch, PatchParams, PostParams, Preconditions};
use kube::{Api, ResourceExt};
use rollout::names::ConfigName;
use std::collections::BTreeSet;

/// What the spec says of a node that was assigned nothing yet: the field is required.
pub const NOT_YET_SET: &str = "not-yet-set";

/// What was assigned, if the record is this node's and says anything.
pub fn assigned(record: &MachineConfigNode, node: &Node) -> Option<ConfigName> {
    let desired = &record.spec.config_version.desired;
    (is_of(record, node) && desired != NOT_YET_SET).then(|| desired.as_str().into())
}

/// The node's own pods when it was taken.
pub fn api_pods(record: &MachineConfigNode) -> Vec<String> {
    let names = record
        .annotations()
        .get(API_PODS)
        .map_or("", String::as_str);
    names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Which of its own pods a control-plane node is to have again before its slot returns.
#[derive(Clone, Debug)]
pub enum OwnPods {
    /// Those that it has as it is taken.
    AsTaken(BTreeSet<String>),
    /// Those that are recorded, and these.
    AndThese(BTreeSet<String>),
}

impl OwnPods {
    fn over(&self, known: &[String]) -> BTreeSet<String> {
        match self {
            Self::AsTaken(pods) => pods.clone(),
            Self::AndThese(pods) => known.iter().chain(pods).cloned().collect(),
        }
    }
}

/// The API server and etcd pods that a control-plane node has now; none on another node.
pub fn own_pods(context: &Context, node: &Node) -> BTreeSet<String> {
    if !is_control_plane(node) {
        return BTreeSet::new();
    }
    let pods = context.stores.pods.on(&node.name_any());
    api_pod_names(&pods).into_keys().collect()
}

/// Whether the record belongs to this very node, and not to a former one of its name.
pub fn is_of(record: &MachineConfigNode, node: &Node) -> bool {
    let uid = node.uid();
    record
        .owner_references()
        .iter()
        .any(|owner| Some(&owner.uid) == uid.as_ref())
}

/// Records that `node` was assigned `config` in `pool`; makes the record if there is none.
///
/// The write assumes what the record was seen to say, so that one that comes late changes nothing.
pub async fn write(
    context: &Context,
    node: &Node,
    pool: &str,
    config: Option<&str>,
    own_pods: &OwnPods,
) -> Result<(), ApiError> {
    let name = node.name_any();
    let api = Api::<MachineConfigNode>::all(context.client.clone());
    match context.stores.config_nodes.get(&name) {
        Some(known) if !is_of(&known, node) => delete_foreign(&api, &known).await,
        Some(known) => {
            let Some(patch) = patch(&known, pool, config, own_pods) else {
                return Ok(());
            };
            let params = PatchParams::default();
            let patched = api
                .patch(&name, &params, &ApiPatch::<()>::Json(Patch(patch)))
                .await;
            patched.attempt("recording the assignment on the MachineConfigNode", &name)?;
            Ok(())
        }
        None => {
            let record = new(node, pool, config.unwrap_or(NOT_YET_SET), own_pods);
            let created = api.create(&PostParams::default(), &record).await;
            created.attempt("creating the MachineConfigNode", name)?;
            Ok(())
        }
    }
}

/// What has to change on the record as it was seen; none if nothing has to.
fn patch(
    known: &MachineConfigNode,
    pool: &str,
    config: Option<&str>,
    own_pods: &OwnPods,
) -> Option<Vec<PatchOperation>> {
    let text = |text: &str| serde_json::Value::String(text.to_owned());
    let desired = &known.spec.config_version.desired;
    let path = |tokens: &[&str]| PointerBuf::from_tokens(tokens.iter().copied());
    let add = |tokens: &[&str], value| {
        PatchOperation::Add(AddOperation {
            path: path(tokens),
            value,
        })
    };
    let wanted_pods = joined(&own_pods.over(&api_pods(known)));
    let mut operations = Vec::new();
    if known.spec.pool.name != pool {
        operations.push(add(&["spec", "pool", "name"], text(pool)));
    }
    if let Some(config) = config.filter(|config| config != desired) {
        operations.push(add(&["spec", "configVersion", "desired"], text(config)));
    }
    let known_pods = known
        .annotations()
        .get(API_PODS)
        .cloned()
        .unwrap_or_default();
    if config.is_some() && wanted_pods != known_pods {
        if known.metadata.annotations.is_none() {
            operations.push(add(&["metadata", "annotations"], serde_json::json!({})));
        }
        operations.push(add(
            &["metadata", "annotations", API_PODS],
            text(&wanted_pods),
        ));
    }
    if operations.is_empty() {
        return None;
    }
    let seen = path(&["spec", "configVersion", "desired"]);
    let assumed = PatchOperation::Test(TestOperation {
        path: seen,
        value: text(desired),
    });
    operations.insert(0, assumed);
    Some(operations)
}

/// The record of a former node of this name goes; the next round makes a new one.
async fn delete_foreign(
    api: &Api<MachineConfigNode>,
    foreign: &MachineConfigNode,
) -> Result<(), ApiError> {
    let name = foreign.name_any();
    let this_one = Preconditions {
        uid: foreign.uid(),
        resource_version: None,
    };
    let params = DeleteParams {
        preconditions: Some(this_one),
        ..DeleteParams::default()
    };
    let deleted = api.delete(&name, &params).await;
    match deleted.attempt("deleting the MachineConfigNode of a former node", &name) {
        Err(error) if error.meaning() != Meaning::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn joined(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(",")
}

fn new(node: &Node, pool: &str, config: &str, own_pods: &OwnPods) -> MachineConfigNode {
    let name = node.name_any();
    let mut record = MachineConfigNode::new(
        &name,
        MachineConfigNodeSpec {
            config_version: ConfigVersion {
                desired: config.to_owned(),
            },
            node: ObjectName::new(&name),
            pool: ObjectName::new(pool),
        },
    );
    record.owner_references_mut().push(OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name,
        uid: node.uid().unwrap_or_default(),
        ..OwnerReference::default()
    });
    let pods = own_pods.over(&[]);
    if !pods.is_empty() {
        record
            .annotations_mut()
            .insert(API_PODS.to_owned(), joined(&pods));
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Etcd's pod went with the config that the node is away for.
    const LEFT: &str = "kube-apiserver-a";

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn recorded() -> MachineConfigNode {
        let node: Node =
            serde_json::from_value(serde_json::json!({"metadata": {"name": "a", "uid": "1"}}))
                .expect("a node");
        let taken = OwnPods::AsTaken(names(&["etcd-a", LEFT]));
        new(&node, "master", "rendered-master-old", &taken)
    }

    fn annotated(patch: &[PatchOperation]) -> Option<&str> {
        patch.iter().find_map(|operation| match operation {
            PatchOperation::Add(add) if add.path.as_str().contains("api-pods") => {
                add.value.as_str()
            }
            _ => None,
        })
    }

    #[test]
    fn a_node_that_is_away_is_awaited_with_the_pods_that_it_was_taken_with() {
        let record = recorded();
        let retarget = Some("rendered-master-new");

        let patched = patch(
            &record,
            "master",
            retarget,
            &OwnPods::AndThese(names(&[LEFT])),
        );

        assert_eq!(annotated(&patched.expect("a new target")), None);
    }

    #[test]
    fn a_node_that_is_taken_anew_is_awaited_with_the_pods_that_it_has_now() {
        let record = recorded();
        let next = Some("rendered-master-new");

        let patched = patch(&record, "master", next, &OwnPods::AsTaken(names(&[LEFT])));

        assert_eq!(annotated(&patched.expect("a new target")), Some(LEFT));
    }
}
