//! One group version's document.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha512};

use super::operations::paths_of;
use super::schemas::{self, reachable};
use crate::server::State;
use crate::server::resource::{Registry, Resource};

/// The Kubernetes version whose kinds the documents of built-in groups describe: the one that k8s-openapi is built for.
const DESCRIBED_VERSION: &str = "1.33";

/// One group version's document, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub bytes: Bytes,
    /// SHA-512 of the bytes, in upper-case hexadecimal digits.
    pub hash: String,
}

/// The documents of the built-in groups. They never change, and the largest is some megabytes: made once for all servers.
static BUILT_IN: LazyLock<BTreeMap<(String, String), Document>> = LazyLock::new(|| {
    let registry = Registry::built_in();
    let mut groups: BTreeMap<(String, String), Vec<Arc<Resource>>> = BTreeMap::new();
    for resource in registry.all() {
        groups
            .entry((resource.group.clone(), resource.version.clone()))
            .or_default()
            .push(Arc::clone(resource));
    }
    groups
        .into_iter()
        .map(|(key, resources)| (key, Document::new(&built_in(&resources))))
        .collect()
});

/// The path of a group version: `/api/v1`, `/apis/policy/v1`.
pub(super) fn path(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{group}/{version}")
    }
}

impl Document {
    /// The document of a group version, where it is served.
    pub(super) fn of(state: &State, group: &str, version: &str) -> Option<Self> {
        if let Some(document) = BUILT_IN.get(&(group.to_owned(), version.to_owned())) {
            return Some(document.clone());
        }
        let resources: Vec<Arc<Resource>> = state
            .registry
            .all()
            .filter(|resource| resource.group == group && resource.version == version)
            .map(Arc::clone)
            .collect();
        (!resources.is_empty()).then(|| Self::new(&custom(&resources)))
    }

    fn new(document: &Value) -> Self {
        let bytes = Bytes::from(document.to_string());
        let hash = hash_of(&bytes);
        Self { bytes, hash }
    }
}

/// SHA-512 in upper-case hexadecimal digits: how the server tags what it says about itself.
pub(crate) fn hash_of(bytes: &[u8]) -> String {
    Sha512::digest(bytes)
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .map(|digit| digit.to_ascii_uppercase())
        .collect()
}

fn built_in(resources: &[Arc<Resource>]) -> Value {
    let mut paths = super::operations::discovery_of(resources);
    let mut lists = super::Schemas::new();
    for resource in resources {
        paths.extend(paths_of(resource));
        lists.extend([schemas::list_of(resource)]);
    }
    whole("Kubernetes", DESCRIBED_VERSION, paths, &lists)
}

fn custom(resources: &[Arc<Resource>]) -> Value {
    let mut paths = Map::new();
    let mut own = super::Schemas::new();
    for resource in resources {
        paths.extend(paths_of(resource));
        own.extend([schemas::list_of(resource)]);
        own.extend(schemas::custom(resource));
    }
    whole("Kubernetes CRD Swagger", "v0.1.0", paths, &own)
}

fn whole(title: &str, version: &str, paths: Map<String, Value>, own: &super::Schemas) -> Value {
    let paths = Value::Object(paths);
    let schemas = reachable(&paths, own);
    json!({
        "openapi": "3.0.0",
        "info": { "title": title, "version": version },
        "paths": paths,
        "components": { "schemas": schemas },
    })
}
