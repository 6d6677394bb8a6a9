//! Whether a custom object keeps to its schema, in the words of the real server.
//!
//! Schema rules come first; where one of them is broken in a way that makes an object's shape uncertain, the CEL rules are not asked,
//! and the answer says so. Formats beyond date-time are not checked.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::Regex;
use serde_json::{Number, Value};

use super::types::{Items, Type};
use super::walk::element_of;
use crate::server::refusal::Cause;
use crate::server::value as read;

/// All that is wrong with an object by its schema.
pub(crate) fn by_schema(at: &Type<'_>, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check(at, object, "", &mut causes);
    duplicates(at, object, "", &mut causes);
    causes
}

/// Whether the CEL rules can be asked in spite of these causes.
pub(crate) fn blocks_rules(causes: &[Cause]) -> bool {
    causes.iter().any(|cause| {
        matches!(
            cause.reason,
            "FieldValueNotSupported"
                | "FieldValueRequired"
                | "FieldValueTooLong"
                | "FieldValueTooMany"
                | "FieldValueTypeInvalid"
        )
    })
}

/// The cause that says that the CEL rules were not asked.
pub(crate) fn rules_not_asked() -> Cause {
    Cause::invalid(
        "<nil>",
        "null",
        "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
    )
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check(at: &Type<'_>, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if value.is_null() && at.is_nullable() {
        return;
    }
    if !fits(at, value) {
        let wanted = if at.is_int_or_string() {
            "integer,string"
        } else {
            at.json_type()
        };
        let found = type_name(value);
        causes.push(Cause {
            reason: "FieldValueTypeInvalid",
            message: format!(
                "Invalid value: \"{found}\": {path} in body must be of type {wanted}: \"{found}\""
            ),
            field: path.to_owned(),
        });
        return;
    }
    check_enum(at, value, path, causes);
    match value {
        Value::Object(map) => {
            for name in at.required() {
                if !map.contains_key(name) {
                    causes.push(Cause::required(join(path, name), ""));
                }
            }
            count_rule(at, "maxProperties", map.len(), "properties", path, causes);
            least(
                at,
                "minProperties",
                map.len(),
                value,
                "properties",
                path,
                causes,
            );
            for (name, child) in map {
                if path.is_empty() && matches!(name.as_str(), "metadata" | "apiVersion" | "kind") {
                    continue;
                }
                if let Some(child_type) = at.field(name).or_else(|| at.values()) {
                    check(&child_type, child, &join(path, name), causes);
                }
            }
        }
        Value::Array(items) => {
            count_rule(at, "maxItems", items.len(), "items", path, causes);
            least(at, "minItems", items.len(), value, "items", path, causes);
            for (index, item) in items.iter().enumerate() {
                check(&at.item(), item, &format!("{path}[{index}]"), causes);
            }
        }
        Value::String(text) => check_text(at, text, path, causes),
        Value::Number(number) => check_number(at, number, path, causes),
        _ => {}
    }
    check_alternatives(at, value, path, causes);
}

fn fits(at: &Type<'_>, value: &Value) -> bool {
    if at.is_int_or_string() {
        return value.is_string() || value.is_i64() || value.is_u64();
    }
    match at.json_type() {
        "" => true,
        "integer" => {
            value.is_i64()
                || value.is_u64()
                || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        "number" => value.is_number(),
        wanted => type_name(value) == wanted,
    }
}

fn check_enum(at: &Type<'_>, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let allowed = at
        .schema()
        .map_or(&[][..], |schema| read::list(schema, &["enum"]));
    if allowed.is_empty() || allowed.contains(value) {
        return;
    }
    let listed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    causes.push(Cause {
        reason: "FieldValueNotSupported",
        message: format!(
            "Unsupported value: {value}: supported values: {}",
            listed.join(", ")
        ),
        field: path.to_owned(),
    });
}

fn limit(at: &Type<'_>, name: &str) -> Option<usize> {
    let found = at.schema()?.get(name)?.as_u64()?;
    usize::try_from(found).ok()
}

fn count_rule(
    at: &Type<'_>,
    name: &str,
    count: usize,
    what: &str,
    path: &str,
    causes: &mut Vec<Cause>,
) {
    if let Some(most) = limit(at, name).filter(|most| count > *most) {
        causes.push(Cause {
            reason: "FieldValueTooMany",
            message: format!("Too many: {count}: must have at most {most} {what}"),
            field: path.to_owned(),
        });
    }
}

fn least(
    at: &Type<'_>,
    name: &str,
    count: usize,
    value: &Value,
    what: &str,
    path: &str,
    causes: &mut Vec<Cause>,
) {
    if let Some(least) = limit(at, name).filter(|least| count < *least) {
        let why = format!("{path} in body should have at least {least} {what}");
        causes.push(Cause::invalid(path, &value.to_string(), &why));
    }
}

fn check_text(at: &Type<'_>, text: &str, path: &str, causes: &mut Vec<Cause>) {
    let shown = Value::from(text).to_string();
    let length = text.chars().count();
    if let Some(most) = limit(at, "maxLength").filter(|most| length > *most) {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {most} bytes"),
            field: path.to_owned(),
        });
    }
    if let Some(least) = limit(at, "minLength").filter(|least| length < *least) {
        let why = format!("{path} in body should be at least {least} chars long");
        causes.push(Cause::invalid(path, &shown, &why));
    }
    let pattern = at
        .schema()
        .map_or("", |schema| read::text(schema, &["pattern"]));
    if !pattern.is_empty() && compiled(pattern).is_some_and(|pattern| !pattern.is_match(text)) {
        let why = format!("{path} in body should match '{pattern}'");
        causes.push(Cause::invalid(path, &shown, &why));
    }
    let format = at
        .schema()
        .map_or("", |schema| read::text(schema, &["format"]));
    if format == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
        let why = format!("{path} in body must be of type date-time: {shown}");
        causes.push(Cause::invalid(path, &shown, &why));
    }
}

/// Patterns that are kept compiled. Definitions have a few dozen; more than this is no definition that anybody wrote.
const PATTERNS_MAX: usize = 1_000;

/// A pattern, compiled once; none where it is no pattern.
fn compiled(pattern: &str) -> Option<Regex> {
    static PATTERNS: LazyLock<Mutex<BTreeMap<String, Option<Regex>>>> =
        LazyLock::new(Mutex::default);
    let mut patterns = PATTERNS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = patterns.get(pattern) {
        return known.clone();
    }
    let fresh = Regex::new(pattern).ok();
    if patterns.len() < PATTERNS_MAX {
        patterns.insert(pattern.to_owned(), fresh.clone());
    }
    fresh
}

fn check_number(at: &Type<'_>, number: &Number, path: &str, causes: &mut Vec<Cause>) {
    let Some(schema) = at.schema() else { return };
    let value = number.as_f64().unwrap_or_default();
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let strict = |name: &str| schema.get(name) == Some(&Value::Bool(true));
    let mut refuse = |words: &str, bound: &str| {
        let why = format!("{path} in body should be {words} {bound}");
        causes.push(Cause::invalid(path, &number.to_string(), &why));
    };
    let shown = |name: &str| {
        schema
            .get(name)
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    if let Some(least) = bound("minimum") {
        if strict("exclusiveMinimum") && value <= least {
            refuse("greater than", &shown("minimum"));
        } else if value < least {
            refuse("greater than or equal to", &shown("minimum"));
        }
    }
    if let Some(most) = bound("maximum") {
        if strict("exclusiveMaximum") && value >= most {
            refuse("less than", &shown("maximum"));
        } else if value > most {
            refuse("less than or equal to", &shown("maximum"));
        }
    }
    if let Some(step) = bound("multipleOf").filter(|step| *step != 0.0)
        && (value / step).fract() != 0.0
    {
        refuse("a multiple of", &shown("multipleOf"));
    }
}

fn check_alternatives(at: &Type<'_>, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(schema) = at.schema() else { return };
    let passing = |name: &str| {
        read::list(schema, &[name])
            .iter()
            .filter(|branch| {
                let mut inner = Vec::new();
                check(&Type::of_schema(branch), value, path, &mut inner);
                inner.is_empty()
            })
            .count()
    };
    let mut refuse = |why: &str| {
        let why = format!("{path} in body {why}");
        causes.push(Cause::invalid(path, &value.to_string(), &why));
    };
    let size = |name: &str| read::list(schema, &[name]).len();
    if size("anyOf") > 0 && passing("anyOf") == 0 && !at.is_int_or_string() {
        refuse("must validate at least one schema (anyOf)");
    }
    if size("oneOf") > 0 && passing("oneOf") != 1 {
        refuse("must validate one and only one schema (oneOf)");
    }
    if size("allOf") > 0 && passing("allOf") != size("allOf") {
        refuse("must validate all the schemas (allOf)");
    }
    if let Some(not) = schema.get("not") {
        let mut inner = Vec::new();
        check(&Type::of_schema(not), value, path, &mut inner);
        if inner.is_empty() {
            refuse("must not validate the schema (not)");
        }
    }
}

/// Items that a list may have only once, but has twice.
fn duplicates(at: &Type<'_>, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    match value {
        Value::Object(map) => {
            for (name, child) in map {
                duplicates(&at.child(name), child, &join(path, name), causes);
            }
        }
        Value::Array(items) => {
            if at.items() != Items::Atomic {
                let mut seen: Vec<String> = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    let element = element_of(at, item);
                    let shown = element
                        .split_once(':')
                        .map_or("", |(_, shown)| shown)
                        .to_owned();
                    if seen.contains(&element) {
                        causes.push(Cause {
                            reason: "FieldValueDuplicate",
                            message: format!("Duplicate value: {shown}"),
                            field: format!("{path}[{index}]"),
                        });
                    }
                    seen.push(element);
                }
            }
            for (index, item) in items.iter().enumerate() {
                duplicates(&at.item(), item, &format!("{path}[{index}]"), causes);
            }
        }
        _ => {}
    }
}
