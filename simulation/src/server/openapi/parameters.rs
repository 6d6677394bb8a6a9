//! The parameters of paths and operations, as far as the server heeds them.

use serde_json::{Value, json};

/// Name, type, and what it does.
type Row = (&'static str, &'static str, &'static str);

const LIST: [Row; 10] = [
    (
        "allowWatchBookmarks",
        "boolean",
        "Whether a watch is told from time to time how far it is, by events of type BOOKMARK.",
    ),
    (
        "continue",
        "string",
        "The token from the page before; the list goes on after it.",
    ),
    (
        "fieldSelector",
        "string",
        "Only objects whose fields are so.",
    ),
    (
        "labelSelector",
        "string",
        "Only objects whose labels are so.",
    ),
    (
        "limit",
        "integer",
        "The largest number of objects on a page.",
    ),
    (
        "resourceVersion",
        "string",
        "How old the answer may be; for a watch: after which version it starts.",
    ),
    (
        "resourceVersionMatch",
        "string",
        "How resourceVersion is meant: Exact or NotOlderThan.",
    ),
    (
        "sendInitialEvents",
        "boolean",
        "Whether a watch begins with all objects that there are, and a bookmark after them.",
    ),
    (
        "timeoutSeconds",
        "integer",
        "Ends the watch after so many seconds.",
    ),
    ("watch", "boolean", "Follow changes instead of listing."),
];

const DRY_RUN: Row = ("dryRun", "string", "All: do everything but keep nothing.");
const MANAGER: Row = (
    "fieldManager",
    "string",
    "Under which name the written fields are managed.",
);
const VALIDATION: Row = (
    "fieldValidation",
    "string",
    "What happens to fields that the kind does not have: Ignore drops them, Warn also says so (the default), Strict refuses the request.",
);
const FORCE: Row = (
    "force",
    "boolean",
    "Whether an apply takes fields that others manage.",
);

const DELETE: [Row; 3] = [
    DRY_RUN,
    (
        "gracePeriodSeconds",
        "integer",
        "How long the object may take to end; 0 deletes at once.",
    ),
    (
        "propagationPolicy",
        "string",
        "What happens to what the object owns: Orphan, Background or Foreground.",
    ),
];

/// What an operation does, in the words of `x-kubernetes-action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    List,
    Post,
    DeleteCollection,
    Get,
    Put,
    Patch,
    Delete,
}

/// The query parameters of an operation, by name.
pub(super) fn of(action: Action) -> Vec<Value> {
    let mut rows: Vec<Row> = match action {
        Action::Get => Vec::new(),
        Action::List => LIST.to_vec(),
        Action::Post | Action::Put => vec![DRY_RUN, MANAGER, VALIDATION],
        Action::Patch => vec![DRY_RUN, MANAGER, VALIDATION, FORCE],
        Action::Delete => DELETE.to_vec(),
        Action::DeleteCollection => [LIST.as_slice(), DELETE.as_slice()].concat(),
    };
    rows.retain(|(name, _, _)| {
        action != Action::DeleteCollection || !matches!(*name, "allowWatchBookmarks" | "watch")
    });
    rows.sort_unstable();
    rows.iter().map(in_query).collect()
}

fn in_query((name, of, does): &Row) -> Value {
    json!({
        "name": name,
        "in": "query",
        "description": does,
        "schema": { "type": of, "uniqueItems": true },
    })
}

/// The parameters that stand in a path.
pub(super) fn in_path(path: &str, kind: &str) -> Vec<Value> {
    [
        ("name", format!("The name of the {kind}.")),
        ("namespace", "The namespace of the objects.".to_owned()),
    ]
    .into_iter()
    .filter(|(name, _)| path.contains(&format!("{{{name}}}")))
    .map(|(name, is)| {
        json!({
            "name": name,
            "in": "path",
            "description": is,
            "required": true,
            "schema": { "type": "string", "uniqueItems": true },
        })
    })
    .collect()
}
