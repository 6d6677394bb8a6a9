//! Commands that only look.

use super::cluster::Cluster;

fn names(table: &str) -> Vec<&str> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

#[test]
fn get_lists_nodes_and_pods_as_tables_for_people() {
    let cluster = Cluster::with_a_guarded_application(0);

    let nodes = cluster.kubectl("get nodes").ok();
    let wide = cluster.kubectl("get nodes -o wide").ok();
    let pods = cluster.kubectl("get pods").ok();
    let everywhere = cluster.kubectl("get pods -A").ok();

    let titles = |table: &str| {
        table
            .lines()
            .next()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(
        titles(&nodes).as_deref(),
        Some("NAME STATUS ROLES AGE VERSION")
    );
    assert_eq!(
        titles(&pods).as_deref(),
        Some("NAME READY STATUS RESTARTS AGE")
    );
    assert_eq!(names(&nodes), ["n1"]);
    assert_eq!(names(&wide), ["n1"]);
    assert_eq!(names(&pods), ["p1", "p2"]);
    assert!(everywhere.starts_with("NAMESPACE"), "{everywhere}");
    assert_eq!(names(&everywhere), ["default", "default"]);
}

#[test]
fn get_gives_an_object_as_yaml_and_as_json() {
    let cluster = Cluster::with_a_guarded_application(0);

    let yaml = cluster.kubectl("get pod p1 -o yaml").ok();
    let json = cluster.kubectl("get pods -o json").ok();

    assert!(yaml.contains("\n  nodeName: n1\n"), "{yaml}");
    let list: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(list["items"][1]["metadata"]["name"], "p2");
    assert_eq!(list["items"][1]["kind"], "Pod");
}

#[test]
fn get_selects_sorts_and_names_what_is_not_there() {
    let cluster = Cluster::with_a_guarded_application(0);

    let found = cluster
        .kubectl("get pods -l app=web --field-selector metadata.name=p2 --sort-by .metadata.name")
        .ok();
    let missing = cluster.kubectl("get node nope").refused();
    let unknown = cluster.kubectl("get nopes").refused();

    assert_eq!(names(&found), ["p2"]);
    assert_eq!(
        missing,
        "Error from server (NotFound): nodes \"nope\" not found\n"
    );
    assert!(
        unknown.contains("the server doesn't have a resource type \"nopes\""),
        "{unknown}"
    );
}

#[test]
fn get_follows_changes_until_its_time_is_over() {
    let cluster = Cluster::with_a_guarded_application(0);

    let followed = cluster.kubectl("get pods -w --request-timeout=1s");

    assert_eq!(names(&followed.out), ["p1", "p2"]);
}

#[test]
fn describe_tells_of_a_node_and_the_pods_on_it() {
    let cluster = Cluster::with_a_guarded_application(0);
    cluster.create(
        "{apiVersion: v1, kind: Event, metadata: {name: e1, namespace: default}, type: Warning, reason: Tired, \
         message: the node is tired, involvedObject: {kind: Node, name: n1, uid: n1}}",
    );

    let told = cluster.kubectl("describe node n1").ok();

    assert!(told.contains("Roles:              worker"), "{told}");
    assert!(
        told.contains("(2 in total)") && told.contains("  p1  "),
        "{told}"
    );
    assert!(told.contains("the node is tired"), "{told}");
}

#[test]
fn events_are_told() {
    let cluster = Cluster::new();
    cluster.create(
        "{apiVersion: v1, kind: Event, metadata: {name: e1, namespace: default}, type: Warning, reason: Tired, \
         message: the node is tired, involvedObject: {kind: Node, name: n1}}",
    );

    let told = cluster.kubectl("events").ok();

    assert!(
        told.contains("Tired") && told.contains("the node is tired"),
        "{told}"
    );
}

#[test]
fn explain_tells_of_built_in_fields_and_of_a_definitions_fields() {
    let cluster = Cluster::with_widgets();

    let node = cluster.kubectl("explain node.spec").ok();
    let all = cluster.kubectl("explain pdb --recursive").ok();
    let widget = cluster.kubectl("explain widget.spec").ok();
    let unknown = cluster.kubectl("explain node.nope").refused();

    assert!(node.contains("unschedulable\t<boolean>"), "{node}");
    assert!(all.contains("minAvailable\t<IntOrString>"), "{all}");
    assert!(all.contains("  metadata\t<ObjectMeta>\n"), "{all}");
    assert!(widget.contains("GROUP:      example.com"), "{widget}");
    assert!(widget.contains("What the widget is to be."), "{widget}");
    assert!(widget.contains("How it works."), "{widget}");
    assert!(
        unknown.contains("field \"nope\" does not exist"),
        "{unknown}"
    );
}

#[test]
fn the_server_says_what_it_serves_and_which_version_it_is() {
    let cluster = Cluster::with_widgets();

    let resources = cluster.kubectl("api-resources --no-headers").ok();
    let version = cluster.kubectl("version").ok();
    let ready = cluster.kubectl("get --raw /readyz").ok();
    let may = cluster.kubectl("auth can-i list nodes").ok();

    let line_of = |name: &str| {
        resources
            .lines()
            .find(|line| line.starts_with(name))
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .unwrap()
    };
    assert_eq!(line_of("nodes"), ["nodes", "no", "v1", "false", "Node"]);
    assert_eq!(
        line_of("widgets"),
        ["widgets", "wd", "example.com/v1", "false", "Widget"]
    );
    assert!(version.contains("Server Version: v1.34.1"), "{version}");
    assert_eq!(ready, "ok");
    assert_eq!(may, "yes\n");
}
