//! Reading one image, as far as it says whether it is a release.
//!
//! # Guarantees
//! A layer is read from its beginning until the metadata is found, and layers from the top. It is a stream: at most
//! [`pieces::AHEAD_MAX`] pieces of it are in memory. A layer in which nothing is found is read to its end, so that its digest
//! proves what is remembered of it; of one in which the metadata is found, the rest is read only if it is short.

use serde::Deserialize;

use super::layer::{self, Layer};
use super::{Image, MULTI, Record, Release, Scanner};
use crate::registry::{At, Descriptor, Digest, Fetched, Manifest, RegistryError, Why};
use crate::source::pieces;

/// A layer is no larger, packed: twice the largest ones of releases.
pub const LAYER_BYTES_MAX: u64 = 2 << 30;
/// What is read of a layer after the metadata was found, to prove it: about as much as is on its way anyway.
pub const REST_BYTES_MAX: u64 = 1 << 20;
/// An image's configuration is no larger: a hundred times the common size.
const CONFIG_BYTES_MAX: u64 = 4 << 20;
/// Where nobody says for which machine an image is.
const ARCHITECTURE: &str = "amd64";

impl Scanner {
    /// What an image is, from its manifest.
    pub(super) async fn read(&self, fetched: Fetched) -> Result<Record, RegistryError> {
        match fetched.manifest {
            Manifest::Image { config, layers } => Box::pin(self.one(config, layers)).await,
            Manifest::List(images) => Box::pin(self.several(images)).await,
        }
    }

    async fn one(
        &self,
        config: Descriptor,
        layers: Vec<Descriptor>,
    ) -> Result<Record, RegistryError> {
        let (found, mut blobs) = Box::pin(self.search(layers)).await?;
        let image = match found {
            Layer::Document(document) if document.is_for_several() => Image::Part,
            Layer::Document(document) => {
                let read = self.architecture(&config);
                let architecture = self.known.machine(&config.digest, read).await?;
                blobs.push(config.digest);
                Image::Release(Release {
                    document,
                    architecture,
                })
            }
            other => Image::from(other),
        };
        Ok(Record { image, blobs })
    }

    /// A release for several machines says the same in each of its images.
    async fn several(&self, images: Vec<Descriptor>) -> Result<Record, RegistryError> {
        let machines: Vec<Descriptor> = images.into_iter().filter(is_for_a_machine).collect();
        let Some(first) = machines.first() else {
            return Ok(Record {
                image: Image::Other,
                blobs: Vec::new(),
            });
        };
        let at = self.repository.at(At::Digest(first.digest.clone()));
        let fetched = self.registry.manifest(&at).await?;
        let Manifest::Image { layers, .. } = fetched.manifest else {
            return Ok(Record {
                image: Image::Other,
                blobs: Vec::new(),
            });
        };
        let (found, blobs) = Box::pin(self.search(layers)).await?;
        let image = match found {
            Layer::Document(document) => {
                let alone = machines.len() == 1 && !document.is_for_several();
                let machine = first.platform.as_ref().filter(|_| alone);
                let architecture = machine.map_or(MULTI, |machine| machine.architecture.as_str());
                Image::Release(Release {
                    architecture: architecture.to_owned(),
                    document,
                })
            }
            other => Image::from(other),
        };
        Ok(Record { image, blobs })
    }

    /// The first of these layers, from the top, that says something; and those that were looked at.
    async fn search(&self, layers: Vec<Descriptor>) -> Result<(Layer, Vec<Digest>), RegistryError> {
        let mut looked_at = Vec::new();
        for layer in layers.into_iter().rev() {
            if !layer::has_files(&layer.media_type) {
                continue;
            }
            let read = self.layer(&layer);
            let found = self.known.layer(&layer.digest, read).await?;
            looked_at.push(layer.digest);
            if *found != Layer::Nothing {
                return Ok(((*found).clone(), looked_at));
            }
        }
        Ok((Layer::Nothing, looked_at))
    }

    async fn layer(&self, layer: &Descriptor) -> Result<Layer, RegistryError> {
        let mut stream = self
            .registry
            .blob(&self.repository, layer, LAYER_BYTES_MAX)
            .await?;
        let found = pieces::read(&mut stream, layer::search).await?;
        let proven = !matches!(found, Layer::Document(_)) || stream.left() <= REST_BYTES_MAX;
        if proven {
            while stream.next().await?.is_some() {}
        }
        Ok(found)
    }

    async fn architecture(&self, config: &Descriptor) -> Result<String, RegistryError> {
        #[derive(Deserialize)]
        struct Config {
            architecture: Option<String>,
        }
        let bytes = self
            .registry
            .blob_bytes(&self.repository, config, CONFIG_BYTES_MAX)
            .await?;
        let config: Config = serde_json::from_slice(&bytes).map_err(|error| RegistryError {
            attempt: "reading the configuration",
            on: format!("{}@{}", self.repository, config.digest),
            why: Why::NotUnderstood(error.to_string()),
        })?;
        let named = config.architecture.filter(|name| !name.is_empty());
        Ok(named.unwrap_or_else(|| ARCHITECTURE.to_owned()))
    }
}

impl From<Layer> for Image {
    fn from(layer: Layer) -> Self {
        match layer {
            Layer::Unreadable(says) => Self::Unreadable(says),
            Layer::Document(_) | Layer::Removed | Layer::Nothing => Self::Other,
        }
    }
}

/// Builders add attestations to lists, for a machine that is unknown.
fn is_for_a_machine(image: &Descriptor) -> bool {
    let unknown = |architecture: &str| architecture.is_empty() || architecture == "unknown";
    image
        .platform
        .as_ref()
        .is_some_and(|platform| !unknown(&platform.architecture))
}
