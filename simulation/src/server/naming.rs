//! Which names objects may have.

use super::refusal::Cause;

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
