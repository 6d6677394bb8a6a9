//! registries.conf: does a change of it need the node drained?
//!
//! Guarantees: a change is called safe only if every image that a running pod could have pulled before can still be
//! pulled, from a place that may not serve other content under the same name (reference, machine-config.md 2.9).
//! Where the answer is no, the first thing that makes it so is named.
//!
//! Assumes: the texts are what the container runtime would read, so already decompressed. A text that is no
//! registries.conf is an error, never a verdict.
//!
//! Not here: which actions follow (`disruption`), and short-name aliases, which no pod's image depends on.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// How often a repeated key may be resolved before the text is refused. Real files repeat none; the limit keeps a
/// hostile one from costing a parse per key.
const MAX_REPEATED_KEYS: usize = 64;

/// The value of `pull-from-mirror` that only takes images by digest: what is pulled then cannot differ.
const DIGEST_ONLY: &str = "digest-only";

/// What a change of registries.conf means for pods that run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every image stays where it was; the runtime reloads the file and no pod needs to go.
    Safe,
    /// The node is drained first, because of this.
    Drain(Unsafe),
}

impl Verdict {
    /// Whether no drain is needed.
    pub fn is_safe(&self) -> bool {
        matches!(self, Self::Safe)
    }
}

/// The first thing found that makes a change of registries.conf unsafe. Registries are named by their scope: the
/// prefix, or the location where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unsafe {
    /// Short names resolve elsewhere: the old search list is not the beginning of the new one.
    #[error("the unqualified search registries changed other than by appending")]
    SearchOrder,
    /// A registry is gone.
    #[error("registry {scope:?} is removed")]
    RegistryRemoved {
        /// Scope of the registry.
        scope: String,
    },
    /// A field of a registry that decides where or whether it is reached differs.
    #[error("registry {scope:?} changes {field}")]
    RegistryChanged {
        /// Scope of the registry.
        scope: String,
        /// The field, as registries.conf spells it.
        field: &'static str,
    },
    /// A mirror is gone.
    #[error("registry {scope:?} loses its mirror {mirror:?}")]
    MirrorRemoved {
        /// Scope of the registry.
        scope: String,
        /// Location of the mirror.
        mirror: String,
    },
    /// A mirror starts to serve what it did not serve before, other than by digest.
    #[error(
        "mirror {mirror:?} of registry {scope:?} changes pull-from-mirror to other than digest-only"
    )]
    MirrorOpened {
        /// Scope of the registry.
        scope: String,
        /// Location of the mirror.
        mirror: String,
    },
    /// A mirror is added that may serve tags.
    #[error("mirror {mirror:?} is added to registry {scope:?} and is not digest-only")]
    MirrorAdded {
        /// Scope of the registry.
        scope: String,
        /// Location of the mirror.
        mirror: String,
    },
    /// A registry is added that may serve tags.
    #[error("registry {scope:?} is added and is not digest-only")]
    RegistryAdded {
        /// Scope of the registry.
        scope: String,
    },
}

/// A text that is no registries.conf.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegistriesError {
    /// The bytes are no text.
    #[error(
        "the {which} registries.conf is not UTF-8 text; a compressed file has to be declared as such"
    )]
    NotText {
        /// Which of the two files.
        which: Which,
    },
    /// The text is no TOML, or its fields have other types than registries.conf's.
    #[error("the {which} registries.conf cannot be read: {reason}")]
    NotRegistriesConf {
        /// Which of the two files.
        which: Which,
        /// What the TOML reader says, in one line.
        reason: String,
    },
}

/// Which of the two files of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The file before the change.
    Old,
    /// The file after the change.
    New,
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Old => "old",
            Self::New => "new",
        })
    }
}

/// Judges the change from `before` to `after`; `None` is a config without the file, and counts as an empty one.
///
/// # Errors
///
/// A text that cannot be read as registries.conf.
pub fn judge(before: Option<&[u8]>, after: Option<&[u8]>) -> Result<Verdict, RegistriesError> {
    let before = read(before.unwrap_or_default(), Which::Old)?;
    let after = read(after.unwrap_or_default(), Which::New)?;
    Ok(compare(&before, &after).map_or(Verdict::Safe, Verdict::Drain))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Conf {
    unqualified_search_registries: Vec<String>,
    registry: Vec<Registry>,
    // Never looked at, but of a given type: a file in which they have another one is refused by the runtime too.
    #[serde(rename = "credential-helpers")]
    _credential_helpers: Vec<String>,
    #[serde(rename = "short-name-mode")]
    _short_name_mode: String,
    #[serde(rename = "aliases")]
    _aliases: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Registry {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror: Vec<Mirror>,
    mirror_by_digest_only: bool,
    #[serde(rename = "pull-from-mirror")]
    _pull_from_mirror: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Mirror {
    location: String,
    #[serde(rename = "pull-from-mirror")]
    pull: String,
    #[serde(rename = "insecure")]
    _insecure: bool,
}

impl Conf {
    /// Registries by scope; of several with one scope the last counts, as in the runtime.
    fn by_scope(&self) -> BTreeMap<&str, &Registry> {
        self.registry
            .iter()
            .map(|registry| (registry.scope(), registry))
            .collect()
    }
}

impl Registry {
    fn scope(&self) -> &str {
        if self.prefix.is_empty() {
            &self.location
        } else {
            &self.prefix
        }
    }

    fn mirror_at(&self, location: &str) -> Option<&Mirror> {
        self.mirror
            .iter()
            .find(|mirror| mirror.location == location)
    }
}

fn compare(before: &Conf, after: &Conf) -> Option<Unsafe> {
    if !after
        .unqualified_search_registries
        .starts_with(&before.unqualified_search_registries)
    {
        return Some(Unsafe::SearchOrder);
    }
    let (old, new) = (before.by_scope(), after.by_scope());
    let removed = old.keys().find(|scope| !new.contains_key(*scope));
    if let Some(scope) = removed {
        return Some(Unsafe::RegistryRemoved {
            scope: (*scope).to_owned(),
        });
    }
    new.iter()
        .find_map(|(scope, registry)| match old.get(scope) {
            Some(former) => compare_registry(scope, former, registry),
            None => added_registry(scope, registry),
        })
}

fn compare_registry(scope: &str, old: &Registry, new: &Registry) -> Option<Unsafe> {
    let fields = [
        ("prefix", old.prefix == new.prefix),
        ("location", old.location == new.location),
        ("blocked", old.blocked == new.blocked),
        ("insecure", old.insecure == new.insecure),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, same)| !same) {
        return Some(Unsafe::RegistryChanged {
            scope: scope.to_owned(),
            field,
        });
    }
    let lost = old
        .mirror
        .iter()
        .find_map(|mirror| match new.mirror_at(&mirror.location) {
            None => Some(Unsafe::MirrorRemoved {
                scope: scope.to_owned(),
                mirror: mirror.location.clone(),
            }),
            Some(kept) if kept.pull != mirror.pull && kept.pull != DIGEST_ONLY => {
                Some(Unsafe::MirrorOpened {
                    scope: scope.to_owned(),
                    mirror: mirror.location.clone(),
                })
            }
            Some(_) => None,
        });
    lost.or_else(|| {
        new.mirror
            .iter()
            .filter(|mirror| old.mirror_at(&mirror.location).is_none())
            .find(|mirror| mirror.pull != DIGEST_ONLY && !new.mirror_by_digest_only)
            .map(|mirror| Unsafe::MirrorAdded {
                scope: scope.to_owned(),
                mirror: mirror.location.clone(),
            })
    })
}

/// A new registry may only serve by digest: through its mirrors where it has some, else by its own flag. Its own
/// flag says nothing about what its mirrors serve.
fn added_registry(scope: &str, registry: &Registry) -> Option<Unsafe> {
    let closed = if registry.mirror.is_empty() {
        registry.mirror_by_digest_only
    } else {
        registry
            .mirror
            .iter()
            .all(|mirror| mirror.pull == DIGEST_ONLY)
    };
    (!closed).then(|| Unsafe::RegistryAdded {
        scope: scope.to_owned(),
    })
}

fn read(bytes: &[u8], which: Which) -> Result<Conf, RegistriesError> {
    let text = std::str::from_utf8(bytes).map_err(|_| RegistriesError::NotText { which })?;
    let refuse = |error: &toml::de::Error| RegistriesError::NotRegistriesConf {
        which,
        reason: error.message().lines().collect::<Vec<_>>().join("; "),
    };
    let text = without_repeated_lists(text);
    let table: Table = toml::from_str(&text).map_err(|error| refuse(&error))?;
    Value::Table(lower_case_keys(table))
        .try_into()
        .map_err(|error| refuse(&error))
}

/// The container runtime's TOML reader lets a key that holds a list be given again, and the last one counts; the
/// standard refuses that. A file that the runtime reads must not stop an update, so the earlier lists are blanked
/// out. Any other repetition is left in, and refused when the text is read.
fn without_repeated_lists(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..MAX_REPEATED_KEYS {
        let Some((start, end)) = first_repeated_list(&text) else {
            break;
        };
        let blank: String = text
            .get(start..end)
            .unwrap_or_default()
            .bytes()
            .map(|_| ' ')
            .collect();
        text.replace_range(start..end, &blank);
    }
    text
}

/// Where the key and the list lie that a later top-level key of the same name replaces.
fn first_repeated_list(text: &str) -> Option<(usize, usize)> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let repeated = errors
        .iter()
        .filter(|error| error.message() == "duplicate key")
        .filter_map(toml::de::Error::span);
    repeated.filter_map(|span| text.get(span)).find_map(|name| {
        let (key, value) = table
            .get_ref()
            .iter()
            .find(|(key, _)| key.get_ref().as_ref() == name.trim_matches(['"', '\'']))?;
        matches!(value.get_ref(), DeValue::Array(_))
            .then(|| (Spanned::span(key).start, Spanned::span(value).end))
    })
}

/// The runtime's reader takes keys in any case; where both are there, the lower case one counts.
fn lower_case_keys(table: Table) -> Table {
    let (exact, other): (Vec<_>, Vec<_>) = table
        .into_iter()
        .partition(|(key, _)| key.chars().all(|c| !c.is_uppercase()));
    let mut lowered = Table::new();
    for (key, value) in other
        .into_iter()
        .map(|(key, value)| (key.to_lowercase(), value))
        .chain(exact)
    {
        lowered.insert(key, lower_case_value(value));
    }
    lowered
}

fn lower_case_value(value: Value) -> Value {
    match value {
        Value::Table(table) => Value::Table(lower_case_keys(table)),
        Value::Array(list) => Value::Array(list.into_iter().map(lower_case_value).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(before: &str, after: &str) -> Verdict {
        judge(Some(before.as_bytes()), Some(after.as_bytes())).unwrap()
    }

    const ONE: &str = "[[registry]]\nlocation = \"quay.io\"\n";

    #[test]
    fn appending_a_search_registry_is_safe_and_reordering_is_not() {
        let (a, ab, ba) = (
            "unqualified-search-registries = ['a']",
            "unqualified-search-registries = ['a', 'b']",
            "unqualified-search-registries = ['b', 'a']",
        );
        assert_eq!(verdict(a, ab), Verdict::Safe);
        assert_eq!(verdict(ab, ba), Verdict::Drain(Unsafe::SearchOrder));
        assert_eq!(verdict(ab, a), Verdict::Drain(Unsafe::SearchOrder));
    }

    #[test]
    fn a_removed_registry_is_named() {
        assert_eq!(
            verdict(ONE, ""),
            Verdict::Drain(Unsafe::RegistryRemoved {
                scope: "quay.io".into()
            })
        );
    }

    #[test]
    fn blocking_a_registry_drains() {
        let after = format!("{ONE}blocked = true\n");
        assert_eq!(
            verdict(ONE, &after),
            Verdict::Drain(Unsafe::RegistryChanged {
                scope: "quay.io".into(),
                field: "blocked"
            })
        );
    }

    #[test]
    fn the_registrys_digest_flag_covers_an_added_mirror_but_not_a_new_registrys_mirrors() {
        let mirror = "[[registry.mirror]]\nlocation = \"m\"\n";
        let flag = "mirror-by-digest-only = true\n";
        assert_eq!(verdict(ONE, &format!("{ONE}{flag}{mirror}")), Verdict::Safe);
        assert_eq!(
            verdict("", &format!("{ONE}{flag}{mirror}")),
            Verdict::Drain(Unsafe::RegistryAdded {
                scope: "quay.io".into()
            })
        );
        assert_eq!(verdict("", &format!("{ONE}{flag}")), Verdict::Safe);
    }

    #[test]
    fn a_mirror_may_only_be_closed_further() {
        let with = |pull: &str| {
            format!("{ONE}[[registry.mirror]]\nlocation = \"m\"\npull-from-mirror = \"{pull}\"\n")
        };
        assert_eq!(verdict(&with("all"), &with("digest-only")), Verdict::Safe);
        assert_eq!(
            verdict(&with("digest-only"), &with("all")),
            Verdict::Drain(Unsafe::MirrorOpened {
                scope: "quay.io".into(),
                mirror: "m".into()
            })
        );
    }

    #[test]
    fn a_list_given_twice_counts_as_given_last() {
        let twice =
            "unqualified-search-registries = ['a']\nunqualified-search-registries = ['b']\n";
        assert_eq!(
            verdict("unqualified-search-registries = ['b']", twice),
            Verdict::Safe
        );
        assert_eq!(
            verdict("unqualified-search-registries = ['a']", twice),
            Verdict::Drain(Unsafe::SearchOrder)
        );
    }

    #[test]
    fn a_string_given_twice_is_refused() {
        let twice = "short-name-mode = 'a'\nshort-name-mode = 'b'\n";
        assert!(matches!(
            judge(None, Some(twice.as_bytes())),
            Err(RegistriesError::NotRegistriesConf {
                which: Which::New,
                ..
            })
        ));
    }

    #[test]
    fn compressed_bytes_are_refused_by_name() {
        assert_eq!(
            judge(Some(&[0x1f, 0x8b, 0xff]), None),
            Err(RegistriesError::NotText { which: Which::Old })
        );
    }
}
