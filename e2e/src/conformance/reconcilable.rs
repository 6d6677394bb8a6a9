//! `reconcilable`: can a change be applied in place.

use api::operator::IrreconcilableOverrides;
use rendering::configuration::Configuration;
use rendering::reconcile::{Capabilities, Cause, reconcilable};
use serde_json::{Value, json};

use super::{Corpus, Strictness, machine_config};

pub(super) struct Reconcilable;

impl Corpus for Reconcilable {
    fn name(&self) -> &'static str {
        "reconcilable"
    }

    fn answer(&self, input: &Value) -> anyhow::Result<Value> {
        let refused = |class: &str, message: String| json!({"reconcilable": false, "class": class, "message": message});
        let old = match Configuration::read(&machine_config::read(&input["old"])?) {
            Ok(old) => old,
            Err(error) => return Ok(refused("parse-old", error.to_string())),
        };
        let new = match Configuration::read(&machine_config::read(&input["new"])?) {
            Ok(new) => new,
            Err(error) => return Ok(refused("parse-new", error.to_string())),
        };
        let overrides: Option<IrreconcilableOverrides> =
            serde_json::from_value(input["irreconcilableValidationOverrides"].clone())?;
        let capabilities =
            Capabilities::reference().with_overrides(&overrides.unwrap_or_default().storage);
        Ok(match reconcilable(Some(&old), &new, &capabilities) {
            Ok(()) => json!({"reconcilable": true}),
            Err(refusal) => refused(class(&refusal.cause), refusal.to_string()),
        })
    }

    fn strictness(&self, path: &str, _: &Value) -> Strictness {
        match path {
            "message" => Strictness::Wording,
            _ => Strictness::Exact,
        }
    }
}

/// The corpus's name of a cause.
fn class(cause: &Cause) -> &'static str {
    match cause {
        Cause::FileMode { .. } => "validate-new",
        Cause::Groups { .. } => "passwd-groups",
        Cause::OtherUser { .. } => "passwd-non-core-user",
        Cause::CoreWithoutCredentials => "passwd-core-without-credentials",
        Cause::CoreFields { .. } => "passwd-core-other-fields",
        Cause::IgnitionKernelArguments => "ignition-kargs",
        Cause::Disks { .. } => "disks",
        Cause::Filesystems { .. } => "filesystems",
        Cause::Raid { .. } => "raid",
        Cause::Directories { .. } => "directories",
        Cause::Links { .. } => "links",
        Cause::Append { .. } => "file-append",
        Cause::ForceFile => "force-file",
        Cause::Fips => "fips",
        Cause::Backend { .. } => "backend",
    }
}
