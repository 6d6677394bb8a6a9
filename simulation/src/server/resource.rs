//! What is served: each resource with its names, its scope and its rules, built in or from a CustomResourceDefinition.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::builtin::{BUILT_IN, Rules};
use super::custom::CustomVersion;
use super::refusal::{About, Refusal};
use super::request::Target;

/// One resource in one version.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub list_kind: String,
    pub plural: String,
    pub singular: String,
    pub namespaced: bool,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub subresources: Vec<String>,
    pub rules: Rules,
    /// The collection in the store.
    pub storage: String,
    /// What the definition of a custom resource says; none for built-in kinds.
    pub custom: Option<Arc<CustomVersion>>,
}

impl Resource {
    /// `v1` or `example.com/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// A refusal's subject by plural, as in `nodes "n1" not found`.
    pub(crate) fn about<'a>(&'a self, name: &'a str) -> About<'a> {
        About {
            group: &self.group,
            kind: &self.plural,
            name,
        }
    }

    /// A refusal's subject by kind, as in `Node "n1" is invalid`.
    pub(crate) fn about_kind<'a>(&'a self, name: &'a str) -> About<'a> {
        About {
            group: &self.group,
            kind: &self.kind,
            name,
        }
    }

    /// Whether it is this built-in kind.
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.custom.is_none() && self.group == group && self.plural == plural
    }

    pub(crate) fn has(&self, subresource: &str) -> bool {
        self.subresources.iter().any(|known| known == subresource)
    }
}

/// All that is served now.
#[derive(Debug)]
pub(crate) struct Registry {
    resources: BTreeMap<(String, String, String), Arc<Resource>>,
}

impl Registry {
    /// The built-in kinds.
    pub(crate) fn built_in() -> Self {
        let mut registry = Self {
            resources: BTreeMap::new(),
        };
        for row in BUILT_IN {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            registry.add(Resource {
                group: row.group.to_owned(),
                version: row.version.to_owned(),
                kind: row.kind.to_owned(),
                list_kind: format!("{}List", row.kind),
                plural: row.plural.to_owned(),
                singular: row.singular.to_owned(),
                namespaced: row.namespaced,
                short_names: owned(row.short_names),
                categories: owned(row.categories),
                subresources: owned(row.subresources),
                rules: row.rules,
                storage: storage_key(row.plural, row.storage_group),
                custom: None,
            });
        }
        registry
    }

    pub(crate) fn add(&mut self, resource: Resource) {
        let key = (
            resource.group.clone(),
            resource.version.clone(),
            resource.plural.clone(),
        );
        self.resources.insert(key, Arc::new(resource));
    }

    /// Takes away all versions of a custom resource.
    pub(crate) fn remove_custom(&mut self, group: &str, plural: &str) {
        self.resources
            .retain(|(known_group, _, known_plural), resource| {
                resource.custom.is_none() || known_group != group || known_plural != plural
            });
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.resources
            .get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// The resource of a kind, for references by kind (owners, events).
    pub(crate) fn find_kind(&self, group: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.resources
            .values()
            .find(|resource| resource.group == group && resource.kind == kind)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// The resource that a path leads to; `Ok(None)` where not even its group and version exist.
    pub(crate) fn resolve(&self, target: &Target) -> Result<Option<Arc<Resource>>, Refusal> {
        if let Some(resource) = self.find(&target.group, &target.version, &target.resource) {
            return Ok(Some(Arc::clone(resource)));
        }
        let served = self
            .all()
            .any(|resource| resource.group == target.group && resource.version == target.version);
        if served {
            Err(Refusal::no_such_resource())
        } else {
            Ok(None)
        }
    }
}

/// The collection's name: `nodes`, `widgets.example.com`.
pub(crate) fn storage_key(plural: &str, group: &str) -> String {
    if group.is_empty() {
        plural.to_owned()
    } else {
        format!("{plural}.{group}")
    }
}
