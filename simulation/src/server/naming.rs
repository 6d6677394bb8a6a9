//! Which names objects may have.

use serde_json::Value;

use super::refusal::Cause;
use super::value;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
     start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
     with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// The longest name (RFC 1123 subdomain), and the longest label of it.
const LONGEST: usize = 253;
const LONGEST_LABEL: usize = 63;

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(inner) && text.ends_with(inner) && text.chars().all(|c| inner(c) || c == '-')
}

/// What is wrong with a name, if anything. Namespaces are labels, rights may be named anything that fits a path, all others
/// are subdomains.
pub(crate) fn wrong_name(group: &str, plural: &str, name: &str) -> Option<Cause> {
    let shown = format!("\"{name}\"");
    if group == "rbac.authorization.k8s.io" {
        return (name == "." || name == ".." || name.contains(['/', '%']))
            .then(|| Cause::invalid("metadata.name", &shown, "may not contain '/' or '%'"));
    }
    if group.is_empty() && plural == "namespaces" {
        return (name.len() > LONGEST_LABEL || !is_label(name))
            .then(|| Cause::invalid("metadata.name", &shown, LABEL));
    }
    if name.len() > LONGEST {
        return Some(Cause::invalid(
            "metadata.name",
            &shown,
            "must be no more than 253 characters",
        ));
    }
    (!name.split('.').all(is_label)).then(|| Cause::invalid("metadata.name", &shown, SUBDOMAIN))
}

/// What is wrong with an object's labels and annotations, if anything.
pub(crate) fn wrong_labels(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (name, label) in value::map(object, &["metadata", "labels"])
        .into_iter()
        .flatten()
    {
        if !is_qualified(name) {
            causes.push(Cause::invalid(
                "metadata.labels",
                &format!("\"{name}\""),
                QUALIFIED,
            ));
        }
        let text = label.as_str().unwrap_or_default();
        for why in wrong_label_value(text) {
            causes.push(Cause::invalid(
                "metadata.labels",
                &format!("\"{text}\""),
                &why,
            ));
        }
    }
    for name in value::map(object, &["metadata", "annotations"])
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
    {
        if !is_qualified(&name.to_lowercase()) {
            causes.push(Cause::invalid(
                "metadata.annotations",
                &format!("\"{name}\""),
                QUALIFIED,
            ));
        }
    }
    causes.extend(too_many_annotations(object));
    causes
}

const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
     alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
     '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
     start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
     '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
/// All annotations of an object together, names and values.
const ANNOTATIONS_BYTES_MAX: usize = 262_144;

/// What is wrong with the value of a label, if anything.
pub(crate) fn wrong_label_value(text: &str) -> Vec<String> {
    let outer = |c: char| c.is_ascii_alphanumeric();
    let mut wrong = Vec::new();
    if text.len() > LONGEST_LABEL {
        wrong.push(format!("must be no more than {LONGEST_LABEL} bytes"));
    }
    let fits = text.is_empty()
        || (text.starts_with(outer)
            && text.ends_with(outer)
            && text.chars().all(|c| outer(c) || "-_.".contains(c)));
    if !fits {
        wrong.push(LABEL_VALUE.to_owned());
    }
    wrong
}

/// What is wrong with a name that may have a prefix, such as a taint's key.
pub(crate) fn wrong_qualified_name(text: &str) -> Vec<String> {
    let name = text.split_once('/').map_or(text, |(_, name)| name);
    let mut wrong = Vec::new();
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    }
    if name.len() > LONGEST_LABEL {
        wrong.push(format!(
            "name part must be no more than {LONGEST_LABEL} bytes"
        ));
    }
    if !is_qualified(text) && name.len() <= LONGEST_LABEL {
        wrong.push(QUALIFIED.to_owned());
    }
    wrong
}

fn too_many_annotations(object: &Value) -> Option<Cause> {
    let size: usize = value::map(object, &["metadata", "annotations"])
        .into_iter()
        .flatten()
        .map(|(name, text)| name.len() + text.as_str().unwrap_or_default().len())
        .sum();
    (size > ANNOTATIONS_BYTES_MAX).then(|| Cause {
        reason: "FieldValueTooLong",
        message: format!("Too long: may not be more than {ANNOTATIONS_BYTES_MAX} bytes"),
        field: "metadata.annotations".to_owned(),
    })
}

fn is_name(text: &str) -> bool {
    let outer = |c: char| c.is_ascii_alphanumeric();
    text.len() <= LONGEST_LABEL
        && text.starts_with(outer)
        && text.ends_with(outer)
        && text.chars().all(|c| outer(c) || "-_.".contains(c))
}

fn is_qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => {
            prefix.len() <= LONGEST && prefix.split('.').all(is_label) && is_name(name)
        }
        None => is_name(text),
    }
}
