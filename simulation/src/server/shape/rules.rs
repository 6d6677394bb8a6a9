//! Rules of built-in kinds that Windlass or its users can run into. Everything else about built-in kinds is believed.

use serde_json::Value;

use super::cel;
use crate::server::refusal::Cause;
use crate::server::resource::Resource;
use crate::server::value;

/// The rules that an object, or its change from `old`, breaks.
pub(crate) fn broken(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => match old {
            Some(old) => changed_pod(object, old),
            None => new_pod(object),
        },
        ("policy", "poddisruptionbudgets") => budget(object),
        ("apiextensions.k8s.io", "customresourcedefinitions") => definition(object),
        ("apps", "deployments" | "replicasets" | "daemonsets" | "statefulsets") => {
            workload(object, old)
        }
        _ => Vec::new(),
    }
}

fn new_pod(pod: &Value) -> Vec<Cause> {
    let containers = value::list(pod, &["spec", "containers"]);
    if containers.is_empty() {
        return vec![Cause::required("spec.containers", "")];
    }
    let mut causes = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        for field in ["name", "image"] {
            if value::text(container, &[field]).is_empty() {
                causes.push(Cause::required(
                    format!("spec.containers[{index}].{field}"),
                    "",
                ));
            }
        }
    }
    causes
}

/// Of a pod's spec, only this may change.
fn changed_pod(pod: &Value, old: &Value) -> Vec<Cause> {
    let fixed = |pod: &Value| {
        let mut spec = value::get(pod, &["spec"]).cloned().unwrap_or_default();
        for field in [
            "activeDeadlineSeconds",
            "tolerations",
            "terminationGracePeriodSeconds",
            "schedulingGates",
        ] {
            value::remove(&mut spec, &[field]);
        }
        for list in ["containers", "initContainers"] {
            if let Some(Value::Array(containers)) = spec.get_mut(list) {
                for container in containers {
                    value::remove(container, &["image"]);
                }
            }
        }
        spec
    };
    if fixed(pod) == fixed(old) {
        return Vec::new();
    }
    vec![Cause::forbidden(
        "spec",
        "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
         `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
         `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    )]
}

fn budget(budget: &Value) -> Vec<Cause> {
    let has = |field| value::get(budget, &["spec", field]).is_some();
    if has("minAvailable") && has("maxUnavailable") {
        let shown = value::get(budget, &["spec"])
            .map(ToString::to_string)
            .unwrap_or_default();
        return vec![Cause::invalid(
            "spec",
            &shown,
            "minAvailable and maxUnavailable cannot be both set",
        )];
    }
    Vec::new()
}

fn definition(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let text = |path: &[&str]| value::text(definition, path);
    let wanted = format!(
        "{}.{}",
        text(&["spec", "names", "plural"]),
        text(&["spec", "group"])
    );
    let name = text(&["metadata", "name"]);
    if name != wanted {
        causes.push(Cause::invalid(
            "metadata.name",
            &format!("\"{name}\""),
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    let versions = value::list(definition, &["spec", "versions"]);
    if versions.is_empty() {
        causes.push(Cause::required(
            "spec.versions",
            "must have at least one version",
        ));
    }
    for (index, version) in versions.iter().enumerate() {
        let Some(schema) = value::get(version, &["schema", "openAPIV3Schema"]) else {
            causes.push(Cause::required(
                format!("spec.versions[{index}].schema.openAPIV3Schema"),
                "schemas are required",
            ));
            continue;
        };
        // A single version's schema is named as if it stood at the top.
        let path = if versions.len() == 1 {
            "spec.validation.openAPIV3Schema".to_owned()
        } else {
            format!("spec.versions[{index}].schema.openAPIV3Schema")
        };
        causes.extend(cel::rules_that_do_not_compile(schema, &path));
    }
    causes
}

fn workload(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let selector = value::get(object, &["spec", "selector"]);
    let Some(selector) = selector else {
        return vec![Cause::required("spec.selector", "")];
    };
    let changed = old.is_some_and(|old| value::get(old, &["spec", "selector"]) != Some(selector));
    if changed {
        return vec![Cause::invalid(
            "spec.selector",
            &selector.to_string(),
            "field is immutable",
        )];
    }
    Vec::new()
}
