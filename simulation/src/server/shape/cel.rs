//! The CEL rules of a schema (`x-kubernetes-validations`, KEP-2876), evaluated by `kube-cel`.
//!
//! Not here: cost limits, and the pairing of old and new items of keyed lists by their keys (kube-cel pairs them by place), so a
//! transition rule inside of such a list is judged right only while the list keeps its order.

use std::fmt;

use kube_cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use serde_json::Value;

use super::types::Type;
use crate::server::refusal::Cause;
use crate::server::value as read;

/// The compiled rules of one schema.
pub(crate) struct Rules {
    compiled: Option<(Validator, CompiledSchema)>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("any", &self.any()).finish()
    }
}

impl Rules {
    /// Compiles the rules of a schema; a schema without rules costs nothing later.
    pub(crate) fn of(schema: &Value) -> Self {
        let any = has_rules(schema);
        Self {
            compiled: any.then(|| (Validator::new(), compile_schema(schema))),
        }
    }

    /// Whether there are any.
    pub(crate) fn any(&self) -> bool {
        self.compiled.is_some()
    }

    /// The rules that the object, or its change from `old`, breaks.
    pub(crate) fn broken(&self, schema: &Value, object: &Value, old: Option<&Value>) -> Vec<Cause> {
        let Some((validator, compiled)) = &self.compiled else {
            return Vec::new();
        };
        let Err(errors) = validator.validate_compiled(compiled, object, old) else {
            return Vec::new();
        };
        let mut causes: Vec<Cause> = errors
            .into_vec()
            .into_iter()
            .map(|error| {
                let reason = reason_of(error.reason.as_deref());
                let message = if error.kind == ErrorKind::ValidationFailure {
                    error.message.clone()
                } else {
                    format!("rule evaluation failed: {}: {}", error.rule, error.message)
                };
                cause(
                    schema,
                    object,
                    &error.field_path,
                    &error.rule,
                    reason,
                    &message,
                )
            })
            .collect();
        // kube-cel walks fields in no certain order.
        causes.sort_by(|a, b| (&a.field, &a.message).cmp(&(&b.field, &b.message)));
        causes
    }
}

fn reason_of(reason: Option<&str>) -> &'static str {
    match reason {
        Some("FieldValueForbidden") => "FieldValueForbidden",
        Some("FieldValueRequired") => "FieldValueRequired",
        Some("FieldValueDuplicate") => "FieldValueDuplicate",
        _ => "FieldValueInvalid",
    }
}

/// A cause shows the value where the rule stands at a plain value; objects and lists are not shown.
fn cause(
    schema: &Value,
    object: &Value,
    path: &str,
    rule: &str,
    reason: &'static str,
    message: &str,
) -> Cause {
    let (at, value) = place(&Type::of_schema(schema), Some(object), path);
    let stands_here = at.schema().is_some_and(|schema| {
        read::list(schema, &["x-kubernetes-validations"])
            .iter()
            .any(|known| read::text(known, &["rule"]) == rule)
    });
    let shown = value.filter(|value| stands_here && !value.is_object() && !value.is_array());
    let words = match (reason, shown) {
        ("FieldValueForbidden", _) => format!("Forbidden: {message}"),
        ("FieldValueRequired", _) => format!("Required value: {message}"),
        ("FieldValueDuplicate", _) => format!("Duplicate value: {message}"),
        (_, Some(shown)) => format!("Invalid value: {shown}: {message}"),
        (_, None) => format!("Invalid value: {message}"),
    };
    let field = if path.is_empty() {
        "<nil>".to_owned()
    } else {
        path.to_owned()
    };
    Cause {
        reason,
        message: words,
        field,
    }
}

/// The type and the value at a path such as `spec.items[0].v`.
fn place<'a>(
    root: &Type<'a>,
    object: Option<&'a Value>,
    path: &str,
) -> (Type<'a>, Option<&'a Value>) {
    let mut at = *root;
    let mut value = object;
    for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
        if let Some(index) = part.strip_suffix(']') {
            at = at.item();
            value = index
                .parse::<usize>()
                .ok()
                .and_then(|index| value?.get(index));
        } else {
            at = at.child(part);
            value = value.and_then(|value| value.get(part));
        }
    }
    (at, value)
}

fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => {
            map.contains_key("x-kubernetes-validations") || map.values().any(has_rules)
        }
        Value::Array(items) => items.iter().any(has_rules),
        _ => false,
    }
}

/// The rules of a definition's schema that do not compile: the path of each, and why.
pub(crate) fn rules_that_do_not_compile(schema: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let rules = read::list(schema, &["x-kubernetes-validations"]);
    for (index, rule) in rules.iter().enumerate() {
        let expression = read::text(rule, &["rule"]);
        if let Err(error) = kube_cel::cel::Program::compile(expression) {
            causes.push(Cause::invalid(
                format!("{path}.x-kubernetes-validations[{index}].rule"),
                &rule.to_string(),
                // The interpreter draws the place of the error without the blank that the real server has.
                &format!("compilation failed: {error}").replace("\n|", "\n |"),
            ));
        }
    }
    for (name, child) in read::map(schema, &["properties"]).into_iter().flatten() {
        causes.extend(rules_that_do_not_compile(
            child,
            &format!("{path}.properties[{name}]"),
        ));
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(child) = read::get(schema, &[inner]) {
            causes.extend(rules_that_do_not_compile(child, &format!("{path}.{inner}")));
        }
    }
    causes
}
