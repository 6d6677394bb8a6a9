//! The beginning of a body that was too long to keep: what it holds is compared, what came after it is not known.

use serde_json::Value;

/// What is left of a JSON text whose end is missing: all values that are complete.
pub(crate) fn read(text: &str) -> Value {
    let mut open = Vec::new();
    let mut kept = String::new();
    let (mut quoted, mut escaped) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' => open.push('}'),
            '[' => open.push(']'),
            '}' | ']' => {
                open.pop();
                kept = closed(&text[..=at], &open);
            }
            // What stands before a comma is complete.
            ',' => kept = closed(&text[..at], &open),
            _ => {}
        }
    }
    serde_json::from_str(&kept).expect("the beginning of a JSON text")
}

fn closed(text: &str, open: &[char]) -> String {
    text.chars().chain(open.iter().rev().copied()).collect()
}

/// Our value cut down to what the recorded beginning speaks of: its fields alone, and of lists the elements that it names, in its
/// order. So a missing one is missing, and a further one is not known.
pub(crate) fn cut(ours: &Value, recorded: &Value) -> Value {
    match (ours, recorded) {
        (Value::Object(mine), Value::Object(theirs)) => theirs
            .iter()
            .filter_map(|(key, recorded)| Some((key.clone(), cut(mine.get(key)?, recorded))))
            .collect(),
        (Value::Array(mine), Value::Array(theirs)) => theirs
            .iter()
            .enumerate()
            .filter_map(|(at, recorded)| {
                let named = match name_of(recorded) {
                    Some(name) => mine.iter().find(|item| name_of(item) == Some(name)),
                    None => mine.get(at),
                };
                Some(cut(named?, recorded))
            })
            .collect(),
        (ours, _) => ours.clone(),
    }
}

/// The recorded value with the elements of named lists as fields, so that one that is missing is one difference.
pub(crate) fn by_name(value: &Value) -> Value {
    match value {
        Value::Array(items)
            if !items.is_empty() && items.iter().all(|item| name_of(item).is_some()) =>
        {
            items
                .iter()
                .filter_map(|item| Some((name_of(item)?.to_owned(), by_name(item))))
                .collect()
        }
        Value::Array(items) => items.iter().map(by_name).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), by_name(value)))
            .collect(),
        other => other.clone(),
    }
}

fn name_of(item: &Value) -> Option<&str> {
    [
        "/name",
        "/metadata/name",
        "/subresource",
        "/resource",
        "/groupVersion",
        "/version",
    ]
    .iter()
    .find_map(|path| item.pointer(path).and_then(Value::as_str))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_beginning_of_a_text_keeps_what_is_complete() {
        let begun = r#"{"a":[{"name":"x","verbs":["get","li"#;

        assert_eq!(
            read(begun),
            json!({ "a": [{ "name": "x", "verbs": ["get"] }] })
        );
    }

    #[test]
    fn what_the_beginning_names_is_looked_for_and_what_comes_after_is_not_known() {
        let recorded = json!({ "items": [{ "name": "b", "n": 1 }, { "name": "c" }] });
        let ours = json!({ "items": [{ "name": "a" }, { "name": "b", "n": 2, "m": 3 }] });

        assert_eq!(
            cut(&ours, &recorded),
            json!({ "items": [{ "name": "b", "n": 2 }] })
        );
        assert_eq!(
            by_name(&recorded),
            json!({ "items": { "b": { "name": "b", "n": 1 }, "c": { "name": "c" } } })
        );
    }
}
