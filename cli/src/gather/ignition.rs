//! An Ignition config without what it writes.
//!
//! # Guarantees
//! Pure. Of all strings those stay whose key is listed below; whatever else there is, known or not, leaves a mark. So a field
//! of a later version of Ignition is taken out until somebody has looked at it. Contents that differ have different marks.

use serde_json::{Map, Value};

use super::redact::Redactor;

/// Keys whose strings say where and what, and never with which contents.
const MAY_STAY: [&str; 17] = [
    "path",
    "name",
    "version",
    "target",
    "device",
    "format",
    "label",
    "level",
    "type",
    "typeGuid",
    "guid",
    "uuid",
    "compression",
    "homeDir",
    "shell",
    "primaryGroup",
    "groups",
];

/// Keys whose strings are addresses.
const ADDRESSES: [&str; 4] = ["source", "httpProxy", "httpsProxy", "url"];

/// The config without what it writes.
pub(crate) fn outline(config: Value, redactor: &Redactor) -> Value {
    under("", config, redactor)
}

fn under(key: &str, value: Value, redactor: &Redactor) -> Value {
    match value {
        Value::String(text) if MAY_STAY.contains(&key) => Value::String(redactor.text(&text)),
        Value::String(text) if ADDRESSES.contains(&key) => Value::String(address(&text, redactor)),
        Value::String(text) => Value::String(redactor.mark(&text)),
        Value::Array(all) => {
            let all = all.into_iter();
            all.map(|value| under(key, value, redactor)).collect()
        }
        // The name of a header says enough.
        Value::Object(map) if key == "httpHeaders" => {
            let kept = map.into_iter().map(|(key, value)| match key.as_str() {
                "name" => (key, value),
                _ => (key, redactor.gone(value)),
            });
            Value::Object(kept.collect())
        }
        Value::Object(map) => {
            let kept = map.into_iter();
            let kept: Map<String, Value> = kept
                .map(|(key, value)| {
                    let value = under(&key, value, redactor);
                    (key, value)
                })
                .collect();
            Value::Object(kept)
        }
        other => other,
    }
}

/// Where contents come from: the host stays; its path may be signed, and data is the contents themselves.
fn address(source: &str, redactor: &Redactor) -> String {
    let mark = redactor.mark(source);
    let remote = source
        .split_once("://")
        .filter(|(scheme, _)| scheme.chars().all(|it| it.is_ascii_alphanumeric()));
    let Some((scheme, rest)) = remote else {
        return match source {
            "" => String::new(),
            _ => format!("data:,{mark}"),
        };
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}/{mark}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_names_and_hosts_stay_and_contents_go() {
        let redactor = Redactor::with_key([1; 32]).unwrap();
        let config = json!({
            "ignition": {
                "version": "3.5.0",
                "config": {"merge": [{"source": "https://u:s3cret@web.example.com/s3cret?sig=s3cret",
                    "httpHeaders": [{"name": "X-Key", "value": "s3cret"}]}]},
                "proxy": {"httpProxy": "http://u:s3cret@proxy.example.com:3128"},
                "security": {"tls": {"certificateAuthorities": [{"source": "data:,s3cret"}]}},
            },
            "passwd": {"users": [{"name": "core", "passwordHash": "s3cret", "sshAuthorizedKeys": ["s3cret"]}]},
            "storage": {
                "files": [{"path": "/etc/a", "mode": 420, "contents": {"source": "data:,s3cret",
                    "verification": {"hash": "sha512-s3cret"}}, "append": [{"source": "data:,a=s3cret http://b"}]}],
                "luks": [{"name": "root", "keyFile": {"source": "data:,s3cret"}, "clevis": {"custom": {"config": "s3cret"}}}],
            },
            "systemd": {"units": [{"name": "a.service", "enabled": true, "contents": "s3cret",
                "dropins": [{"name": "b.conf", "contents": "s3cret"}]}]},
            "fieldOfTomorrow": {"what": ["s3cret"]},
        });

        let kept = outline(config, &redactor);

        let text = kept.to_string();
        assert!(!text.contains("s3cret"), "{kept:#}");
        for word in [
            "3.5.0",
            "https://web.example.com/redacted-",
            "X-Key",
            "proxy.example.com:3128",
            "core",
            "/etc/a",
            "420",
            "a.service",
            "b.conf",
        ] {
            assert!(text.contains(word), "{word} not in {kept:#}");
        }
    }

    #[test]
    fn different_contents_can_still_be_told_apart() {
        let redactor = Redactor::with_key([1; 32]).unwrap();
        let file = |source: &str| outline(json!({"contents": {"source": source}}), &redactor);

        assert_eq!(file("data:,a"), file("data:,a"));
        assert_ne!(file("data:,a"), file("data:,b"));
    }
}
