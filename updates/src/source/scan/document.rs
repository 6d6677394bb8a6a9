//! What a release says of itself: the file `release-manifests/release-metadata` of its image.
//!
//! # Guarantees
//! Takes bytes and gives a value. A document of another kind is none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The only kind that there is.
const KIND: &str = "cincinnati-metadata-v0";
/// The metadata by which an image says that it is one of several, for several machines.
const ARCHITECTURE: &str = "release.openshift.io/architecture";

/// What a release says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Document {
    /// Its version, without the architecture.
    pub(super) version: String,
    /// The versions from which an edge leads here.
    pub(super) previous: Vec<String>,
    /// The versions to which an edge leads from here.
    pub(super) next: Vec<String>,
    /// More about it.
    pub(super) metadata: BTreeMap<String, String>,
}

/// As it is written. Empty lists come as `null`.
#[derive(Deserialize)]
struct Written {
    kind: String,
    version: String,
    previous: Option<Vec<String>>,
    next: Option<Vec<String>>,
    metadata: Option<BTreeMap<String, String>>,
}

impl Document {
    /// Reads it. An error says what is wrong.
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(json)
            .map_err(|error| format!("release-metadata cannot be read: {error}"))?;
        if written.kind != KIND {
            return Err(format!(
                "release-metadata of the kind `{}`; `{KIND}` is read",
                written.kind.chars().take(100).collect::<String>()
            ));
        }
        Ok(Self {
            version: written.version,
            previous: written.previous.unwrap_or_default(),
            next: written.next.unwrap_or_default(),
            metadata: written.metadata.unwrap_or_default(),
        })
    }

    /// Whether it says that the release is for several machines.
    pub(super) fn is_for_several(&self) -> bool {
        self.metadata
            .get(ARCHITECTURE)
            .is_some_and(|architecture| architecture == super::MULTI)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_are_null_are_empty() {
        let json = br#"{"kind":"cincinnati-metadata-v0","version":"4.16.3","previous":null}"#;

        let document = Document::read(json).unwrap();

        assert_eq!(document.version, "4.16.3");
        assert_eq!(document.previous, Vec::<String>::new());
        assert!(!document.is_for_several());
    }

    #[test]
    fn another_kind_or_type_is_named() {
        let kind = Document::read(br#"{"kind":"later","version":"4.16.3"}"#).unwrap_err();
        assert!(kind.contains("`later`"), "{kind}");

        let slip = Document::read(
            br#"{"kind":"cincinnati-metadata-v0","version":"4.16.3","previous":"4.16.2"}"#,
        );
        assert!(slip.unwrap_err().contains("line 1"));
    }
}
