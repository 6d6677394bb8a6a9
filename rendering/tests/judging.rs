//! Rules about changes that hold whatever the configs say.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it cannot make")]

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use rendering::changes::Changes;
use rendering::configuration::Configuration;
use rendering::disruption::{Action, Policy, judge};
use rendering::kernel_arguments;
use rendering::reconcile::{Capabilities, reconcilable};
use rendering::registries::{self, Verdict};
use serde_json::{Value, json};

fn path() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        "etc",
        "opt",
        "containers",
        "policy.json",
        "registries.d",
        "app"
    ];
    vec(parts, 1..4).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn configuration() -> impl Strategy<Value = Configuration> {
    let files = btree_map(path(), ("[ab]{0,2}", 0..0o777_i64), 0..4);
    let units = btree_map("[ab]\\.service", any::<Option<bool>>(), 0..3);
    let arguments = vec("[a-c ]{0,3}", 0..3);
    (files, units, arguments, any::<bool>()).prop_map(|(files, units, arguments, fips)| {
        let files: Vec<Value> = files
            .iter()
            .map(|(path, (text, mode))| {
                json!({"path": path, "mode": mode, "contents": {"source": format!("data:,{text}")}})
            })
            .collect();
        let units: Vec<Value> = units
            .iter()
            .map(|(name, enabled)| json!({"name": name, "enabled": enabled}))
            .collect();
        let ignition = json!({
            "ignition": {"version": "3.5.0"},
            "storage": {"files": files},
            "systemd": {"units": units},
        });
        Configuration {
            kernel_arguments: arguments,
            fips,
            ignition: serde_json::from_value(ignition).unwrap(),
            ..Configuration::default()
        }
    })
}

/// A mirror is listed once: of two with one location the container runtime, and so the comparison, knows only one.
fn registries_conf() -> impl Strategy<Value = String> {
    let mirror = |(location, closed): (String, bool)| {
        let pull = if closed { "digest-only" } else { "all" };
        format!("[[registry.mirror]]\nlocation = '{location}'\npull-from-mirror = '{pull}'\n")
    };
    let mirrors = btree_map("[mn]", any::<bool>(), 0..3)
        .prop_map(move |mirrors| mirrors.into_iter().map(mirror).collect::<String>());
    let registry = ("[rst]", any::<bool>(), mirrors).prop_map(|(location, blocked, mirrors)| {
        format!("[[registry]]\nlocation = '{location}'\nblocked = {blocked}\n{mirrors}")
    });
    vec(registry, 0..4).prop_map(|registries| registries.concat())
}

proptest! {
    #[test]
    fn staying_changes_nothing_disturbs_nothing_and_is_allowed(config in configuration()) {
        let changes = Changes::between(Some(&config), &config);
        prop_assert!(changes.is_empty());
        let disruption = judge(Some(&config), &config, &changes, &Policy::built_in()).unwrap();
        prop_assert_eq!(&disruption.actions, &[Action::None]);
        prop_assert!(!disruption.needs_drain());
        prop_assert_eq!(reconcilable(Some(&config), &config, &Capabilities::reference()), Ok(()));
    }

    #[test]
    fn a_reboot_stands_alone_and_drains(old in configuration(), new in configuration()) {
        let changes = Changes::between(Some(&old), &new);
        let disruption = judge(Some(&old), &new, &changes, &Policy::built_in()).unwrap();
        if disruption.reboots() {
            prop_assert_eq!(&disruption.actions, &[Action::Reboot]);
            prop_assert!(disruption.needs_drain());
        }
        let asked = disruption.causes.iter().any(|cause| cause.actions.contains(&Action::Reboot));
        prop_assert_eq!(asked, disruption.reboots());
    }

    #[test]
    fn going_and_coming_back_touch_the_same_entries(old in configuration(), new in configuration()) {
        let (there, back) = (Changes::between(Some(&old), &new), Changes::between(Some(&new), &old));
        let names = |changes: &Changes| -> Vec<String> {
            let sections = [&changes.files, &changes.units];
            sections.into_iter().flat_map(|it| &it.entries).map(|entry| entry.name.clone()).collect()
        };
        prop_assert_eq!(names(&there), names(&back));
    }

    #[test]
    fn more_capabilities_never_refuse_more(old in configuration(), new in configuration()) {
        let all = Capabilities::of(rendering::reconcile::Capability::ALL);
        if reconcilable(Some(&old), &new, &Capabilities::reference()).is_ok() {
            prop_assert_eq!(reconcilable(Some(&old), &new, &all), Ok(()));
        }
        prop_assert_eq!(reconcilable(Some(&old), &new, &all), Ok(()));
    }

    #[test]
    fn every_old_argument_is_deleted_and_every_new_one_appended(
        old in vec("[ab\" ]{0,6}", 0..4),
        new in vec("[ab\" ]{0,6}", 0..4),
    ) {
        let line = kernel_arguments::command_line(&old, &new);
        let (deleted, appended) = line.split_at(kernel_arguments::split(&old).len());
        prop_assert!(deleted.iter().all(|argument| argument.starts_with("--delete-if-present=")));
        prop_assert!(appended.iter().all(|argument| argument.starts_with("--append=")));
        prop_assert_eq!(appended.len(), kernel_arguments::split(&new).len());
    }

    #[test]
    fn keeping_registries_is_safe_and_losing_one_is_not(conf in registries_conf()) {
        let text = conf.as_bytes();
        prop_assert_eq!(registries::judge(Some(text), Some(text)), Ok(Verdict::Safe));
        if !conf.is_empty() {
            prop_assert!(!registries::judge(Some(text), None).unwrap().is_safe());
        }
    }
}
