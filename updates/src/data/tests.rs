//! What each kind of slip in graph data becomes: a named problem, about the right releases.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use super::*;

const KNOWN_ISSUE: &str = "to: 4.16.0\nfrom: .*\nurl: https://example.com/1\nname: Slow\nmessage: It is slow.\nmatchingRules:\n- type: Always\n";

/// A whole tree with one more file.
fn tree_with(path: &str, contents: &str) -> Tree {
    let mut tree = Tree {
        folders: [BLOCKED_EDGES, CHANNELS, "raw"].map(str::to_owned).into(),
        ..Tree::default()
    };
    let mut add = |path: &str, contents: &str| {
        tree.files
            .insert(path.to_owned(), contents.as_bytes().to_vec());
    };
    add(VERSION, "1.1.0\n");
    add(RAW_METADATA, "{}");
    add(path, contents);
    tree
}

fn read_with(path: &str, contents: &str) -> GraphData {
    GraphData::read(&tree_with(path, contents)).unwrap()
}

/// The one problem that a file of blocked edges makes.
fn problem_of(name: &str, contents: &str) -> Problem {
    let data = read_with(&format!("blocked-edges/{name}"), contents);
    assert_eq!(data.blocks, []);
    let [problem] = data.problems.as_slice() else {
        panic!("not one problem: {:?}", data.problems)
    };
    problem.clone()
}

fn into(versions: &[&str]) -> About {
    About::Into(
        versions
            .iter()
            .map(|version| Version::parse(version).unwrap())
            .collect(),
    )
}

use semver::Version;

#[test]
fn a_file_with_to_and_from_alone_blocks_for_everybody() {
    let data = read_with(
        "blocked-edges/4.16.0.yaml",
        "# why\nto: 4.16.0\nfrom: 4[.]15[.].*\n",
    );

    assert_eq!(data.blocks.len(), 1);
    assert_eq!(data.blocks[0].risk, None);
    assert_eq!(data.blocks[0].from, "4[.]15[.].*");
    assert!(data.is_whole());
}

#[test]
fn a_file_with_all_six_fields_names_a_known_issue_whatever_else_it_says() {
    let text = format!("{KNOWN_ISSUE}fixedIn: 4.16.1\nautoExtend: https://example.com\n");

    let data = read_with("blocked-edges/4.16.0-Slow.yaml", &text);

    assert_eq!(data.blocks[0].risk.as_ref().unwrap().name, "Slow");
    assert_eq!(data.problems, []);
}

#[test]
fn a_number_is_a_pattern_as_it_is_written() {
    let data = read_with("blocked-edges/4.16.0.yaml", "to: 4.16.0\nfrom: 4.10\n");

    assert_eq!(data.blocks[0].from, "4.10");
}

#[test]
fn a_rule_of_an_unknown_type_keeps_its_type_and_loses_its_parameters() {
    let text = KNOWN_ISSUE.replace("- type: Always", "- type: Future\n  future: {a: 1}");

    let data = read_with("blocked-edges/4.16.0-Slow.yaml", &text);

    let rules = &data.blocks[0].risk.as_ref().unwrap().matching_rules;
    assert_eq!(
        serde_json::to_string(rules).unwrap(),
        r#"[{"type":"Future"}]"#
    );
}

#[test]
fn a_slip_in_a_field_names_file_line_and_field_and_is_about_the_release_of_to() {
    // Contents, line, field.
    let cases = [
        ("to: 4.16.0\nfrom: .*\nfixedIn: 4.16.1\n", 3, "fixedIn"),
        ("to: 4.16.0\nform: .*\n", 1, "from"),
        ("to: 4.16.0\nfrom: 4[.\n", 2, "from"),
        (&KNOWN_ISSUE.replace("url:", "ulr:"), 1, "url"),
        (
            &KNOWN_ISSUE.replace("matchingRules:", "matchingRule:"),
            1,
            "matchingRules",
        ),
        (
            &KNOWN_ISSUE.replace("- type: Always", "- Always"),
            7,
            "matchingRules",
        ),
        ("to: 4.16.0\nfrom: [a, b]\n", 2, "from"),
        ("to: 4.16.0\nfrom: .*\nfrom: x\n", 3, "from"),
    ];
    for (contents, line, field) in cases {
        let problem = problem_of("4.16.0-Slow.yaml", contents);

        assert_eq!(problem.line, Some(line), "{problem}");
        assert_eq!(problem.field.as_deref(), Some(field), "{problem}");
        assert_eq!(problem.about, into(&["4.16.0"]), "{problem}");
        assert!(
            problem
                .to_string()
                .starts_with("blocked-edges/4.16.0-Slow.yaml, line "),
            "{problem}"
        );
    }
}

#[test]
fn a_file_whose_to_is_unreadable_is_about_the_releases_of_its_name() {
    // Name, contents, releases.
    let cases = [
        (
            "4.16.0-ec.3-Slow.yaml",
            "to: 4.16\nfrom: .*\n",
            into(&["4.16.0", "4.16.0-ec.3", "4.16.0-ec.3-Slow"]),
        ),
        (
            "4.4.12-to-4.5.4.yaml",
            "from: .*\n",
            into(&[
                "4.4.12",
                "4.4.12-to-4",
                "4.4.12-to-4.5",
                "4.4.12-to-4.5.4",
                "4.5.4",
            ]),
        ),
        (
            "4.3.29+s390x.yaml",
            "\u{0}",
            into(&["4.3.29", "4.3.29+s390x"]),
        ),
        ("everything.yaml", "from: .*\n", About::EveryEdge),
    ];
    for (name, contents, about) in cases {
        let problem = problem_of(name, contents);

        let (About::Into(ours), About::Into(meant)) = (&problem.about, &about) else {
            assert_eq!(problem.about, about, "{name}");
            continue;
        };
        // Versions that nobody has are about nothing; those that are meant must not be missed.
        let missed: Vec<_> = meant
            .iter()
            .filter(|v| v.pre.len() < 6 && !ours.contains(v))
            .collect();
        assert!(missed.is_empty(), "{name}: {missed:?} not in {ours:?}");
    }
}

#[test]
fn a_file_that_is_no_text_at_all_is_about_the_release_of_its_name() {
    let mut tree = tree_with("blocked-edges/4.16.0-Slow.yaml", "");
    tree.files.insert(
        "blocked-edges/4.16.0-Slow.yaml".to_owned(),
        vec![0xff, 0xfe, 0x00],
    );

    let data = GraphData::read(&tree).unwrap();

    let About::Into(versions) = &data.problems[0].about else {
        panic!("{:?}", data.problems)
    };
    assert!(versions.contains(&Version::new(4, 16, 0)));
    assert!(!data.is_whole());
}

#[test]
fn a_yml_file_is_read_and_a_slip_in_the_extension_is_told() {
    let data = read_with("blocked-edges/4.16.0.yml", "to: 4.16.0\nfrom: .*\n");
    assert_eq!(data.blocks.len(), 1);

    let data = read_with("blocked-edges/4.16.0.yamll", "to: 4.16.0\nfrom: .*\n");
    assert_eq!(data.problems[0].about, into(&["4.16.0"]));
    assert_eq!(data.blocks, []);

    let data = read_with("blocked-edges/OWNERS", "- somebody\n");
    assert_eq!(data.problems, []);
}

#[test]
fn a_bad_entry_of_a_channel_is_told_and_the_others_are_the_channels() {
    let data = read_with(
        "channels/stable-4.16.yaml",
        "name: stable-4.16\nversions:\n- 4.16.0\n- 4.16\n- 4.16.1\n",
    );

    assert_eq!(data.channels[0].versions.len(), 2);
    assert_eq!(data.problems[0].line, Some(4));
    assert!(data.is_whole(), "a channel blocks nothing");
}

/// Something that goes wrong with a tree.
type Change = fn(&mut Tree);

#[test]
fn data_of_which_nothing_can_be_trusted_is_unusable() {
    // Change, reason.
    let cases: [(Change, &str); 6] = [
        (|tree| _ = tree.files.remove(VERSION), "GraphDataMissing"),
        (
            |tree| _ = tree.files.insert(VERSION.to_owned(), b"2.0.0".to_vec()),
            "GraphDataVersion",
        ),
        (
            |tree| _ = tree.folders.remove(BLOCKED_EDGES),
            "GraphDataMissing",
        ),
        (|tree| _ = tree.folders.remove(CHANNELS), "GraphDataMissing"),
        (
            |tree| _ = tree.files.remove(RAW_METADATA),
            "GraphDataMissing",
        ),
        (
            |tree| {
                _ = tree
                    .files
                    .insert(RAW_METADATA.to_owned(), b"{\"4.1.0\": []}".to_vec());
            },
            "GraphDataMetadata",
        ),
    ];
    for (change, reason) in cases {
        let mut tree = tree_with(
            "channels/stable-4.16.yaml",
            "name: stable-4.16\nversions: []\n",
        );
        change(&mut tree);

        assert_eq!(GraphData::read(&tree).unwrap_err().reason(), reason);
    }
}

#[test]
fn a_newer_minor_version_of_the_format_is_read_and_told() {
    let data = read_with(VERSION, "1.3.0\n");

    assert!(data.problems[0].says.contains("newer"));
    assert!(data.is_whole());
}

#[test]
fn metadata_of_an_unreadable_version_holds_every_edge_if_it_may_take_some_away() {
    for (key, about) in [
        (
            "io.openshift.upgrades.graph.previous.remove",
            About::EveryEdge,
        ),
        ("io.openshift.upgrades.graph.previous.add", About::NoEdge),
    ] {
        let data = read_with(
            RAW_METADATA,
            &format!("{{\n\"4.1\": {{\"{key}\": \"4.0.0\"}}}}"),
        );

        assert_eq!(data.problems[0].about, about);
        assert_eq!(data.problems[0].line, Some(2));
    }
}
