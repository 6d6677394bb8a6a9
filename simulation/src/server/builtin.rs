//! The built-in kinds that the server serves, one line each.
//!
//! A kind is here because Windlass, its manifests, its simulated workloads or kubectl's everyday commands need it. Its fields
//! come from k8s-openapi's schemas, its rules (generation, unconditional writes, what a delete answers) from the real
//! server's strategies. Not here: kinds whose meaning needs controllers that nobody simulates.

use k8s_openapi::Resource as Named;
use k8s_openapi::api::admissionregistration::v1 as admission;
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::api::coordination::v1 as coordination;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::events::v1 as events;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::api::policy::v1 as policy;
use k8s_openapi::api::rbac::v1 as rbac;
use k8s_openapi::api::scheduling::v1 as scheduling;
use k8s_openapi::api::storage::v1 as storage;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// One built-in kind.
#[derive(Clone, Copy)]
pub(crate) struct BuiltIn {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub singular: &'static str,
    pub namespaced: bool,
    pub short_names: &'static [&'static str],
    pub categories: &'static [&'static str],
    pub subresources: &'static [&'static str],
    pub rules: Rules,
    /// The group under whose name the objects are stored: one collection may be served in two groups.
    pub storage_group: &'static str,
    /// The kind's schema, with all that it refers to.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

/// In which ways kinds differ in what happens when they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent switches of one strategy"
)]
pub(crate) struct Rules {
    /// `metadata.generation` counts changes of the spec.
    pub generation: bool,
    /// A PUT may leave out the resourceVersion.
    pub unconditional_update: bool,
    /// A delete that removes the object answers with it instead of a Status.
    pub returns_deleted: bool,
    /// A delete first sets a deadline, and somebody else removes the object.
    pub graceful: bool,
    /// Status written through the main resource is ignored.
    pub status: bool,
    /// `metadata` may not be written through the status subresource.
    pub status_keeps_metadata: bool,
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl BuiltIn {
    const fn new<T: Named + JsonSchema>(plural: &'static str, singular: &'static str) -> Self {
        Self {
            group: T::GROUP,
            version: T::VERSION,
            kind: T::KIND,
            plural,
            singular,
            namespaced: true,
            short_names: &[],
            categories: &[],
            subresources: &[],
            rules: Rules {
                generation: false,
                unconditional_update: true,
                returns_deleted: false,
                graceful: false,
                status: false,
                status_keeps_metadata: false,
            },
            storage_group: T::GROUP,
            schema: schema_of::<T>,
        }
    }

    const fn cluster(mut self) -> Self {
        self.namespaced = false;
        self
    }

    const fn short(mut self, names: &'static [&'static str]) -> Self {
        self.short_names = names;
        self
    }

    const fn all(mut self) -> Self {
        self.categories = &["all"];
        self
    }

    const fn status(mut self) -> Self {
        self.subresources = &["status"];
        self.rules.status = true;
        self
    }

    /// Also subresources beside status.
    const fn with(mut self, subresources: &'static [&'static str]) -> Self {
        self.subresources = subresources;
        self.rules.status = true;
        self
    }

    const fn generation(mut self) -> Self {
        self.rules.generation = true;
        self
    }

    const fn stored_in(mut self, group: &'static str) -> Self {
        self.storage_group = group;
        self
    }

    const fn needs_version(mut self) -> Self {
        self.rules.unconditional_update = false;
        self
    }

    const fn returns_deleted(mut self) -> Self {
        self.rules.returns_deleted = true;
        self
    }

    const fn graceful(mut self) -> Self {
        self.rules.graceful = true;
        self.rules.returns_deleted = true;
        self
    }
}

/// All built-in kinds, in the order of discovery.
pub(crate) const BUILT_IN: &[BuiltIn] = &[
    BuiltIn::new::<core::ConfigMap>("configmaps", "configmap").short(&["cm"]),
    BuiltIn::new::<core::Endpoints>("endpoints", "endpoints").short(&["ep"]),
    BuiltIn::new::<core::Event>("events", "event").short(&["ev"]),
    BuiltIn::new::<core::LimitRange>("limitranges", "limitrange").short(&["limits"]),
    BuiltIn::new::<core::Namespace>("namespaces", "namespace")
        .cluster()
        .short(&["ns"])
        .with(&["finalize", "status"])
        .returns_deleted(),
    BuiltIn::new::<core::Node>("nodes", "node")
        .cluster()
        .short(&["no"])
        .status(),
    BuiltIn::new::<core::PersistentVolumeClaim>("persistentvolumeclaims", "persistentvolumeclaim")
        .short(&["pvc"])
        .status()
        .returns_deleted(),
    BuiltIn::new::<core::PersistentVolume>("persistentvolumes", "persistentvolume")
        .cluster()
        .short(&["pv"])
        .status()
        .returns_deleted(),
    BuiltIn::new::<core::Pod>("pods", "pod")
        .short(&["po"])
        .all()
        .with(&["binding", "eviction", "status"])
        .generation()
        .graceful(),
    BuiltIn::new::<core::PodTemplate>("podtemplates", "podtemplate")
        .generation()
        .returns_deleted(),
    BuiltIn::new::<core::ResourceQuota>("resourcequotas", "resourcequota")
        .short(&["quota"])
        .status()
        .returns_deleted(),
    BuiltIn::new::<core::Secret>("secrets", "secret"),
    BuiltIn::new::<core::ServiceAccount>("serviceaccounts", "serviceaccount")
        .short(&["sa"])
        .returns_deleted(),
    BuiltIn::new::<core::Service>("services", "service")
        .short(&["svc"])
        .all()
        .status()
        .returns_deleted(),
    BuiltIn::new::<admission::ValidatingAdmissionPolicy>(
        "validatingadmissionpolicies",
        "validatingadmissionpolicy",
    )
    .cluster()
    .status()
    .generation(),
    BuiltIn::new::<admission::ValidatingAdmissionPolicyBinding>(
        "validatingadmissionpolicybindings",
        "validatingadmissionpolicybinding",
    )
    .cluster()
    .generation(),
    BuiltIn::new::<extensions::CustomResourceDefinition>(
        "customresourcedefinitions",
        "customresourcedefinition",
    )
    .cluster()
    .short(&["crd", "crds"])
    .status()
    .generation()
    .needs_version(),
    BuiltIn::new::<apps::ControllerRevision>("controllerrevisions", "controllerrevision"),
    BuiltIn::new::<apps::DaemonSet>("daemonsets", "daemonset")
        .short(&["ds"])
        .all()
        .status()
        .generation(),
    BuiltIn::new::<apps::Deployment>("deployments", "deployment")
        .short(&["deploy"])
        .all()
        .with(&["scale", "status"])
        .generation(),
    BuiltIn::new::<apps::ReplicaSet>("replicasets", "replicaset")
        .short(&["rs"])
        .all()
        .with(&["scale", "status"])
        .generation(),
    BuiltIn::new::<apps::StatefulSet>("statefulsets", "statefulset")
        .short(&["sts"])
        .all()
        .with(&["scale", "status"])
        .generation(),
    BuiltIn::new::<batch::CronJob>("cronjobs", "cronjob")
        .short(&["cj"])
        .all()
        .status()
        .generation(),
    BuiltIn::new::<batch::Job>("jobs", "job")
        .all()
        .status()
        .generation(),
    BuiltIn::new::<coordination::Lease>("leases", "lease").needs_version(),
    BuiltIn::new::<discovery::EndpointSlice>("endpointslices", "endpointslice").generation(),
    BuiltIn::new::<events::Event>("events", "event")
        .short(&["ev"])
        .stored_in(""),
    BuiltIn::new::<networking::NetworkPolicy>("networkpolicies", "networkpolicy")
        .short(&["netpol"])
        .generation(),
    BuiltIn::new::<policy::PodDisruptionBudget>("poddisruptionbudgets", "poddisruptionbudget")
        .short(&["pdb"])
        .status()
        .generation()
        .needs_version(),
    BuiltIn::new::<rbac::ClusterRoleBinding>("clusterrolebindings", "clusterrolebinding").cluster(),
    BuiltIn::new::<rbac::ClusterRole>("clusterroles", "clusterrole").cluster(),
    BuiltIn::new::<rbac::RoleBinding>("rolebindings", "rolebinding"),
    BuiltIn::new::<rbac::Role>("roles", "role"),
    BuiltIn::new::<scheduling::PriorityClass>("priorityclasses", "priorityclass")
        .cluster()
        .short(&["pc"])
        .generation(),
    BuiltIn::new::<storage::StorageClass>("storageclasses", "storageclass")
        .cluster()
        .short(&["sc"]),
];
