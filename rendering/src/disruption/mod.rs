//! What a change does to the node that takes it: which actions follow, and whether the node is drained first.
//!
//! Guarantees: the actions and the drain verdict are the reference's (machine-config.md 2.13, corpus `disruption`).
//! Where the reference leaves the order to chance, it is fixed here: changed paths sorted, then units added, updated
//! and removed, each sorted, then users. Every action can be traced to the change that asks for it.
//!
//! Beyond the reference: directories and links, which it refuses to change, follow the policy of their paths; a minor
//! version change of the kubelet always drains ([`DrainReason::KubeletMinor`]), whatever the policy says.
//!
//! Not here: whether the change can be applied at all (`reconcile`), and doing it (the daemon).

mod action;
mod path;
mod policy;
mod verdict;

use api::version::Version;
use thiserror::Error;

use crate::changes::{Changes, Kind, Replaced, Section};
use crate::configuration::Configuration;
use crate::contents::{self, Contents, ContentsError};
use crate::registries::{self, RegistriesError};

pub use action::Action;
pub use policy::{PathRule, Policy, PolicyError, UnitRule};
pub use verdict::{By, Cause, Disruption, DrainReason, Subject};

/// The one file whose change is judged by what it says.
pub const REGISTRIES_CONF: &str = "/etc/containers/registries.conf";

/// Why a disruption cannot be told. The change is not applied then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DisruptionError {
    /// The new registries.conf is none; the container runtime would refuse it.
    #[error("file {REGISTRIES_CONF} of rendered config {config}")]
    Registries {
        /// Name of the rendered config.
        config: String,
        /// What is wrong with the file.
        #[source]
        source: RegistriesError,
    },
    /// The contents of the new registries.conf cannot be unpacked.
    #[error("file {REGISTRIES_CONF} of rendered config {config}")]
    Contents {
        /// Name of the rendered config.
        config: String,
        /// What is wrong with the contents.
        #[source]
        source: ContentsError,
    },
}

/// What `changes`, which lead from `old` to `new`, do to a node under `policy`.
///
/// # Errors
///
/// The policy asks for a look into registries.conf, and the new one is none.
pub fn judge(
    old: Option<&Configuration>,
    new: &Configuration,
    changes: &Changes,
    policy: &Policy,
) -> Result<Disruption, DisruptionError> {
    let causes = causes(changes, policy);
    let actions = combined(changes, &causes);
    let mut drain = Vec::new();
    if actions.contains(&Action::Reboot) {
        drain.push(DrainReason::Reboot);
    }
    if actions.contains(&Action::Drain) {
        drain.push(DrainReason::Policy);
    }
    if drain.is_empty() && actions.contains(&Action::Special) {
        drain.extend(registries_drain(old, new)?);
    }
    drain.extend(kubelet_minor(changes.kubelet_version.as_ref()));
    Ok(Disruption {
        actions,
        drain,
        causes,
    })
}

/// Each change with what it asks for, in the order in which it is done.
fn causes(changes: &Changes, policy: &Policy) -> Vec<Cause> {
    let by_nature = [
        (changes.os_image.is_some(), Subject::OsImage),
        (changes.kernel_arguments.is_some(), Subject::KernelArguments),
        (changes.fips.is_some(), Subject::Fips),
        (changes.kernel_type.is_some(), Subject::KernelType),
        (changes.extensions.is_some(), Subject::Extensions),
    ]
    .into_iter()
    .filter(|(changed, _)| *changed)
    .map(|(_, subject)| Cause {
        subject,
        actions: vec![Action::Reboot],
        by: By::Nature,
    });

    let mut paths: Vec<&str> = [&changes.files, &changes.directories, &changes.links]
        .into_iter()
        .flat_map(|section| section.entries.iter().map(|entry| entry.name.as_str()))
        .collect();
    paths.sort_unstable();
    paths.dedup();
    let paths = paths
        .into_iter()
        .map(|path| by_policy(Subject::Path(path.to_owned()), policy.for_path(path)));

    let units = [Kind::Added, Kind::Updated, Kind::Removed]
        .into_iter()
        .flat_map(|kind| changes.units.names(kind))
        .map(|name| by_policy(Subject::Unit(name.to_owned()), policy.for_unit(name)));

    let users = changes
        .passwd()
        .then(|| by_policy(Subject::Users, Some(&policy.users)));
    by_nature.chain(paths).chain(units).chain(users).collect()
}

fn by_policy(subject: Subject, found: Option<&[Action]>) -> Cause {
    match found {
        Some(actions) => Cause {
            subject,
            actions: actions.to_vec(),
            by: By::Policy,
        },
        None => Cause {
            subject,
            actions: vec![Action::Reboot],
            by: By::NoPolicy,
        },
    }
}

/// One list of actions: a reboot makes all others needless, and `None` stands only where nothing else does.
fn combined(changes: &Changes, causes: &[Cause]) -> Vec<Action> {
    let sections = [
        &changes.files,
        &changes.directories,
        &changes.links,
        &changes.units,
    ];
    if causes.is_empty() && sections.into_iter().all(Section::is_same) {
        return vec![Action::None];
    }
    let asked = || causes.iter().flat_map(|cause| &cause.actions);
    if asked().any(|action| *action == Action::Reboot) {
        return vec![Action::Reboot];
    }
    let done: Vec<Action> = asked()
        .filter(|action| **action != Action::None)
        .cloned()
        .collect();
    if done.is_empty() && asked().next().is_some() {
        vec![Action::None]
    } else {
        done
    }
}

fn registries_drain(
    old: Option<&Configuration>,
    new: &Configuration,
) -> Result<Option<DrainReason>, DisruptionError> {
    let after = match registries_conf(new) {
        Text::Known(text) => text,
        Text::Fetched => return Ok(Some(DrainReason::RegistriesUnknown)),
        Text::Broken(source) => {
            return Err(DisruptionError::Contents {
                config: new.name.clone(),
                source,
            });
        }
    };
    let readable = |text: Option<&[u8]>| registries::judge(None, text).is_ok();
    let before = match old.map_or(Text::Known(None), registries_conf) {
        Text::Known(text) if readable(text.as_deref()) => text,
        // A broken old file must not keep a good one from being written.
        _ => return Ok(Some(DrainReason::RegistriesUnknown)),
    };
    match registries::judge(before.as_deref(), after.as_deref()) {
        Ok(verdict) => Ok(match verdict {
            registries::Verdict::Safe => None,
            registries::Verdict::Drain(cause) => Some(DrainReason::Registries {
                cause: cause.to_string(),
            }),
        }),
        Err(source) => Err(DisruptionError::Registries {
            config: new.name.clone(),
            source,
        }),
    }
}

/// The text of registries.conf as far as it lies in the config itself.
enum Text {
    /// Unpacked; `None` if the config has no such file.
    Known(Option<Vec<u8>>),
    /// The node fetches it.
    Fetched,
    /// It lies in the config, and cannot be unpacked.
    Broken(ContentsError),
}

fn registries_conf(config: &Configuration) -> Text {
    let file = config
        .ignition
        .storage
        .files
        .iter()
        .find(|file| file.path == REGISTRIES_CONF);
    let Some(contents) = file.map(|file| &file.contents) else {
        return Text::Known(None);
    };
    match contents::contents(contents) {
        Ok(Contents::Inline(text)) => Text::Known(Some(text)),
        Ok(Contents::Remote(_)) => Text::Fetched,
        Err(error) => Text::Broken(error),
    }
}

/// A minor version change of the kubelet that the two configs bring. Where one of them does not say what it brings
/// there is no telling; where one cannot be read, any difference counts.
fn kubelet_minor(change: Option<&Replaced<Option<String>>>) -> Option<DrainReason> {
    let Replaced {
        old: Some(old),
        new: Some(new),
    } = change?
    else {
        return None;
    };
    let minor = |version: &str| {
        let version: Version = version.parse().ok()?;
        Some((version.major, version.minor))
    };
    let same = matches!((minor(old), minor(new)), (Some(old), Some(new)) if old == new);
    (!same).then(|| DrainReason::KubeletMinor {
        old: old.clone(),
        new: new.clone(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(storage: &Value) -> Configuration {
        let ignition = json!({"ignition": {"version": "3.5.0"}, "storage": storage});
        Configuration {
            ignition: serde_json::from_value(ignition).unwrap(),
            ..Configuration::default()
        }
    }

    fn registries(source: &str) -> Configuration {
        config(&json!({"files": [{"path": REGISTRIES_CONF, "contents": {"source": source}}]}))
    }

    fn disruption(old: &Configuration, new: &Configuration) -> Disruption {
        judge(
            Some(old),
            new,
            &Changes::between(Some(old), new),
            &Policy::built_in(),
        )
        .unwrap()
    }

    #[test]
    fn no_change_does_nothing() {
        let same = config(&json!({}));
        let nothing = disruption(&same, &same);
        assert_eq!(nothing.actions, [Action::None]);
        assert!(!nothing.needs_drain());
    }

    #[test]
    fn a_file_that_no_policy_knows_reboots_and_says_so() {
        let told = disruption(
            &config(&json!({})),
            &config(&json!({"files": [{"path": "/opt/x"}]})),
        );
        assert_eq!(told.actions, [Action::Reboot]);
        assert_eq!(told.drain, [DrainReason::Reboot]);
        assert_eq!(told.causes[0].by, By::NoPolicy);
    }

    #[test]
    fn people_read_the_verdict_first_and_then_who_asked_for_it() {
        let told = disruption(
            &config(&json!({})),
            &config(&json!({"files": [{"path": "/opt/x"}]})),
        );
        assert_eq!(
            told.to_string(),
            "drain, because the node is rebooted\n\
             then: reboot\n  \
             path /opt/x: reboot (no disruption policy speaks of it)\n"
        );
    }

    #[test]
    fn a_link_follows_the_policy_of_its_path() {
        let linked = config(&json!({"links": [{"path": "/etc/crio/policies/a", "target": "/b"}]}));
        assert_eq!(
            disruption(&config(&json!({})), &linked).actions,
            [Action::Reload("crio.service".to_owned())]
        );
    }

    #[test]
    fn registries_conf_drains_only_if_the_change_is_unsafe() {
        let (one, two) = (
            registries("data:,unqualified-search-registries%3D%5B%22a%22%5D"),
            registries("data:,unqualified-search-registries%3D%5B%22a%22%2C%22b%22%5D"),
        );
        assert_eq!(disruption(&one, &two).actions, [Action::Special]);
        assert!(!disruption(&one, &two).needs_drain());
        assert!(matches!(
            disruption(&two, &one).drain.as_slice(),
            [DrainReason::Registries { .. }]
        ));
    }

    #[test]
    fn a_broken_registries_conf_can_be_mended_but_not_written() {
        let (good, broken) = (registries("data:,"), registries("data:,%5B%5B"));
        assert_eq!(
            disruption(&broken, &good).drain,
            [DrainReason::RegistriesUnknown]
        );
        let changes = Changes::between(Some(&good), &broken);
        assert!(matches!(
            judge(Some(&good), &broken, &changes, &Policy::built_in()),
            Err(DisruptionError::Registries { .. })
        ));
    }

    #[test]
    fn a_fetched_registries_conf_drains() {
        let mut fetched = registries("https://example.com/registries.conf");
        let hash = format!("sha256-{}", "0".repeat(64));
        fetched.ignition.storage.files.make_mut()[0]
            .contents
            .verification
            .hash = Some(hash);
        let told = disruption(&registries("data:,"), &fetched);
        assert_eq!(told.drain, [DrainReason::RegistriesUnknown]);
    }

    #[test]
    fn another_minor_version_of_the_kubelet_always_drains() {
        let at = |version: &str| Configuration {
            kubelet_version: Some(version.to_owned()),
            ..Configuration::default()
        };
        let minor = disruption(&at("v1.31.4"), &at("v1.32.0"));
        assert_eq!(minor.actions, [Action::None]);
        assert_eq!(
            minor.drain,
            [DrainReason::KubeletMinor {
                old: "v1.31.4".to_owned(),
                new: "v1.32.0".to_owned()
            }]
        );
        assert!(!disruption(&at("v1.31.4"), &at("v1.31.5+k3s1")).needs_drain());
        assert!(disruption(&at("unreadable"), &at("v1.31.5")).needs_drain());
    }
}
