//! Deviations about registries.conf.

use serde_json::{Value, json};

use super::Rule;

/// A compressed registries.conf is unpacked before it is judged; the reference fails the update.
pub(super) const GZIP_IS_READ: Rule = Rule {
    name: "gzip-registries-are-read",
    corpus: "registries",
    fields: &["error", "safe", "drainRequired"],
    applies: |input| input["compression"] == "gzip",
    predict: |input, _| match (parsed(&input["before"]), parsed(&input["after"])) {
        (Some(before), Some(after)) => {
            let safe = safe(&before, &after);
            json!({"safe": safe, "drainRequired": !safe})
        }
        _ => json!({"error": "no registries.conf"}),
    },
};

fn parsed(text: &Value) -> Option<toml::Table> {
    let text = text.as_str().unwrap_or_default();
    text.parse()
        .ok()
        .or_else(|| without_repeated_lines(text).parse().ok())
}

/// A top-level list that is given again in one line counts as given last.
fn without_repeated_lines(text: &str) -> String {
    let key = |line: &str| {
        line.split_once('=')
            .map(|(key, value)| (key.trim().to_owned(), value.trim().starts_with('[')))
    };
    let top = text
        .lines()
        .position(|line| line.trim_start().starts_with('['))
        .unwrap_or(usize::MAX);
    let lines: Vec<&str> = text.lines().collect();
    let given_again = |index: usize, line: &str| {
        let later = lines.iter().take(top).skip(index + 1);
        key(line).is_some_and(|(name, list)| {
            list && later
                .filter_map(|line| key(line))
                .any(|(again, _)| again == name)
        })
    };
    let kept = lines
        .iter()
        .enumerate()
        .filter(|(index, line)| *index >= top || !given_again(*index, line));
    kept.flat_map(|(_, line)| [*line, "\n"]).collect()
}

/// The rules of the corpora's README, section 8, said once more without a look at `rendering`.
fn safe(before: &toml::Table, after: &toml::Table) -> bool {
    let searched = list(after, "unqualified-search-registries");
    let search_kept = searched.starts_with(&list(before, "unqualified-search-registries"));
    let (old, new) = (list(before, "registry"), list(after, "registry"));
    search_kept
        && old
            .iter()
            .all(|registry| last_with(&new, &scope(registry)).is_some())
        && new.iter().all(|registry| {
            let scope = scope(registry);
            match (last_with(&old, &scope), last_with(&new, &scope)) {
                (Some(former), Some(registry)) => kept_safely(former, registry),
                (_, registry) => registry.is_some_and(added_safely),
            }
        })
}

fn kept_safely(old: &toml::Value, new: &toml::Value) -> bool {
    let (was, is) = (mirrors(old), mirrors(new));
    let at = |mirrors: &[toml::Value], location: &str| {
        mirrors
            .iter()
            .find(|m| text(m, "location") == location)
            .cloned()
    };
    ["prefix", "location"]
        .iter()
        .all(|field| text(old, field) == text(new, field))
        && ["blocked", "insecure"]
            .iter()
            .all(|field| flag(old, field) == flag(new, field))
        && was.iter().all(|mirror| {
            at(&is, &text(mirror, "location")).is_some_and(|kept| {
                by_digest(&kept)
                    || text(&kept, "pull-from-mirror") == text(mirror, "pull-from-mirror")
            })
        })
        && is.iter().all(|mirror| {
            at(&was, &text(mirror, "location")).is_some()
                || by_digest(mirror)
                || flag(new, "mirror-by-digest-only")
        })
}

fn added_safely(registry: &toml::Value) -> bool {
    let mirrors = mirrors(registry);
    if mirrors.is_empty() {
        flag(registry, "mirror-by-digest-only")
    } else {
        mirrors.iter().all(by_digest)
    }
}

fn last_with<'a>(registries: &'a [toml::Value], wanted: &str) -> Option<&'a toml::Value> {
    registries
        .iter()
        .rev()
        .find(|registry| scope(registry) == wanted)
}

fn scope(registry: &toml::Value) -> String {
    let prefix = text(registry, "prefix");
    if prefix.is_empty() {
        text(registry, "location")
    } else {
        prefix
    }
}

fn by_digest(mirror: &toml::Value) -> bool {
    text(mirror, "pull-from-mirror") == "digest-only"
}

fn mirrors(registry: &toml::Value) -> Vec<toml::Value> {
    registry
        .get("mirror")
        .and_then(toml::Value::as_array)
        .cloned()
        .unwrap_or_default()
}

fn list(table: &toml::Table, field: &str) -> Vec<toml::Value> {
    table
        .get(field)
        .and_then(toml::Value::as_array)
        .cloned()
        .unwrap_or_default()
}

fn text(table: &toml::Value, field: &str) -> String {
    table
        .get(field)
        .and_then(toml::Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn flag(table: &toml::Value, field: &str) -> bool {
    table
        .get(field)
        .and_then(toml::Value::as_bool)
        .unwrap_or_default()
}
