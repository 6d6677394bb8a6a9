//! Reads the manifests that a person hands over: files, folders, standard input; YAML or JSON, several documents a file.
//!
//! # Guarantees
//! Every document that cannot be read is named with file and position. Folders are read in the order of their paths,
//! so the same folder gives the same result everywhere. Kinds that the caller does not ask for are left alone.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How deep a folder is followed. A tree of manifests is shallow; a loop of links is not.
const FOLDER_DEPTH_MAX: usize = 16;

/// One document, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// File and number of the document in it, from 1.
    pub(crate) at: String,
    /// The document.
    pub(crate) value: Value,
}

impl Manifest {
    /// The kind, or nothing where there is none.
    pub(crate) fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap_or_default()
    }

    /// `metadata.name`, or nothing where there is none.
    pub(crate) fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// The document as a kind of ours.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.value.clone())
            .with_context(|| format!("reading {} {} in {}", self.kind(), self.name(), self.at))
    }
}

/// All documents below `path`; `-` is standard input.
pub(crate) fn load(path: &Path) -> Result<Vec<Manifest>> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("reading manifests from standard input")?;
        return documents("standard input", &text);
    }
    let mut files = Vec::new();
    collect(path, 0, &mut files)?;
    files.sort();
    let mut manifests = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)
            .with_context(|| format!("reading manifests from {}", file.display()))?;
        manifests.extend(documents(&file.display().to_string(), &text)?);
    }
    if manifests.is_empty() {
        bail!(
            "no manifest (.yaml, .yml, .json) lies in {}",
            path.display()
        );
    }
    Ok(manifests)
}

/// The documents of one text. A `List` is its items.
pub(crate) fn documents(at: &str, text: &str) -> Result<Vec<Manifest>> {
    let values: Vec<Value> =
        serde_saphyr::from_multiple(text).with_context(|| format!("reading {at} as YAML"))?;
    let mut manifests = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let at = format!("{at}, document {}", index + 1);
        match value {
            Value::Null => {}
            Value::Object(ref object) if object.get("kind").is_some_and(|kind| kind == "List") => {
                let items = value["items"].as_array().cloned().unwrap_or_default();
                manifests.extend(items.into_iter().map(|value| Manifest {
                    at: at.clone(),
                    value,
                }));
            }
            Value::Object(_) => manifests.push(Manifest { at, value }),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                bail!(
                    "{at} is no Kubernetes object: a mapping with apiVersion, kind and metadata is needed"
                )
            }
        }
    }
    Ok(manifests)
}

fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    if depth > FOLDER_DEPTH_MAX {
        bail!(
            "{} lies deeper than {FOLDER_DEPTH_MAX} folders; is it a loop of links?",
            path.display()
        );
    }
    let about = fs::metadata(path)
        .with_context(|| format!("looking for manifests at {}", path.display()))?;
    if about.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("listing {}", path.display()))? {
        let path = entry
            .with_context(|| format!("listing {}", path.display()))?
            .path();
        let manifest = path.extension().is_some_and(|extension| {
            ["yaml", "yml", "json"]
                .iter()
                .any(|known| extension == *known)
        });
        if path.is_dir() || manifest {
            collect(&path, depth + 1, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_documents_and_lists_are_read_in_order() {
        let text = "kind: A\nmetadata: {name: one}\n---\n---\nkind: List\nitems:\n- {kind: B, metadata: {name: two}}\n";

        let manifests = documents("some.yaml", text).unwrap();

        let names: Vec<&str> = manifests.iter().map(Manifest::name).collect();
        assert_eq!(names, ["one", "two"]);
    }

    #[test]
    fn what_is_no_object_is_refused_by_its_place() {
        let error = documents("some.yaml", "just words").unwrap_err();

        assert!(
            error
                .to_string()
                .starts_with("some.yaml, document 1 is no Kubernetes object"),
            "{error}"
        );
    }
}
