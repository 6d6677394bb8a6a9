//! Making, changing and deleting objects from manifests.

use super::cluster::Cluster;

fn widget(spec: &str) -> String {
    format!("{{apiVersion: example.com/v1, kind: Widget, metadata: {{name: w1}}, spec: {spec}}}")
}

fn deployment(replicas: u8, image: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: d1, namespace: default}}, spec: {{replicas: {replicas}, \
         selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, \
         spec: {{containers: [{{name: c, image: {image}}}, {{name: d, image: fixed}}]}}}}}}}}"
    )
}

#[test]
fn apply_creates_changes_and_takes_away_fields_of_a_custom_object() {
    let cluster = Cluster::with_widgets();
    let apply = |spec: &str| cluster.run("apply -f -", &widget(spec), &[]).ok();

    let created = apply("{mode: a, count: 1}");
    let changed = apply("{mode: b}");
    let unchanged = apply("{mode: b}");

    assert_eq!(created, "widget.example.com/w1 created\n");
    assert_eq!(changed, "widget.example.com/w1 configured\n");
    assert_eq!(unchanged, "widget.example.com/w1 unchanged\n");
    assert_eq!(cluster.field("widget w1", ".spec"), r#"{"mode":"b"}"#);
}

#[test]
fn apply_merges_the_lists_of_a_built_in_object_by_their_keys() {
    let cluster = Cluster::new();
    cluster.run("apply -f -", &deployment(2, "old"), &[]).ok();
    let beside = r#"{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"car"}]}}}}"#;
    cluster
        .kubectl(&format!("patch deployment d1 -p '{beside}'"))
        .ok();

    cluster.run("apply -f -", &deployment(3, "new"), &[]).ok();

    let images = cluster.field("deployment d1", ".spec.template.spec.containers[*].image");
    let mut images: Vec<&str> = images.split(' ').collect();
    images.sort_unstable();
    assert_eq!(images, ["car", "fixed", "new"]);
    assert_eq!(cluster.field("deployment d1", ".spec.replicas"), "3");
}

#[test]
fn apply_on_the_server_tells_who_else_wants_a_field() {
    let cluster = Cluster::with_widgets();
    cluster.run("apply -f -", &widget("{mode: a}"), &[]).ok();
    let apply = |more: &str| {
        let line = format!("apply --server-side --field-manager=other {more} -f -");
        cluster.run(&line, &widget("{mode: b}"), &[])
    };

    let conflict = apply("").refused();
    let forced = apply("--force-conflicts").ok();

    assert!(
        conflict.contains("conflict with \"kubectl-client-side-apply\"")
            && conflict.contains(".spec.mode"),
        "{conflict}"
    );
    assert_eq!(forced, "widget.example.com/w1 serverside-applied\n");
    assert_eq!(cluster.field("widget w1", ".spec.mode"), "b");
}

#[test]
fn a_definition_is_applied_on_the_server_with_all_of_its_schema() {
    let cluster = Cluster::new();
    let listed = super::cluster::WIDGETS.replace(
        "count: {type: integer}",
        "count: {type: array, items: {type: object, properties: {x: {type: string}}}}",
    );

    cluster.run("apply --server-side -f -", &listed, &[]).ok();

    let told = cluster.kubectl("explain widget.spec.count.x").ok();
    assert!(told.contains("FIELD: x <string>"), "{told}");
}

#[test]
fn what_the_schema_does_not_allow_is_refused_by_name() {
    let cluster = Cluster::with_widgets();

    let unknown = cluster
        .run("apply -f -", &widget("{moed: a}"), &[])
        .refused();
    let wrong = cluster
        .run("create -f -", &widget("{mode: z}"), &[])
        .refused();

    assert!(unknown.contains("unknown field \"spec.moed\""), "{unknown}");
    assert!(
        wrong.contains("spec.mode: Unsupported value: \"z\""),
        "{wrong}"
    );
}

#[test]
fn diff_shows_what_apply_would_change_and_changes_nothing() {
    let cluster = Cluster::with_widgets();
    cluster.run("apply -f -", &widget("{mode: a}"), &[]).ok();
    let tool = [("KUBECTL_EXTERNAL_DIFF", "diff -u")];

    let same = cluster.run("diff -f -", &widget("{mode: a}"), &tool);
    let differs = cluster.run("diff -f -", &widget("{mode: b}"), &tool);

    assert!(same.succeeded && same.out.is_empty(), "{same:?}");
    assert!(
        differs.out.contains("-  mode: a\n+  mode: b\n"),
        "{differs:?}"
    );
    assert_eq!(cluster.field("widget w1", ".spec.mode"), "a");
}

#[test]
fn edit_writes_what_the_editor_left() {
    let cluster = Cluster::with_widgets();
    cluster.create(&widget("{mode: a}"));
    let editor = cluster.editor("mode: a", "mode: b");

    cluster
        .run("edit widget w1", "", &[("EDITOR", &editor)])
        .ok();

    assert_eq!(cluster.field("widget w1", ".spec.mode"), "b");
}

#[test]
fn replace_puts_the_whole_object_in_the_place_of_the_old_one() {
    let cluster = Cluster::with_widgets();
    cluster.create(&widget("{mode: a, count: 1}"));

    cluster.run("replace -f -", &widget("{mode: b}"), &[]).ok();

    assert_eq!(cluster.field("widget w1", ".spec"), r#"{"mode":"b"}"#);
    let missing = widget("{mode: b}").replace("w1", "w2");
    let refused = cluster.run("replace -f -", &missing, &[]).refused();
    assert!(refused.contains("not found"), "{refused}");
}

#[test]
fn a_custom_object_is_patched_read_by_its_short_name_and_deleted() {
    let cluster = Cluster::with_widgets();
    cluster.create(&widget("{mode: a}"));

    cluster
        .kubectl(r#"patch widget w1 --type merge -p '{"spec":{"count":11}}'"#)
        .ok();
    let listed = cluster.kubectl("get wd --no-headers").ok();
    let deleted = cluster.kubectl("delete widget w1").ok();

    assert!(listed.starts_with("w1 "), "{listed}");
    assert_eq!(deleted, "widget.example.com \"w1\" deleted\n");
    cluster
        .kubectl("wait --for=delete widget/w1 --timeout=5s")
        .ok();
}

#[test]
fn rollout_status_follows_the_counts_of_a_deployment() {
    let cluster = Cluster::new();
    cluster.create(&deployment(2, "i"));

    let waiting = cluster
        .kubectl("rollout status deployment/d1 --timeout=1s")
        .refused();
    let complete = r#"{"observedGeneration":1,"replicas":2,"updatedReplicas":2,"readyReplicas":2,"availableReplicas":2}"#;
    cluster.set_status("deployment d1", complete);
    let done = cluster
        .kubectl("rollout status deployment/d1 --timeout=5s")
        .ok();

    assert!(waiting.contains("timed out"), "{waiting}");
    assert!(done.contains("successfully rolled out"), "{done}");
}
