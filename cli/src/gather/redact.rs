//! What is taken out of all that is packed.
//!
//! # Guarantees
//! * Pure. What is taken out leaves a mark: its length, and a digest under a key that is made for one archive and kept
//!   nowhere. Equal secrets have equal marks in one archive, and nobody can try passwords against a mark.
//! * Of free text (logs, messages, answers) what looks like a secret is taken out, by the shapes below. Of values whose key
//!   names a secret all is taken out. Annotations are kept only where their group is known to carry none.
//! * Ignition configs are kept by a list of what may stay: see [`super::ignition`].
//!
//! # Assumes
//! Free text is ours: whoever writes a secret of no known shape into a log of another program is not helped here.

use anyhow::{Context as _, Result};
use api::names::group;
use regex::{Captures, Regex};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// Bytes of the key of one archive's marks.
const KEY: usize = 32;
/// Bytes of a digest that a mark shows: enough to tell the contents of one cluster apart.
const SHOWN: usize = 6;

/// What shows that a value is a secret, in the name of its key, flag or variable.
const TELLING: &str = concat!(
    "(?:passw(?:or)?d|passphrase|secret|token|credential|api[_-]?key|private[_-]?key|",
    "docker(?:cfg|config)|kubeconfig|authorization|signature)"
);

/// Groups (and their subdomains) whose annotations are known to be facts.
const TOLD_GROUPS: [&str; 6] = [
    group::MACHINECONFIGURATION,
    group::WINDLASS,
    "kubernetes.io",
    "machine.openshift.io",
    "cluster.x-k8s.io",
    "karpenter.sh",
];

/// Takes secrets out.
pub(crate) struct Redactor {
    key: [u8; KEY],
    shapes: Vec<(Regex, Keep)>,
    telling: Regex,
    words: Regex,
}

/// How much of a secret's shape stays.
#[derive(Clone, Copy)]
enum Keep {
    /// Nothing.
    Nothing,
    /// What stands before it, as the shape's group `head`.
    Head,
}

impl Redactor {
    /// One with a fresh key.
    pub(crate) fn new() -> Result<Self> {
        let mut key = [0; KEY];
        let random = "/dev/urandom";
        std::fs::File::open(random)
            .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut key))
            .with_context(|| format!("reading a key for the marks of secrets from {random}"))?;
        Self::with_key(key)
    }

    /// One with this key.
    pub(crate) fn with_key(key: [u8; KEY]) -> Result<Self> {
        let telling = TELLING;
        let shapes = [
            // Keys and certificates' keys.
            (
                r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)"
                    .to_owned(),
                Keep::Nothing,
            ),
            // JSON web tokens.
            (
                r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?".to_owned(),
                Keep::Nothing,
            ),
            // User and password of a URL.
            (
                r#"(?P<head>[A-Za-z][A-Za-z0-9+.-]*://)[^\s/@"']+(?P<tail>@)"#.to_owned(),
                Keep::Head,
            ),
            // An Authorization header.
            (
                r"(?i)(?P<head>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}".to_owned(),
                Keep::Head,
            ),
            // `name=value`, `name: value`, `"name": "value"`, also within an escaped JSON text.
            (
                format!(
                    r#"(?i)(?P<head>\b[\w.-]*{telling}[\w.-]*\\*["']?\s*[=:]\s*)(?:\\*"[^"]*"|'[^']*'|[^\s,;&"'}}]+)"#
                ),
                Keep::Head,
            ),
            // `--name value`.
            (
                format!(r"(?i)(?P<head>--[\w-]*{telling}[\w-]*\s+)[^\s-]\S*"),
                Keep::Head,
            ),
            // Tokens by which nodes join a cluster.
            (r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b".to_owned(), Keep::Nothing),
            (r"\bK10[0-9a-f]{32,}::\S+".to_owned(), Keep::Nothing),
            // Hashes of passwords, as in /etc/shadow.
            (
                r"\$(?:1|2[aby]|5|6|7|y|gy|argon2[a-z]*)\$[./A-Za-z0-9$=,+-]{8,}".to_owned(),
                Keep::Nothing,
            ),
        ];
        let shapes = shapes.into_iter().map(|(shape, keep)| {
            let shape = Regex::new(&shape).with_context(|| format!("reading the shape {shape}"));
            Ok((shape?, keep))
        });
        Ok(Self {
            key,
            shapes: shapes.collect::<Result<_>>()?,
            telling: Regex::new(&format!("(?i){telling}")).context("reading what tells secrets")?,
            words: Regex::new(r"(?i)names?$|ref$|seconds$|path$").context("reading names")?,
        })
    }

    /// What stands in a secret's place.
    pub(crate) fn mark(&self, secret: &str) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.key);
        hasher.update(secret);
        let digest = hasher.finalize();
        let digest: String = digest
            .iter()
            .take(SHOWN)
            .map(|b| format!("{b:02x}"))
            .collect();
        format!("redacted-{digest}-{}-bytes", secret.len())
    }

    /// Free text without what looks like a secret.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (shape, keep) in &self.shapes {
            if !shape.is_match(&text) {
                continue;
            }
            let replaced = shape.replace_all(&text, |found: &Captures<'_>| {
                let part = |name| found.name(name).map_or("", |part| part.as_str());
                let whole = found.get(0).map_or("", |whole| whole.as_str());
                match keep {
                    // A mark that stands there already, by another shape.
                    _ if whole.contains("redacted-") => whole.to_owned(),
                    Keep::Nothing => self.mark(whole),
                    Keep::Head => {
                        let (head, tail) = (part("head"), part("tail"));
                        let secret = whole.get(head.len()..whole.len() - tail.len());
                        format!("{head}{}{tail}", self.mark(secret.unwrap_or(whole)))
                    }
                }
            });
            text = replaced.into_owned();
        }
        text
    }

    /// Whether a key of this name has a secret as its value, and not the name of one.
    fn tells(&self, key: &str) -> bool {
        self.telling.is_match(key) && !self.words.is_match(key)
    }

    /// Any value: free text everywhere, and nothing under a telling key.
    pub(crate) fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(all) => all.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(map) => Value::Object(self.map(map)),
            other => other,
        }
    }

    fn map(&self, map: Map<String, Value>) -> Map<String, Value> {
        let keep = |(key, value): (String, Value)| {
            let value = if self.tells(&key) {
                self.gone(value)
            } else {
                self.value(value)
            };
            (key, value)
        };
        map.into_iter().map(keep).collect()
    }

    /// A value of which nothing stays but marks; numbers and switches are no secrets.
    pub(crate) fn gone(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.mark(&text)),
            Value::Array(all) => all.into_iter().map(|value| self.gone(value)).collect(),
            Value::Object(map) => {
                let gone = |(key, value)| (key, self.gone(value));
                Value::Object(map.into_iter().map(gone).collect())
            }
            other => other,
        }
    }

    /// An object's metadata: who wrote which field is noise, and an applied object is written whole into an annotation.
    pub(crate) fn metadata(&self, metadata: Value) -> Value {
        let Value::Object(mut metadata) = metadata else {
            return Value::Null;
        };
        metadata.remove("managedFields");
        let mut annotations = Map::new();
        if let Some(Value::Object(found)) = metadata.remove("annotations") {
            let kept = found.into_iter().map(|(key, value)| {
                let value = if is_told(&key) && !self.tells(&key) {
                    self.value(value)
                } else {
                    self.gone(value)
                };
                (key, value)
            });
            annotations.extend(kept);
        }
        let mut metadata = self.map(metadata);
        if !annotations.is_empty() {
            metadata.insert("annotations".to_owned(), Value::Object(annotations));
        }
        Value::Object(metadata)
    }
}

/// Whether an annotation's group is one whose values are facts.
fn is_told(key: &str) -> bool {
    let Some((domain, name)) = key.split_once('/') else {
        return false;
    };
    let of = |group: &str| domain == group || domain.ends_with(&format!(".{group}"));
    name != "last-applied-configuration" && TOLD_GROUPS.into_iter().any(of)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redactor() -> Redactor {
        Redactor::with_key([7; KEY]).unwrap()
    }

    #[test]
    fn free_text_keeps_its_words_and_loses_its_secrets() {
        let text = "proxy http://ann:hunter2@proxy.example.com:3128 refused; \
                    Authorization: Bearer abcdef0123456789; \
                    --bootstrap-token abcdef.0123456789abcdef; password=hunter2, {\\\"token\\\": \\\"hunter2\\\"} \
                    {\"clientSecret\": \"hun ter2\"} root:$6$salt$aGVsbG9oZWxsbw:19000 \
                    eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2ln \
                    -----BEGIN RSA PRIVATE KEY-----\nMIIhunter2\n-----END RSA PRIVATE KEY-----\n after";

        let kept = redactor().text(text);

        for secret in [
            "hunter2",
            "hun ter2",
            "ann:",
            "abcdef0123456789",
            "0123456789abcdef",
            "aGVsbG9oZWxsbw",
            "c2ln",
            "MII",
        ] {
            assert!(!kept.contains(secret), "{secret} in {kept}");
        }
        for word in [
            "proxy http://redacted-",
            "@proxy.example.com:3128 refused",
            " after",
        ] {
            assert!(kept.contains(word), "{word} not in {kept}");
        }
    }

    #[test]
    fn what_an_engineer_reads_stays_as_it_is() {
        for text in [
            "worker-1 waits: all 1 slots of its pool are taken by worker-0 (rendered-worker-4337601dc26e0b618913c8281e6b20c6)",
            "writing /etc/kubernetes/kubelet.conf: No space left on device (os error 28)",
            "https://images.example.com/windlass:0.1.0@sha256:3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7",
            "2026-11-24T00:00:00Z  INFO controller::drain: evicted default/web-7d4b9c",
        ] {
            assert_eq!(redactor().text(text), text);
        }
    }

    #[test]
    fn equal_secrets_have_equal_marks_in_one_archive_only() {
        let (one, two) = (redactor(), Redactor::with_key([8; KEY]).unwrap());

        assert_eq!(one.mark("hunter2"), one.mark("hunter2"));
        assert_ne!(one.mark("hunter2"), one.mark("hunter3"));
        assert_ne!(one.mark("hunter2"), two.mark("hunter2"));
    }

    #[test]
    fn annotations_of_unknown_groups_and_the_copy_of_an_applied_object_are_gone() {
        let kept = redactor().metadata(json!({
            "name": "worker-0",
            "managedFields": [{"manager": "me"}],
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "hunter2",
                "k3s.io/node-args": "[\"agent\", \"hunter2\"]",
                "windlass.dev/intent": "3",
                "machineconfiguration.openshift.io/reason": "fetching https://a:hunter2@b/c",
                "windlass.dev/token": "hunter2",
            },
        }));

        assert_eq!(kept["annotations"]["windlass.dev/intent"], "3");
        assert!(kept["managedFields"].is_null());
        assert!(!kept.to_string().contains("hunter2"), "{kept:#}");
    }
}
