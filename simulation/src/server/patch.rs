//! Patches: their kinds by media type, and what each makes of an object.

use serde_json::Value;

use super::handle::{Context, Written};
use super::refusal::Refusal;
use super::request::Call;
use super::resource::Resource;
use super::{State, shape};

/// The kinds of patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchKind {
    /// A list of operations (RFC 6902).
    Json,
    /// The fields to set, null to remove (RFC 7386).
    Merge,
    /// As merge, but lists with keys are merged by item. Built-in kinds only.
    Strategic,
    /// Server-side apply.
    Apply,
}

impl PatchKind {
    pub(super) fn of(resource: &Resource, call: &Call) -> Result<Self, Refusal> {
        match call.media_type() {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/apply-patch+yaml" => Ok(Self::Apply),
            "application/strategic-merge-patch+json" if resource.custom.is_none() => {
                Ok(Self::Strategic)
            }
            "application/strategic-merge-patch+json" => Err(Refusal::unsupported_media_type(&[
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/apply-patch+yaml",
            ])),
            _ => Err(Refusal::unsupported_media_type(&[])),
        }
    }

    /// What the patch makes of the object. Not for apply, which needs to know who asks.
    pub(super) fn apply_to(
        self,
        _resource: &Resource,
        old: &Value,
        body: &[u8],
    ) -> Result<Value, Refusal> {
        let mut new = old.clone();
        match self {
            Self::Json => {
                let patch: Value = shape::parse_json(body)?;
                if !patch.is_array() {
                    return Err(Refusal::bad_request(
                        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
                    ));
                }
                let patch: json_patch::Patch = serde_json::from_value(patch).map_err(|error| {
                    Refusal::bad_request(format!("error decoding patch: {error}"))
                })?;
                json_patch::patch(&mut new, &patch).map_err(|_| Refusal::patch_failed())?;
            }
            Self::Merge | Self::Strategic | Self::Apply => {
                json_patch::merge(&mut new, &shape::parse_json(body)?);
            }
        }
        Ok(new)
    }
}

/// Server-side apply.
pub(crate) fn apply(_state: &mut State, _context: &Context<'_>) -> Result<Written, Refusal> {
    Err(Refusal::unsupported_media_type(&[]))
}
