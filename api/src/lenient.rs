//! Reading what other writers wrote.
//!
//! One object that does not parse breaks the watch of its whole kind, so an explicit `null` where
//! a list, map or flag belongs is read as absent. Nothing else is forgiven here.

use serde::{Deserialize, Deserializer};

/// Reads `null` as the type's default.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// For `skip_serializing_if`: a flag that is not set is not written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
pub(crate) fn is_false(flag: &bool) -> bool {
    !*flag
}
