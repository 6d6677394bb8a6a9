//! Rules of built-in kinds that Windlass or its users can run into. Everything else about built-in kinds is believed.

use serde_json::Value;

use super::cel;
use crate::server::refusal::Cause;
use crate::server::resource::Resource;
use crate::server::{naming, value};

/// The rules that an object, or its change from `old`, breaks.
pub(crate) fn broken(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => match old {
            Some(old) => changed_pod(object, old),
            None => new_pod(object),
        },
        ("", "nodes") => {
            // The real server looks twice at a node that changes, and says twice what it sees.
            let causes = taints(object);
            let again = old.map_or_else(Vec::new, |_| causes.clone());
            [causes, again].concat()
        }
        ("", "configmaps" | "secrets") => old.map_or_else(Vec::new, |old| sealed(object, old)),
        ("coordination.k8s.io", "leases") => lease(object),
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
    let mut causes = number_or_share(budget, "minAvailable");
    causes.extend(number_or_share(budget, "maxUnavailable"));
    let policy = value::text(budget, &["spec", "unhealthyPodEvictionPolicy"]);
    if !matches!(policy, "" | "AlwaysAllow" | "IfHealthyBudget") {
        causes.push(Cause {
            reason: "FieldValueNotSupported",
            message: format!(
                "Unsupported value: \"{policy}\": supported values: \"AlwaysAllow\", \"IfHealthyBudget\""
            ),
            field: "spec.unhealthyPodEvictionPolicy".to_owned(),
        });
    }
    causes
}

/// Taints are unique by key and effect, and made of what labels are made of.
fn taints(node: &Value) -> Vec<Cause> {
    const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    let taints = value::list(node, &["spec", "taints"]);
    let mut causes = Vec::new();
    for (index, taint) in taints.iter().enumerate() {
        let [key, text, effect] =
            ["key", "value", "effect"].map(|field| value::text(taint, &[field]));
        let at = format!("metadata.taints[{index}]");
        for why in naming::wrong_qualified_name(key) {
            causes.push(Cause::invalid(
                format!("{at}.key"),
                &format!("\"{key}\""),
                &why,
            ));
        }
        for why in naming::wrong_label_value(text) {
            causes.push(Cause::invalid(
                format!("{at}.value"),
                &format!("\"{text}\""),
                &why,
            ));
        }
        if effect.is_empty() {
            causes.push(Cause::required(format!("{at}.effect"), ""));
        } else if !EFFECTS.contains(&effect) {
            causes.push(Cause {
                reason: "FieldValueNotSupported",
                message: format!(
                    "Unsupported value: \"{effect}\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\""
                ),
                field: format!("{at}.effect"),
            });
        }
        let twin = taints.iter().take(index).any(|other| {
            value::text(other, &["key"]) == key && value::text(other, &["effect"]) == effect
        });
        if twin {
            causes.push(Cause {
                reason: "FieldValueDuplicate",
                message: format!(
                    "Duplicate value: {taint}: taints must be unique by key and effect pair"
                ),
                field: at,
            });
        }
    }
    causes
}

/// What was once called immutable stays as it is, and stays called so.
fn sealed(object: &Value, old: &Value) -> Vec<Cause> {
    let is_sealed = |object: &Value| value::get(object, &["immutable"]) == Some(&true.into());
    if !is_sealed(old) {
        return Vec::new();
    }
    let mut causes = Vec::new();
    let mut forbid = |field: &str| {
        causes.push(Cause::forbidden(
            field,
            "field is immutable when `immutable` is set",
        ));
    };
    if !is_sealed(object) {
        forbid("immutable");
    }
    for field in ["data", "binaryData"] {
        if object.get(field) != old.get(field) {
            forbid(field);
        }
    }
    causes
}

fn lease(lease: &Value) -> Vec<Cause> {
    let seconds = value::get(lease, &["spec", "leaseDurationSeconds"]).and_then(Value::as_i64);
    match seconds {
        Some(seconds) if seconds <= 0 => vec![Cause::invalid(
            "spec.leaseDurationSeconds",
            &seconds.to_string(),
            "must be greater than 0",
        )],
        _ => Vec::new(),
    }
}

/// What is wrong with a number or a share of pods.
fn number_or_share(budget: &Value, field: &str) -> Vec<Cause> {
    let place = format!("spec.{field}");
    match value::get(budget, &["spec", field]) {
        Some(Value::Number(number)) if number.as_i64().is_some_and(|number| number < 0) => {
            vec![Cause::invalid(
                place,
                &number.to_string(),
                "must be greater than or equal to 0",
            )]
        }
        Some(Value::String(share)) => {
            let shown = format!("\"{share}\"");
            match share.strip_suffix('%').map(str::parse::<u64>) {
                Some(Ok(percent)) if percent <= 100 => Vec::new(),
                Some(Ok(_)) => vec![Cause::invalid(
                    place,
                    &shown,
                    "must not be greater than 100%",
                )],
                _ => vec![Cause::invalid(
                    place,
                    &shown,
                    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
                     regex used for validation is '[0-9]+%')",
                )],
            }
        }
        _ => Vec::new(),
    }
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
