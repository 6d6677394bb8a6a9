//! The options of a write: which of them a request may not have.

use http::Method;

use super::refusal::{About, Cause, Refusal};
use super::request::Call;

/// The longest name of a field manager.
const MANAGER_BYTES_MAX: usize = 128;
/// What `fieldValidation` may be.
const VALIDATIONS: [&str; 3] = ["Ignore", "Warn", "Strict"];

/// Refuses a write whose options the API does not know.
pub(super) fn check(call: &Call) -> Result<(), Refusal> {
    let kind = match call.method {
        Method::POST => "CreateOptions",
        Method::PUT => "UpdateOptions",
        Method::PATCH => "PatchOptions",
        Method::DELETE => "DeleteOptions",
        _ => return Ok(()),
    };
    let causes: Vec<Cause> = [
        wrong_force(call),
        wrong_manager(call),
        wrong_dry_run(call),
        wrong_validation(call),
    ]
    .into_iter()
    .flatten()
    .collect();
    if causes.is_empty() {
        return Ok(());
    }
    let about = About {
        group: "meta.k8s.io",
        kind,
        name: "",
    };
    Err(Refusal::invalid(about, &causes))
}

fn wrong_force(call: &Call) -> Option<Cause> {
    let applies = call.media_type() == "application/apply-patch+yaml";
    let forced = call.method == Method::PATCH && call.query.get("force").is_some();
    (forced && !applies)
        .then(|| Cause::forbidden("force", "may not be specified for non-apply patch"))
}

fn wrong_manager(call: &Call) -> Option<Cause> {
    let manager = call.query.get("fieldManager")?;
    if manager.len() > MANAGER_BYTES_MAX {
        return Some(Cause {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {MANAGER_BYTES_MAX} bytes"),
            field: "fieldManager".to_owned(),
        });
    }
    let (place, control) = manager
        .chars()
        .enumerate()
        .find(|(_, letter)| letter.is_control())?;
    let code = u32::from(control);
    Some(Cause::invalid(
        "fieldManager",
        &format!(
            "\"{}\"",
            manager.replace(control, &format!("\\x{code:02x}"))
        ),
        &format!("invalid character U+{code:04X} (at position {place})"),
    ))
}

fn wrong_dry_run(call: &Call) -> Option<Cause> {
    let asked = call.query.get("dryRun")?;
    let known = matches!(asked, "" | "All");
    (!known).then(|| Cause {
        reason: "FieldValueNotSupported",
        message: format!("Unsupported value: [\"{asked}\"]: supported values: \"All\""),
        field: "dryRun".to_owned(),
    })
}

fn wrong_validation(call: &Call) -> Option<Cause> {
    let asked = call.query.get("fieldValidation")?;
    let known = call.method == Method::DELETE || asked.is_empty() || VALIDATIONS.contains(&asked);
    (!known).then(|| Cause {
        reason: "FieldValueNotSupported",
        message: format!(
            "Unsupported value: \"{asked}\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\""
        ),
        field: "fieldValidation".to_owned(),
    })
}
