//! Reads the manifests that a person hands over: files, folders, standard input; YAML or JSON, several documents a file.
//!
//! # Guarantees
//! Every document that cannot be read is named with file and position. Folders are read in the order of their paths,
//! so the same folder gives the same result everywhere. Of two documents for one object both are named, and none is
//! taken; a field that the kind does not have is named, for it would silently do nothing. Kinds that the caller does not
//! ask for are left alone.

use std::collections::BTreeMap;
use std::fmt;
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

    /// The document as a kind of ours; fields that the kind does not have are refused.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let mut unknown = Vec::new();
        let read = serde_ignored::deserialize(&self.value, |path| {
            // A field that may be absent is a step of its own in the path.
            let path = path.to_string().replace(".?", "");
            // A type knows what kind it is; and what a cluster said in a status is no wish that could be lost.
            let is_lost =
                !["apiVersion", "kind"].contains(&path.as_str()) && !path.starts_with("status.");
            if is_lost {
                unknown.push(path);
            }
        })
        .with_context(|| format!("reading {self}"))?;
        if !unknown.is_empty() {
            bail!(
                "reading {self}: {} has no field {}; correct or remove it",
                self.kind(),
                unknown.join(", ")
            );
        }
        Ok(read)
    }

    /// What makes it the same object as another document: group, kind, namespace and name.
    fn identity(&self) -> (String, String, String, String) {
        let of = |pointer: &str| {
            let text = self.value.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let version = of("/apiVersion");
        let group = version.split_once('/').map_or("", |(group, _)| group);
        (
            group.to_owned(),
            of("/kind"),
            of("/metadata/namespace"),
            of("/metadata/name"),
        )
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in {}", self.kind(), self.name(), self.at)
    }
}

/// All documents below `path`; `-` is standard input.
pub(crate) fn load(path: &Path) -> Result<Vec<Manifest>> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("reading manifests from standard input")?;
        return each_once(documents("standard input", &text)?);
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
    each_once(manifests)
}

/// The manifests, if no two are of one object.
fn each_once(manifests: Vec<Manifest>) -> Result<Vec<Manifest>> {
    let mut seen = BTreeMap::new();
    for manifest in &manifests {
        if let Some(first) = seen.insert(manifest.identity(), &manifest.at) {
            bail!("{manifest} is in {first} already: keep one of them");
        }
    }
    Ok(manifests)
}

/// The documents of one text. A `List` is its items.
pub(crate) fn documents(at: &str, text: &str) -> Result<Vec<Manifest>> {
    // As kubectl reads them: the mode of a file is most often written 0644.
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    let values: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
        .with_context(|| format!("reading {at} as YAML"))?;
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
    fn a_mode_is_read_as_kubectl_reads_it() {
        let read = documents("some.yaml", "kind: A\nmodes: [0644, 420, 0o644]\n").unwrap();

        assert_eq!(read[0].value["modes"], serde_json::json!([420, 420, 420]));
    }

    fn only(text: &str) -> Manifest {
        documents("some.yaml", text).unwrap().remove(0)
    }

    #[test]
    fn a_field_that_the_kind_does_not_have_is_refused_by_its_path() {
        let config = only(
            "kind: MachineConfig\nmetadata: {name: one, labelz: {}}\nspec: {kernelArgumentz: [a]}\n",
        );
        let pool = only(
            "kind: MachineConfigPool\nmetadata: {name: two}\nspec:\n  maxUnavailble: 2\n  \
             nodeSelector: {matchLabelz: {a: b}}\nstatus: {newer: 1}\nspecc: {}\n",
        );

        let config = config.read::<api::MachineConfig>().unwrap_err();
        let pool = pool.read::<api::MachineConfigPool>().unwrap_err();

        assert_eq!(
            [config.to_string(), pool.to_string()],
            [
                "reading MachineConfig one in some.yaml, document 1: MachineConfig has no field metadata.labelz, \
                 spec.kernelArgumentz; correct or remove it",
                "reading MachineConfigPool two in some.yaml, document 1: MachineConfigPool has no field \
                 spec.maxUnavailble, spec.nodeSelector.matchLabelz, specc; correct or remove it"
            ]
        );
    }

    #[test]
    fn of_two_documents_for_one_object_both_places_are_named() {
        let text = "kind: A\nmetadata: {name: one}\n---\nkind: B\nmetadata: {name: one}\n---\n\
                    kind: A\nmetadata: {name: one}\n";

        let error = each_once(documents("some.yaml", text).unwrap()).unwrap_err();

        assert_eq!(
            error.to_string(),
            "A one in some.yaml, document 3 is in some.yaml, document 1 already: keep one of them"
        );
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
