//! No list of keyed items holds a key twice; files, directories and links share one key space, and
//! so do wanted and unwanted kernel arguments.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::Findings;
use crate::ignition::report::Path;
use crate::ignition::schema::{CONFIG, Join, Kind, Object};

pub(super) fn duplicates(config: &Map<String, Value>, findings: &mut Findings) {
    in_object(config, &CONFIG, &Path::root(), findings);
}

/// The keys seen so far, by list or group of lists.
type Seen<'a> = BTreeMap<&'static str, BTreeSet<Cow<'a, str>>>;

fn in_object(object: &Map<String, Value>, schema: &Object, path: &Path, findings: &mut Findings) {
    let mut seen = Seen::new();
    for field in schema.fields {
        let Some(value) = object.get(field.name) else {
            continue;
        };
        let path = path.field(field.name);
        match (&field.kind, value) {
            (Kind::Object(inner), Value::Object(value)) => in_object(value, inner, &path, findings),
            (Kind::Objects(item_schema, join), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let Value::Object(item) = item else { continue };
                    let path = path.index(index);
                    note(
                        &mut seen,
                        *join,
                        field.name,
                        item_schema.key_of(item),
                        &path,
                        findings,
                    );
                    in_object(item, item_schema, &path, findings);
                }
            }
            (Kind::Texts(join), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let key = Cow::Borrowed(item.as_str().unwrap_or_default());
                    note(
                        &mut seen,
                        *join,
                        field.name,
                        key,
                        &path.index(index),
                        findings,
                    );
                }
            }
            _ => {}
        }
    }
}

fn note<'a>(
    seen: &mut Seen<'a>,
    join: Join,
    field: &'static str,
    key: Cow<'a, str>,
    path: &Path,
    findings: &mut Findings,
) {
    let group = match join {
        Join::Concatenate => return,
        Join::ByKey | Join::Headers => field,
        Join::Group(group) => group,
    };
    if !seen.entry(group).or_default().insert(key) {
        findings.error(path, "duplicate entry defined");
    }
}
