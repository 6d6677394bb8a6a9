//! Clients: as a `kube::Client`, and as a file for kubectl.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{
    AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster,
    NamedContext,
};
use kube::{Client, Config};

use super::certificates::Pair;
use super::error::{ControlPlaneError, Result, file};

/// What the only cluster, user and context of a kubeconfig are called.
const NAME: &str = "windlass";

/// By what somebody proves who he is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A client certificate.
    Certificate(Pair),
    /// A token, such as a ServiceAccount's.
    Token(String),
    /// Nothing.
    Anonymous,
}

fn kubeconfig(url: &str, authority: &str, credential: &Credential) -> Kubeconfig {
    let auth_info = match credential {
        Credential::Certificate(pair) => AuthInfo {
            client_certificate_data: Some(base64(&pair.certificate)),
            client_key_data: Some(base64(&pair.key).into()),
            ..AuthInfo::default()
        },
        Credential::Token(token) => AuthInfo {
            token: Some(token.clone().into()),
            ..AuthInfo::default()
        },
        Credential::Anonymous => AuthInfo::default(),
    };
    Kubeconfig {
        api_version: Some("v1".to_owned()),
        kind: Some("Config".to_owned()),
        clusters: vec![NamedCluster {
            name: NAME.to_owned(),
            cluster: Some(Cluster {
                server: Some(url.to_owned()),
                certificate_authority_data: Some(base64(authority)),
                ..Cluster::default()
            }),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: NAME.to_owned(),
            auth_info: Some(auth_info),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: NAME.to_owned(),
            context: Some(Context {
                cluster: NAME.to_owned(),
                user: Some(NAME.to_owned()),
                ..Context::default()
            }),
            ..NamedContext::default()
        }],
        current_context: Some(NAME.to_owned()),
        ..Kubeconfig::default()
    }
}

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

/// A client of the server at this URL.
pub(super) async fn client(url: &str, authority: &str, credential: &Credential) -> Result<Client> {
    let config = config(url, authority, credential).await?;
    Client::try_from(config).map_err(|source| failed(url, source.into()))
}

/// What such a client is made of.
pub(super) async fn config(url: &str, authority: &str, credential: &Credential) -> Result<Config> {
    let kubeconfig = kubeconfig(url, authority, credential);
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|source| failed(url, source.into()))?;
    // Who asks is told what the server said: a refused eviction is an answer, not to be tried fifteen times behind a test's back.
    config.default_retry = false;
    Ok(config)
}

fn failed(url: &str, source: Box<dyn std::error::Error + Send + Sync>) -> ControlPlaneError {
    ControlPlaneError::Client {
        url: url.to_owned(),
        source,
    }
}

/// Writes a kubeconfig that its owner alone can read.
pub(super) fn write(
    path: &Path,
    url: &str,
    authority: &str,
    credential: &Credential,
) -> Result<()> {
    let kubeconfig = kubeconfig(url, authority, credential);
    let written = || {
        // JSON is YAML.
        let text = serde_json::to_vec_pretty(&kubeconfig)?;
        let mut file = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(&text)
    };
    written().map_err(|source| file("writing", path, source))
}
