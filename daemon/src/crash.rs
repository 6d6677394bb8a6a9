//! Promise 6, hunted: the power goes before or after every single operation of whole visits, and the next start has to
//! come to the same end as if nothing had happened.
//!
//! The driver here is the least shell there is: one effect after the other, a controller that grants every drain, and
//! no API server. The real one is proven in `e2e`.

use crate::core::{Daemon, Effect, Event, Memory, NodeState, NodeView, Order, Ready, Settings};
use crate::host::memory::{Cut, Disk, MemoryHost};
use crate::host::{File, Host, UnitState};
use crate::journal;
use crate::work::{self, Source, SourceError};
use futures::executor::block_on;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Steps that no visit needs; more of them is a daemon that goes in circles.
const STEPS_MAX: usize = 200;

/// Three configs: a first one, one that reboots, and one that restarts a service.
struct Configs;

impl Source for Configs {
    async fn config(&self, name: &str) -> Result<Option<Vec<u8>>, SourceError> {
        let spec = match name {
            "first" => spec("a", "on", &["nosmt"]),
            "reboots" => spec("b", "off", &["nosmt", "hugepages=8"]),
            "restarts" => spec("c", "off", &["nosmt", "hugepages=8"]),
            _ => return Ok(None),
        };
        let object = json!({"metadata": {"name": name}, "spec": spec});
        Ok(Some(object.to_string().into_bytes()))
    }

    async fn policy(&self) -> Result<Option<Vec<u8>>, SourceError> {
        let actions = json!([
            {"type": "DaemonReload"},
            {"type": "Restart", "restart": {"serviceName": "chronyd.service"}},
        ]);
        let policy = json!({"files": [{"path": "/etc/chrony.conf", "actions": actions}]});
        let object = json!({"metadata": {}, "spec": {"nodeDisruptionPolicy": policy}});
        Ok(Some(object.to_string().into_bytes()))
    }
}

fn spec(pool: &str, extra: &str, arguments: &[&str]) -> Value {
    let mut files = vec![json!({
        "path": "/etc/chrony.conf",
        "contents": {"source": format!("data:,pool%20{pool}")},
    })];
    let mut units = vec![json!({"name": "rpcbind.service", "mask": true})];
    if extra == "on" {
        files.push(json!({"path": "/etc/extra.conf", "contents": {"source": "data:,x"}}));
        units.push(json!({"name": "a.service", "enabled": true, "contents": "[Service]\n"}));
    }
    json!({
        "kernelArguments": arguments,
        "config": {
            "ignition": {"version": "3.4.0"},
            "storage": {"files": files},
            "systemd": {"units": units},
            "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": [pool]}]},
        },
    })
}

/// A node with its machine and a controller that grants whatever is asked for.
struct Rig {
    host: MemoryHost,
    node: NodeView,
}

/// How a life of the daemon's process ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Nothing is left to do.
    Rest,
    /// The machine went down.
    Down,
}

impl Rig {
    fn new() -> Self {
        let host = MemoryHost::new();
        host.tamper(|disk| {
            let own = File::of_root("distribution's", 0o640);
            disk.files.insert("/etc/chrony.conf".into(), own);
            disk.units
                .insert("rpcbind.service".into(), UnitState::Enabled);
        });
        let node = NodeView {
            ready: Ready::True { heartbeat: None },
            ..NodeView::default()
        };
        Self { host, node }
    }

    /// Assigns `config`, as the controller does.
    fn assign(&mut self, intent: u64, config: &str) {
        self.node.desired_config = Some(config.to_owned());
        self.node.order = Some(Order {
            intent,
            config: config.to_owned(),
        });
    }

    /// Starts the machine again as often as it goes down, until there is nothing left to do.
    fn run_to_rest(&mut self) -> Daemon {
        for _ in 0..STEPS_MAX {
            if self.host.is_down() {
                self.host.boot();
            }
            let (daemon, end) = block_on(self.live());
            if end == End::Rest {
                return daemon;
            }
        }
        panic!(
            "the machine goes down again and again: {:?}",
            self.host.log()
        );
    }

    /// One life of the daemon's process.
    async fn live(&mut self) -> (Daemon, End) {
        let memory = journal::load(&self.host, now()).await.unwrap();
        let boot = self.host.boot_id().await.unwrap();
        self.node.boot_id.clone_from(&boot);
        let (mut daemon, effects) = Daemon::start(memory, boot, Settings::default());
        let mut queue: VecDeque<Effect> = effects.into();
        for _ in 0..STEPS_MAX {
            let event = match queue.pop_front() {
                Some(effect) => match self.carry_out(&daemon, effect).await {
                    Err(()) => return (daemon, End::Down),
                    Ok(None) => continue,
                    Ok(Some(event)) => event,
                },
                None if self.grant(&daemon) => Event::NodeSeen(self.node.clone()),
                None if daemon.memory().state.outcome().is_some() && self.is_told(&daemon) => {
                    return (daemon, End::Rest);
                }
                None => Event::NodeSeen(self.node.clone()),
            };
            if let Ok((next, effects)) = daemon.on(event, now()) {
                daemon = next;
                queue.extend(effects);
            }
        }
        panic!(
            "the daemon goes in circles in {}",
            daemon.memory().state.name()
        );
    }

    /// Whether the present assignment has an outcome.
    fn is_told(&self, daemon: &Daemon) -> bool {
        let assigned = self.node.order.as_ref().map(|order| order.intent);
        daemon.report().acted_intent == assigned
    }

    /// Carries one effect out, as a process that dies with its machine.
    async fn carry_out(&self, daemon: &Daemon, effect: Effect) -> Result<Option<Event>, ()> {
        let event = match &effect {
            Effect::Store => {
                let stored = journal::store(&self.host, daemon.memory()).await;
                assert!(stored.is_ok() || self.host.is_down());
                None
            }
            Effect::Prepare {
                order,
                on_disk,
                offline,
            } => {
                let on_disk = on_disk.as_deref();
                let prepared = work::prepare(&self.host, &Configs, order, on_disk, *offline);
                Some(prepared.await.unwrap())
            }
            Effect::Reboot => {
                let asked = self.host.reboot().await;
                assert!(asked.is_ok() || self.host.is_down());
                None
            }
            effect => work::on_machine(&self.host, effect).await,
        };
        if self.host.is_down() {
            return Err(());
        }
        Ok(event)
    }

    /// Answers the request that is open, if there is one.
    fn grant(&mut self, daemon: &Daemon) -> bool {
        let Some(request) = daemon.report().desired_drain else {
            return false;
        };
        if self.node.last_applied_drain.as_ref() == Some(&request) {
            return false;
        }
        self.node.cordoned = request.starts_with("drain-");
        self.node.last_applied_drain = Some(request);
        self.node.drained_intent = self.node.order.as_ref().map(|order| order.intent);
        true
    }
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// The disk without what is only the daemon's.
fn machine(host: &MemoryHost) -> Disk {
    let mut disk = host.disk();
    disk.blobs.retain(|key, _| key.starts_with("original-"));
    disk.units.retain(|_, state| *state != UnitState::Disabled);
    disk
}

fn is_done_on(daemon: &Daemon, config: &str) -> bool {
    let report = daemon.report();
    report.state == Some(NodeState::Done) && report.current_config.as_deref() == Some(config)
}

/// A rig that has `first` and, where asked for, `reboots` behind it.
fn settled(configs: &[&str]) -> Rig {
    let mut rig = Rig::new();
    for (intent, config) in (1..).zip(configs) {
        rig.assign(intent, config);
        let daemon = rig.run_to_rest();
        assert!(is_done_on(&daemon, config), "{:?}", daemon.report());
    }
    rig
}

/// Cuts the power at every operation of the visit to `config` that follows `before`.
fn cut_everywhere(before: &[&str], config: &str) {
    let intent = before.len() as u64 + 1;
    let mut straight = settled(before);
    let start = straight.host.operations();
    straight.assign(intent, config);
    assert!(is_done_on(&straight.run_to_rest(), config));
    let steps = straight.host.operations() - start;
    assert!(steps > 10, "the visit has to do something");
    for cut in [Cut::Before, Cut::After] {
        for step in 0..steps {
            let mut rig = settled(before);
            rig.assign(intent, config);
            rig.host.cut_power_at(step, cut);
            let daemon = rig.run_to_rest();
            assert!(
                is_done_on(&daemon, config),
                "{cut:?} {step}: {:?}",
                daemon.report()
            );
            assert_eq!(
                machine(&rig.host),
                machine(&straight.host),
                "{cut:?} {step}"
            );
            assert!(!rig.node.cordoned, "{cut:?} {step}");
        }
    }
}

#[test]
fn a_power_cut_anywhere_in_a_first_contact_ends_as_if_there_was_none() {
    cut_everywhere(&[], "first");
}

#[test]
fn a_power_cut_anywhere_in_a_visit_with_a_reboot_ends_as_if_there_was_none() {
    cut_everywhere(&["first"], "reboots");
}

#[test]
fn a_power_cut_anywhere_in_a_visit_without_a_reboot_ends_as_if_there_was_none() {
    cut_everywhere(&["first", "reboots"], "restarts");
}

#[test]
fn a_power_cut_anywhere_after_a_disk_that_refuses_leaves_the_old_config() {
    let refused = || {
        let mut rig = settled(&["first"]);
        rig.assign(2, "reboots");
        rig.host.refuse("system");
        rig
    };
    let mut straight = refused();
    let old = machine(&settled(&["first"]).host);
    let start = straight.host.operations();
    straight.run_to_rest();
    let steps = straight.host.operations() - start;
    for cut in [Cut::Before, Cut::After] {
        for step in 0..steps {
            let mut rig = refused();
            rig.host.cut_power_at(step, cut);
            let report = rig.run_to_rest().report();
            assert_eq!(report.state, Some(NodeState::Degraded), "{cut:?} {step}");
            assert!(
                report.reason.starts_with("ApplyFailed"),
                "{}",
                report.reason
            );
            let mut now = machine(&rig.host);
            // The record of what was about to be staged is no change of the machine.
            now.blobs.clone_from(&old.blobs);
            assert_eq!(now, old, "{cut:?} {step}");
        }
    }
}

#[test]
fn a_service_that_does_not_restart_is_restarted_by_the_next_assignment() {
    let mut rig = settled(&["first", "reboots"]);
    rig.assign(3, "restarts");
    rig.host.refuse("chronyd.service");
    let failed = rig.run_to_rest();
    assert_eq!(failed.report().state, Some(NodeState::Degraded));
    rig.host.allow("chronyd.service");
    rig.assign(4, "restarts");
    assert!(is_done_on(&rig.run_to_rest(), "restarts"));
    let restarts = |line: &&String| *line == "restart chronyd.service";
    assert_eq!(rig.host.log().iter().filter(restarts).count(), 1);
}

#[test]
fn only_the_configs_that_are_named_stay_in_the_journal_of_a_node_at_rest() {
    let rig = settled(&["first", "reboots"]);
    let memory: Memory = block_on(journal::load(&rig.host, now())).unwrap();
    assert_eq!(memory.configs().collect::<Vec<_>>(), ["reboots", "reboots"]);
}
