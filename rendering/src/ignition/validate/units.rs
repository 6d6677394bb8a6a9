//! Rules about systemd units and their drop-ins.

use std::collections::BTreeMap;

use super::{Findings, says};
use crate::ignition::config::{Systemd, Unit};
use crate::ignition::paths;
use crate::ignition::report::Path;
use crate::ignition::unit_file;

/// The kinds of unit that systemd knows, or knew.
const EXTENSIONS: [&str; 12] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".snapshot",
    ".slice",
    ".scope",
];

pub(super) fn systemd(systemd: &Systemd, path: &Path, findings: &mut Findings) {
    let units: BTreeMap<&str, &Unit> = systemd
        .units
        .iter()
        .map(|unit| (unit.name.as_str(), unit))
        .collect();
    for (index, unit) in systemd.units.iter().enumerate() {
        let path = path.field("units").index(index);
        self::unit(unit, &path, findings);
        template(unit, &units, &path.field("contents"), findings);
    }
}

fn unit(unit: &Unit, path: &Path, findings: &mut Findings) {
    if !EXTENSIONS.contains(&paths::extension(&unit.name)) {
        findings.error(&path.field("name"), "invalid systemd unit extension");
    }
    if let Some(contents) = unit.contents.as_deref() {
        let path = path.field("contents");
        match unit_file::option_sections(contents) {
            Err(error) => findings.error(&path, format!("invalid unit content: {error}")),
            Ok(sections) => {
                let enabled = unit.enabled == Some(true) && !contents.is_empty();
                if enabled && !sections.contains(&"Install") {
                    findings.warning(
                        &path,
                        format!(
                            "unit {:?} is enabled, but has no install section so enable does \
                             nothing",
                            unit.name
                        ),
                    );
                }
            }
        }
    }
    for (index, dropin) in unit.dropins.iter().enumerate() {
        let path = path.field("dropins").index(index);
        if let Some(Err(error)) = dropin.contents.as_deref().map(unit_file::option_sections) {
            let message = format!("invalid unit content: {error}");
            findings.error(&path.field("contents"), message);
        }
        if paths::extension(&dropin.name) != ".conf" {
            findings.error(&path.field("name"), "invalid systemd drop-in extension");
        }
    }
}

/// An enabled `name@instance.service` needs an `[Install]` section in its template, where that is
/// in the same config.
fn template(unit: &Unit, units: &BTreeMap<&str, &Unit>, path: &Path, findings: &mut Findings) {
    let Some(name) = template_name(&unit.name).filter(|_| unit.enabled == Some(true)) else {
        return;
    };
    let contents = units.get(name.as_str()).map(|template| &template.contents);
    let Some(Some(contents)) = contents.filter(|contents| says(contents.as_ref())) else {
        return;
    };
    let Ok(sections) = unit_file::option_sections(contents) else {
        return;
    };
    if !sections.contains(&"Install") {
        findings.warning(
            path,
            format!(
                "template unit {name:?} for {:?} doesn't have Install section",
                unit.name
            ),
        );
    }
}

fn template_name(unit: &str) -> Option<String> {
    let (base, rest) = unit.get(1..)?.split_once('@')?;
    let instance = rest.strip_suffix(".service")?;
    let first = unit.get(..1)?;
    (!instance.is_empty()).then(|| format!("{first}{base}@.service"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_of_an_instance_has_no_instance() {
        for (unit, template) in [
            ("tpl@a.service", Some("tpl@.service")),
            ("tpl@.service", None),
            ("@a.service", None),
            ("plain.service", None),
            ("tpl@a.timer", None),
        ] {
            assert_eq!(template_name(unit).as_deref(), template, "{unit}");
        }
    }
}
