//! What people do in one run: some changes and interventions while things break, and putting all right when they heal.

use crate::people::{Config, People, UPGRADES, upgrade};
use serde_json::{Value, json};
use simulation::chance::Chance;
use simulation::fleet::{Description, Fleet};
use std::time::Duration;

const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
const POOLS: [&str; 4] = ["master", "worker", "rhel", "infra"];
/// Between two things that people do.
const BETWEEN: std::ops::RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_mins(6);

/// The people's side of one run.
pub(crate) struct Story {
    pub(crate) people: People,
    draw: Chance,
    description: Description,
    /// What was done, for whoever reads a failure.
    pub(crate) told: Vec<String>,
    /// Steps of the API's upgrade that are done.
    upgraded: usize,
    /// The pool whose kubelets do not start with what they are given.
    broken: Option<&'static str>,
    versions: u64,
}

impl Story {
    pub(crate) fn new(people: People, description: Description, chance: &Chance) -> Self {
        Self {
            people,
            draw: chance.branch("story"),
            description,
            told: Vec::new(),
            upgraded: 0,
            broken: None,
            versions: 0,
        }
    }

    /// What every pool begins with.
    pub(crate) async fn begin(&mut self) {
        self.people.say_what_disturbs().await;
        for (name, role, path) in [
            ("00-master", "master", "/etc/base/master"),
            ("00-worker", "worker", "/etc/base/worker"),
        ] {
            self.file(name, role, path).await;
        }
        let kubelet = Config {
            role: "worker",
            file: Some((KUBELET_CONF, kubelet_conf("maxPods: 110"))),
            kubelet: Some("1.33"),
            ..Config::default()
        };
        self.people.apply("80-worker-kubelet", kubelet).await;
    }

    /// Does so many things, with pauses.
    pub(crate) async fn act(&mut self, fleet: &Fleet, times: u64) {
        for _ in 0..times {
            let pause = self.draw.duration(BETWEEN);
            tokio::time::sleep(pause).await;
            let done = self.one(fleet).await;
            self.told
                .push(format!("{} {done}", fleet.server().clock().now()));
        }
    }

    async fn one(&mut self, fleet: &Fleet) -> String {
        match self.draw.below(12) {
            0 | 1 => self.change_file().await,
            2 => self.change_without_reboot().await,
            3 => self.kernel_argument().await,
            4 | 5 => self.next_kubelet().await,
            6 => self.upgrade_one(fleet),
            7 => self.break_kubelets().await,
            8 => self.pause().await,
            9 => self.change_maximum().await,
            10 => self.empty_a_budget().await,
            _ => self.revert().await,
        }
    }

    async fn file(&mut self, name: &'static str, role: &'static str, path: &'static str) {
        self.versions += 1;
        let text = format!("version {}\n", self.versions);
        let config = Config {
            role,
            file: Some((path, text)),
            ..Config::default()
        };
        self.people.apply(name, config).await;
    }

    async fn change_file(&mut self) -> String {
        let (name, role, path) = self.one_of([
            ("50-master", "master", "/etc/motd.d/50-master"),
            ("50-worker", "worker", "/etc/sysctl.d/50-worker.conf"),
            ("51-worker", "worker", "/etc/security/limits.d/51.conf"),
            ("50-rhel", "rhel", "/etc/sysctl.d/50-rhel.conf"),
        ]);
        self.file(name, role, path).await;
        format!("changed {path} ({name})")
    }

    async fn change_without_reboot(&mut self) -> String {
        self.file("55-chrony", "worker", "/etc/chrony.conf").await;
        "changed the time servers".to_owned()
    }

    async fn kernel_argument(&mut self) -> String {
        let (name, role) = self.one_of([("60-master", "master"), ("60-worker", "worker")]);
        let argument = Some(self.one_of(["mitigations=auto", "audit=1"]));
        let config = Config {
            role,
            argument,
            ..Config::default()
        };
        self.people.apply(name, config).await;
        format!("set a kernel argument ({name})")
    }

    /// The RHEL workers' next kubelet, and in half of the cases a runtime that no longer serves the old one.
    async fn next_kubelet(&mut self) -> String {
        let setting = self.one_of(["maxPods: 110", "maxPods: 200"]);
        let kubelet = Config {
            role: "rhel",
            file: Some((
                "/etc/kubernetes/kubelet.conf.d/90-rhel.conf",
                kubelet_conf(setting),
            )),
            kubelet: Some("1.34"),
            ..Config::default()
        };
        self.people.apply("90-rhel-kubelet", kubelet).await;
        if !self.draw.happens(500) {
            return "gave the RHEL workers the next kubelet".to_owned();
        }
        let runtime = Config {
            role: "rhel",
            file: Some((
                "/etc/crio/crio.conf.d/90-rhel.conf",
                "oldest_kubelet = \"1.34\"\n".to_owned(),
            )),
            ..Config::default()
        };
        self.people.apply("91-rhel-runtime", runtime).await;
        "gave the RHEL workers the next kubelet and its runtime".to_owned()
    }

    fn upgrade_one(&mut self, fleet: &Fleet) -> String {
        if self.upgraded < UPGRADES {
            upgrade(fleet, self.upgraded);
            self.upgraded += 1;
        }
        format!("upgraded {} of {UPGRADES} parts of the API", self.upgraded)
    }

    async fn break_kubelets(&mut self) -> String {
        let (name, role) = self.one_of([("85-worker", "worker"), ("85-infra", "infra")]);
        if self.broken.is_some() {
            return "left the kubelets alone".to_owned();
        }
        self.broken = Some(name);
        self.kubelet_setting(name, role, "maxPodz: 250").await;
        format!("gave kubelets what kills them ({name})")
    }

    async fn kubelet_setting(&mut self, name: &'static str, role: &'static str, text: &str) {
        let config = Config {
            role,
            file: Some(("/etc/kubernetes/kubelet.conf.d/85.conf", kubelet_conf(text))),
            ..Config::default()
        };
        self.people.apply(name, config).await;
    }

    async fn correct(&mut self) {
        match self.broken.take() {
            Some("85-worker") => {
                self.kubelet_setting("85-worker", "worker", "maxPods: 250")
                    .await;
            }
            Some(_) => {
                self.kubelet_setting("85-infra", "infra", "maxPods: 250")
                    .await;
            }
            None => {}
        }
    }

    async fn pause(&mut self) -> String {
        let pool = self.one_of(POOLS);
        let paused = self.draw.happens(500);
        let change = json!({ "spec": { "paused": paused } });
        self.people.change_pool(pool, change).await;
        format!("set paused of {pool} to {paused}")
    }

    async fn change_maximum(&mut self) -> String {
        let pool = self.one_of(["worker", "rhel", "infra"]);
        let most = self.one_of(["0", "1", "2", "\"0%\"", "\"50%\""]);
        let most: Value = serde_json::from_str(most).unwrap();
        let change = json!({ "spec": { "maxUnavailable": most } });
        self.people.change_pool(pool, change).await;
        format!("set maxUnavailable of {pool} to {most}")
    }

    async fn empty_a_budget(&mut self) -> String {
        let name = self.one_of(["shop", "search"]);
        let zero = json!({ "minAvailable": null, "maxUnavailable": 0 });
        self.people.change_budget(name, zero).await;
        format!("emptied the budget {name}")
    }

    async fn revert(&mut self) -> String {
        let names = [
            "50-master",
            "50-worker",
            "51-worker",
            "50-rhel",
            "55-chrony",
            "60-master",
            "60-worker",
        ];
        let name = self.one_of(names);
        if !self.people.want(name) {
            return format!("would have deleted {name}, which is not there");
        }
        self.people.withdraw(name).await;
        format!("deleted {name}")
    }

    fn one_of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        all[usize::try_from(self.draw.below(N as u64)).unwrap()]
    }

    /// Puts everything right that people have not finished.
    pub(crate) async fn put_right(&mut self, fleet: &Fleet) {
        self.correct().await;
        while self.upgraded < UPGRADES {
            self.upgrade_one(fleet);
        }
        for pool in &self.description.pools {
            let change =
                json!({ "spec": { "paused": false, "maxUnavailable": pool.max_unavailable } });
            self.people.change_pool(&pool.name, change).await;
        }
        let one = json!({ "minAvailable": null, "maxUnavailable": 1 });
        self.people.change_budget("shop", one).await;
        let two = json!({ "minAvailable": 2, "maxUnavailable": null });
        self.people.change_budget("search", two).await;
    }
}

fn kubelet_conf(setting: &str) -> String {
    format!("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n{setting}\n")
}
