//! What the server says about itself: version, health, and which resources it serves, in the classic and in the aggregated form
//! (KEP-3352), which kubectl asks for.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::handle::Answer;
use super::refusal::Refusal;
use super::request::{Call, Target};
use super::resource::Resource;
use super::{Shared, State, openapi};

/// The verbs of a resource that lives in the store.
const VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
/// The same, in the order in which the real server names those of custom resources.
const CUSTOM_VERBS: [&str; 8] = [
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "create",
    "update",
    "watch",
];
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
/// The first minor version that says which versions it can stand for (KEP-4330).
const TELLS_OF_EMULATION: u32 = 33;
/// How many bytes of a hash name a stored version.
const STORAGE_HASH_BYTES: usize = 8;

/// Answers what is no resource.
pub(crate) fn answer(state: &State, shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let parts: Vec<&str> = call
        .path
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    Ok(match parts.as_slice() {
        ["version"] => Answer::json(200, &version(state, shared, call)),
        ["healthz" | "livez" | "readyz", ..] => Answer::text(200, "ok"),
        ["openapi", rest @ ..] => return openapi::answer(state, shared, call, rest),
        ["api"] if wants_aggregated(call)? => aggregated(state, str::is_empty),
        ["apis"] if wants_aggregated(call)? => aggregated(state, |group| !group.is_empty()),
        ["api"] => Answer::json(200, &core_versions()),
        ["apis"] => Answer::json(200, &groups(state)),
        ["apis", name] => match groups_of(state).get(name) {
            Some(versions) => {
                let mut group = describe_group(name, versions);
                group["kind"] = "APIGroup".into();
                group["apiVersion"] = "v1".into();
                Answer::json(200, &group)
            }
            None => Answer::text(404, "404 page not found\n"),
        },
        ["api", version] => resources(state, "", version),
        ["apis", group, version] => resources(state, group, version),
        _ => Answer::text(404, "404 page not found\n"),
    })
}

/// Whether the aggregated form is the first that the caller accepts.
fn wants_aggregated(call: &Call) -> Result<bool, Refusal> {
    if call.accept.trim().is_empty() {
        return Ok(false);
    }
    call.accept
        .split(',')
        .find_map(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            if !matches!(media, "application/json" | "application/*" | "*/*") {
                return None;
            }
            let parameters: Vec<&str> = parts.collect();
            let converted = parameters
                .iter()
                .any(|parameter| parameter.starts_with("as="));
            let aggregated = ["g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"]
                .iter()
                .all(|wanted| parameters.contains(wanted));
            (aggregated || !converted).then_some(aggregated)
        })
        .ok_or_else(Refusal::not_acceptable)
}

fn version(state: &State, shared: &Shared, call: &Call) -> Value {
    let version = call
        .instance
        .as_deref()
        .and_then(|address| state.instances.version(address))
        .unwrap_or(&shared.options.version);
    let mut numbers = version.trim_start_matches('v').split('.');
    let major = numbers.next().unwrap_or_default();
    let minor = numbers.next().unwrap_or_default();
    let mut told = json!({
        "major": major,
        "minor": minor,
        "gitVersion": version,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    });
    if let Some(number) = minor
        .parse::<u32>()
        .ok()
        .filter(|number| *number >= TELLS_OF_EMULATION)
    {
        told["emulationMajor"] = major.into();
        told["emulationMinor"] = minor.into();
        told["minCompatibilityMajor"] = major.into();
        told["minCompatibilityMinor"] = (number - 1).to_string().into();
    }
    told
}

fn core_versions() -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1" }],
    })
}

/// The served groups but the core, each with its versions, the preferred one first.
fn groups_of(state: &State) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in state.registry.all() {
        if !resource.group.is_empty() {
            let versions = groups.entry(resource.group.as_str()).or_default();
            if !versions.contains(&resource.version.as_str()) {
                versions.push(&resource.version);
            }
        }
    }
    for versions in groups.values_mut() {
        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
    }
    groups
}

/// How much a version is preferred: stable before beta before alpha, then the higher one; what is no such name comes last.
fn priority(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let (major, stage) = match rest.find(|letter: char| !letter.is_ascii_digit()) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let major = major.parse().ok()?;
    if stage.is_empty() {
        return Some((2, major, 0));
    }
    let (rank, minor) = match stage.strip_prefix("beta") {
        Some(minor) => (1, minor),
        None => (0, stage.strip_prefix("alpha")?),
    };
    Some((rank, major, minor.parse().ok()?))
}

fn groups(state: &State) -> Value {
    let groups: Vec<Value> = groups_of(state)
        .iter()
        .map(|(name, versions)| describe_group(name, versions))
        .collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn describe_group(name: &str, versions: &[&str]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": format!("{name}/{version}"), "version": version }))
        .collect();
    json!({ "name": name, "versions": versions, "preferredVersion": versions.first() })
}

fn resources(state: &State, group: &str, version: &str) -> Answer {
    let mut listed: Vec<Value> = Vec::new();
    for resource in state.registry.all() {
        if resource.group == group && resource.version == version {
            listed.extend(describe(resource));
        }
    }
    if listed.is_empty() {
        return Answer::text(404, "404 page not found\n");
    }
    let mut list = json!({ "kind": "APIResourceList", "resources": listed });
    if group.is_empty() {
        list["groupVersion"] = version.into();
    } else {
        list["apiVersion"] = "v1".into();
        list["groupVersion"] = format!("{group}/{version}").into();
    }
    Answer::json(200, &list)
}

/// A resource and its subresources, in the classic form.
fn describe(resource: &Resource) -> Vec<Value> {
    let mut itself = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": verbs(resource),
        "storageVersionHash": storage_hash(resource),
    });
    add_names(&mut itself, resource);
    let mut described = vec![itself];
    for subresource in &resource.subresources {
        let (kind, verbs) = subject(resource, subresource);
        let mut entry = json!({
            "name": format!("{}/{subresource}", resource.plural),
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": kind.2,
            "verbs": verbs,
        });
        if !kind.1.is_empty() {
            entry["group"] = kind.0.into();
            entry["version"] = kind.1.into();
        }
        described.push(entry);
    }
    described
}

fn add_names(entry: &mut Value, resource: &Resource) {
    if !resource.short_names.is_empty() {
        entry["shortNames"] = resource.short_names.clone().into();
    }
    if !resource.categories.is_empty() {
        entry["categories"] = resource.categories.clone().into();
    }
}

fn verbs(resource: &Resource) -> Vec<&'static str> {
    let all = if resource.custom.is_some() {
        CUSTOM_VERBS
    } else {
        VERBS
    };
    let namespaces = resource.is("", "namespaces");
    all.into_iter()
        .filter(|verb| !(namespaces && *verb == "deletecollection"))
        .collect()
}

/// What a subresource answers with (group and version are empty where they are the resource's own), and its verbs.
fn subject<'a>(
    resource: &'a Resource,
    subresource: &str,
) -> ((&'a str, &'a str, &'a str), &'static [&'static str]) {
    match subresource {
        "binding" => (("", "", "Binding"), &["create"]),
        "eviction" => (("policy", "v1", "Eviction"), &["create"]),
        "finalize" => (("", "", &resource.kind), &["update"]),
        "scale" => (("autoscaling", "v1", "Scale"), &["get", "patch", "update"]),
        _ => (("", "", &resource.kind), &["get", "patch", "update"]),
    }
}

/// A hash of the version in which the objects are stored, by which clients see whether two groups share them.
fn storage_hash(resource: &Resource) -> String {
    let api_version = match &resource.custom {
        Some(custom) => custom.storage_api_version.clone(),
        // Events are stored under the core group, whichever group they are asked in.
        None if resource.kind == "Event" => "v1".to_owned(),
        None => resource.api_version(),
    };
    let stored = if api_version.contains('/') {
        format!("{api_version}/{}", resource.kind)
    } else {
        format!("/{api_version}/{}", resource.kind)
    };
    let hash: Vec<u8> = Sha256::digest(stored)
        .into_iter()
        .take(STORAGE_HASH_BYTES)
        .collect();
    base64::engine::general_purpose::STANDARD.encode(hash)
}

/// The aggregated form of the groups that are wanted.
fn aggregated(state: &State, wanted: fn(&str) -> bool) -> Answer {
    let mut groups: Vec<(&str, Vec<&str>)> = groups_of(state).into_iter().collect();
    groups.push(("", vec!["v1"]));
    let items: Vec<Value> = groups
        .iter()
        .filter(|(group, _)| wanted(group))
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| aggregated_version(state, group, version))
                .collect();
            let metadata = if group.is_empty() {
                json!({})
            } else {
                json!({ "name": group })
            };
            json!({ "metadata": metadata, "versions": versions })
        })
        .collect();
    let body = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
    .to_string();
    let tag = openapi::hash_of(body.as_bytes());
    Answer::bytes(AGGREGATED, body.into())
        .with_header("etag", format!("\"{tag}\""))
        .with_header("cache-control", "public".to_owned())
}

fn aggregated_version(state: &State, group: &str, version: &str) -> Value {
    let resources: Vec<Value> = state
        .registry
        .all()
        .filter(|resource| resource.group == group && resource.version == version)
        .map(|resource| aggregated_resource(resource))
        .collect();
    json!({ "version": version, "resources": resources, "freshness": "Current" })
}

fn aggregated_resource(resource: &Resource) -> Value {
    let own = |(group, version, kind): (&str, &str, &str)| match &resource.custom {
        Some(_) if version.is_empty() => {
            json!({ "group": resource.group, "version": resource.version, "kind": kind })
        }
        _ => json!({ "group": group, "version": version, "kind": kind }),
    };
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": own(("", "", &resource.kind)),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": verbs(resource),
    });
    add_names(&mut entry, resource);
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|name| {
            let (kind, verbs) = subject(resource, name);
            json!({ "subresource": name, "responseKind": own(kind), "verbs": verbs })
        })
        .collect();
    if !subresources.is_empty() {
        entry["subresources"] = subresources.into();
    }
    entry
}

/// Reviews of rights are no resource that is kept: everything is allowed.
pub(crate) fn review(call: &Call, target: &Target) -> Option<Answer> {
    let asked = target.group == "authorization.k8s.io"
        && target.resource == "selfsubjectaccessreviews"
        && call.method == http::Method::POST;
    asked.then(|| {
        let mut review: Value = serde_json::from_slice(&call.body).unwrap_or_else(|_| json!({}));
        super::value::set(&mut review, &["kind"], "SelfSubjectAccessReview");
        super::value::set(&mut review, &["apiVersion"], "authorization.k8s.io/v1");
        super::value::set(&mut review, &["status"], json!({ "allowed": true }));
        Answer::json(201, &review)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::resource::Registry;

    #[test]
    fn the_hash_of_a_stored_version_is_the_one_of_the_real_server() {
        let registry = Registry::built_in();
        let hash = |group, plural| storage_hash(registry.find(group, "v1", plural).unwrap());

        assert_eq!(hash("", "nodes"), "XwShjMxG9Fs=");
        assert_eq!(hash("policy", "poddisruptionbudgets"), "EVWiDmWqyJw=");
        assert_eq!(hash("", "events"), hash("events.k8s.io", "events"));
    }

    #[test]
    fn a_stable_version_is_preferred_and_then_the_higher_one() {
        let mut versions = ["v1alpha2", "v1", "odd", "v2beta1", "v10", "v2beta3", "v2"];

        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));

        assert_eq!(
            versions,
            ["v10", "v2", "v1", "v2beta3", "v2beta1", "v1alpha2", "odd"]
        );
    }
}
