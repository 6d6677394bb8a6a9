//! A rendered config's name never changes: these were given out, and nodes carry them.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use rendering::names::{canonical_form, rendered_name};
use rendering::spec::MachineConfigSpec;
use serde_json::{Value, json};

fn spec(value: Value) -> MachineConfigSpec {
    serde_json::from_value(value).unwrap()
}

fn worker() -> MachineConfigSpec {
    spec(json!({
        "config": {
            "ignition": {"version": "3.5.0"},
            "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAA a", "ssh-rsa BBBB b"]}]},
            "storage": {"files": [
                {"path": "/etc/sysctl.d/99-tune.conf", "mode": 420, "overwrite": true,
                 "contents": {"source": "data:,vm.max_map_count%3D262144%0A"}},
                {"path": "/etc/chrony.conf", "mode": 0, "overwrite": true,
                 "contents": {"compression": "", "source": "data:;base64,aGk="}}
            ]},
            "systemd": {"units": [{"name": "chronyd.service", "enabled": true, "mask": false,
                "dropins": [{"name": "20-b.conf", "contents": ""}, {"name": "10-a.conf", "contents": "[Service]\nNice=1\n"}]}]}
        },
        "extensions": ["usbguard"],
        "fips": false,
        "kernelArguments": ["quiet", "a=\"b c\"", "ü=✓\u{1}\u{7f}"],
        "kernelType": "default",
        "osImageURL": "quay.io/release/os@sha256:1111"
    }))
}

#[test]
fn the_canonical_form_is_the_documented_one() {
    assert_eq!(
        canonical_form(&worker(), Some("1.34")),
        concat!(
            r#"{"kubeletVersion":"1.34","spec":{"config":{"passwd":{"users":[{"name":"core","#,
            r#""sshAuthorizedKeys":["ssh-ed25519 AAAA a","ssh-rsa BBBB b"]}]},"storage":{"files":["#,
            r#"{"contents":{"source":"data:;base64,aGk="},"mode":0,"overwrite":true,"#,
            r#""path":"/etc/chrony.conf"},"#,
            r#"{"contents":{"source":"data:,vm.max_map_count%3D262144%0A"},"mode":420,"#,
            r#""overwrite":true,"path":"/etc/sysctl.d/99-tune.conf"}]},"systemd":{"units":["#,
            r#"{"dropins":[{"contents":"[Service]\nNice=1\n","name":"10-a.conf"},"#,
            r#"{"contents":"","name":"20-b.conf"}],"enabled":true,"mask":false,"#,
            r#""name":"chronyd.service"}]}},"extensions":["usbguard"],"#,
            r#""kernelArguments":["quiet","a=\"b c\"","ü=✓\u0001"#,
            "\u{7f}",
            r#""],"osImageURL":"quay.io/release/os@sha256:1111"}}"#,
        )
    );
}

#[test]
fn the_golden_names_stay() {
    let mut realtime = worker();
    realtime.kernel_type = "realtime".to_owned();
    realtime.fips = true;
    for (pool, spec, version, name) in [
        (
            "worker",
            MachineConfigSpec::default(),
            None,
            "rendered-worker-53aa778a9b137a0ca7ab79937d069870",
        ),
        (
            "worker",
            worker(),
            None,
            "rendered-worker-f79f3915b509da51a1c4d62164b05a0b",
        ),
        (
            "infra",
            worker(),
            None,
            "rendered-infra-f79f3915b509da51a1c4d62164b05a0b",
        ),
        (
            "worker",
            worker(),
            Some("1.34"),
            "rendered-worker-dc42deb7a33cc203ff5b2ce014638048",
        ),
        (
            "worker",
            realtime,
            None,
            "rendered-worker-76fbf25683c677fedfd01ed5cf929f23",
        ),
    ] {
        assert_eq!(rendered_name(pool, &spec, version), name);
    }
}
