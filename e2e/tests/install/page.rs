//! docs/install.md, followed word by word: its commands are run as they stand there, by a real shell with the real tools.
//!
//! What needs machines that run pods is left out, by name ([`NEEDS_KUBELETS`]); the fleet of the other tests plays their part:
//! it is there once the pods would be, and gone once they would be gone.

use std::path::{Path, PathBuf};
use std::process::Command;

use api::names::{install, label, ours};
use controller::removal;
use e2e::control_plane::{ControlPlane, Controllers, Options};
use e2e::machines::clock;

use crate::fleet::{Fleet, is_settled, look, target};
use crate::rollout::{NODES, make_pool};
use crate::support::{Ask, Caller, Installed, until};

/// Commands that wait for pods or read them. A page without one of these fails the test as well.
const NEEDS_KUBELETS: [&str; 2] = [
    "kubectl --namespace windlass rollout status daemonset",
    "kubectl --namespace windlass logs",
];

/// What stands for a name on the page.
const PLACEHOLDER: &str = "rendered-worker-…";

/// One shell block of the page.
struct Block {
    /// The heading that it is under.
    section: String,
    /// Whether it is for those who took Helm.
    helm: bool,
    /// Its commands, each on one line.
    commands: Vec<String>,
}

/// The page, and what its commands are run with.
struct Follower {
    blocks: Vec<Block>,
    helm: bool,
    path: String,
    kubeconfig: PathBuf,
    left_out: Vec<&'static str>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Whether a command has more lines: after a backslash, and within quotes.
fn goes_on(command: &str) -> bool {
    command.ends_with('\\') || command.matches('\'').count() % 2 == 1
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut section, mut helm) = (String::new(), false);
    let mut blocks: Vec<Block> = Vec::new();
    let mut within = false;
    for line in page.lines() {
        let line = line.trim();
        if within && line == "```" {
            (within, helm) = (false, false);
        } else if within {
            let commands = &mut blocks.last_mut().unwrap().commands;
            match commands.last_mut().filter(|last| goes_on(last)) {
                Some(last) => {
                    let cut = last.trim_end_matches('\\').len();
                    last.truncate(cut);
                    last.push(' ');
                    last.push_str(line);
                }
                None => commands.push(line.to_owned()),
            }
        } else if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut section);
        } else if line == "<!-- helm -->" {
            helm = true;
        } else if line == "```sh" {
            within = true;
            blocks.push(Block {
                section: section.clone(),
                helm,
                commands: Vec::new(),
            });
        }
    }
    blocks
}

impl Follower {
    /// Of those who took the chart, or the base.
    fn of(cluster: &ControlPlane, helm: bool) -> Self {
        let page = std::fs::read_to_string(root().join("docs/install.md")).unwrap();
        let tools = cluster.folder().join("tools");
        std::fs::create_dir_all(&tools).unwrap();
        let link = |name: &str, to: &Path| {
            std::os::unix::fs::symlink(to, tools.join(name)).unwrap();
        };
        link(
            "windlass",
            Path::new(env!("CARGO_BIN_EXE_windlass-as-installed")),
        );
        link("kubectl", &e2e::control_plane::assets::kubectl().unwrap());
        if helm {
            link("helm", &e2e::control_plane::assets::helm().unwrap());
        }
        let path = std::env::var("PATH").unwrap();
        Self {
            blocks: blocks(&page),
            helm,
            path: format!("{}:{path}", tools.display()),
            kubeconfig: cluster.kubeconfig().clone(),
            left_out: Vec::new(),
        }
    }

    /// Runs the blocks of a section; what they said, command by command.
    fn follow(&mut self, section: &str, which: impl Fn(&Block) -> bool) -> Vec<String> {
        let found: Vec<&Block> = self
            .blocks
            .iter()
            .filter(|block| block.section == section && which(block))
            .collect();
        assert!(
            !found.is_empty(),
            "docs/install.md has no such block under {section:?}"
        );
        let mut said: Vec<String> = Vec::new();
        for command in found.into_iter().flat_map(|block| &block.commands) {
            let needs = NEEDS_KUBELETS
                .iter()
                .find(|start| command.starts_with(**start));
            if let Some(needs) = needs {
                self.left_out.push(needs);
                continue;
            }
            // A name that the page leaves open is what the command before it said.
            let known = said
                .last()
                .map(|last| last.trim().to_owned())
                .unwrap_or_default();
            let command = command.replace(PLACEHOLDER, &known);
            said.push(self.run(&command));
        }
        said
    }

    fn run(&self, command: &str) -> String {
        let told = Command::new("bash")
            .args(["-euo", "pipefail", "-c", command])
            .current_dir(root())
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
            // Helm's own files, in a folder that goes with the control plane.
            .env("HOME", self.kubeconfig.parent().unwrap())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&told.stderr);
        assert!(
            told.status.success(),
            "docs/install.md says: {command}\n{error}"
        );
        String::from_utf8(told.stdout).unwrap()
    }

    /// The block of the step that is for this way of installing.
    fn own(&self) -> impl Fn(&Block) -> bool + use<> {
        let helm = self.helm;
        move |block| block.helm == helm
    }
}

async fn fresh() -> Installed {
    let cluster = ControlPlane::start(Options {
        controllers: Controllers::Only(vec![
            "node-lifecycle-controller",
            "serviceaccount-controller",
            "namespace-controller",
        ]),
        ..Options::default()
    })
    .await
    .unwrap();
    let installed = Installed {
        admin: cluster.admin().await.unwrap(),
        audit: cluster.audit(),
        door: cluster.url(0),
        cluster,
    };
    until("the namespaces of the system are there", async || {
        let admin: Caller = installed.admin();
        admin
            .ask(Ask::get("/api/v1/namespaces/kube-node-lease"))
            .await
            .is_ok()
    })
    .await;
    installed
}

/// What the pods would do: daemons on two nodes, and a controller.
async fn pods_run(installed: &Installed) -> Fleet {
    for name in NODES {
        installed.node(name).await;
    }
    until("the definitions hold", async || {
        let pools = format!("{}/machineconfigpools", crate::support::MACHINE);
        installed.admin().ask(Ask::get(&pools)).await.is_ok()
    })
    .await;
    let mut fleet = Fleet::start(installed, &NODES).await;
    fleet.start_controller(installed).await;
    fleet
}

/// From "Is it there?" to "Upgrading Windlass", while pods run.
async fn live(follower: &mut Follower, installed: &Installed) {
    until("every node shows its operating system", async || {
        look(installed, NODES[1]).await["metadata"]["annotations"][ours::OS_ID].is_string()
    })
    .await;
    let there = follower.follow("Is it there?", |_| true);
    assert!(there[1].contains(install::CONTROLLER), "{there:?}");
    for name in NODES {
        let shown = there[2].lines().find(|line| line.starts_with(name));
        assert!(shown.unwrap().contains("debian"), "{there:?}");
    }
    make_pool(installed);
    let first = target(installed, "worker", None).await;
    let explained = follower.follow("The first pool", |_| true);
    assert!(explained[0].contains("approve-first"), "{}", explained[0]);
    for name in NODES {
        until(&format!("{name} has {first}"), async || {
            is_settled(&look(installed, name).await, &first)
        })
        .await;
    }
    until("nobody holds a slot", async || {
        let path = "/apis/windlass.dev/v1alpha1/slotledgers/cluster";
        let ledger = installed.admin().may("a look", Ask::get(path)).await;
        let holders = ledger["spec"]["holders"].as_array();
        holders.is_none_or(Vec::is_empty)
    })
    .await;
    let paused = follower.follow("Upgrading Windlass", |_| true);
    assert!(matches!(paused[1].as_str(), "" | "[]"), "{}", paused[1]);
}

/// "Removing Windlass", step by step; the pods go with theirs.
async fn leave(follower: &mut Follower, installed: &Installed, fleet: Fleet) {
    let removing = "Removing Windlass";
    let own = follower.own();
    follower.follow(removing, has(&["patch daemonset"]));
    fleet.end().await;
    let stops = has(&["delete deployments", "helm uninstall"]);
    follower.follow(removing, |block| own(block) && stops(block));
    until("the lease is over", async || {
        let (namespace, lease) = (install::NAMESPACE, install::CONTROLLER);
        let led = removal::led_by(&installed.admin, namespace, lease, clock().now()).await;
        led.unwrap().is_none()
    })
    .await;
    until("admission has forgotten its bindings", async || {
        removal::remove(&installed.admin).await.is_ok()
    })
    .await;
    let cleaned = follower.follow(removing, has(&["windlass uninstall"]));
    assert!(
        cleaned[0].contains("bear nothing of Windlass"),
        "{cleaned:?}"
    );
    let rest = has(&["delete -k", "delete crds"]);
    follower.follow(removing, |block| own(block) && rest(block));
}

/// Whether a block has one of these commands.
fn has(commands: &'static [&'static str]) -> impl Fn(&Block) -> bool {
    move |block| {
        let mut all = block.commands.iter();
        all.any(|command| commands.iter().any(|wanted| command.contains(wanted)))
    }
}

/// Everything from "Is it there?" until nothing is there any more.
async fn live_and_leave(follower: &mut Follower, installed: &Installed) {
    let fleet = pods_run(installed).await;

    live(follower, installed).await;
    leave(follower, installed, fleet).await;

    let owner = format!("{}={}", label::OWNER, label::OWNER_WINDLASS);
    let kinds = "crds,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings";
    let left = installed.kubectl(&["get", kinds, "-l", &owner, "-o=name"]);
    assert_eq!(left, "");
    for name in NODES {
        let notes = look(installed, name).await["metadata"].to_string();
        assert!(!notes.contains("windlass.dev"), "{notes}");
    }
    follower.left_out.sort_unstable();
    follower.left_out.dedup();
    let needed = follower.left_out.len();
    assert_eq!(
        needed,
        NEEDS_KUBELETS.len(),
        "the page needs no pods any more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_holds_for_who_installs_with_kustomize() {
    let installed = fresh().await;
    let mut follower = Follower::of(&installed.cluster, false);

    follower.follow("With kustomize", |_| true);

    live_and_leave(&mut follower, &installed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_holds_for_who_installs_with_helm() {
    let installed = fresh().await;
    let mut follower = Follower::of(&installed.cluster, true);

    follower.follow("With Helm", |_| true);

    let image = installed.kubectl(&[
        "--namespace=windlass",
        "get",
        "deployment/windlass-controller",
        "daemonset/windlass-daemon",
        "-o=jsonpath={.items[*].spec.template.spec.containers[*].image}",
    ]);
    assert_eq!(
        image,
        "images.example.com/windlass:0.1.0 images.example.com/windlass:0.1.0"
    );
    live_and_leave(&mut follower, &installed).await;
}

#[test]
fn every_block_of_the_page_is_of_a_section_that_is_followed() {
    let page = std::fs::read_to_string(root().join("docs/install.md")).unwrap();

    let sections: Vec<String> = blocks(&page)
        .into_iter()
        .map(|block| block.section)
        .collect();

    let followed = [
        "With kustomize",
        "With Helm",
        "Is it there?",
        "The first pool",
        "Upgrading Windlass",
        "Removing Windlass",
    ];
    for section in &sections {
        assert!(
            followed.contains(&section.as_str()),
            "nobody follows {section:?}"
        );
    }
    for section in followed {
        assert!(
            sections.iter().any(|found| found == section),
            "{section:?} has no commands"
        );
    }
}
