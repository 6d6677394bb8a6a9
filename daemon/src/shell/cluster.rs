//! Everything that the daemon asks of the API server. Each request is one attempt; who asks decides about the next.

use super::node::Seen;
use super::publish::Told;
use crate::work::{Source, SourceError};
use api::names::{group, object};
use k8s_openapi::api::core::v1::{Event as KubeEvent, EventSource, Node, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use kube::runtime::watcher;
use kube::{Client, Error};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The field manager of all that the daemon writes.
pub(super) const FIELD_MANAGER: &str = "windlass-daemon";

/// Events about Nodes, which have no namespace, go where the kubelet's go.
const EVENT_NAMESPACE: &str = "default";

/// Longest text of an Event: what the API's newer group takes at most.
const NOTE_CHARS_MAX: usize = 1024;

/// The API server, as one node's daemon uses it.
#[derive(Clone)]
pub(super) struct Cluster {
    client: Client,
    node: String,
}

impl Cluster {
    pub(super) fn new(client: Client, node: String) -> Self {
        Self { client, node }
    }

    pub(super) fn node_name(&self) -> &str {
        &self.node
    }

    fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    /// This node's own Node, and nothing else.
    pub(super) fn watch(
        &self,
    ) -> impl futures::Stream<Item = watcher::Result<watcher::Event<Node>>> + Send + use<> {
        let own = watcher::Config::default().fields(&format!("metadata.name={}", self.node));
        watcher(self.nodes(), own)
    }

    /// Sets or removes annotations of the Node that was seen; of no other one of its name.
    pub(super) async fn annotate(
        &self,
        uid: String,
        annotations: BTreeMap<&'static str, Option<String>>,
    ) -> Result<Node, Error> {
        let patch = json!({"metadata": {"uid": uid, "annotations": annotations}});
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        self.nodes()
            .patch(&self.node, &params, &Patch::Merge(patch))
            .await
    }

    fn dynamic(&self, group: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk(group, "v1", kind);
        Api::all_with(
            self.client.clone(),
            &ApiResource::from_gvk_with_plural(&kind, plural),
        )
    }

    fn machine_config_nodes(&self) -> Api<DynamicObject> {
        self.dynamic(
            group::MACHINECONFIGURATION,
            "MachineConfigNode",
            "machineconfignodes",
        )
    }

    /// This node's MachineConfigNode, if the controller has made it.
    pub(super) async fn machine_config_node(&self) -> Result<Option<DynamicObject>, Error> {
        self.machine_config_nodes().get_opt(&self.node).await
    }

    /// Applies `status` to the MachineConfigNode, without force: what somebody else owns stays theirs.
    pub(super) async fn apply_status(&self, status: Value) -> Result<DynamicObject, Error> {
        let patch = json!({
            "apiVersion": format!("{}/v1", group::MACHINECONFIGURATION),
            "kind": "MachineConfigNode",
            "metadata": {"name": self.node},
            "status": status,
        });
        let params = PatchParams::apply(FIELD_MANAGER);
        self.machine_config_nodes()
            .patch_status(&self.node, &params, &Patch::Apply(patch))
            .await
    }

    /// Tells people, on the Node.
    pub(super) async fn announce(&self, told: Told, seen: Seen) -> Result<(), Error> {
        let Told {
            announcement,
            at,
            number,
        } = told;
        let time = Time(at);
        let note = announcement.note.chars().take(NOTE_CHARS_MAX).collect();
        let event = KubeEvent {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:x}.{number:x}", self.node, at.as_nanosecond())),
                namespace: Some(EVENT_NAMESPACE.to_owned()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Node".to_owned()),
                name: Some(self.node.clone()),
                uid: Some(seen.uid),
                ..ObjectReference::default()
            },
            reason: Some(announcement.reason.to_owned()),
            message: Some(note),
            type_: Some(
                if announcement.warning {
                    "Warning"
                } else {
                    "Normal"
                }
                .to_owned(),
            ),
            source: Some(EventSource {
                component: Some(FIELD_MANAGER.to_owned()),
                host: Some(self.node.clone()),
            }),
            first_timestamp: Some(time.clone()),
            last_timestamp: Some(time),
            count: Some(1),
            reporting_component: Some(FIELD_MANAGER.to_owned()),
            reporting_instance: Some(self.node.clone()),
            ..KubeEvent::default()
        };
        let events: Api<KubeEvent> = Api::namespaced(self.client.clone(), EVENT_NAMESPACE);
        match events.create(&PostParams::default(), &event).await {
            // Told once already, and the answer was lost.
            Ok(_) => Ok(()),
            Err(Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Source for Cluster {
    async fn config(&self, name: &str) -> Result<Option<Vec<u8>>, SourceError> {
        let configs = self.dynamic(
            group::MACHINECONFIGURATION,
            "MachineConfig",
            "machineconfigs",
        );
        let found = configs.get_opt(name).await.map_err(SourceError::new)?;
        found.map(|config| bytes(&config)).transpose()
    }

    async fn policy(&self) -> Result<Option<Vec<u8>>, SourceError> {
        let all = self.dynamic(
            group::OPERATOR,
            "MachineConfiguration",
            "machineconfigurations",
        );
        let found = match all.get_opt(object::CLUSTER).await {
            // Absent where the object is, and where its whole kind is: of that an API server says no more than the code.
            Err(Error::Api(status)) if status.code == 404 => None,
            found => found.map_err(SourceError::new)?,
        };
        found.map(|configuration| bytes(&configuration)).transpose()
    }
}

fn bytes(object: &DynamicObject) -> Result<Vec<u8>, SourceError> {
    serde_json::to_vec(object).map_err(SourceError::new)
}
