//! Which fields an owner has set that Windlass keeps and does nothing with, so that nobody waits for them.
//!
//! # Guarantees
//! Pure. A field that its kind gains has to be judged here before it compiles. What says only the default is not named.

use api::conditions::{Condition, FIELDS_WITHOUT_EFFECT, status};
use api::machineconfiguration::MachineConfigPoolSpec;
use api::operator::{LogLevel, MachineConfigurationSpec};

/// What `spec.managementState` says where nobody has thought about it.
const MANAGED: &str = "Managed";

/// Those of a pool.
pub fn of_pool(spec: &MachineConfigPoolSpec) -> Vec<&'static str> {
    let MachineConfigPoolSpec {
        configuration: _,
        machine_config_selector: _,
        node_selector: _,
        max_unavailable: _,
        paused: _,
        os_image_stream,
        pinned_image_sets,
    } = spec;
    named([
        ("spec.osImageStream", os_image_stream.is_some()),
        ("spec.pinnedImageSets", !pinned_image_sets.is_empty()),
    ])
}

/// Those of the MachineConfiguration.
pub fn of_configuration(spec: &MachineConfigurationSpec) -> Vec<&'static str> {
    let MachineConfigurationSpec {
        node_disruption_policy: _,
        irreconcilable_validation_overrides: _,
        log_level,
        operator_log_level,
        management_state,
        boot_image_skew_enforcement,
        managed_boot_images,
        failed_revision_limit,
        succeeded_revision_limit,
        force_redeployment_reason,
        observed_config,
        unsupported_config_overrides,
    } = spec;
    // The server writes the default level into every object.
    let asks = |level: &Option<LogLevel>| level.is_some_and(|level| level != LogLevel::Normal);
    let manages = |state: &String| state == MANAGED;
    named([
        ("spec.logLevel", asks(log_level)),
        ("spec.operatorLogLevel", asks(operator_log_level)),
        (
            "spec.managementState",
            !management_state.as_ref().is_none_or(manages),
        ),
        (
            "spec.bootImageSkewEnforcement",
            boot_image_skew_enforcement.is_some(),
        ),
        ("spec.managedBootImages", managed_boot_images.is_some()),
        ("spec.failedRevisionLimit", failed_revision_limit.is_some()),
        (
            "spec.succeededRevisionLimit",
            succeeded_revision_limit.is_some(),
        ),
        (
            "spec.forceRedeploymentReason",
            force_redeployment_reason
                .as_ref()
                .is_some_and(|reason| !reason.is_empty()),
        ),
        ("spec.observedConfig", observed_config.is_some()),
        (
            "spec.unsupportedConfigOverrides",
            unsupported_config_overrides.is_some(),
        ),
    ])
}

/// What is said of them; none of an object that has none and had none.
pub fn condition(fields: &[&str], is_shown: bool) -> Option<Condition> {
    if fields.is_empty() {
        let gone = || Condition::new(FIELDS_WITHOUT_EFFECT, status::FALSE, "NoneSet", "");
        return is_shown.then(gone);
    }
    let message = format!(
        "kept, and without effect in Windlass: {}",
        fields.join(", ")
    );
    Some(Condition::new(
        FIELDS_WITHOUT_EFFECT,
        status::TRUE,
        "NotSupported",
        message,
    ))
}

fn named<const N: usize>(fields: [(&'static str, bool); N]) -> Vec<&'static str> {
    let set = fields.into_iter().filter(|(_, is_set)| *is_set);
    set.map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn configuration(spec: Value) -> Vec<&'static str> {
        of_configuration(&serde_json::from_value(spec).expect("a spec"))
    }

    #[test]
    fn fields_of_a_pool_that_change_nothing_are_named() {
        let spec = json!({"paused": true, "osImageStream": {"name": "rhel-10"}, "pinnedImageSets": [{"name": "a"}]});

        let fields = of_pool(&serde_json::from_value(spec).expect("a spec"));

        assert_eq!(fields, ["spec.osImageStream", "spec.pinnedImageSets"]);
    }

    #[test]
    fn fields_of_the_machine_configuration_that_change_nothing_are_named() {
        let fields = configuration(json!({
            "logLevel": "Debug", "managedBootImages": {"machineManagers": []}, "managementState": "Unmanaged",
        }));

        assert_eq!(
            fields,
            [
                "spec.logLevel",
                "spec.managementState",
                "spec.managedBootImages"
            ]
        );
    }

    #[test]
    fn what_says_only_the_default_is_not_named() {
        let fields = configuration(json!({
            "logLevel": "Normal", "operatorLogLevel": "", "managementState": "Managed", "nodeDisruptionPolicy": {},
        }));

        assert_eq!(fields, Vec::<&str>::new());
    }

    #[test]
    fn the_condition_names_them_and_turns_false_once_they_are_gone() {
        let set = condition(&["spec.osImageStream"], false).expect("a condition");
        let gone = condition(&[], true).expect("a condition");

        assert!(set.is_true() && set.message.contains("spec.osImageStream"));
        assert!(!gone.is_true());
        assert_eq!(condition(&[], false), None);
    }
}
