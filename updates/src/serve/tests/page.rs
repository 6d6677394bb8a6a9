//! What people look at: the page, pictures, the list of channels.

use super::*;

const SVG: &str = "/api/graph.svg?channel=stable-4.1";

#[test]
fn the_page_is_at_the_root_and_below_the_prefix_and_may_load_only_from_here() {
    let house = house();

    for path in ["/", "/api", "/api/"] {
        let door = main_door();
        let request = Request::builder().uri(path).body(()).unwrap();
        let page = door.respond(&request, &house.served, &house.metrics);

        assert_eq!(page.status(), 200, "{path}");
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        let policy = header(&page, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
        assert!(!policy.contains("unsafe"), "{policy}");
        // Only where its files are not beside it, it says where they are.
        let base = text(&page).contains(r#"<base href="/api/">"#);
        assert_eq!(base, path != "/api/", "{path}");
    }
}

#[test]
fn every_file_that_the_page_names_is_served() {
    let house = house();

    for file in ["page.css", "page.js", "answers.js", "icon.svg"] {
        let named = ["", "page.js"]
            .iter()
            .any(|from| text(&get(&house, &format!("/api/{from}"))).contains(&format!("{file}\"")));
        let reply = get(&house, &format!("/api/{file}"));

        assert!(named, "{file} is named nowhere");
        assert_eq!(reply.status(), 200, "{file}");
        assert_eq!(header(&reply, "x-content-type-options"), "nosniff");
    }
    assert_eq!(get(&house, "/api/page.css.map").status(), 404);
}

#[test]
fn a_picture_is_drawn_for_a_browser_and_for_graphviz() {
    let house = serving();

    let svg = get(&house, SVG);
    let dot = get(&house, "/api/graph.dot?channel=stable-4.1");

    assert_eq!(header(&svg, "content-type"), "image/svg+xml");
    assert!(text(&svg).contains("stable-4.1 amd64: 2 releases"));
    assert!(header(&svg, "content-security-policy").starts_with("default-src 'none'"));
    assert!(text(&dot).starts_with("digraph \"stable-4.1 amd64\" {"));
}

#[test]
fn a_question_for_a_picture_that_makes_no_sense_is_refused_in_the_words_of_the_others() {
    let house = serving();

    for (query, status, kind) in [
        ("", 400, "missing_params"),
        ("?channel=UPPER", 400, "invalid_params"),
        ("?channel=stable-4.1&to=4.1.1", 400, "missing_params"),
        ("?channel=stable-4.1&edges=some", 400, "invalid_params"),
        ("?channel=stable-4.1&from=latest", 400, "invalid_params"),
        ("?channel=stable-4.1&from=4.9.9", 404, "version_not_found"),
    ] {
        let reply = get(&house, &format!("/api/graph.svg{query}"));

        let told: Value = serde_json::from_slice(reply.body()).unwrap();
        assert_eq!(reply.status(), status, "{query}");
        assert_eq!(told["kind"], kind, "{query}");
    }
    assert_eq!(get(&super::house(), SVG).status(), 503);
}

#[test]
fn a_version_that_a_form_left_empty_is_none() {
    let reply = get(&serving(), &format!("{SVG}&from=&to=&edges="));

    assert_eq!(reply.status(), 200);
}

#[test]
fn the_channels_are_listed_with_how_many_releases_there_are_for_whom() {
    let reply = get(&serving(), "/api/v1/channels");

    let told: Value = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!(
        told,
        serde_json::json!({"channels": [{"name": "stable-4.1", "releases": {"amd64": 2}}]})
    );
}
