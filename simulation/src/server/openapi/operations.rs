//! The paths of resources and what can be asked of them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::document::path;
use super::parameters::{self, Action};
use super::schemas::{self, meta, reference_to};
use crate::server::resource::Resource;

/// What a request and its answer are about: a kind, and its schema's name.
struct Subject {
    group: String,
    version: String,
    kind: String,
    schema: String,
}

/// One place where a resource can be asked.
struct Place<'a> {
    resource: &'a Resource,
    path: String,
    /// Between verb and kind, and after the kind, in the operation's id.
    before: &'static str,
    after: String,
    subject: Subject,
}

/// The path on which a group version says what it serves.
pub(super) fn discovery_of(resources: &[Arc<Resource>]) -> Map<String, Value> {
    let Some(first) = resources.first() else {
        return Map::new();
    };
    let (id, tag) = names_of(first);
    let operation = json!({
        "get": {
            "tags": [tag],
            "description": "get available resources",
            "operationId": format!("get{id}APIResources"),
            "responses": answers(&["200"], &meta("APIResourceList")),
        }
    });
    let path = format!("{}/", path(&first.group, &first.version));
    Map::from_iter([(path, operation)])
}

/// The paths of one resource with all of its subresources.
pub(super) fn paths_of(resource: &Resource) -> Map<String, Value> {
    let base = path(&resource.group, &resource.version);
    let plural = &resource.plural;
    let itself = || Subject {
        group: resource.group.clone(),
        version: resource.version.clone(),
        kind: resource.kind.clone(),
        schema: schemas::name_of(resource),
    };
    let (home, before) = if resource.namespaced {
        (
            format!("{base}/namespaces/{{namespace}}/{plural}"),
            "Namespaced",
        )
    } else {
        (format!("{base}/{plural}"), "")
    };
    let place = |path: String, before: &'static str, after: &str, subject: Subject| Place {
        resource,
        path,
        before,
        after: after.to_owned(),
        subject,
    };
    let mut collection = vec![Action::List, Action::Post];
    if !resource.is("", "namespaces") {
        collection.push(Action::DeleteCollection);
    }
    let one = [Action::Get, Action::Put, Action::Patch, Action::Delete];
    let mut paths = Map::new();
    paths.extend(place(home.clone(), before, "", itself()).described(&collection));
    let path_of_one = format!("{home}/{{name}}");
    paths.extend(place(path_of_one.clone(), before, "", itself()).described(&one));
    if resource.namespaced {
        let everywhere = format!("{base}/{plural}");
        paths
            .extend(place(everywhere, "", "ForAllNamespaces", itself()).described(&[Action::List]));
    }
    for name in &resource.subresources {
        let path = format!("{path_of_one}/{name}");
        let (subject, actions) = subresource(name, itself);
        paths.extend(place(path, before, &capitalised(name), subject).described(actions));
    }
    paths
}

/// What a subresource is about, and what it can be asked.
fn subresource(name: &str, itself: impl Fn() -> Subject) -> (Subject, &'static [Action]) {
    let other = |group: &str, kind: &str, schema: &str| Subject {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        schema: schema.to_owned(),
    };
    match name {
        "eviction" => (
            other("policy", "Eviction", "io.k8s.api.policy.v1.Eviction"),
            &[Action::Post],
        ),
        "binding" => (
            other("", "Binding", "io.k8s.api.core.v1.Binding"),
            &[Action::Post],
        ),
        "scale" => (
            other("autoscaling", "Scale", "io.k8s.api.autoscaling.v1.Scale"),
            &[Action::Get, Action::Put, Action::Patch],
        ),
        "finalize" => (itself(), &[Action::Put]),
        _ => (itself(), &[Action::Get, Action::Put, Action::Patch]),
    }
}

impl Place<'_> {
    fn described(&self, actions: &[Action]) -> Option<(String, Value)> {
        let mut described: Map<String, Value> = actions
            .iter()
            .map(|action| (method(*action).to_owned(), self.operation(*action)))
            .collect();
        let parameters = parameters::in_path(&self.path, &self.resource.kind);
        if !parameters.is_empty() {
            described.insert("parameters".to_owned(), parameters.into());
        }
        (!described.is_empty()).then(|| (self.path.clone(), Value::Object(described)))
    }

    fn operation(&self, action: Action) -> Value {
        let (_, tag) = names_of(self.resource);
        let built_in = self.resource.custom.is_none();
        let kind = &self.resource.kind;
        let (word, description, extension) = match action {
            Action::List if built_in => (
                "list",
                format!("list or watch objects of kind {kind}"),
                "list",
            ),
            Action::List => ("list", format!("list objects of kind {kind}"), "list"),
            Action::Post => ("create", format!("create {}", self.subject.kind), "post"),
            Action::DeleteCollection => (
                "delete",
                format!("delete collection of {kind}"),
                "deletecollection",
            ),
            Action::Get => ("read", format!("read the specified {kind}"), "get"),
            Action::Put => ("replace", format!("replace the specified {kind}"), "put"),
            Action::Patch => (
                "patch",
                format!("update parts of the specified {kind}"),
                "patch",
            ),
            Action::Delete => ("delete", format!("delete {kind}"), "delete"),
        };
        let mut operation = json!({
            "tags": [tag],
            "description": description,
            "operationId": self.id(word, action),
            "responses": self.responses(action),
            "x-kubernetes-action": extension,
            "x-kubernetes-group-version-kind": {
                "group": self.subject.group,
                "version": self.subject.version,
                "kind": self.subject.kind,
            },
        });
        let parameters = parameters::of(action);
        if let Value::Object(fields) = &mut operation {
            if !parameters.is_empty() {
                fields.insert("parameters".to_owned(), parameters.into());
            }
            if let Some(body) = self.body(action) {
                fields.insert("requestBody".to_owned(), body);
            }
        }
        operation
    }

    fn id(&self, word: &str, action: Action) -> String {
        let (group_version, _) = names_of(self.resource);
        let collection = if action == Action::DeleteCollection {
            "Collection"
        } else {
            ""
        };
        format!(
            "{word}{group_version}{collection}{}{}{}",
            self.before, self.resource.kind, self.after
        )
    }

    fn responses(&self, action: Action) -> Value {
        let itself = self.subject.schema.as_str();
        match action {
            Action::List => answers(&["200"], &schemas::list_name_of(self.resource)),
            Action::Get => answers(&["200"], itself),
            Action::Put | Action::Patch => answers(&["200", "201"], itself),
            Action::Post => answers(&["200", "201", "202"], itself),
            Action::DeleteCollection => answers(&["200"], &meta("Status")),
            Action::Delete if self.resource.rules.returns_deleted => {
                answers(&["200", "202"], itself)
            }
            Action::Delete => answers(&["200", "202"], &meta("Status")),
        }
    }

    fn body(&self, action: Action) -> Option<Value> {
        let (types, schema, required): (&[&str], String, bool) = match action {
            Action::List | Action::Get => return None,
            Action::Post | Action::Put => (
                &["application/json", "application/yaml"],
                self.subject.schema.clone(),
                true,
            ),
            Action::Delete | Action::DeleteCollection => (
                &["application/json", "application/yaml"],
                meta("DeleteOptions"),
                false,
            ),
            // From the media types kubectl sees whether it may send a strategic merge.
            Action::Patch if self.resource.custom.is_none() => (
                &[
                    "application/apply-patch+yaml",
                    "application/json-patch+json",
                    "application/merge-patch+json",
                    "application/strategic-merge-patch+json",
                ],
                meta("Patch"),
                true,
            ),
            Action::Patch => (
                &[
                    "application/apply-patch+yaml",
                    "application/json-patch+json",
                    "application/merge-patch+json",
                ],
                meta("Patch"),
                true,
            ),
        };
        let mut body = json!({ "content": content(types, &schema) });
        if required && let Value::Object(fields) = &mut body {
            fields.insert("required".to_owned(), true.into());
        }
        Some(body)
    }
}

fn method(action: Action) -> &'static str {
    match action {
        Action::List | Action::Get => "get",
        Action::Post => "post",
        Action::Put => "put",
        Action::Patch => "patch",
        Action::Delete | Action::DeleteCollection => "delete",
    }
}

fn content(types: &[&str], schema: &str) -> Value {
    types
        .iter()
        .map(|media| {
            (
                (*media).to_owned(),
                json!({ "schema": reference_to(schema) }),
            )
        })
        .collect::<Map<String, Value>>()
        .into()
}

fn answers(codes: &[&str], schema: &str) -> Value {
    codes
        .iter()
        .map(|code| {
            let described = match *code {
                "201" => "Created",
                "202" => "Accepted",
                _ => "OK",
            };
            let answer = json!({
                "description": described,
                "content": content(&["application/json"], schema),
            });
            ((*code).to_owned(), answer)
        })
        .collect::<Map<String, Value>>()
        .into()
}

/// A group version in operation ids and as a tag: `PolicyV1` and `policy_v1`, `ExampleComV1` and `exampleCom_v1`.
fn names_of(resource: &Resource) -> (String, String) {
    let group = match resource.group.as_str() {
        "" => "core",
        group => group.trim_end_matches(".k8s.io"),
    };
    let camel: String = group.split(['.', '-']).map(capitalised).collect();
    let mut letters = camel.chars();
    let lower = letters
        .next()
        .map(|first| first.to_ascii_lowercase())
        .into_iter()
        .chain(letters)
        .collect::<String>();
    let version = &resource.version;
    (
        format!("{camel}{}", capitalised(version)),
        format!("{lower}_{version}"),
    )
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(letters)
        .collect()
}
