//! The OCI image layout: a folder of blobs, each named by its digest, and an index that names the image.
//!
//! # Guarantees
//! * The same programs make the same bytes: every time is zero, every owner is root, every list has one order.
//! * A layout stands whole or not at all under its folder: it is made beside it and renamed.
//! * [`read`] trusts nothing: each blob has the digest and the size by which it was named.
//!
//! | blob | what |
//! | --- | --- |
//! | layer | a gzipped tar with the one file `/windlass` |
//! | config | who runs what |
//! | manifest | a config and its layer; one for each architecture |
//! | index | the manifests, by platform; `index.json` names it by the image's name and tag |

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::binary::Architecture;
use crate::deploy::NOBODY;

/// The program in the image.
pub(super) const ENTRY_POINT: &str = "/windlass";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What tools call an image by that is taken from a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// What containerd calls it by, when it imports an archive.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// A name without a registry is of this one.
const REGISTRY: &str = "docker.io/library";

/// A blob, and by what it is named.
#[derive(Clone, Debug)]
struct Blob {
    kind: &'static str,
    bytes: Vec<u8>,
    digest: String,
}

/// One architecture's part.
pub(super) struct Part {
    architecture: Architecture,
    program: usize,
    layer: Blob,
    config: Blob,
    manifest: Blob,
}

/// A layout on the disk.
pub(super) struct Layout {
    folder: PathBuf,
    digest: String,
}

impl Blob {
    fn of(kind: &'static str, bytes: Vec<u8>) -> Self {
        let digest = digest(&bytes);
        Self {
            kind,
            bytes,
            digest,
        }
    }

    fn json(kind: &'static str, value: &Value) -> Result<Self> {
        Ok(Self::of(
            kind,
            serde_json::to_vec(value).context("writing JSON")?,
        ))
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.kind, "digest": self.digest, "size": self.bytes.len()})
    }
}

impl Part {
    /// The part that holds this program.
    pub(super) fn of(architecture: Architecture, program: &[u8]) -> Result<Self> {
        let tar = tar_of(program).context("packing the image's layer")?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&tar)
            .context("compressing the image's layer")?;
        let layer = Blob::of(
            LAYER,
            gzip.finish().context("compressing the image's layer")?,
        );
        let config = json!({
            "architecture": architecture.name(),
            "os": "linux",
            "config": {
                // The controller's; the daemon's pod asks for root itself.
                "User": format!("{NOBODY}:{NOBODY}"),
                "Entrypoint": [ENTRY_POINT],
                "WorkingDir": "/",
                "Labels": {
                    "org.opencontainers.image.title": "windlass",
                    "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
                    "org.opencontainers.image.licenses": "Apache-2.0",
                },
            },
            "rootfs": {"type": "layers", "diff_ids": [digest(&tar)]},
        });
        let config = Blob::json(CONFIG, &config)?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": [layer.descriptor()],
        });
        Ok(Self {
            architecture,
            program: program.len(),
            manifest: Blob::json(MANIFEST, &manifest)?,
            layer,
            config,
        })
    }

    /// A line for people.
    pub(super) fn told(&self) -> String {
        let mebibytes = |bytes: usize| bytes.div_ceil(1 << 20);
        format!(
            "linux/{}: the program has {} MiB, to pull are {} MiB",
            self.architecture.name(),
            mebibytes(self.program),
            mebibytes(self.layer.bytes.len())
        )
    }
}

/// A tar of the one file.
fn tar_of(program: &[u8]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    tar.append_data(&mut header, ENTRY_POINT.trim_start_matches('/'), program)?;
    Ok(tar.into_inner()?)
}

fn digest(bytes: &[u8]) -> String {
    let sum = Sha256::digest(bytes);
    let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl Layout {
    /// Writes the image of these parts; what was in the folder is gone.
    pub(super) fn write(folder: &Path, name: &str, parts: &[Part]) -> Result<Self> {
        let manifests: Vec<Value> = parts
            .iter()
            .map(|part| {
                let mut descriptor = part.manifest.descriptor();
                descriptor["platform"] =
                    json!({"architecture": part.architecture.name(), "os": "linux"});
                descriptor
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        let index = Blob::json(INDEX, &index)?;
        let mut named = index.descriptor();
        let tag = name.rsplit_once(':').map_or(name, |(_, tag)| tag);
        let whole = if name.contains('/') {
            name.to_owned()
        } else {
            format!("{REGISTRY}/{name}")
        };
        named["annotations"] = json!({REF_NAME: tag, CONTAINERD_NAME: whole});
        let top = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]});
        let half = folder.with_extension("half");
        remove(&half)?;
        let blobs = half.join("blobs/sha256");
        fs::create_dir_all(&blobs).with_context(|| format!("making {}", blobs.display()))?;
        let of_parts = parts
            .iter()
            .flat_map(|part| [&part.layer, &part.config, &part.manifest]);
        for blob in of_parts.chain([&index]) {
            write(&blobs.join(hex(&blob.digest)?), &blob.bytes)?;
        }
        write(
            &half.join("oci-layout"),
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        )?;
        let top = serde_json::to_vec(&top).context("writing index.json")?;
        write(&half.join("index.json"), &top)?;
        remove(folder)?;
        fs::rename(&half, folder)
            .with_context(|| format!("renaming {} to {}", half.display(), folder.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            digest: index.digest,
        })
    }

    /// The image's digest.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// The layout in one file.
    pub(super) fn archive(&self, to: &Path) -> Result<()> {
        let said = || format!("packing {} into {}", self.folder.display(), to.display());
        let mut files = vec!["index.json".to_owned(), "oci-layout".to_owned()];
        let blobs = self.folder.join("blobs/sha256");
        for entry in fs::read_dir(&blobs).with_context(said)? {
            let name = entry.with_context(said)?.file_name();
            files.push(format!("blobs/sha256/{}", name.to_string_lossy()));
        }
        files.sort();
        let file = fs::File::create(to).with_context(said)?;
        let mut tar = tar::Builder::new(std::io::BufWriter::new(file));
        for name in files {
            let bytes = fs::read(self.folder.join(&name)).with_context(said)?;
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            tar.append_data(&mut header, name, bytes.as_slice())
                .with_context(said)?;
        }
        let mut file = tar.into_inner().with_context(said)?;
        file.flush().with_context(said)
    }

    /// Unpacks what a container of this architecture has as its root.
    pub(super) fn unpack(&self, architecture: Architecture, into: &Path) -> Result<()> {
        let (_, layer) = self.part(architecture)?;
        tar::Archive::new(GzDecoder::new(layer.as_slice()))
            .unpack(into)
            .with_context(|| format!("unpacking the layer into {}", into.display()))
    }

    /// The config and the layer of an architecture.
    fn part(&self, architecture: Architecture) -> Result<(Value, Vec<u8>)> {
        let index = self.object(&json!({"digest": self.digest, "size": null}))?;
        let wanted = json!({"architecture": architecture.name(), "os": "linux"});
        let manifest = index["manifests"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["platform"] == wanted))
            .with_context(|| format!("the image has no linux/{}", architecture.name()))?;
        let manifest = self.object(manifest)?;
        Ok((
            self.object(&manifest["config"])?,
            self.blob(&manifest["layers"][0])?,
        ))
    }

    fn object(&self, descriptor: &Value) -> Result<Value> {
        let bytes = self.blob(descriptor)?;
        serde_json::from_slice(&bytes).with_context(|| format!("reading the blob {descriptor}"))
    }

    fn blob(&self, descriptor: &Value) -> Result<Vec<u8>> {
        let named = descriptor["digest"]
            .as_str()
            .context("a descriptor has no digest")?;
        let path = self.folder.join("blobs/sha256").join(hex(named)?);
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let size = descriptor["size"].as_u64();
        if digest(&bytes) != named || size.is_some_and(|size| size != bytes.len() as u64) {
            bail!("the blob {} is not what its name says", path.display());
        }
        Ok(bytes)
    }
}

/// Reads a layout back, every blob of it.
pub(super) fn read(folder: &Path) -> Result<Layout> {
    let path = folder.join("index.json");
    let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let top: Value =
        serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))?;
    let named = &top["manifests"][0];
    let digest = named["digest"]
        .as_str()
        .context("index.json names no image")?;
    let layout = Layout {
        folder: folder.to_owned(),
        digest: digest.to_owned(),
    };
    let index = layout.object(named)?;
    for manifest in index["manifests"].as_array().into_iter().flatten() {
        let manifest = layout.object(manifest)?;
        let config = layout.object(&manifest["config"])?;
        let mut tar = Vec::new();
        let layer = layout.blob(&manifest["layers"][0])?;
        GzDecoder::new(layer.as_slice())
            .read_to_end(&mut tar)
            .context("reading the layer")?;
        if config["rootfs"]["diff_ids"] != json!([self::digest(&tar)]) {
            bail!("the layer's contents are not what the config says");
        }
    }
    Ok(layout)
}

fn hex(digest: &str) -> Result<&str> {
    digest
        .strip_prefix("sha256:")
        .filter(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .with_context(|| format!("{digest} is no digest of a blob"))
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that goes with the test.
    struct Own(PathBuf);

    impl Own {
        fn of(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("windlass-{test}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Own {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn written(own: &Own, name: &str) -> Layout {
        let parts: Vec<Part> = Architecture::ALL
            .iter()
            .map(|one| Part::of(*one, one.name().as_bytes()).unwrap())
            .collect();
        Layout::write(
            &own.0.join(name),
            "images.example.com/windlass:1.2.3",
            &parts,
        )
        .unwrap()
    }

    #[test]
    fn an_image_is_read_back_as_it_was_written() {
        let own = Own::of("read-back");
        written(&own, "layout");

        let layout = read(&own.0.join("layout")).unwrap();

        for one in Architecture::ALL {
            let (config, _) = layout.part(one).unwrap();
            assert_eq!(config["config"]["User"], "65532:65532");
            assert_eq!(config["config"]["Entrypoint"], json!(["/windlass"]));
            assert_eq!(config["architecture"], one.name());
            let root = own.0.join(one.name());
            layout.unpack(one, &root).unwrap();
            let files: Vec<_> = fs::read_dir(&root).unwrap().collect();
            assert_eq!(files.len(), 1, "nothing but the program");
            let program = root.join("windlass");
            assert_eq!(fs::read_to_string(&program).unwrap(), one.name());
            let mode = std::os::unix::fs::PermissionsExt::mode(
                &fs::metadata(program).unwrap().permissions(),
            );
            assert_eq!(mode & 0o777, 0o755);
        }
        let top: Value =
            serde_json::from_slice(&fs::read(own.0.join("layout/index.json")).unwrap()).unwrap();
        let named = &top["manifests"][0]["annotations"];
        assert_eq!(named[REF_NAME], "1.2.3");
        assert_eq!(named[CONTAINERD_NAME], "images.example.com/windlass:1.2.3");
    }

    #[test]
    fn the_same_programs_make_the_same_image_and_archive() {
        let own = Own::of("reproduced");
        let (one, two) = (written(&own, "one"), written(&own, "two"));

        one.archive(&own.0.join("one.tar")).unwrap();
        two.archive(&own.0.join("two.tar")).unwrap();

        assert_eq!(one.digest(), two.digest());
        let bytes = |name: &str| fs::read(own.0.join(name)).unwrap();
        assert!(bytes("one.tar") == bytes("two.tar"));
    }

    #[test]
    fn a_blob_that_was_changed_is_noticed() {
        let own = Own::of("changed");
        let layout = written(&own, "layout");
        let (_, layer) = layout.part(Architecture::Amd64).unwrap();
        let name = digest(&layer);
        let path = own.0.join("layout/blobs/sha256").join(hex(&name).unwrap());
        fs::write(path, b"something else").unwrap();

        let why = read(&own.0.join("layout")).err().unwrap().to_string();

        assert!(why.contains("is not what its name says"), "{why}");
    }
}
