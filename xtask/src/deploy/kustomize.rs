//! The kustomize base with its components.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::values::settled;
use super::{HEADER, Piece, documents, objects, yaml};

const FOLDER: &str = "deploy/kustomize";

/// Path from the root to content.
pub(super) fn files(pieces: &[Piece], components: &[Piece]) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let base = format!("{FOLDER}/base");
    let mut names = vec!["namespace.yaml".to_owned()];
    let namespace = settled(&objects::namespace())?;
    files.insert(
        format!("{base}/namespace.yaml"),
        format!("{HEADER}{}", yaml(&namespace)?),
    );
    for piece in pieces {
        let name = format!("{}.yaml", piece.name);
        files.insert(format!("{base}/{name}"), text(piece)?);
        names.push(name);
    }
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": names,
    });
    files.insert(
        format!("{base}/kustomization.yaml"),
        format!("{HEADER}{}", yaml(&kustomization)?),
    );
    for piece in components {
        let (folder, name) = (
            format!("{FOLDER}/components/{}", piece.name),
            format!("{}.yaml", piece.name),
        );
        let kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "resources": [name],
        });
        files.insert(format!("{folder}/{name}"), text(piece)?);
        files.insert(
            format!("{folder}/kustomization.yaml"),
            format!("{HEADER}{}", yaml(&kustomization)?),
        );
    }
    let all: Vec<String> = components
        .iter()
        .map(|piece| format!("../components/{}", piece.name))
        .collect();
    let everything = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": ["../base"], "components": all,
    });
    files.insert(
        format!("{FOLDER}/everything/kustomization.yaml"),
        format!("{HEADER}{}", yaml(&everything)?),
    );
    Ok(files)
}

fn text(piece: &Piece) -> Result<String> {
    let objects: Vec<Value> = piece.objects.iter().map(settled).collect::<Result<_>>()?;
    Ok(format!("{HEADER}{}", documents(&objects)?))
}
