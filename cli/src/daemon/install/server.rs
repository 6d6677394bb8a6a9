//! Where the host's service finds the API server, and whom it believes.
//!
//! The kubelet's own way is taken where it is known: it works after a boot without a kubelet, a container runtime and
//! the proxy that makes the cluster's service address reachable.

use ::daemon::host::plain::Root;
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::Kubeconfig;
use serde_json::json;

use super::super::layout::{AUTHORITY, TOKEN};
use super::Args;

/// Where kubelets have their kubeconfig: kubeadm, OpenShift, managed clouds, k3s.
const KUBELET: [&str; 4] = [
    "/etc/kubernetes/kubelet.conf",
    "/etc/kubernetes/kubeconfig",
    "/var/lib/kubelet/kubeconfig",
    "/var/lib/rancher/k3s/agent/kubelet.kubeconfig",
];

/// How a pod learns the cluster's service.
const SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";
const SERVICE_PORT: &str = "KUBERNETES_SERVICE_PORT";

/// An API server.
pub(crate) struct Server {
    url: String,
    /// The name in its certificate, where that is not the address.
    name: Option<String>,
    /// Certificates of whoever signs its certificate.
    pub(crate) authority: Vec<u8>,
}

/// The API server that the host's service shall ask.
pub(crate) fn find(root: &Root, args: &Args) -> Result<Server> {
    let own = args.service_account.join("ca.crt");
    let own = std::fs::read(&own).with_context(|| format!("reading {}", own.display()))?;
    if let Some(url) = &args.server {
        return Ok(Server {
            url: url.clone(),
            name: None,
            authority: own,
        });
    }
    for path in KUBELET {
        if let Some(server) = of_kubelet(root, path, &own)? {
            return Ok(server);
        }
    }
    let variable = |name: &str| {
        std::env::var(name).with_context(|| {
            format!("the host's kubelet has no kubeconfig, and {name} is not set: give --server")
        })
    };
    let (host, port) = (variable(SERVICE_HOST)?, variable(SERVICE_PORT)?);
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    Ok(Server {
        url: format!("https://{host}:{port}"),
        name: None,
        authority: own,
    })
}

/// The one that the kubeconfig at `path` names; one that cannot be read is left aside.
fn of_kubelet(root: &Root, path: &str, own: &[u8]) -> Result<Option<Server>> {
    let Some(text) = root.read(path)? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&text);
    let Ok(read) = Kubeconfig::from_yaml(&text) else {
        tracing::warn!(path, "the kubelet's kubeconfig cannot be read");
        return Ok(None);
    };
    let wanted = read.current_context.as_deref();
    let contexts = read.contexts.iter();
    let mut named = contexts.filter(|it| wanted.is_none_or(|wanted| it.name == wanted));
    let cluster = named.next().and_then(|it| it.context.as_ref());
    let cluster = cluster.map(|context| context.cluster.as_str());
    let mut clusters = read.clusters.iter();
    let found = clusters.find(|it| cluster.is_none_or(|cluster| it.name == cluster));
    let Some(found) = found.and_then(|it| it.cluster.as_ref()) else {
        return Ok(None);
    };
    let Some(url) = found.server.clone() else {
        return Ok(None);
    };
    let inline = found.certificate_authority_data.as_deref();
    let authority = match (inline, &found.certificate_authority) {
        (Some(data), _) => STANDARD.decode(data.trim()).ok(),
        (None, Some(file)) => root.read(file)?,
        (None, None) => None,
    };
    Ok(Some(Server {
        url,
        name: found.tls_server_name.clone(),
        authority: authority.unwrap_or_else(|| own.to_vec()),
    }))
}

impl Server {
    /// The kubeconfig of the service.
    pub(crate) fn kubeconfig(&self) -> Result<String> {
        let mut cluster = json!({"server": self.url, "certificate-authority": AUTHORITY});
        if let Some(name) = &self.name {
            cluster["tls-server-name"] = json!(name);
        }
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": "daemon", "user": {"tokenFile": TOKEN}}],
            "contexts": [{"name": "daemon", "context": {"cluster": "cluster", "user": "daemon"}}],
            "current-context": "daemon",
        });
        serde_saphyr::to_string(&kubeconfig).context("writing the kubeconfig")
    }
}
