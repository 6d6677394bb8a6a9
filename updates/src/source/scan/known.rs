//! What is known of images and layers, by their digests.
//!
//! # Guarantees
//! What a digest means never changes, so an answer is kept and asked for once, however many ask at the same time. A failure
//! is never kept: who asks next, asks the registry. What no tag leads to any more is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::layer::Layer;
use super::{Image, Record};
use crate::registry::{Digest, RegistryError};

type Cells<T> = Mutex<BTreeMap<Digest, Arc<OnceCell<Arc<T>>>>>;

/// Images and layers that were read.
#[derive(Debug, Default)]
pub(super) struct Known {
    images: Cells<Record>,
    layers: Cells<Layer>,
    /// The machines that configurations name.
    machines: Cells<String>,
}

impl Known {
    /// The image of this digest; it is read if nobody did.
    pub(super) async fn image(
        &self,
        digest: &Digest,
        read: impl Future<Output = Result<Record, RegistryError>>,
    ) -> Result<(), RegistryError> {
        let cell = cell(&self.images, digest);
        let read = Box::pin(async { read.await.map(Arc::new) });
        cell.get_or_try_init(|| read).await.map(|_| ())
    }

    /// The layer of this digest; it is read if nobody did.
    pub(super) async fn layer(
        &self,
        digest: &Digest,
        read: impl Future<Output = Result<Layer, RegistryError>>,
    ) -> Result<Arc<Layer>, RegistryError> {
        let cell = cell(&self.layers, digest);
        let read = Box::pin(async { read.await.map(Arc::new) });
        cell.get_or_try_init(|| read).await.cloned()
    }

    /// The machine that the configuration of this digest names; it is read if nobody did.
    pub(super) async fn machine(
        &self,
        digest: &Digest,
        read: impl Future<Output = Result<String, RegistryError>>,
    ) -> Result<String, RegistryError> {
        let cell = cell(&self.machines, digest);
        let read = Box::pin(async { read.await.map(Arc::new) });
        let machine = cell.get_or_try_init(|| read).await?;
        Ok(machine.to_string())
    }

    /// Forgets all but these images and what they are made of.
    pub(super) fn keep(&self, digests: &BTreeSet<&Digest>) {
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.retain(|digest, cell| digests.contains(digest) && cell.initialized());
        let used: BTreeSet<&Digest> = images
            .values()
            .filter_map(|cell| cell.get())
            .flat_map(|record| &record.blobs)
            .collect();
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.retain(|digest, _| used.contains(digest));
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        machines.retain(|digest, _| used.contains(digest));
    }

    /// All images that were read.
    pub(super) fn all(&self) -> BTreeMap<Digest, Arc<Record>> {
        let images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        let read = images.iter();
        read.filter_map(|(digest, cell)| Some((digest.clone(), cell.get()?.clone())))
            .collect()
    }
}

fn cell<T>(cells: &Cells<T>, digest: &Digest) -> Arc<OnceCell<Arc<T>>> {
    let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
    cells.entry(digest.clone()).or_default().clone()
}

impl Record {
    /// Whether it is a release.
    pub(super) fn release(&self) -> Option<&super::Release> {
        match &self.image {
            Image::Release(release) => Some(release),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::registry::Why;

    fn other() -> Record {
        Record {
            image: Image::Other,
            blobs: vec![Digest::of(b"layer")],
        }
    }

    fn failure() -> RegistryError {
        RegistryError {
            attempt: "reading",
            on: "it".to_owned(),
            why: Why::NotFound,
        }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_read_once() {
        let (known, reads, digest) = (Known::default(), AtomicUsize::new(0), Digest::of(b"a"));
        let ask = || {
            known.image(&digest, async {
                reads.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(other())
            })
        };

        let (first, second) = tokio::join!(ask(), ask());

        assert!(first.is_ok() && second.is_ok());
        assert_eq!(reads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_failure_is_not_an_answer() {
        let (known, digest) = (Known::default(), Digest::of(b"a"));

        let failed = known.image(&digest, async { Err(failure()) }).await;

        assert!(failed.is_err());
        assert!(known.all().is_empty());
        assert!(known.image(&digest, async { Ok(other()) }).await.is_ok());
        assert!(known.all().contains_key(&digest));
    }

    #[tokio::test]
    async fn what_no_tag_leads_to_is_forgotten_with_its_layers() {
        let known = Known::default();
        let (kept, gone) = (Digest::of(b"kept"), Digest::of(b"gone"));
        for digest in [&kept, &gone] {
            known.image(digest, async { Ok(other()) }).await.unwrap();
        }
        for layer in [&b"layer"[..], b"unused"] {
            let read = async { Ok(Layer::Nothing) };
            known.layer(&Digest::of(layer), read).await.unwrap();
        }

        known.keep(&BTreeSet::from([&kept]));

        assert_eq!(known.all().into_keys().collect::<Vec<_>>(), [kept]);
        assert_eq!(known.layers.lock().unwrap().len(), 1);
    }
}
