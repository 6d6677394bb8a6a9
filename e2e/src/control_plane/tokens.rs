//! Tokens of ServiceAccounts.

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Client;
use kube::api::{Api, PostParams};

use super::error::{ControlPlaneError, Result};
use super::kubeconfig::Credential;

/// How long a token is valid: longer than a test, and than the ten minutes that the API asks for at least.
const VALID_SECONDS: i64 = 3600;

/// The object with which a token dies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundTo {
    /// Its kind: `Node`, `Pod` or `Secret`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its uid; none takes the one that is there.
    pub uid: Option<String>,
}

impl BoundTo {
    /// A Node of this name.
    pub fn node(name: &str) -> Self {
        Self {
            kind: "Node",
            name: name.to_owned(),
            uid: None,
        }
    }
}

pub(super) async fn request(
    admin: Client,
    namespace: &str,
    name: &str,
    bound_to: Option<&BoundTo>,
) -> Result<Credential> {
    let accounts: Api<ServiceAccount> = Api::namespaced(admin, namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(VALID_SECONDS),
            bound_object_ref: bound_to.map(|bound| BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some(bound.kind.to_owned()),
                name: Some(bound.name.clone()),
                uid: bound.uid.clone(),
            }),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let granted = accounts
        .create_token_request(name, &PostParams::default(), &request)
        .await
        .map_err(|source| ControlPlaneError::Token {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            source: Box::new(source),
        })?;
    let token = granted
        .status
        .map(|status| status.token)
        .unwrap_or_default();
    Ok(Credential::Token(token))
}
