//! RHEL workers: the kubelet part waits for its API (promise 5).

use crate::fleet::{Fleet, NOW, Read, Told, ago, config, fleet, node};
use jiff::SignedDuration;
use rollout::names::Intent;
use rollout::plan::Slot;
use rollout::policy::MachinePackages;
use rollout::snapshot::NodeView;

/// `old` and `new` differ in both parts; `mix` is `new` with the kubelet part of `old`.
fn rhel() -> Fleet {
    fleet()
        .config("old", ("k33", "r1"), Some("1.33"))
        .config("new", ("k34", "r2"), Some("1.34"))
        .api(&["v1.33.0", "v1.34.0"])
}

fn with_mix(fleet: Fleet) -> Fleet {
    fleet
        .config("mix", ("k33", "r2"), Some("1.33"))
        .withholding("mix", "new")
}

fn upgraded(node: NodeView) -> NodeView {
    node.with(|node| node.api_packages = "1.34.1".parse().ok())
}

/// A node that has all but the kubelet part, which an API server keeps from it.
pub(crate) fn held_by_the_gate() -> Fleet {
    with_mix(rhel()).node(upgraded(node("a").done("mix").package_mode()))
}

#[test]
fn while_the_gate_is_shut_the_rest_goes_with_the_kubelet_part_that_the_node_has() {
    let fleet = rhel().node(node("a").done("old").package_mode());

    let asks = fleet.plan();
    let gives = with_mix(fleet).plan();

    assert_eq!(asks.why("a"), "AwaitingComposition");
    assert_eq!(asks.compositions.len(), 1);
    assert_eq!(asks.compositions[0].kubelet_part_of, config("old"));
    assert_eq!(asks.compositions[0].rest_of, config("new"));
    assert_eq!(gives.given(), ["a: mix"]);
}

#[test]
fn a_worker_whose_host_cannot_apply_the_rest_is_held_by_name_and_others_go() {
    let cannot = |name: &'static str| {
        node(name).done("old").package_mode().with(|node| {
            node.cannot_apply
                .insert(config("new"), "it has no images".into());
        })
    };
    let able = || node("b").done("old").package_mode();

    let asks = rhel().node(cannot("a")).plan();
    let gives = with_mix(rhel().node(cannot("a")).node(able())).plan();

    assert_eq!(asks.compositions, []);
    for plan in [&asks, &gives] {
        assert_eq!(
            plan.hold("a").to_string(),
            "its host cannot apply rendered-worker-new: it has no images"
        );
    }
    assert_eq!(gives.given(), ["b: mix"]);
}

#[test]
fn the_hold_names_what_is_missing_on_the_machine_and_in_the_cluster() {
    let waiting = with_mix(rhel()).node(node("a").done("mix").package_mode());
    let half = with_mix(rhel()).node(upgraded(node("a").done("mix").package_mode()));

    assert_eq!(
        waiting.plan().hold("a").to_string(),
        "kubelet 1.34 waits for its API; the machine's own API packages are 1.33.0; API server 10.0.0.0:6443 serves \
         1.33.0"
    );
    assert_eq!(
        half.plan().hold("a").to_string(),
        "kubelet 1.34 waits for its API; API server 10.0.0.0:6443 serves 1.33.0"
    );
    assert_eq!(waiting.plan().holders(), [""; 0]);
}

#[test]
fn the_gate_opens_when_all_instances_have_served_it_for_a_minute() {
    let node = || upgraded(node("a").done("mix").package_mode());
    let both = ["v1.34.0", "v1.34.2"];
    let fresh = with_mix(rhel()).node(node()).api_since(&both, ago(50));
    let silent = with_mix(rhel()).node(node()).api(&["v1.34.0", ""]);
    let open = with_mix(rhel()).node(node()).api(&both);

    let plan = fresh.plan();

    assert_eq!(plan.why("a"), "KubeletWithheld");
    assert_eq!(
        plan.wake_at.map(|(at, _)| at),
        Some(NOW + SignedDuration::from_secs(10))
    );
    assert!(
        silent
            .plan()
            .hold("a")
            .to_string()
            .ends_with("API server 10.0.0.1:6443 does not answer")
    );
    assert_eq!(open.plan().given(), ["a: new"]);
}

#[test]
fn as_many_instances_must_answer_as_the_cluster_has_control_plane_nodes() {
    let fleet = ["x", "y", "z"]
        .iter()
        .fold(with_mix(rhel()), |fleet, name| {
            fleet.node(
                node(name)
                    .done("new")
                    .labelled("node-role.kubernetes.io/etcd", ""),
            )
        });
    let fleet = fleet
        .node(upgraded(node("a").done("mix").package_mode()))
        .api(&["v1.34.0", "v1.34.0"]);

    assert!(
        fleet
            .plan()
            .hold("a")
            .to_string()
            .ends_with("2 of 3 API servers answer")
    );
}

#[test]
fn elsewhere_than_on_rhel_the_machines_own_packages_do_not_count_unless_the_owner_says_so() {
    let debian = node("a").done("mix").package_mode().with(|node| {
        node.os_id = Some("debian".into());
        node.api_packages = None;
    });
    let fleet = with_mix(rhel()).node(debian).api(&["v1.34.0"]);
    let strict = fleet.clone().settings(|settings| {
        let gate = settings.kubelet_gate.as_mut().expect("a gate");
        gate.machine = MachinePackages::Always;
    });

    assert_eq!(fleet.plan().given(), ["a: new"]);
    assert!(strict.plan().hold("a").to_string().contains("nobody says"));
}

#[test]
fn an_image_mode_node_does_not_wait() {
    let fleet = rhel().done(&["a"], "old");

    assert_eq!(fleet.plan().given(), ["a: new"]);
}

#[test]
fn if_only_the_kubelet_part_changed_nothing_is_written() {
    let fleet = fleet()
        .config("old", ("k33", "r"), Some("1.33"))
        .config("new", ("k34", "r"), Some("1.34"))
        .api(&["v1.33.0"])
        .node(node("a").done("old").package_mode());

    let plan = fleet.plan();

    assert_eq!(plan.given(), [""; 0]);
    assert_eq!(plan.why("a"), "KubeletWithheld");
}

/// A worker that the rest of the target made NotReady on its old kubelet.
fn waiting(name: &str) -> NodeView {
    node(name)
        .done("mix")
        .package_mode()
        .not_ready(60)
        .with(|node| {
            node.intent = Intent(2);
            node.acted_intent = Intent(2);
            node.reported_at = Some(ago(50));
        })
}

#[test]
fn a_worker_that_is_not_ready_on_its_old_kubelet_keeps_its_slot_and_is_no_failure() {
    let fleet = with_mix(rhel())
        .node(waiting("a"))
        .holds("a", "mix")
        .node(node("b").done("old").package_mode())
        .slots(4)
        .settings(|settings| settings.first_alone = 1);

    let plan = fleet.plan();

    assert_eq!(plan.why("a"), "KubeletWithheld");
    assert!(
        plan.hold("a")
            .to_string()
            .ends_with("the node is not Ready meanwhile, which is the normal course")
    );
    assert_eq!(plan.holders(), ["a"]);
    assert_eq!(plan.why("b"), "FirstAlone");
    assert_eq!(
        fleet.plan_at(NOW + SignedDuration::from_hours(9)).why("b"),
        "FirstAlone"
    );
}

#[test]
fn when_the_gate_opens_the_holders_get_the_target_first_in_the_slot_that_they_have() {
    let fleet = with_mix(rhel())
        .node(upgraded(waiting("b")))
        .holds("b", "mix")
        .node(upgraded(node("a").done("old").package_mode()))
        .slots(4)
        .api(&["v1.34.0"]);

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["b: new"]);
    assert_eq!(plan.slot_of("b"), Some(Slot::Repair));
    assert_eq!(
        plan.hold("a").to_string(),
        "b waited for the kubelet in a slot and go first"
    );
}

#[test]
fn a_kubelet_that_is_ahead_because_an_api_server_went_back_is_named_and_nobody_follows() {
    let ahead = node("a").done("now").package_mode();
    let fleet = rhel()
        .config("now", ("k34", "r1"), Some("1.34"))
        .node(ahead);

    let plan = fleet.plan();

    assert_eq!(
        plan.hold("a").to_string(),
        "its kubelet needs an API of 1.34, but 10.0.0.0:6443 serves 1.33.0: it is ahead of it"
    );
}

#[test]
fn a_change_of_the_rest_alone_does_not_wait_for_an_instance_that_is_silent() {
    let node = node("a").done("now").package_mode();
    let fleet = rhel()
        .config("now", ("k34", "r1"), Some("1.34"))
        .node(node)
        .api(&["v1.34.0", ""]);

    assert_eq!(fleet.plan().given(), ["a: new"]);
}

#[test]
fn a_package_mode_node_without_a_config_waits_whole() {
    let fleet = rhel().node(node("a").package_mode());

    assert_eq!(fleet.plan().why("a"), "KubeletWithheld");
}

#[test]
fn a_node_that_is_updated_and_whose_kubelet_is_ahead_is_named_on_its_pool() {
    let fleet = with_mix(rhel()).node(node("a").done("new").package_mode());

    let plan = fleet.plan();
    let own = rollout::status::own_conditions(&fleet.snapshot, &plan, &crate::fleet::worker());

    assert_eq!(plan.why("a"), "UpToDate");
    let held = own
        .iter()
        .find(|condition| condition.kind == "Held")
        .expect("a condition");
    assert_eq!(held.reason, "KubeletAhead");
    assert_eq!(
        held.message,
        "1 KubeletAhead (a): its kubelet needs an API of 1.34, but 10.0.0.0:6443 serves 1.33.0: it is ahead of it"
    );
}
