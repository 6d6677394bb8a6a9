//! What an image is made of: manifests, and lists of manifests.
//!
//! # Guarantees
//! Reading takes bytes and gives a value; how much of it there may be is bounded. What is both an image and a list is
//! neither: two readers would see two things under one digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// A manifest is no larger: what registries take.
pub const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// An image has no more layers: four times what container engines can stack.
pub const LAYERS_MAX: usize = 512;
/// A list has no more images: there are not so many architectures.
pub const IMAGES_MAX: usize = 256;

/// The media types of manifests that are asked for.
pub mod media_type {
    /// An image, as Docker writes it.
    pub const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// A list of images, as Docker writes it.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// An image.
    pub const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
    /// A list of images.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
}

/// The header that names all of them.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// Bytes in a registry, by what they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What they mean.
    #[serde(default)]
    pub media_type: String,
    /// Their name.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
    /// What an image of a list is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What else is said of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// The machine that an image is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// As Go names it: `amd64`.
    pub architecture: String,
    /// As Go names it: `linux`.
    #[serde(default)]
    pub os: String,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// Of one image.
    Image {
        /// What the image is.
        config: Descriptor,
        /// Its layers, the lowest first.
        layers: Vec<Descriptor>,
    },
    /// Of the same image for several machines.
    List(Vec<Descriptor>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

impl Manifest {
    /// Reads a manifest. An error says what is wrong with it.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let document: Document =
            serde_json::from_slice(json).map_err(|error| format!("as a manifest: {error}"))?;
        if document.schema_version != 2 {
            return Err(format!(
                "a manifest of schema {}; 2 is read",
                document.schema_version
            ));
        }
        match (document.config, document.layers, document.manifests) {
            (Some(config), Some(layers), None) => {
                at_most("layers", layers.len(), LAYERS_MAX)?;
                Ok(Self::Image { config, layers })
            }
            (None, None, Some(images)) => {
                at_most("images", images.len(), IMAGES_MAX)?;
                Ok(Self::List(images))
            }
            _ => Err(
                "it is neither an image with `config` and `layers` nor a list with `manifests`"
                    .to_owned(),
            ),
        }
    }
}

fn at_most(what: &str, count: usize, limit: usize) -> Result<(), String> {
    if count > limit {
        return Err(format!("it has {count} {what}; {limit} are read"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn images_and_lists_of_both_kinds_are_read() {
        let image = format!(
            r#"{{"schemaVersion":2,"mediaType":"x","config":{{"mediaType":"c","digest":"{DIGEST}","size":7}},
               "layers":[{{"mediaType":"l","digest":"{DIGEST}","size":9,"urls":[]}}]}}"#
        );
        let list = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"m","digest":"{DIGEST}","size":5,
               "platform":{{"architecture":"arm64","os":"linux","variant":"v8"}}}}]}}"#
        );

        let Manifest::Image { config, layers } = Manifest::read(image.as_bytes()).unwrap() else {
            panic!("an image")
        };
        let Manifest::List(images) = Manifest::read(list.as_bytes()).unwrap() else {
            panic!("a list")
        };

        assert_eq!((config.size, layers[0].size), (7, 9));
        let platform = images[0].platform.as_ref().unwrap();
        assert_eq!(platform.architecture, "arm64");
    }

    #[test]
    fn what_is_neither_or_both_is_refused() {
        let descriptor = format!(r#"{{"digest":"{DIGEST}","size":1}}"#);
        for json in [
            "[]".to_owned(),
            r#"{"schemaVersion":1}"#.to_owned(),
            r#"{"schemaVersion":2}"#.to_owned(),
            r#"{"schemaVersion":2,"config":{"digest":"../../x","size":1},"layers":[]}"#.to_owned(),
            format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[],"manifests":[]}}"#),
            format!(
                r#"{{"schemaVersion":2,"config":{descriptor},"layers":[{}]}}"#,
                vec![descriptor.clone(); LAYERS_MAX + 1].join(",")
            ),
        ] {
            assert!(Manifest::read(json.as_bytes()).is_err(), "{json}");
        }
    }
}
