//! `GET /signatures/<algorithm>=<digest>/signature-<N>`: release signatures from a folder.
//!
//! # Guarantees
//! * A path is made of a known algorithm, hexadecimal digits and a number, never of what the client wrote: nothing outside
//!   the folder is read.
//! * The folder may be laid out as a signature store is (`sha256=<digest>/signature-1`) or as the reference's
//!   (`sha256/<digest>/signature-1`). It may change at any time: each answer is read anew.
//!
//! # Not here
//! Whether a signature is good: that is the client's to say, who has the keys.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use bytes::Bytes;
use http::StatusCode;

/// Where signatures are, below the prefix.
pub(super) const PATH: &str = "/signatures/";
/// The media type of a signature: clients take it as bytes.
pub(super) const MEDIA_TYPE: &str = "application/octet-stream";
/// No client reads a larger one.
const BYTES_MAX: u64 = 50 << 10;
/// No algorithm of today gives more digits.
const DIGITS_MAX: usize = 128;
/// Clients try no higher number; the rest is for stores that start elsewhere.
const NUMBER_MAX: u32 = 99;

/// Status, kind and sentence.
type Refusal = (StatusCode, &'static str, String);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    algorithm: &'static str,
    digest: String,
    number: u32,
}

/// The signature at a path below [`PATH`].
pub(super) fn signature(folder: &Path, path: &str) -> Result<Bytes, Refusal> {
    let asked = read(path)?;
    let name = format!("signature-{}", asked.number);
    let layouts = [
        folder.join(format!("{}={}", asked.algorithm, asked.digest)),
        folder.join(asked.algorithm).join(&asked.digest),
    ];
    for layout in layouts {
        match bytes(&layout.join(&name)) {
            Ok(Some(bytes)) => return Ok(bytes.into()),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, path = %layout.display(), "a signature cannot be read");
                let says = format!(
                    "the signature {name} of {}:{} cannot be read",
                    asked.algorithm, asked.digest
                );
                return Err((StatusCode::INTERNAL_SERVER_ERROR, "file_open_err", says));
            }
        }
    }
    let says = format!("there is no {name} of {}:{}", asked.algorithm, asked.digest);
    Err((StatusCode::NOT_FOUND, "does_not_exist", says))
}

fn read(path: &str) -> Result<Asked, Refusal> {
    let bad = |says: &str| (StatusCode::BAD_REQUEST, "invalid_params", says.to_owned());
    let (of, name) = path
        .split_once('/')
        .ok_or_else(|| bad("a signature is <algorithm>=<digest>/signature-<N>"))?;
    let (algorithm, digest) = match of.split_once('=') {
        Some(("sha256", digest)) => ("sha256", digest),
        Some(("sha", digest)) => ("sha", digest),
        _ => return Err(bad("the algorithm is none of sha256, sha")),
    };
    let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    if digest.is_empty() || digest.len() > DIGITS_MAX || !digest.bytes().all(hex) {
        return Err(bad("the digest is not of lower-case hexadecimal digits"));
    }
    let number = name
        .strip_prefix("signature-")
        .filter(|number| !number.starts_with('+') && !number.starts_with('0'))
        .and_then(|number| number.parse().ok())
        .filter(|number| *number <= NUMBER_MAX)
        .ok_or_else(|| bad("the name is not signature-<N>, with N from 1 to 99"))?;
    Ok(Asked {
        algorithm,
        digest: digest.to_owned(),
        number,
    })
}

/// The bytes of a file; none if there is no such file.
fn bytes(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!(
            "it is larger than {BYTES_MAX} bytes"
        )));
    }
    Ok(Some(bytes))
}
