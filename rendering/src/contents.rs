//! The contents of a file in a rendered config: its bytes, or where they are fetched from.
//!
//! Guarantees: contents that are in the config are decoded and unpacked here, within a limit, and
//! checked against their hash if they name one; contents from elsewhere come over https and name
//! their hash. Anything else is refused, since no node could apply it, or not know what it applies.
//! Not here: fetching (the daemon), other rules about resources (`crate::ignition`).

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256, Sha512};

use crate::ignition::config::Resource;
use crate::ignition::data_url::{self, DataUrlError};

/// How many bytes one file may have when unpacked: a rendered config of 1.5 MiB could otherwise
/// unpack to a thousand times that, on every node.
pub const CONTENTS_LIMIT: u64 = 32 * 1024 * 1024;

/// The contents of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// These bytes. A file without a source has none.
    Inline(Vec<u8>),
    /// To be fetched from an https URL.
    Remote(Remote),
}

/// Contents from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where from; https.
    pub url: String,
    /// What the fetched bytes (unpacked, if they are packed) must hash to.
    pub hash: Hash,
    /// Whether what is fetched is packed with gzip.
    pub gzip: bool,
}

impl Remote {
    /// The contents, from what was fetched: unpacked where it is packed, and compared with the hash.
    ///
    /// # Errors
    /// It is not what the config names.
    pub fn contents(&self, fetched: Vec<u8>) -> Result<Vec<u8>, ContentsError> {
        let bytes = if self.gzip {
            unpack(&fetched)?
        } else {
            fetched
        };
        if self.hash.fits(&bytes) {
            Ok(bytes)
        } else {
            Err(ContentsError::Mismatch)
        }
    }
}

/// A hash as Ignition writes it, `sha256-<hex>` or `sha512-<hex>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256, as lower-case hexadecimal digits.
    Sha256(String),
    /// SHA-512, as lower-case hexadecimal digits.
    Sha512(String),
}

/// Why a file has no usable contents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentsError {
    /// The data URL is none.
    #[error("its source is no data URL")]
    DataUrl(#[from] DataUrlError),
    /// The bytes do not unpack.
    #[error("its contents are not gzip, or damaged: pack them again")]
    Gzip,
    /// The bytes unpack to too much.
    #[error("its contents unpack to more than {CONTENTS_LIMIT} bytes: ship them in an image")]
    TooLarge,
    /// Neither nothing nor gzip.
    #[error("its compression {0:?} is unknown: use gzip or none")]
    Compression(String),
    /// Contents from elsewhere that nobody could check.
    #[error(
        "its source {url} names no verification.hash: add sha256-<digits>, so that every node gets the same"
    )]
    Unverified {
        /// Where from.
        url: String,
    },
    /// Contents from elsewhere by another way than https.
    #[error("its source {url} cannot be fetched: use https, or a data URL")]
    Scheme {
        /// Where from.
        url: String,
    },
    /// The hash is neither of the two known ones.
    #[error("its verification.hash {0:?} is neither sha256-<64 digits> nor sha512-<128 digits>")]
    Hash(String),
    /// The bytes have another hash.
    #[error("its contents do not have the hash that verification.hash names")]
    Mismatch,
}

/// The contents that a resource stands for.
///
/// # Errors
/// Why no node could write them.
pub fn contents(resource: &Resource) -> Result<Contents, ContentsError> {
    let source = resource.source.as_deref().unwrap_or("");
    let gzip = match resource.compression.as_deref().unwrap_or("") {
        "" => false,
        "gzip" => true,
        other => return Err(ContentsError::Compression(other.to_owned())),
    };
    let hash = resource
        .verification
        .hash
        .as_deref()
        .map(Hash::read)
        .transpose()?;
    if source.is_empty() || is_scheme(source, "data:") {
        let stored = if source.is_empty() {
            Vec::new()
        } else {
            data_url::decode(source)?
        };
        let bytes = if gzip && !source.is_empty() {
            unpack(&stored)?
        } else {
            stored
        };
        return match hash {
            Some(hash) if !hash.fits(&bytes) => Err(ContentsError::Mismatch),
            _ => Ok(Contents::Inline(bytes)),
        };
    }
    let url = source.to_owned();
    if !is_scheme(source, "https:") {
        return Err(ContentsError::Scheme { url });
    }
    match hash {
        Some(hash) => Ok(Contents::Remote(Remote { url, hash, gzip })),
        None => Err(ContentsError::Unverified { url }),
    }
}

/// Unpacks gzip, up to [`CONTENTS_LIMIT`].
///
/// # Errors
/// The bytes are no gzip, or unpack to too much.
pub fn unpack(packed: &[u8]) -> Result<Vec<u8>, ContentsError> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed)
        .take(CONTENTS_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| ContentsError::Gzip)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= CONTENTS_LIMIT => Ok(bytes),
        _ => Err(ContentsError::TooLarge),
    }
}

impl Hash {
    fn read(text: &str) -> Result<Self, ContentsError> {
        let digits = |sum: &str, length: usize| {
            sum.len() == length && sum.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        match text.split_once('-') {
            Some(("sha256", sum)) if digits(sum, 64) => Ok(Hash::Sha256(sum.to_ascii_lowercase())),
            Some(("sha512", sum)) if digits(sum, 128) => Ok(Hash::Sha512(sum.to_ascii_lowercase())),
            _ => Err(ContentsError::Hash(text.to_owned())),
        }
    }

    /// Its digits, which no other kind of hash has as many of.
    pub fn digits(&self) -> &str {
        match self {
            Hash::Sha256(digits) | Hash::Sha512(digits) => digits,
        }
    }

    /// Whether bytes have this hash.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        match self {
            Hash::Sha256(digits) => same(&Sha256::digest(bytes), digits),
            Hash::Sha512(digits) => same(&Sha512::digest(bytes), digits),
        }
    }
}

fn same(sum: &[u8], digits: &str) -> bool {
    let nibbles = sum.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles
        .map(|nibble| char::from_digit(u32::from(nibble), 16))
        .eq(digits.chars().map(Some))
}

fn is_scheme(source: &str, scheme: &str) -> bool {
    source
        .get(..scheme.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use std::io::Write as _;

    fn resource(source: &str) -> Resource {
        Resource {
            source: Some(source.to_owned()),
            ..Resource::default()
        }
    }

    fn gzip(bytes: &[u8]) -> Resource {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        let packed = base64::engine::general_purpose::STANDARD.encode(encoder.finish().unwrap());
        let compression = Some("gzip".to_owned());
        Resource {
            compression,
            ..resource(&format!("data:;base64,{packed}"))
        }
    }

    #[test]
    fn inline_contents_are_decoded_and_unpacked() {
        let inline = |bytes: &[u8]| Ok(Contents::Inline(bytes.to_vec()));
        assert_eq!(contents(&resource("data:,a%20b")), inline(b"a b"));
        assert_eq!(contents(&resource("data:;base64,aGk=")), inline(b"hi"));
        assert_eq!(contents(&gzip(b"packed")), inline(b"packed"));
        assert_eq!(contents(&Resource::default()), inline(b""));
    }

    #[test]
    fn a_gzip_bomb_stops_at_the_limit() {
        let zeroes = vec![0; usize::try_from(CONTENTS_LIMIT).unwrap() + 1];
        assert_eq!(contents(&gzip(&zeroes)), Err(ContentsError::TooLarge));
    }

    #[test]
    fn remote_contents_need_https_and_a_hash() {
        let remote = resource("https://example.com/a");
        let url = remote.source.clone().unwrap();
        assert_eq!(
            contents(&remote),
            Err(ContentsError::Unverified { url: url.clone() })
        );
        let mut verified = remote;
        let digits = "ab".repeat(32);
        verified.verification.hash = Some(format!("sha256-{digits}"));
        let hash = Hash::Sha256(digits);
        assert_eq!(
            contents(&verified),
            Ok(Contents::Remote(Remote {
                url,
                hash,
                gzip: false
            }))
        );
        verified.source = Some("http://example.com/a".to_owned());
        assert!(matches!(
            contents(&verified),
            Err(ContentsError::Scheme { .. })
        ));
    }

    #[test]
    fn fetched_contents_are_unpacked_and_compared_with_the_hash() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"a").unwrap();
        let packed = encoder.finish().unwrap();
        let right = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
        let remote = |gzip| Remote {
            url: "https://example.com/a".to_owned(),
            hash: Hash::Sha256(right.to_owned()),
            gzip,
        };
        assert_eq!(remote(true).contents(packed.clone()), Ok(b"a".to_vec()));
        assert_eq!(remote(false).contents(b"a".to_vec()), Ok(b"a".to_vec()));
        assert_eq!(remote(false).contents(packed), Err(ContentsError::Mismatch));
        assert_eq!(
            remote(true).contents(b"a".to_vec()),
            Err(ContentsError::Gzip)
        );
    }

    #[test]
    fn inline_contents_with_another_hash_are_refused() {
        let mut file = resource("data:,a");
        file.verification.hash = Some(format!("sha256-{}", "0".repeat(64)));
        assert_eq!(contents(&file), Err(ContentsError::Mismatch));
        let right = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
        file.verification.hash = Some(format!("sha256-{right}"));
        assert_eq!(contents(&file), Ok(Contents::Inline(b"a".to_vec())));
    }
}
