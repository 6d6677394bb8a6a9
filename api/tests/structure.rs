//! A real API server takes the schemas: each is structural
//! (KEP-1111, "structural schema") and uses nothing that the server refuses or ignores.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

use regex::Regex;
use serde_json::Value;

/// All schemas below `schema`, each with its path.
fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, visit);
    }
    if schema["items"].is_object() {
        walk(&format!("{path}[]"), &schema["items"], visit);
    }
    if schema["additionalProperties"].is_object() {
        walk(
            &format!("{path}{{}}"),
            &schema["additionalProperties"],
            visit,
        );
    }
}

fn each_schema(mut visit: impl FnMut(&str, &Value)) {
    for crd in api::crds() {
        let crd = serde_json::to_value(crd).unwrap();
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        assert!(schema.is_object(), "{kind} has no schema");
        walk(&kind, schema, &mut visit);
    }
}

#[test]
fn every_schema_says_its_type() {
    each_schema(|path, schema| {
        let typed = schema["type"].is_string();
        let int_or_string = schema["x-kubernetes-int-or-string"] == true;

        assert!(typed != int_or_string, "{path}: {schema}");
    });
}

#[test]
fn no_schema_branches_or_refers() {
    each_schema(|path, schema| {
        for word in [
            "$ref",
            "oneOf",
            "anyOf",
            "allOf",
            "not",
            "definitions",
            "uniqueItems",
            "title",
        ] {
            assert!(schema.get(word).is_none(), "{path} has {word}");
        }
    });
}

#[test]
fn every_list_says_what_is_in_it_and_how_it_merges() {
    each_schema(|path, schema| {
        if schema["type"] == "array" {
            assert!(schema["items"].is_object(), "{path} has no items");
            assert!(
                schema["x-kubernetes-list-type"].is_string(),
                "{path} has no list type"
            );
        }
    });
}

#[test]
fn the_keys_of_a_list_map_are_required_scalars_of_its_items() {
    each_schema(|path, schema| {
        if schema["x-kubernetes-list-type"] != "map" {
            return;
        }
        for key in schema["x-kubernetes-list-map-keys"].as_array().unwrap() {
            let key = key.as_str().unwrap();
            let required = schema["items"]["required"].as_array().unwrap();

            assert!(
                required.iter().any(|name| name == key),
                "{path}: {key} is not required"
            );
            assert_eq!(
                schema["items"]["properties"][key]["type"], "string",
                "{path}: {key}"
            );
        }
    });
}

#[test]
fn only_the_fields_that_the_reference_lets_be_null_are_nullable() {
    let mut nullable = Vec::new();
    each_schema(|path, schema| {
        if schema["nullable"] == true {
            nullable.push(path.to_owned());
        }
        for value in schema["enum"].as_array().into_iter().flatten() {
            assert!(value.is_string(), "{path}: {value}");
        }
    });

    assert_eq!(
        nullable,
        [
            "MachineConfig.spec.kernelArguments",
            "MachineConfigPool.status.conditions[].lastTransitionTime",
            "MachineConfiguration.spec.observedConfig",
            "MachineConfiguration.spec.unsupportedConfigOverrides",
        ]
    );
}

#[test]
fn the_server_writes_only_the_defaults_of_the_reference() {
    let mut defaults = Vec::new();
    each_schema(|path, schema| {
        if let Some(value) = schema.get("default") {
            defaults.push(format!("{path}={value}"));
        }
    });

    assert_eq!(
        defaults,
        [
            "MachineConfig.spec={}",
            "MachineConfiguration.spec.logLevel=\"Normal\"",
            "MachineConfiguration.spec.operatorLogLevel=\"Normal\"",
        ]
    );
}

#[test]
fn formats_are_those_that_the_server_knows() {
    each_schema(|path, schema| {
        if let Some(format) = schema.get("format") {
            assert!(
                ["int32", "int64", "date-time"].contains(&format.as_str().unwrap()),
                "{path}: {format}"
            );
        }
    });
}

#[test]
fn every_field_of_a_rollout_policy_is_explained() {
    each_schema(|path, schema| {
        let settable = path.starts_with("RolloutPolicy.spec.") && !path.contains("poolSelector.");
        if settable && !path.ends_with("[]") {
            assert!(
                schema["description"].is_string(),
                "{path} has no description"
            );
        }
    });
}

/// The pattern of the one schema at this path.
fn pattern(wanted: &str) -> Regex {
    let mut found = None;
    each_schema(|path, schema| {
        if path == wanted {
            found = schema["pattern"].as_str().map(str::to_owned);
        }
    });
    Regex::new(&found.unwrap_or_else(|| panic!("{wanted} has no pattern"))).unwrap()
}

#[test]
fn every_pattern_is_one_and_binds_the_whole_value() {
    each_schema(|path, schema| {
        if let Some(pattern) = schema.get("pattern") {
            let pattern = pattern.as_str().unwrap();
            let prefix = path.ends_with("fieldPath");

            assert!(Regex::new(pattern).is_ok(), "{path}: {pattern}");
            assert!(
                pattern.starts_with('^') && (prefix || pattern.ends_with('$')),
                "{path}: {pattern}"
            );
        }
    });
}

#[test]
fn a_service_is_named_with_a_type_of_systemd() {
    let pattern = pattern(
        "MachineConfiguration.spec.nodeDisruptionPolicy.files[].actions[].restart.serviceName",
    );

    for good in [
        "crio.service",
        "a:b-c_d.timer",
        "dev-disk-by\\x2dlabel.mount",
    ] {
        assert!(pattern.is_match(good), "{good}");
    }
    for bad in [
        "crio",
        ".service",
        "crio.services",
        "a b.service",
        "getty@tty1.service",
        "",
    ] {
        assert!(!pattern.is_match(bad), "{bad}");
    }
}

#[test]
fn object_names_are_dns_subdomains() {
    let pattern = pattern("MachineConfigNode.spec.node.name");

    for good in ["worker-1", "ip-10-0-1-2.eu-west-1.compute.internal", "1"] {
        assert!(pattern.is_match(good), "{good}");
    }
    for bad in ["", "Worker", "-a", "a-", "a..b", "a_b"] {
        assert!(!pattern.is_match(bad), "{bad}");
    }
}

#[test]
fn max_failures_as_text_is_a_percentage() {
    let pattern = pattern("RolloutPolicy.spec.maxFailures");

    for good in ["25%", "0%"] {
        assert!(pattern.is_match(good), "{good}");
    }
    for bad in ["25", "-5%", "a quarter", "%"] {
        assert!(!pattern.is_match(bad), "{bad}");
    }
}
