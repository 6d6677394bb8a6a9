//! The name of bytes: the hash of what they are.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

/// A digest, as `sha256:` or `sha512:` and the hash in lower-case hex.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// A text that is no digest of an algorithm that is known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no digest: it is `sha256:` or `sha512:` and the hash in lower-case hex")]
pub struct NotADigest(pub String);

impl Digest {
    /// Reads a digest.
    pub fn parse(text: &str) -> Result<Self, NotADigest> {
        let length = |algorithm| match algorithm {
            "sha256" => Some(64),
            "sha512" => Some(128),
            _ => None,
        };
        let known = text.split_once(':').is_some_and(|(algorithm, hash)| {
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            length(algorithm) == Some(hash.len()) && hash.bytes().all(hex)
        });
        if known {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotADigest(text.chars().take(200).collect()))
        }
    }

    /// The SHA-256 of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex(&Sha256::digest(bytes))))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The algorithm and the hash.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once(':').unwrap_or_default()
    }

    /// What computes a digest of the same algorithm.
    pub fn hasher(&self) -> Hasher {
        if self.parts().0 == "sha512" {
            Hasher::Sha512(Sha512::new())
        } else {
            Hasher::Sha256(Sha256::new())
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Computes a digest over bytes that come piece by piece. A clone goes on on its own.
#[derive(Debug, Clone)]
pub enum Hasher {
    /// SHA-256
    Sha256(Sha256),
    /// SHA-512
    Sha512(Sha512),
}

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of all of them.
    pub fn finish(self) -> Digest {
        Digest(match self {
            Self::Sha256(hash) => format!("sha256:{}", hex(&hash.finalize())),
            Self::Sha512(hash) => format!("sha512:{}", hex(&hash.finalize())),
        })
    }
}

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_a_known_algorithm_and_a_whole_hash() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), empty);
        assert!(Digest::parse(empty).is_ok());

        for wrong in [
            "sha256:e3b0",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            &empty.to_uppercase(),
            "sha256:../../../../../../../../../../../../../../../../../../../../etc/pass",
            "",
        ] {
            assert!(Digest::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_in_pieces_have_the_digest_of_the_whole() {
        let mut hasher = Digest::of(b"").hasher();
        hasher.update(b"wind");
        hasher.update(b"lass");

        assert_eq!(hasher.finish(), Digest::of(b"windlass"));
    }
}
