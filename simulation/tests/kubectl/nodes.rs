//! What an operator does to nodes.

use super::cluster::Cluster;

#[test]
fn a_node_is_cordoned_and_uncordoned() {
    let cluster = Cluster::with_a_guarded_application(0);

    cluster.kubectl("cordon n1").ok();
    let cordoned = cluster.field("node n1", ".spec.unschedulable");
    cluster.kubectl("uncordon n1").ok();
    let uncordoned = cluster.field("node n1", ".spec.unschedulable");

    assert_eq!((cordoned.as_str(), uncordoned.as_str()), ("true", ""));
}

#[test]
fn a_node_is_tainted_beside_its_other_taints() {
    let cluster = Cluster::with_a_guarded_application(0);

    cluster.kubectl("taint node n1 k=v:NoSchedule").ok();
    cluster.kubectl("taint node n1 k2=:NoExecute").ok();
    cluster.kubectl("taint node n1 k-").ok();

    let keys = cluster.field("node n1", ".spec.taints[*].key");
    assert!(keys.split(' ').any(|key| key == "k2"), "{keys}");
    assert!(!keys.split(' ').any(|key| key == "k"), "{keys}");
}

#[test]
fn a_node_is_labeled_annotated_and_patched() {
    let cluster = Cluster::with_a_guarded_application(0);

    cluster.kubectl("label node n1 color=red").ok();
    cluster.kubectl("annotate node n1 'note=two words'").ok();
    cluster
        .kubectl(r#"patch node n1 -p '{"spec":{"unschedulable":true}}'"#)
        .ok();

    assert_eq!(cluster.field("node n1", ".metadata.labels.color"), "red");
    assert_eq!(
        cluster.field("node n1", ".metadata.annotations.note"),
        "two words"
    );
    assert_eq!(cluster.field("node n1", ".spec.unschedulable"), "true");
    let again = cluster.kubectl("label node n1 color=blue").refused();
    assert!(again.contains("--overwrite is false"), "{again}");
}

#[test]
fn a_drain_evicts_what_the_budget_allows() {
    let cluster = Cluster::with_a_guarded_application(2);

    let told = cluster.kubectl("drain n1 --force --timeout=10s").ok();

    assert!(told.contains("node/n1 drained"), "{told}");
    assert_eq!(cluster.field("node n1", ".spec.unschedulable"), "true");
    assert_eq!(cluster.field("pods", ".items[*].metadata.name"), "");
}

#[test]
fn a_drain_stops_at_a_budget_and_names_the_reason() {
    let cluster = Cluster::with_a_guarded_application(0);

    let told = cluster.kubectl("drain n1 --force --timeout=1s").refused();

    assert!(
        told.contains("violate the pod's disruption budget"),
        "{told}"
    );
    assert_eq!(cluster.field("pods", ".items[*].metadata.name"), "p1 p2");
}

#[test]
fn wait_ends_when_the_condition_is_met_and_fails_when_it_is_not() {
    let cluster = Cluster::with_a_guarded_application(0);

    let unmet = cluster
        .kubectl("wait --for=condition=Ready node/n1 --timeout=1s")
        .refused();
    cluster.set_status(
        "node n1",
        r#"{"conditions":[{"type":"Ready","status":"True"}]}"#,
    );
    let met = cluster
        .kubectl("wait --for=condition=Ready node/n1 --timeout=5s")
        .ok();

    assert!(
        unmet.contains("timed out waiting for the condition"),
        "{unmet}"
    );
    assert_eq!(met, "node/n1 condition met\n");
}
