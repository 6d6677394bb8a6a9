//! YAML as Kubernetes reads it: YAML 1.1, in which a bare `y`, `yes` or `on` is a truth value, also as a key.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::server::refusal::Refusal;

/// Reads one YAML document (JSON is YAML, too).
pub(crate) fn parse_yaml(bytes: &[u8]) -> Result<Value, Refusal> {
    let text = String::from_utf8_lossy(bytes);
    if text.trim_start().starts_with(['{', '[']) {
        return super::parse_json(bytes);
    }
    serde_saphyr::from_str::<Document>(&text)
        .map(|document| document.0)
        .map_err(|error| Refusal::bad_request(format!("error decoding YAML: {error}")))
}

struct Document(Value);

struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = Document::deserialize(deserializer)?;
        Ok(Self(match key.0 {
            Value::String(text) => text,
            other => other.to_string(),
        }))
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor).map(Document)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Document::deserialize(deserializer).map(|document| document.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Document>()? {
            list.push(item.0);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = entries.next_entry::<Key, Document>()? {
            map.insert(key.0, value.0);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bare_y_is_true_and_a_quoted_one_is_text() {
        let read = parse_yaml(b"a: y\nb: 'y'\ny: 1\nn:\n  - 1\n  - 'x'\n  - null\n").unwrap();
        assert_eq!(
            read,
            json!({ "a": true, "b": "y", "true": 1, "false": [1, "x", null] })
        );
    }
}
