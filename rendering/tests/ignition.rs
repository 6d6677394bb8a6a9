//! Each rule of Ignition's specs, by a config that breaks it; and what holds for any text.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "helpers of tests"
)]

use proptest::prelude::*;
use rendering::ignition::{Refusal, accept, parse};
use serde_json::{Value, json};

fn with(version: &str, section: &str, content: &Value) -> String {
    let mut config = json!({"ignition": {"version": version}});
    match (section, content) {
        ("ignition", Value::Object(members)) => {
            config["ignition"]
                .as_object_mut()
                .unwrap()
                .extend(members.clone());
        }
        _ => config[section] = content.clone(),
    }
    config.to_string()
}

/// The entries as `kind path: message`.
fn findings(raw: &str) -> Vec<String> {
    parse(raw)
        .entries
        .iter()
        .map(|entry| {
            let path = entry.path.as_deref().unwrap_or("-");
            format!("{} {path}: {}", entry.severity, entry.message)
        })
        .collect()
}

fn expect(version: &str, section: &str, content: Value, expected: &[&str]) {
    let raw = with(version, section, &content);
    assert_eq!(findings(&raw), expected, "{raw}");
}

#[test]
fn files_directories_and_links() {
    let storage =
        |version, content, expected: &[&str]| expect(version, "storage", content, expected);
    let file = |file: Value| json!({"files": [file]});
    storage(
        "3.5.0",
        file(json!({})),
        &["error $.storage.files.0.path: path not specified"],
    );
    storage(
        "3.5.0",
        file(json!({"path": "a"})),
        &["error $.storage.files.0.path: path not absolute"],
    );
    storage(
        "3.5.0",
        file(json!({"path": "/a/../b"})),
        &["error $.storage.files.0.path: path is not fully simplified"],
    );
    storage(
        "3.5.0",
        file(json!({"path": "/a", "mode": -1})),
        &[
            "error $.storage.files.0.mode: illegal file mode",
            "warning $.storage.files.0.mode: setuid/setgid/sticky bits are not supported or \
             functional in spec versions older than 3.6.0",
        ],
    );
    storage(
        "3.0.0",
        file(json!({"path": "/a", "overwrite": true})),
        &["error $.storage.files.0.overwrite: overwrite must be false if source is unspecified"],
    );
    storage(
        "3.2.0",
        file(json!({"path": "/a", "user": {"id": 0, "name": "root"}})),
        &["error $.storage.files.0.user: cannot set both id and name"],
    );
    storage(
        "3.2.0",
        file(json!({"path": "/a", "user": {"id": 0, "name": ""}})),
        &[],
    );
    storage(
        "3.5.0",
        json!({
            "files": [{"path": "/l/x"}, {"path": "/a"}],
            "directories": [{"path": "/a"}],
            "links": [{"path": "/l", "target": "/t"}],
        }),
        &[
            "error $.storage.files.0: file path includes link in config",
            "error $.storage.files.1: duplicate entry defined",
        ],
    );
    let link = |target: Value| json!({"links": [{"path": "/l", "target": target}]});
    let missing: &[&str] = &["error $.storage.links.0.target: link target is required"];
    storage("3.3.0", link(json!("")), missing);
    storage("3.2.0", link(json!("")), &[]);
    storage(
        "3.5.0",
        json!({
            "directories": [{"path": "/d"}],
            "links": [{"path": "/l", "target": "../d", "hard": true, "user": {"id": 0}}],
        }),
        &[
            "error $.storage.links.0: hard link target is a directory",
            "warning $.storage.links.0.user.id: user/group ignored for hard link",
        ],
    );
}

#[test]
fn contents_of_files() {
    let contents = |version, contents: Value, expected: &[&str]| {
        expect(
            version,
            "storage",
            json!({"files": [{"path": "/a", "contents": contents}]}),
            expected,
        );
    };
    let at = "error $.storage.files.0.contents";
    let scheme = format!("{at}.source: invalid url scheme");
    contents("3.5.0", json!({"source": "ftp://a/"}), &[&scheme]);
    contents("3.1.0", json!({"source": "gs://b/o"}), &[&scheme]);
    contents("3.2.0", json!({"source": "gs://b/o"}), &[]);
    contents("3.3.0", json!({"source": "arn:aws:s3:::b/o"}), &[&scheme]);
    contents("3.4.0", json!({"source": "arn:aws:s3:::b/o"}), &[]);
    for arn in [
        "arn:aws:s3:::b",
        "arn:aws:iam:::b/o",
        "arn:aws:s3",
        "arn:aws:s3:::accesspoint/x",
    ] {
        contents(
            "3.4.0",
            json!({"source": arn}),
            &[&format!("{at}.source: invalid S3 ARN format")],
        );
    }
    let version_id = format!("{at}.source: invalid S3 object VersionId");
    contents(
        "3.0.0",
        json!({"source": "s3://b/o?versionId="}),
        &[&version_id],
    );
    contents("3.0.0", json!({"source": "s3://b/o?versionId=1"}), &[]);
    contents(
        "3.5.0",
        json!({"source": ":"}),
        &[&format!("{at}.source: unable to parse url")],
    );
    contents(
        "3.5.0",
        json!({"source": "data:,", "compression": "xz"}),
        &[&format!("{at}.compression: invalid compression method")],
    );
    let hash = |text: &str| json!({"source": "data:,", "verification": {"hash": text}});
    let sha256 = format!("sha256-{}", "0".repeat(64));
    let unknown = format!("{at}.verification.hash: unrecognized hash function");
    contents("3.0.0", hash(&sha256), &[&unknown]);
    contents("3.1.0", hash(&sha256), &[]);
    contents("3.0.0", hash(&format!("sha512-{}", "0".repeat(128))), &[]);
    contents("3.5.0", hash("md5-0"), &[&unknown]);
    let size = format!("{at}.verification.hash: incorrect size for hash sum");
    contents("3.5.0", hash("sha512-0"), &[&size]);
    let malformed = format!("{at}.verification.hash: malformed hash specifier");
    contents("3.5.0", hash("sha512"), &[&malformed]);
    contents(
        "3.5.0",
        json!({"verification": {"hash": sha256}}),
        &[&format!(
            "{at}.verification.hash: source must be specified if verification is specified"
        )],
    );
}

#[test]
fn headers_of_requests() {
    let contents = |version, contents: Value, expected: &[&str]| {
        let storage = json!({"files": [{"path": "/a", "contents": contents}]});
        expect(version, "storage", storage, expected);
    };
    let at = "error $.storage.files.0.contents";
    let header =
        |source: &str| json!({"source": source, "httpHeaders": [{"name": "", "value": ""}]});
    let headers = [
        format!("{at}.httpHeaders.0.name: HTTP header name can't be empty"),
        format!("{at}.httpHeaders.0.value: unable to parse HTTP header"),
        format!("{at}.httpHeaders: cannot use HTTP headers with this source scheme"),
    ];
    contents(
        "3.1.0",
        header("data:,"),
        &headers.each_ref().map(String::as_str),
    );
    contents(
        "3.0.0",
        header("data:,"),
        &["warning $.storage.files.0.contents.httpHeaders: unused key httpHeaders"],
    );
}

#[test]
fn disks_partitions_and_filesystems() {
    let disk = |partitions: Value, expected: &[&str]| {
        let disk = json!({"device": "/dev/sda", "partitions": partitions});
        expect("3.5.0", "storage", json!({"disks": [disk]}), expected);
    };
    let at = "error $.storage.disks.0.partitions";
    disk(
        json!([{"number": 1}, {"number": 1, "sizeMiB": 1}]),
        &[
            &format!("{at}.1: partition numbers collide"),
            &format!("{at}.1: duplicate entry defined"),
        ],
    );
    disk(
        json!([
            {"number": 1, "startMiB": 1, "sizeMiB": 10},
            {"number": 2, "startMiB": 10, "sizeMiB": 10}
        ]),
        &[&format!("{at}.1: partitions overlap")],
    );
    disk(
        json!([
            {"number": 1, "startMiB": 1, "sizeMiB": 10},
            {"number": 2, "startMiB": 11, "sizeMiB": 0}
        ]),
        &[],
    );
    disk(
        json!([{"number": 1, "label": "a"}, {"number": 2, "label": "a"}]),
        &[&format!(
            "{at}.1: cannot use the same partition label twice"
        )],
    );
    disk(
        json!([{}]),
        &[&format!(
            "{at}.0: a partition number >= 1 or a label must be specified"
        )],
    );
    disk(
        json!([{"number": 1, "shouldExist": false, "sizeMiB": 1}]),
        &[&format!(
            "{at}.0: shouldExist specified false with other options also specified"
        )],
    );
    let filesystem = |version, content: Value, expected: &[&str]| {
        expect(
            version,
            "storage",
            json!({"filesystems": [content]}),
            expected,
        );
    };
    let at = "error $.storage.filesystems.0";
    let format = format!("{at}.format: invalid filesystem format");
    filesystem(
        "3.2.0",
        json!({"device": "/d", "format": "none"}),
        &[&format],
    );
    filesystem("3.3.0", json!({"device": "/d", "format": "none"}), &[]);
    filesystem(
        "3.5.0",
        json!({"device": "/d", "format": "ext4", "label": "seventeen letters"}),
        &[&format!(
            "{at}.label: filesystem labels cannot be longer than 16 characters when using ext4"
        )],
    );
    filesystem(
        "3.5.0",
        json!({"device": "/d", "label": "a"}),
        &[
            &format!(
                "{at}.format: format cannot be empty when path, label, uuid, wipeFilesystem, \
                 options, or mountOptions is specified"
            ),
            &format!("{at}.label: filesystem must specify format if label is specified"),
        ],
    );
}

#[test]
fn raid_and_encrypted_volumes() {
    let raid = |version, content: Value, expected: &[&str]| {
        expect(version, "storage", json!({"raid": [content]}), expected);
    };
    let unlevelled = || json!({"name": "m", "devices": ["/a"]});
    raid(
        "3.2.0",
        unlevelled(),
        &["error $.storage.raid.0.level: unrecognized raid level"],
    );
    raid(
        "3.3.0",
        unlevelled(),
        &["error $.storage.raid.0.level: raid level is required"],
    );
    raid(
        "3.5.0",
        json!({"name": "m", "level": "raid0", "spares": 1, "devices": ["a", "a"]}),
        &[
            "error $.storage.raid.0.level: spares unsupported for linear and raid0 arrays",
            "error $.storage.raid.0.devices.0: path not absolute",
            "error $.storage.raid.0.devices.1: path not absolute",
            "error $.storage.raid.0.devices.1: duplicate entry defined",
        ],
    );
    let luks = |version, content: Value, expected: &[&str]| {
        let mut luks = json!({"name": "l", "device": "/d"});
        luks.as_object_mut()
            .unwrap()
            .extend(content.as_object().unwrap().clone());
        expect(version, "storage", json!({"luks": [luks]}), expected);
    };
    let at = "error $.storage.luks.0";
    let custom = |custom: Value| json!({"clevis": {"custom": custom}});
    let unsupported = format!("{at}.clevis.custom.pin: unsupported clevis pin");
    let missing = format!("{at}.clevis.custom.pin: missing required custom clevis pin");
    luks("3.2.0", custom(json!({"config": "c"})), &[&unsupported]);
    luks("3.3.0", custom(json!({"config": "c"})), &[&missing]);
    let both = json!({"clevis": {"custom": {"pin": "sss", "config": "c"}, "tpm2": true}});
    let message = "cannot use custom clevis config with tpm2, tang, or threshold";
    luks("3.5.0", both, &[&format!("{at}.clevis: {message}")]);
    luks(
        "3.5.0",
        json!({"clevis": {"tang": [{"url": "https://t", "advertisement": "{"}]}}),
        &[
            &format!("{at}.clevis.tang.0.thumbprint: thumbprint is required"),
            &format!("{at}.clevis.tang.0.advertisement: advertisement is not valid JSON"),
        ],
    );
    luks(
        "3.4.0",
        json!({"cex": {"enabled": true}}),
        &["warning $.storage.luks.0.cex: unused key cex"],
    );
    luks("3.5.0", json!({"cex": {"enabled": true}}), &[]);
}

#[test]
fn units_and_dropins() {
    let units = |units: Value, expected: &[&str]| {
        expect("3.5.0", "systemd", json!({"units": units}), expected);
    };
    units(
        json!([{"name": "a", "dropins": [{"name": "a"}]}]),
        &[
            "error $.systemd.units.0.name: invalid systemd unit extension",
            "error $.systemd.units.0.dropins.0.name: invalid systemd drop-in extension",
        ],
    );
    units(
        json!([{"name": "a.service", "enabled": true, "contents": "[Service]\nA=b\n"}]),
        &[
            "warning $.systemd.units.0.contents: unit \"a.service\" is enabled, but has no install \
             section so enable does nothing",
        ],
    );
    units(
        json!([{"name": "a@.service", "contents": "[Service]\nA=b\n"}, {"name": "a@b.service", "enabled": true}]),
        &[
            "warning $.systemd.units.1.contents: template unit \"a@.service\" for \"a@b.service\" \
             doesn't have Install section",
        ],
    );
    let long = format!("[Service]\nA={}\n", "x".repeat(2048));
    units(
        json!([{"name": "a.service", "contents": long}]),
        &["error $.systemd.units.0.contents: invalid unit content: line too long (max 2048 bytes)"],
    );
}

#[test]
fn what_ignition_fetches_for_itself() {
    let section = |version, content: Value, expected: &[&str]| {
        expect(version, "ignition", content, expected);
    };
    let merge = || json!({"config": {"merge": [{}]}});
    section("3.0.0", merge(), &[]);
    section(
        "3.1.0",
        merge(),
        &["error $.ignition.config.merge.0: source is required"],
    );
    let authority = || json!({"security": {"tls": {"certificateAuthorities": [{}]}}});
    let at = "error $.ignition.security.tls.certificateAuthorities.0";
    section(
        "3.0.0",
        authority(),
        &[&format!("{at}.source: invalid url scheme")],
    );
    section(
        "3.1.0",
        authority(),
        &[&format!("{at}: source is required")],
    );
    let proxy = || json!({"proxy": {"httpProxy": "socks5://x", "httpsProxy": "http://x"}});
    section(
        "3.0.0",
        proxy(),
        &["warning $.ignition.proxy: unused key proxy"],
    );
    section(
        "3.1.0",
        proxy(),
        &[
            "error $.ignition.proxy.httpProxy: proxies must be http(s)",
            "warning $.ignition.proxy.httpsProxy: insecure plaintext HTTP proxy specified for \
             HTTPS resources",
        ],
    );
}

#[test]
fn a_kernel_argument_cannot_be_wanted_and_unwanted() {
    let arguments = json!({"shouldExist": ["a"], "shouldNotExist": ["a"]});
    expect(
        "3.3.0",
        "kernelArguments",
        arguments,
        &["error $.kernelArguments.shouldNotExist.0: duplicate entry defined"],
    );
}

#[test]
fn the_laxer_rules_of_old_specs_do_not_pass_the_newest() {
    let raw = with("3.0.0", "storage", &json!({"links": [{"path": "/l"}]}));
    assert_eq!(findings(&raw), [] as [&str; 0]);
    let refusal = accept(&raw).unwrap_err();
    assert!(matches!(refusal, Refusal::InvalidAsNewest { .. }));
    assert_eq!(refusal.field(), Some("$.storage.links.0.target"));
}

#[test]
fn the_refusal_of_spec_2_says_how_to_convert() {
    for (version, class) in [
        ("2.2.0", "ignition-spec2"),
        ("2.4.0", "ignition-unknown-version"),
    ] {
        let refusal = accept(&with(version, "storage", &json!({}))).unwrap_err();
        assert_eq!(refusal.class(), class);
        assert!(refusal.to_string().contains("Butane"), "{refusal}");
    }
}

#[test]
fn texts_that_are_no_config() {
    for (raw, error) in [
        ("", "not a config (empty)"),
        (" ", "config is not valid"),
        ("null", "invalid config version (couldn't parse)"),
        ("{}", "invalid config version (couldn't parse)"),
        ("[]", "config is not valid"),
        (r#"{"ignition":{"version":3}}"#, "config is not valid"),
        (
            r#"{"ignition":{"version":"3.9.0"},"storage":5}"#,
            "unsupported config version",
        ),
        (
            r#"{"ignition":{"version":"3.4.0"},"storage":5}"#,
            "config is not valid",
        ),
        (
            r#"{"ignition":{"version":"3.4.0"}} x"#,
            "config is not valid",
        ),
    ] {
        assert_eq!(
            parse(raw).error.map(|it| it.to_string()).as_deref(),
            Some(error),
            "{raw}"
        );
    }
}

/// JSON that looks like a config here and there.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-10_i64..5000).prop_map(Value::from),
        "[a-z/.%:;,@\\[=\n]{0,8}".prop_map(Value::from),
        Just(Value::from("data:;base64,aGk=")),
        Just(Value::from("/etc/a")),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let name = prop::sample::select(vec![
            "path",
            "Mode",
            "mode",
            "contents",
            "source",
            "name",
            "user",
            "id",
            "files",
            "links",
            "units",
            "dropins",
            "target",
            "verification",
            "hash",
            "device",
            "partitions",
            "level",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..5)
                .prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(raw in "\\PC{0,60}") {
        let report = parse(&raw);
        prop_assert!(report.error.is_some());
    }

    #[test]
    fn a_config_is_there_or_a_reason(version in 0..6_u8, storage in any_json(), systemd in any_json()) {
        let raw = json!({
            "ignition": {"version": format!("3.{version}.0")},
            "storage": storage,
            "systemd": systemd,
        });
        let report = parse(&raw.to_string());
        prop_assert_eq!(report.config.is_some(), report.error.is_none());
        prop_assert_eq!(report.fatal(), report.error.is_some());
    }

    #[test]
    fn what_was_accepted_is_accepted_again_as_it_is(version in 0..6_u8, files in any_json(), units in any_json()) {
        let raw = json!({
            "ignition": {"version": format!("3.{version}.0")},
            "storage": {"files": [{"path": "/etc/a", "user": files}]},
            "systemd": {"units": units},
        });
        if let Ok(accepted) = accept(&raw.to_string()) {
            prop_assert_eq!(accept(&accepted.to_string()), Ok(accepted));
        }
    }
}
