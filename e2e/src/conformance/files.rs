//! The cases of a file, plain or gzip.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, ensure};
use flate2::read::MultiGzDecoder;

use super::case::Case;

/// Most bytes read of one file, unpacked. The largest corpus has some 20 MB; the limit keeps a wrong file from
/// filling the memory.
const MAX_BYTES: u64 = 1 << 30;

/// Reads all cases of a file; a name that ends in `.gz` is unpacked.
pub fn read(path: &Path) -> anyhow::Result<Vec<Case>> {
    let file =
        File::open(path).with_context(|| format!("cannot open corpus {}", path.display()))?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let bytes: Box<dyn Read> = if packed {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut reader = BufReader::new(bytes.take(MAX_BYTES));
    let mut cases = Vec::new();
    let mut line = String::new();
    while reader
        .read_line(&mut line)
        .with_context(|| format!("cannot read corpus {}", path.display()))?
        > 0
    {
        if !line.trim().is_empty() {
            let at = || format!("{}, case {}", path.display(), cases.len() + 1);
            cases.push(Case::read(&line).with_context(at)?);
        }
        line.clear();
    }
    ensure!(!cases.is_empty(), "corpus {} has no cases", path.display());
    Ok(cases)
}
