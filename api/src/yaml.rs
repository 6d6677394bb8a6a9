//! CRDs as YAML, the one way that `windlass crds` and the files in `deploy/crds/` share.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// One CRD as a YAML document without separators, its keys in order.
///
/// Strings that an older reader of YAML would take for something else are quoted. Fails only
/// where the writer of YAML does.
pub fn document(crd: &CustomResourceDefinition) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(crd)
}

/// Several CRDs as one stream of YAML documents.
pub fn documents(
    crds: &[CustomResourceDefinition],
) -> Result<String, serde_saphyr::SerializeError> {
    let mut text = String::new();
    for crd in crds {
        text.push_str("---\n");
        text.push_str(&document(crd)?);
    }
    Ok(text)
}
