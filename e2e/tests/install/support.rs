//! A real control plane with the manifests of `deploy/` applied as a user applies them, and people who try things.

use std::path::Path;
use std::time::Duration;

use api::names::install;
use e2e::control_plane::audit::AuditLog;
use e2e::control_plane::certificates::Identity;
use e2e::control_plane::{BoundTo, ControlPlane, Credential, Options};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};

/// Longer than anything takes that a test waits for, on a machine that builds at the same time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where MachineConfigs, pools and MachineConfigNodes are.
pub(crate) const MACHINE: &str = "/apis/machineconfiguration.openshift.io/v1";

/// A control plane with Windlass's manifests.
pub(crate) struct Installed {
    pub(crate) cluster: ControlPlane,
    pub(crate) admin: Client,
    /// Who asked what, from when all was installed.
    pub(crate) audit: AuditLog,
    /// Where all but the administrator ask.
    pub(crate) door: String,
}

/// Who asks, with one request after the other.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) Client);

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    pub(crate) as_user: Option<&'static str>,
}

impl Ask {
    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path, None)
    }

    pub(crate) fn delete(path: &str) -> Self {
        Self::new(Method::DELETE, path, None)
    }

    pub(crate) fn post(path: &str, body: Value) -> Self {
        Self::new(Method::POST, path, Some(body))
    }

    pub(crate) fn put(path: &str, body: Value) -> Self {
        Self::new(Method::PUT, path, Some(body))
    }

    /// A merge patch.
    pub(crate) fn patch(path: &str, body: Value) -> Self {
        Self::new(Method::PATCH, path, Some(body))
    }

    /// A merge patch of one annotation of a Node.
    pub(crate) fn annotate(node: &str, key: &str, value: impl Into<Value>) -> Self {
        let body = json!({"metadata": {"annotations": {key: value.into()}}});
        Self::patch(&format!("/api/v1/nodes/{node}"), body)
    }

    fn new(method: Method, path: &str, body: Option<Value>) -> Self {
        Self {
            method,
            path: path.to_owned(),
            body,
            as_user: None,
        }
    }
}

impl Caller {
    /// What comes of it: the object, or the refusal's code and words.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Value, (u16, String)> {
        let kind = match ask.method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let mut request = Request::builder()
            .method(ask.method)
            .uri(&ask.path)
            .header("content-type", kind);
        if let Some(user) = ask.as_user {
            request = request.header("impersonate-user", user);
        }
        let body = ask.body.map(|body| serde_json::to_vec(&body).unwrap());
        let request = request.body(body.unwrap_or_default()).unwrap();
        match self.0.request::<Value>(request).await {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(status)) => Err((status.code, status.message)),
            Err(other) => panic!("{}: {other}", ask.path),
        }
    }

    /// It has to be granted.
    pub(crate) async fn may(&self, what: &str, ask: Ask) -> Value {
        let answer = self.ask(ask).await;
        answer.unwrap_or_else(|(code, why)| panic!("{what}: {code} {why}"))
    }

    /// It has to be refused, for want of a right and for no other reason.
    pub(crate) async fn may_not(&self, what: &str, ask: Ask) -> String {
        match self.ask(ask).await {
            Err((403, why)) => why,
            Err((code, why)) => panic!("{what}: {code} {why}"),
            Ok(_) => panic!("{what}: nobody refused it"),
        }
    }
}

/// Installs the kustomize base, as docs/install.md says.
pub(crate) async fn installed(options: Options) -> Installed {
    let cluster = ControlPlane::start(options).await.unwrap();
    let admin = cluster.admin().await.unwrap();
    let audit = cluster.audit();
    let door = cluster.url(0);
    let mut installed = Installed {
        cluster,
        admin,
        audit,
        door,
    };
    installed.until_namespaces().await;
    installed.kubectl(&["apply", "--server-side", "-k", &deploy("kustomize/base")]);
    for definition in ["machineconfigs", "machineconfignodes", "machineconfigpools"] {
        let name = format!("crd/{definition}.machineconfiguration.openshift.io");
        installed.kubectl(&["wait", "--for=condition=Established", &name]);
    }
    for name in ["worker-0", "worker-1"] {
        installed.node(name).await;
    }
    installed.until_admission().await;
    installed.audit = installed.cluster.audit().from_now().unwrap();
    installed
}

/// A path under `deploy/`.
pub(crate) fn deploy(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("deploy").join(path).display().to_string()
}

impl Installed {
    /// Runs kubectl as the administrator; what it says.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let told = self
            .cluster
            .kubectl()
            .unwrap()
            .args(arguments)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&told.stderr);
        assert!(told.status.success(), "kubectl {arguments:?}: {error}");
        String::from_utf8(told.stdout).unwrap()
    }

    pub(crate) fn admin(&self) -> Caller {
        Caller(self.admin.clone())
    }

    /// Whoever has this credential.
    pub(crate) async fn caller(&self, credential: &Credential) -> Caller {
        let client = self.cluster.client_at(&self.door, credential);
        Caller(client.await.unwrap())
    }

    /// Whoever holds the daemon's token of this node.
    pub(crate) async fn daemon(&self, node: &str) -> Caller {
        let bound = BoundTo::node(node);
        let token = self
            .cluster
            .token_of(install::NAMESPACE, install::DAEMON, Some(&bound));
        self.caller(&token.await.unwrap()).await
    }

    /// A user whose rights are these rules, cluster-wide.
    pub(crate) async fn user(&self, name: &str, rules: Value) -> Caller {
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        let (role, binding) = (
            format!("{rbac}/clusterroles"),
            format!("{rbac}/clusterrolebindings"),
        );
        let metadata = json!({"name": name});
        self.admin()
            .may(
                "a role",
                Ask::post(&role, json!({"metadata": metadata, "rules": rules})),
            )
            .await;
        let body = json!({
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
        });
        self.admin()
            .may("a binding", Ask::post(&binding, body))
            .await;
        let certificate = self.cluster.certificate_of(&Identity::user(name)).unwrap();
        let caller = self.caller(&certificate).await;
        until("the role holds", async || {
            caller.ask(Ask::get("/api/v1/nodes/worker-0")).await.is_ok()
        })
        .await;
        caller
    }

    pub(crate) async fn node(&self, name: &str) {
        let body =
            json!({"metadata": {"name": name, "labels": {"node-role.kubernetes.io/worker": ""}}});
        self.admin()
            .may("a node", Ask::post("/api/v1/nodes", body))
            .await;
    }

    /// The API server makes its namespaces in its own time.
    async fn until_namespaces(&self) {
        until("the system's namespaces are there", async || {
            let admin = self.admin();
            let there = async |name: &str| {
                let path = format!("/api/v1/namespaces/{name}");
                admin.ask(Ask::get(&path)).await.is_ok()
            };
            there("kube-node-lease").await && there("default").await
        })
        .await;
    }

    /// Policies hold a moment after they were written. Each of them is seen to refuse.
    async fn until_admission(&self) {
        let thief = self.daemon("worker-0").await;
        let body = json!({"spec": {"boundObjectRef": {"kind": "Node", "apiVersion": "v1", "name": "worker-1"}}});
        let event = json!({"metadata": {"name": "probe"}, "involvedObject": {"kind": "Node", "name": "worker-1"}});
        let record = format!("{MACHINE}/machineconfignodes");
        let probe = json!({"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigNode",
            "metadata": {"name": "worker-1"}, "spec": {"configVersion": {"desired": "x"},
            "node": {"name": "worker-1"}, "pool": {"name": "worker"}}});
        self.admin()
            .may("a record", Ask::post(&record, probe))
            .await;
        let asks = [
            Ask::annotate("worker-1", "probe", "1"),
            Ask::post(&token_path(), body),
            Ask::post("/api/v1/namespaces/default/events?dryRun=All", event),
            Ask::patch(&format!("{record}/worker-1/status"), json!({"status": {}})),
        ];
        for ask in asks {
            until(&format!("refused: {ask:?}"), async || {
                thief.ask(ask.clone()).await.is_err_and(|(code, why)| {
                    code == 403 && why.contains("ValidatingAdmissionPolicy")
                })
            })
            .await;
        }
        for key in [
            api::names::node::DESIRED_CONFIG,
            api::names::ours::ASSIGN_REQUEST,
        ] {
            let kubelet = self
                .cluster
                .certificate_of(&Identity::kubelet("worker-0"))
                .unwrap();
            let kubelet = self.caller(&kubelet).await;
            // Nothing is stored: what was written before the policy held would be no change after it, and granted for ever.
            let mut order = Ask::annotate("worker-0", key, "probe");
            order.path.push_str("?dryRun=All");
            until("orders are refused", async || {
                kubelet.ask(order.clone()).await.is_err()
            })
            .await;
        }
        let clean = json!({"metadata": {"annotations": null}});
        self.admin()
            .ask(Ask::patch("/api/v1/nodes/worker-1", clean))
            .await
            .unwrap();
    }
}

/// Where a daemon asks for its tokens.
pub(crate) fn token_path() -> String {
    format!(
        "/api/v1/namespaces/{}/serviceaccounts/{}/token",
        install::NAMESPACE,
        install::DAEMON
    )
}

/// Waits until something is so.
pub(crate) async fn until(story: &str, what: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !what().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {story}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
