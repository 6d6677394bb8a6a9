//! A server behind a door on loopback, and kubectl in a home of its own.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use simulation::clock::starting_at;
use simulation::server::http::{Listener, listen};
use simulation::server::{ApiServer, Options};
use tokio::runtime::{Builder, Runtime};

/// Numbers the homes, for tests run beside each other.
static HOMES: AtomicU32 = AtomicU32::new(0);

/// The definition that most stories use: with a column, a default and a status.
pub(crate) const WIDGETS: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Mode, type: string, jsonPath: .spec.mode}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            description: What the widget is to be.
            type: object
            properties:
              mode: {type: string, description: How it works., enum: [a, b]}
              count: {type: integer}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
";

/// A cluster that ends with its test.
pub(crate) struct Cluster {
    door: Option<Listener>,
    runtime: Option<Runtime>,
    home: PathBuf,
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub succeeded: bool,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The output of a command that had to succeed.
    pub(crate) fn ok(self) -> String {
        assert!(self.succeeded, "{self:?}");
        self.out
    }

    /// The complaint of a command that had to fail.
    pub(crate) fn refused(self) -> String {
        assert!(!self.succeeded, "{self:?}");
        self.err
    }
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let door = runtime.block_on(async {
            let clock = starting_at("2026-11-24T00:00:00Z".parse().unwrap());
            let server = ApiServer::new(clock, Options::default());
            listen(&server).await.unwrap()
        });
        let name = format!(
            "kubectl-{}-{}",
            std::process::id(),
            HOMES.fetch_add(1, Ordering::Relaxed)
        );
        let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("kubeconfig"), door.kubeconfig()).unwrap();
        Self {
            door: Some(door),
            runtime: Some(runtime),
            home,
        }
    }

    /// A cluster with the definition of widgets.
    pub(crate) fn with_widgets() -> Self {
        let cluster = Self::new();
        cluster.create(WIDGETS);
        cluster
    }

    /// A file in the home; its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.home.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// An editor for `kubectl edit` that replaces a text by another.
    pub(crate) fn editor(&self, from: &str, to: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let script = format!("#!/bin/sh\nsed -i 's/{from}/{to}/' \"$1\"\n");
        let path = self.file("editor", &script);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Runs `kubectl` with these arguments, separated by blanks; `'` holds blanks together.
    pub(crate) fn kubectl(&self, line: &str) -> Ran {
        self.run(line, "", &[])
    }

    /// The same, with YAML on standard input and more variables in the environment.
    pub(crate) fn run(&self, line: &str, input: &str, environment: &[(&str, &str)]) -> Ran {
        let mut child = Command::new("kubectl")
            .args(words(line))
            .env("HOME", &self.home)
            .env("KUBECONFIG", self.home.join("kubeconfig"))
            .env("TMPDIR", &self.home)
            .env("KUBECACHEDIR", self.home.join("cache"))
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("these tests need kubectl on the PATH: install the package kubectl (or kubernetes-client)");
        // The dashes say that it is YAML: kubectl takes what begins with a brace for JSON.
        let input = format!("---\n{input}");
        let mut pipe = child.stdin.take().unwrap();
        // A command that does not read its input may be gone already.
        pipe.write_all(input.as_bytes()).unwrap_or_default();
        drop(pipe);
        let ended = child.wait_with_output().unwrap();
        Ran {
            succeeded: ended.status.success(),
            out: String::from_utf8(ended.stdout).unwrap(),
            err: String::from_utf8(ended.stderr).unwrap(),
        }
    }

    /// Creates objects from YAML.
    pub(crate) fn create(&self, objects: &str) {
        self.run("create -f -", objects, &[]).ok();
    }

    /// Sets a node, two ready pods of an application on it, and a budget that allows so many disruptions.
    pub(crate) fn with_a_guarded_application(allowed: u8) -> Self {
        let cluster = Self::new();
        cluster.create(
            "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {node-role.kubernetes.io/worker: ''}}}",
        );
        for pod in ["p1", "p2"] {
            cluster.create(&format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: {pod}, namespace: default, labels: {{app: web}}}}, \
                 spec: {{nodeName: n1, terminationGracePeriodSeconds: 0, containers: [{{name: c, image: i}}]}}}}"
            ));
            cluster.set_status(
                &format!("pod {pod}"),
                r#"{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}"#,
            );
        }
        cluster.create(
            "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web, namespace: default}, \
             spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}",
        );
        cluster.allow(allowed);
        cluster
    }

    /// What a budget's controller would compute.
    pub(crate) fn allow(&self, disruptions: u8) {
        let status = format!(
            r#"{{"observedGeneration":1,"disruptionsAllowed":{disruptions},"currentHealthy":2,"desiredHealthy":1,"expectedPods":2}}"#
        );
        self.set_status("pdb web", &status);
    }

    pub(crate) fn set_status(&self, of: &str, status: &str) {
        let line =
            format!(r#"patch {of} --subresource=status --type=merge -p '{{"status":{status}}}'"#);
        self.kubectl(&line).ok();
    }

    /// A field of an object.
    pub(crate) fn field(&self, of: &str, path: &str) -> String {
        self.kubectl(&format!("get {of} -o jsonpath={{{path}}}"))
            .ok()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.door.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        // What cannot be removed lies in the build's own folder, and hurts nobody.
        fs::remove_dir_all(&self.home).unwrap_or_default();
    }
}

fn words(line: &str) -> Vec<String> {
    line.split('\'')
        .enumerate()
        .flat_map(|(place, part)| -> Vec<String> {
            if place % 2 == 1 {
                vec![part.to_owned()]
            } else {
                part.split_whitespace().map(str::to_owned).collect()
            }
        })
        .collect()
}
