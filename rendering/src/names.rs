//! The name of a rendered config, made from its content: `rendered-<pool>-<32 hex digits>`.
//!
//! Guarantees: equal content, equal name; a name never depends on the Windlass that makes it, for
//! a changed name is a changed target, and would visit every node. The golden names in the tests
//! hold this: they may be added to, never changed.
//!
//! # The canonical form, version 1
//! The digits are the first 128 bits of the SHA-256 of this text:
//! 1. An object with the member `spec`, and, if the config names a kubelet version, the member
//!    `kubeletVersion` with that text. The pool is in the name, not in the digits.
//! 2. `spec` holds the fields of the MachineConfig's spec by their API names. Left out is what says
//!    nothing: `null`, `false` for `fips`, `default` or nothing for `kernelType`, empty texts of
//!    the spec's own fields, empty lists, empty objects.
//! 3. In `config`, left out too are `ignition.version` (the content is the same whichever spec it
//!    is written in, and a later Windlass may write a newer one), an empty `compression` (none),
//!    and again empty lists and objects. All else stays, `false`, `0` and empty texts included:
//!    they say something there.
//! 4. Lists whose order means nothing are sorted by key: `storage.files`, `storage.directories`,
//!    `storage.links` by `path`; `systemd.units` and a unit's `dropins` by `name`. All other lists
//!    keep their order.
//! 5. Written as JSON without white space, members sorted by name bytewise, texts escaped only
//!    where JSON demands it (`"`, `\`, and below U+0020, as `\b \t \n \f \r` or `\u00xx`).
//!
//! The canonical form is part of the API: changing it renames every rendered config of a fleet.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::spec::MachineConfigSpec;

/// How many bytes of the digest are in a name: enough that no two contents ever meet.
const DIGEST_BYTES: usize = 16;

/// The name of the rendered config with this content, for this pool.
pub fn rendered_name(
    pool: &str,
    spec: &MachineConfigSpec,
    kubelet_version: Option<&str>,
) -> String {
    format!("rendered-{pool}-{}", content_digest(spec, kubelet_version))
}

/// The digits alone: equal for equal content, whatever the pool.
pub fn content_digest(spec: &MachineConfigSpec, kubelet_version: Option<&str>) -> String {
    let digest = Sha256::digest(canonical_form(spec, kubelet_version).as_bytes());
    digest
        .iter()
        .take(DIGEST_BYTES)
        .fold(String::new(), |mut text, byte| {
            text.extend(
                [byte >> 4, byte & 15]
                    .map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0')),
            );
            text
        })
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

/// The text that the digits are made from.
pub fn canonical_form(spec: &MachineConfigSpec, kubelet_version: Option<&str>) -> String {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put(
        "baseOSExtensionsContainerImage",
        spec.base_os_extensions_container_image.clone().into(),
    );
    put(
        "config",
        spec.config.as_ref().map_or(Value::Null, canonical_config),
    );
    put("extensions", spec.extensions.clone().into());
    put(
        "fips",
        if spec.fips {
            Value::Bool(true)
        } else {
            Value::Null
        },
    );
    put("kernelArguments", spec.kernel_arguments.clone().into());
    let kernel_type = if spec.kernel_type == "default" {
        ""
    } else {
        &spec.kernel_type
    };
    put("kernelType", kernel_type.into());
    put("osImageURL", spec.os_image_url.clone().into());
    members.retain(|_, value| !says_nothing(value) && value.as_str() != Some(""));

    let mut whole = Map::new();
    whole.insert("spec".to_owned(), Value::Object(members));
    if let Some(version) = kubelet_version.filter(|version| !version.is_empty()) {
        whole.insert("kubeletVersion".to_owned(), version.into());
    }
    let mut text = String::new();
    write_value(&Value::Object(whole), &mut text);
    text
}

fn canonical_config(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(ignition) = config.get_mut("ignition").and_then(Value::as_object_mut) {
        ignition.remove("version");
    }
    drop_empty(&mut config);
    for (section, list, key) in [
        ("storage", "files", "path"),
        ("storage", "directories", "path"),
        ("storage", "links", "path"),
        ("systemd", "units", "name"),
    ] {
        let items = config
            .get_mut(section)
            .and_then(|section| section.get_mut(list));
        let Some(items) = items.and_then(Value::as_array_mut) else {
            continue;
        };
        sort_by_text(items, key);
        for item in items {
            if let Some(dropins) = item.get_mut("dropins").and_then(Value::as_array_mut) {
                sort_by_text(dropins, "name");
            }
        }
    }
    config
}

fn sort_by_text(items: &mut [Value], key: &str) {
    items.sort_by(|a, b| {
        let text = |item: &Value| {
            item.get(key)
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned()
        };
        text(a).cmp(&text(b))
    });
}

fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for member in members.values_mut() {
                drop_empty(member);
            }
            members.retain(|name, member| {
                let packed_by_nothing = name == "compression" && member.as_str() == Some("");
                !says_nothing(member) && !packed_by_nothing
            });
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Written here rather than by `serde_json`, whose member order depends on the features that other
/// crates of a build ask for.
fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            text.push('{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_text(name, text);
                text.push(':');
                write_value(member, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(item, text);
            }
            text.push(']');
        }
        Value::String(string) => write_text(string, text),
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number.to_string()),
    }
}

fn write_text(string: &str, text: &mut String) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            c if c < ' ' => {
                text.push_str("\\u00");
                text.push_str(&hexadecimal(&[u8::try_from(c).unwrap_or_default()]));
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(config: Value) -> MachineConfigSpec {
        MachineConfigSpec {
            config: Some(config),
            ..MachineConfigSpec::default()
        }
    }

    #[test]
    fn what_says_nothing_does_not_change_the_name() {
        let plain = spec(json!({"ignition": {"version": "3.5.0"}}));
        let mut wordy = spec(json!({
            "ignition": {"version": "3.4.0", "config": {}},
            "storage": {"files": [], "links": []},
            "passwd": {}
        }));
        wordy.kernel_type = "default".to_owned();
        assert_eq!(canonical_form(&plain, None), r#"{"spec":{}}"#);
        assert_eq!(canonical_form(&wordy, None), r#"{"spec":{}}"#);
        assert_eq!(
            canonical_form(&MachineConfigSpec::default(), Some("")),
            r#"{"spec":{}}"#
        );
    }

    #[test]
    fn the_order_of_files_and_units_does_not_change_the_name() {
        let file = |path: &str| json!({"path": path, "mode": 0});
        let unit = |name: &str| json!({"name": name, "enabled": false});
        let one = spec(json!({
            "storage": {"files": [file("/b"), file("/a")]},
            "systemd": {"units": [unit("b.service"), unit("a.service")]}
        }));
        let other = spec(json!({
            "storage": {"files": [file("/a"), file("/b")]},
            "systemd": {"units": [unit("a.service"), unit("b.service")]}
        }));
        assert_eq!(
            rendered_name("worker", &one, None),
            rendered_name("worker", &other, None)
        );
    }

    #[test]
    fn what_says_something_changes_the_name() {
        let base = spec(json!({"systemd": {"units": [{"name": "a.service"}]}}));
        let mut arguments = base.clone();
        arguments.kernel_arguments = vec!["a".to_owned(), "b".to_owned()];
        let mut turned = base.clone();
        turned.kernel_arguments = vec!["b".to_owned(), "a".to_owned()];
        let disabled =
            spec(json!({"systemd": {"units": [{"name": "a.service", "enabled": false}]}}));
        let emptied = spec(json!({"systemd": {"units": [{"name": "a.service", "contents": ""}]}}));
        let digests: std::collections::BTreeSet<String> =
            [&base, &arguments, &turned, &disabled, &emptied]
                .map(|it| content_digest(it, None))
                .into_iter()
                .chain([
                    content_digest(&base, Some("1.34")),
                    content_digest(&base, Some("1.35")),
                ])
                .collect();
        assert_eq!(digests.len(), 7);
    }
}
