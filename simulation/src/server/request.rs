//! A request as the server understands it: who asks, for what, and with which options.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;

use super::refusal::{About, Cause, Refusal};

/// One request, before anybody has judged it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The caller's name, taken as given.
    pub actor: String,
    /// The API server instance that the caller spoke to; none: any.
    pub instance: Option<String>,
    pub method: Method,
    /// The URI as it was sent.
    pub line: String,
    pub path: String,
    pub query: Query,
    pub accept: String,
    pub content_type: String,
    pub user_agent: String,
    pub body: Bytes,
}

impl Call {
    /// Who is named as the manager of the fields that this request writes: the option, or the caller's program.
    pub(super) fn manager(&self) -> String {
        match self.query.get("fieldManager") {
            Some(manager) if !manager.is_empty() => manager.to_owned(),
            _ => {
                let program = self.user_agent.split('/').next().unwrap_or_default();
                if program.is_empty() {
                    self.actor.clone()
                } else {
                    program.to_owned()
                }
            }
        }
    }

    /// The media type of the body, without parameters.
    pub(super) fn media_type(&self) -> &str {
        self.content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
    }
}

/// The query of a URL, decoded. The last of equal names counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let decode = |text: &str| {
            let spaced = text.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced)
                .decode_utf8_lossy()
                .into_owned()
        };
        Self(
            query
                .split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        // Whatever is not a no is a yes, as the real server reads it.
        self.get(name)
            .is_some_and(|text| !text.eq_ignore_ascii_case("false") && text != "0")
    }

    /// How long a page may be; none: without end.
    fn limit(&self) -> Result<Option<usize>, Refusal> {
        let text = self.get("limit").unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        let limit: i64 = text.parse().map_err(|_| {
            Refusal::bad_request(format!(
                "strconv.ParseInt: parsing \"{text}\": invalid syntax"
            ))
        })?;
        Ok(usize::try_from(limit).ok().filter(|limit| *limit > 0))
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// Whether nothing may be kept of what this request does.
    pub(crate) fn dry_run(&self) -> Result<bool, Refusal> {
        match self.get("dryRun") {
            None | Some("") => Ok(false),
            Some("All") => Ok(true),
            Some(other) => Err(Refusal::invalid(
                About {
                    group: "meta.k8s.io",
                    kind: "CreateOptions",
                    name: "",
                },
                &[Cause {
                    reason: "FieldValueNotSupported",
                    message: format!("Unsupported value: \"{other}\": supported values: \"All\""),
                    field: "dryRun".to_owned(),
                }],
            )),
        }
    }

    /// What happens to fields that the kind does not have.
    pub(crate) fn field_validation(&self) -> FieldValidation {
        match self.get("fieldValidation") {
            Some("Strict") => FieldValidation::Strict,
            Some("Ignore") => FieldValidation::Ignore,
            _ => FieldValidation::Warn,
        }
    }
}

/// What happens to fields that the kind does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    /// They are dropped, silently.
    Ignore,
    /// They are dropped, with a warning. The default.
    Warn,
    /// The request is refused.
    Strict,
}

/// How old a list may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// The newest state.
    Newest,
    /// At least as new as this version; 0 is any.
    NotOlderThan(u64),
    /// Exactly this version.
    Exactly(u64),
}

/// The options of a list or watch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ListOptions {
    pub age: Age,
    pub limit: Option<usize>,
    pub token: Option<String>,
    pub watch: bool,
    pub bookmarks: bool,
    pub initial_events: bool,
    /// Seconds after which the server ends a watch.
    pub timeout: Option<u64>,
}

impl ListOptions {
    pub(super) fn parse(query: &Query) -> Result<Self, Refusal> {
        let watch = query.flag("watch");
        let initial_events = query.flag("sendInitialEvents");
        let version = version_of(query.get("resourceVersion").unwrap_or_default())
            .map_err(|refusal| unread_version(watch, refusal))?;
        let matching = query.get("resourceVersionMatch").unwrap_or_default();
        let limit = query.limit()?;
        let token = query.get("continue").filter(|token| !token.is_empty());
        check_match(query, version, watch, initial_events)?;
        if token.is_some() && version.is_some_and(|version| version != 0) {
            return Err(Refusal::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        let age = match (version, matching) {
            (None, _) => Age::Newest,
            (Some(version), "Exact") => Age::Exactly(version),
            (Some(version), _) => Age::NotOlderThan(version),
        };
        Ok(Self {
            age,
            limit,
            token: token.map(str::to_owned),
            watch,
            bookmarks: query.flag("allowWatchBookmarks"),
            initial_events,
            timeout: query
                .number("timeoutSeconds")
                .filter(|seconds| *seconds > 0),
        })
    }
}

/// A watch that cannot read its version is the server's fault, as the real server sees it.
fn unread_version(watch: bool, refusal: Refusal) -> Refusal {
    if !watch {
        return refusal;
    }
    let why = refusal
        .message
        .trim_start_matches("invalid resource version: ");
    Refusal::internal(why, "")
}

/// Which version a list may be compared with in which way.
fn check_match(
    query: &Query,
    version: Option<u64>,
    watch: bool,
    initial_events: bool,
) -> Result<(), Refusal> {
    const FIELD: &str = "resourceVersionMatch";
    let matching = query.get(FIELD).unwrap_or_default();
    let continues = query.get("continue").is_some_and(|token| !token.is_empty());
    let mut causes = Vec::new();
    let mut forbid = |why: &str| causes.push(Cause::forbidden(FIELD, why));
    if watch && initial_events {
        if matching != "NotOlderThan" {
            forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
        }
        if !matches!(matching, "" | "NotOlderThan") {
            causes.push(unsupported(matching, "\"NotOlderThan\""));
        }
    } else if watch {
        if !matching.is_empty() {
            forbid(
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            );
        }
        if continues {
            forbid("resourceVersionMatch is forbidden when continue is provided");
        }
    } else if !matching.is_empty() {
        if version.is_none() {
            forbid("resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if continues {
            forbid("resourceVersionMatch is forbidden when continue is provided");
        }
        if !matches!(matching, "Exact" | "NotOlderThan") {
            causes.push(unsupported(matching, "\"Exact\", \"NotOlderThan\", \"\""));
        } else if matching == "Exact" && version == Some(0) {
            forbid("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
    }
    if !watch && initial_events {
        causes.push(Cause::forbidden(
            "sendInitialEvents",
            "sendInitialEvents is forbidden for list",
        ));
    }
    if causes.is_empty() {
        return Ok(());
    }
    let about = About {
        group: "meta.k8s.io",
        kind: "ListOptions",
        name: "",
    };
    Err(Refusal::invalid(about, &causes))
}

fn unsupported(matching: &str, supported: &str) -> Cause {
    Cause {
        reason: "FieldValueNotSupported",
        message: format!("Unsupported value: \"{matching}\": supported values: {supported}"),
        field: "resourceVersionMatch".to_owned(),
    }
}

/// Reads a resourceVersion; empty is none.
pub(crate) fn version_of(text: &str) -> Result<Option<u64>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        Refusal::bad_request(format!(
            "invalid resource version: resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
        ))
    })
}

/// Where a path under `/api` or `/apis` leads.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Target {
    pub group: String,
    pub version: String,
    pub resource: String,
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub subresource: Option<String>,
}

impl Target {
    /// Reads a resource path; none where the path is not one (discovery, health, OpenAPI, nonsense).
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let decoded: Vec<String> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| {
                percent_encoding::percent_decode_str(part)
                    .decode_utf8_lossy()
                    .into_owned()
            })
            .collect();
        let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            // The namespace itself, its status or its finalization: not something inside it.
            ["namespaces"] | ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => {
                (None, rest)
            }
            ["namespaces", namespace, rest @ ..] => (Some((*namespace).to_owned()), rest),
            rest => (None, rest),
        };
        let (resource, name, subresource) = match rest {
            [resource] => (*resource, None, None),
            [resource, name] => (*resource, Some(*name), None),
            [resource, name, subresource] => (*resource, Some(*name), Some(*subresource)),
            _ => return None,
        };
        Some(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.to_owned(),
            namespace,
            name: name.map(str::to_owned),
            subresource: subresource.map(str::to_owned),
        })
    }
}

/// What a request does, in the words of Kubernetes' audit log and rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read many.
    List,
    /// Follow many.
    Watch,
    /// Make one.
    Create,
    /// Replace one.
    Update,
    /// Change one.
    Patch,
    /// Delete one.
    Delete,
    /// Delete many.
    DeleteCollection,
    /// Something outside of the resources: discovery, health, OpenAPI, version.
    Other,
}

impl Verb {
    /// The verb's name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
            Verb::Other => "other",
        }
    }

    pub(crate) fn of(method: &Method, target: Option<&Target>, query: &Query) -> Self {
        let Some(target) = target else {
            return Verb::Other;
        };
        let one = target.name.is_some();
        match method.as_str() {
            "GET" if query.flag("watch") => Verb::Watch,
            "GET" if one => Verb::Get,
            "GET" => Verb::List,
            "POST" => Verb::Create,
            "PUT" => Verb::Update,
            "PATCH" => Verb::Patch,
            "DELETE" if one => Verb::Delete,
            "DELETE" => Verb::DeleteCollection,
            _ => Verb::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_object_and_a_namespace_is_an_object_too() {
        let pod = Target::parse("/api/v1/namespaces/default/pods/p1/eviction").unwrap();
        assert_eq!(
            (
                pod.resource.as_str(),
                pod.namespace.as_deref(),
                pod.name.as_deref(),
                pod.subresource.as_deref()
            ),
            ("pods", Some("default"), Some("p1"), Some("eviction"))
        );
        let namespace = Target::parse("/api/v1/namespaces/default").unwrap();
        assert_eq!(
            (namespace.resource.as_str(), namespace.name.as_deref()),
            ("namespaces", Some("default"))
        );
        let custom = Target::parse("/apis/example.com/v1/widgets").unwrap();
        assert_eq!(
            (custom.group.as_str(), custom.resource.as_str()),
            ("example.com", "widgets")
        );
        assert_eq!(Target::parse("/version"), None);
        assert_eq!(Target::parse("/apis/policy/v1"), None);
    }
}
