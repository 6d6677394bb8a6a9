//! JSON patches (RFC 6902), as the real server reads them: a little more lenient than the RFC.
//!
//! A `test` for null holds where nothing is, a `replace` of what is not there adds it, and a step without a value has the value
//! null. All else is the RFC's.

use serde_json::Value;

use super::refusal::Refusal;

/// Carries out the steps, all or none.
pub(super) fn carry_out(object: &Value, steps: &Value) -> Result<Value, Refusal> {
    let Some(steps) = steps.as_array() else {
        return Err(Refusal::bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ));
    };
    let mut changed = object.clone();
    for step in steps {
        if holds_for_nothing(&changed, step) {
            continue;
        }
        let step: json_patch::PatchOperation =
            serde_json::from_value(strict(&changed, step)).map_err(|_| Refusal::patch_failed())?;
        json_patch::patch(&mut changed, &[step]).map_err(|_| Refusal::patch_failed())?;
    }
    Ok(changed)
}

/// Whether a step tests that nothing is where nothing is.
fn holds_for_nothing(object: &Value, step: &Value) -> bool {
    let null = step.get("value").is_none_or(Value::is_null);
    step["op"] == "test" && null && is_absent_key(object, step)
}

/// Whether the step's path ends at a key that its object has not.
fn is_absent_key(object: &Value, step: &Value) -> bool {
    let path = step["path"].as_str().unwrap_or_default();
    let parent = path
        .rsplit_once('/')
        .and_then(|(parent, _)| object.pointer(parent));
    parent.is_some_and(Value::is_object) && object.pointer(path).is_none()
}

/// The step in the RFC's words.
fn strict(object: &Value, step: &Value) -> Value {
    let mut step = step.clone();
    if step["op"] == "replace" && is_absent_key(object, &step) {
        step["op"] = "add".into();
    }
    let needs_value = matches!(step["op"].as_str(), Some("add" | "replace" | "test"));
    if let Some(fields) = step.as_object_mut()
        && needs_value
    {
        fields.entry("value").or_insert(Value::Null);
    }
    step
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_test_for_null_holds_where_nothing_is_and_nowhere_else() {
        let object = json!({ "a": { "b": "c" } });
        let test = |path: &str| json!([{ "op": "test", "path": path, "value": null }]);

        assert!(carry_out(&object, &test("/a/absent")).is_ok());
        assert!(carry_out(&object, &test("/a/b")).is_err());
        assert!(carry_out(&object, &test("/absent/b")).is_err());
    }

    #[test]
    fn a_replace_of_what_is_not_there_adds_it() {
        let object = json!({ "a": {} });

        let replaced = json!([{ "op": "replace", "path": "/a/b", "value": "c" }]);
        assert_eq!(
            carry_out(&object, &replaced).unwrap(),
            json!({ "a": { "b": "c" } })
        );
        let nowhere = json!([{ "op": "replace", "path": "/x/b", "value": "c" }]);
        assert!(carry_out(&object, &nowhere).is_err());
    }

    #[test]
    fn a_failing_step_takes_back_the_steps_before_it() {
        let object = json!({ "a": "b" });
        let steps = json!([
            { "op": "replace", "path": "/a", "value": "c" },
            { "op": "test", "path": "/a", "value": "b" },
        ]);

        assert!(carry_out(&object, &steps).is_err());
        assert_eq!(object, json!({ "a": "b" }));
    }
}
