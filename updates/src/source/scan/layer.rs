//! Looking for release metadata in a layer, as a stream.
//!
//! # Guarantees
//! Nothing of a layer is kept but the one file that is looked for. What it unpacks to, how many files it has, and how large
//! that file may be is bounded. Names that a layer gives to files lead nowhere.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;

use super::document::Document;

/// What a layer may unpack to: four times the largest layers of releases.
pub const LAYER_UNPACKED_BYTES_MAX: u64 = 8 << 30;
/// Files of a layer: four times those of an operating system.
pub const LAYER_FILES_MAX: u64 = 2_000_000;
/// The file that is looked for: a thousand times the common size.
pub const METADATA_BYTES_MAX: u64 = 2 << 20;

const FOLDER: &[u8] = b"release-manifests";
const FILE: &[u8] = b"release-metadata";
/// The first bytes of gzip, and of what is not read here.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What a layer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layer {
    /// Release metadata.
    Document(Document),
    /// Something in its place that cannot be read.
    Unreadable(String),
    /// Nothing, and it says that what lies below is gone.
    Removed,
    /// Nothing.
    Nothing,
}

/// Whether there can be files in a layer of this media type.
pub(super) fn has_files(media_type: &str) -> bool {
    media_type.is_empty() || media_type.contains("tar")
}

/// Searches a layer, packed or not.
pub(super) fn search(mut reader: impl BufRead) -> Layer {
    let packed = match reader.fill_buf() {
        Ok(start) if start.starts_with(&ZSTD) => {
            return Layer::Unreadable(
                "the layer is packed with zstd, which is not read".to_owned(),
            );
        }
        Ok(start) => start.starts_with(&GZIP),
        Err(error) => return unreadable(&error),
    };
    let searched = if packed {
        in_archive(MultiGzDecoder::new(reader))
    } else {
        in_archive(reader)
    };
    searched.unwrap_or_else(|error| unreadable(&error))
}

fn unreadable(error: &io::Error) -> Layer {
    Layer::Unreadable(format!("the layer cannot be unpacked: {error}"))
}

fn in_archive(reader: impl Read) -> io::Result<Layer> {
    let mut archive = tar::Archive::new(Bounded {
        reader,
        left: LAYER_UNPACKED_BYTES_MAX,
    });
    // Raw entries: long names would be read into memory, and what is looked for has a short one.
    let entries = archive.entries()?.raw(true);
    for (count, entry) in (1..).zip(entries) {
        let mut entry = entry?;
        if count > LAYER_FILES_MAX {
            return Ok(too_much(LAYER_FILES_MAX, "files"));
        }
        match place(&entry.path_bytes()) {
            Place::File if entry.header().entry_type().is_file() => return document(&mut entry),
            Place::Gone => return Ok(Layer::Removed),
            _ => {}
        }
    }
    Ok(Layer::Nothing)
}

fn document(entry: &mut impl Read) -> io::Result<Layer> {
    let mut json = Vec::new();
    entry.take(METADATA_BYTES_MAX + 1).read_to_end(&mut json)?;
    if json.len() as u64 > METADATA_BYTES_MAX {
        return Ok(too_much(METADATA_BYTES_MAX, "bytes of release-metadata"));
    }
    Ok(match Document::read(&json) {
        Ok(document) => Layer::Document(document),
        Err(says) => Layer::Unreadable(says),
    })
}

fn too_much(limit: u64, what: &str) -> Layer {
    Layer::Unreadable(format!("the layer has more than {limit} {what}"))
}

/// What a file of a layer is to us.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// The one that is looked for.
    File,
    /// The mark by which a layer removes it, or its folder, from what lies below.
    Gone,
    /// Another one.
    Elsewhere,
}

fn place(path: &[u8]) -> Place {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let folder = path
        .strip_prefix(FOLDER)
        .and_then(|rest| rest.strip_prefix(b"/"));
    match folder {
        Some(FILE) => Place::File,
        Some(b".wh.release-metadata" | b".wh..wh..opq") => Place::Gone,
        None if path == b".wh.release-manifests" || path == b".wh..wh..opq" => Place::Gone,
        _ => Place::Elsewhere,
    }
}

/// A reader that fails, rather than ends, after so many bytes.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(format!(
                "it unpacks to more than {LAYER_UNPACKED_BYTES_MAX} bytes"
            )));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let read = self
            .reader
            .read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const JSON: &str = r#"{"kind":"cincinnati-metadata-v0","version":"4.16.3"}"#;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive
                .append_data(&mut header, name, content.as_bytes())
                .unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    fn version(layer: &Layer) -> &str {
        match layer {
            Layer::Document(document) => &document.version,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_file_is_found_among_others_packed_or_not() {
        let plain = archive(&[
            ("etc/release-manifests/release-metadata", "{}"),
            ("release-manifests/release-metadata.bak", "{}"),
            ("release-manifests/image-references", "{}"),
            ("release-manifests/release-metadata", JSON),
        ]);

        assert_eq!(version(&search(plain.as_slice())), "4.16.3");
        assert_eq!(version(&search(packed(&plain).as_slice())), "4.16.3");
    }

    #[test]
    fn nothing_behind_the_file_is_read() {
        let mut bytes = archive(&[("release-manifests/release-metadata", JSON)]);
        bytes.truncate(1024);
        bytes.extend_from_slice(b"no archive at all");

        assert_eq!(version(&search(bytes.as_slice())), "4.16.3");
    }

    #[test]
    fn a_layer_may_remove_what_lies_below() {
        for gone in [
            ".wh.release-manifests",
            "release-manifests/.wh.release-metadata",
            "release-manifests/.wh..wh..opq",
        ] {
            let bytes = archive(&[("a", ""), (gone, "")]);
            assert_eq!(search(bytes.as_slice()), Layer::Removed, "{gone}");
        }
        let other = archive(&[("other/.wh.release-metadata", "")]);
        assert_eq!(search(other.as_slice()), Layer::Nothing);
    }

    #[test]
    fn what_cannot_be_unpacked_is_named() {
        let whole = packed(&archive(&[("release-manifests/release-metadata", JSON)]));
        let broken = whole.get(..whole.len() / 2).unwrap();
        for (bytes, says) in [
            (broken, "cannot be unpacked"),
            (
                b"no archive, but longer than a header is: "
                    .repeat(20)
                    .as_slice(),
                "cannot be unpacked",
            ),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0], "zstd"),
            (
                archive(&[("release-manifests/release-metadata", "[]")]).as_slice(),
                "cannot be read",
            ),
        ] {
            let Layer::Unreadable(told) = search(bytes) else {
                panic!("{says}")
            };
            assert!(told.contains(says), "{told}");
        }
        assert_eq!(search(&b""[..]), Layer::Nothing);
    }

    #[test]
    fn a_file_that_is_too_large_to_be_meant_is_not_read_whole() {
        let large = " ".repeat(usize::try_from(METADATA_BYTES_MAX).unwrap() + 1);
        let bytes = packed(&archive(&[("release-manifests/release-metadata", &large)]));

        let Layer::Unreadable(told) = search(bytes.as_slice()) else {
            panic!("it was read")
        };

        assert!(told.contains("bytes of release-metadata"), "{told}");
    }

    #[test]
    fn a_bomb_is_left_when_it_has_unpacked_to_the_bound() {
        let mut bounded = Bounded {
            reader: io::repeat(0),
            left: 1000,
        };

        let read = bounded.read_to_end(&mut Vec::new());

        assert!(read.is_err());
    }
}
