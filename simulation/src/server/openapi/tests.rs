//! What kubectl relies on in the documents, over a server with a custom resource. Names and order were recorded from a real server.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::clock::starting_at;
use crate::server::{ApiServer, Options};

const V2: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

async fn ask(
    server: &ApiServer,
    method: &str,
    path: &str,
    accept: &str,
    body: Value,
) -> Response<Bytes> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::ACCEPT, accept)
        .body(Bytes::from(body.to_string()))
        .unwrap();
    let answer = server.connection("test").serve(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

async fn get(server: &ApiServer, path: &str) -> Value {
    let answer = ask(server, "GET", path, "application/json", Value::Null).await;
    assert_eq!(answer.status(), 200, "{path}");
    serde_json::from_slice(answer.body()).unwrap()
}

fn definition(field: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.example.com" },
        "spec": {
            "group": "example.com",
            "scope": "Cluster",
            "names": { "plural": "widgets", "kind": "Widget" },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "properties": { "spec": { "type": "object", "properties": { field: { "type": "string" } } } },
                } },
            }],
        },
    })
}

async fn server() -> ApiServer {
    let clock = starting_at("2026-11-24T00:00:00Z".parse().unwrap());
    let server = ApiServer::new(clock, Options::default());
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let made = ask(
        &server,
        "POST",
        definitions,
        "application/json",
        definition("mode"),
    )
    .await;
    assert_eq!(made.status(), 201);
    server
}

fn addresses(index: &Value) -> Vec<(String, String)> {
    index["paths"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, entry)| {
            let address = entry["serverRelativeURL"].as_str().unwrap();
            (path.clone(), address.to_owned())
        })
        .collect()
}

fn references(within: &Value, found: &mut BTreeSet<String>, beside: &mut Vec<Value>) {
    match within {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                found.insert(reference.to_owned());
                if fields.len() > 1 {
                    beside.push(within.clone());
                }
            }
            fields
                .values()
                .for_each(|inner| references(inner, found, beside));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|inner| references(inner, found, beside)),
        _ => {}
    }
}

#[tokio::test]
async fn the_index_leads_to_a_document_of_each_group_version_by_its_hash() {
    let server = server().await;

    let addresses = addresses(&get(&server, "/openapi/v3").await);

    let paths: Vec<&str> = addresses.iter().map(|(path, _)| path.as_str()).collect();
    assert!(
        paths.contains(&"api/v1") && paths.contains(&"apis/policy/v1"),
        "{paths:?}"
    );
    assert!(paths.contains(&"apis/example.com/v1"), "{paths:?}");
    for (path, address) in &addresses {
        let hash = address
            .strip_prefix(&format!("/openapi/v3/{path}?hash="))
            .unwrap();
        assert_eq!(hash.len(), 128);
        assert_eq!(hash, hash.to_uppercase());
        let answer = ask(&server, "GET", address, "application/json", Value::Null).await;
        assert_eq!(answer.headers()["etag"], format!("\"{hash}\""));
        assert_eq!(answer.headers()["cache-control"], "public, immutable");
    }
}

#[tokio::test]
async fn every_reference_leads_to_a_schema_of_the_same_document_and_stands_alone() {
    let server = server().await;
    for (_, address) in addresses(&get(&server, "/openapi/v3").await) {
        let document = get(&server, &address).await;

        let (mut found, mut beside) = (BTreeSet::new(), Vec::new());
        references(&document, &mut found, &mut beside);

        let missing: Vec<&String> = found
            .iter()
            .filter(|reference| {
                document
                    .pointer(reference.trim_start_matches('#'))
                    .is_none()
            })
            .collect();
        assert!(missing.is_empty(), "{address}: {missing:?}");
        assert!(beside.is_empty(), "{address}: {beside:?}");
    }
}

#[tokio::test]
async fn a_built_in_kind_is_described_as_the_real_server_names_it() {
    let document = get(&server().await, "/openapi/v3/apis/policy/v1").await;

    assert_eq!(document["openapi"], "3.0.0");
    assert_eq!(document["info"]["title"], "Kubernetes");
    let discovery = &document["paths"]["/apis/policy/v1/"]["get"];
    assert_eq!(discovery["operationId"], "getPolicyV1APIResources");
    assert_eq!(discovery["tags"], json!(["policy_v1"]));
    let list =
        &document["paths"]["/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"]["get"];
    assert_eq!(
        list["operationId"],
        "listPolicyV1NamespacedPodDisruptionBudget"
    );
    assert_eq!(
        list["description"],
        "list or watch objects of kind PodDisruptionBudget"
    );
    assert_eq!(list["parameters"][0]["name"], "allowWatchBookmarks");
    assert_eq!(
        list["parameters"][0]["schema"],
        json!({ "type": "boolean", "uniqueItems": true })
    );
    let schema = &document["components"]["schemas"]["io.k8s.api.policy.v1.PodDisruptionBudget"];
    assert_eq!(
        schema["x-kubernetes-group-version-kind"],
        json!([{ "group": "policy", "kind": "PodDisruptionBudget", "version": "v1" }])
    );
    assert_eq!(schema.get("required"), None);
}

#[tokio::test]
async fn a_custom_kind_is_described_by_its_definition_and_what_every_object_has() {
    let document = get(&server().await, "/openapi/v3/apis/example.com/v1").await;

    assert_eq!(
        document["info"],
        json!({ "title": "Kubernetes CRD Swagger", "version": "v0.1.0" })
    );
    let list = &document["paths"]["/apis/example.com/v1/widgets"]["get"];
    assert_eq!(list["operationId"], "listExampleComV1Widget");
    assert_eq!(list["tags"], json!(["exampleCom_v1"]));
    assert_eq!(list["description"], "list objects of kind Widget");
    let properties = &document["components"]["schemas"]["com.example.v1.Widget"]["properties"];
    assert_eq!(properties["spec"]["properties"]["mode"]["type"], "string");
    assert!(
        properties["metadata"]["allOf"][0]["$ref"]
            .as_str()
            .unwrap()
            .ends_with("ObjectMeta")
    );
}

#[tokio::test]
async fn a_patch_tells_that_fields_are_validated_and_only_built_in_kinds_merge_strategically() {
    let server = server().await;
    for (document, path, strategic) in [
        ("/openapi/v3/api/v1", "/api/v1/nodes/{name}", true),
        (
            "/openapi/v3/apis/example.com/v1",
            "/apis/example.com/v1/widgets/{name}",
            false,
        ),
    ] {
        let patch = &get(&server, document).await["paths"][path]["patch"];

        let parameters = patch["parameters"].as_array().unwrap();
        assert!(
            parameters
                .iter()
                .any(|parameter| parameter["name"] == "fieldValidation")
        );
        let kinds = &patch["requestBody"]["content"];
        assert_eq!(
            kinds
                .get("application/strategic-merge-patch+json")
                .is_some(),
            strategic
        );
    }
}

#[tokio::test]
async fn a_changed_definition_changes_its_document_and_who_asks_for_the_old_one_is_sent_on() {
    let server = server().await;
    let address_of = async || {
        addresses(&get(&server, "/openapi/v3").await)
            .into_iter()
            .find(|(path, _)| path == "apis/example.com/v1")
            .unwrap()
            .1
    };
    let before = address_of().await;
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com";
    let mut changed = definition("color");
    changed["metadata"] = get(&server, path).await["metadata"].clone();
    let put = ask(&server, "PUT", path, "application/json", changed).await;
    assert_eq!(put.status(), 200);

    let after = address_of().await;

    assert_ne!(before, after);
    let sent_on = ask(&server, "GET", &before, "application/json", Value::Null).await;
    assert_eq!(sent_on.status(), 301);
    assert_eq!(sent_on.headers()["location"], after);
}

#[tokio::test]
async fn version_2_is_a_frame_in_protobuf_for_kubectl_and_in_json_for_others() {
    let server = server().await;

    let proto = ask(&server, "GET", "/openapi/v2", V2, Value::Null).await;
    let json = get(&server, "/openapi/v2").await;
    let refused = ask(&server, "GET", "/openapi/v2", "text/html", Value::Null).await;

    assert_eq!(proto.headers()["content-type"], V2.replace('@', "."));
    // Field 1, three bytes: the version that a reader of the format checks first.
    assert!(proto.body().starts_with(b"\x0a\x032.0"));
    assert_eq!(json["swagger"], "2.0");
    assert_eq!(refused.status(), 406);
}
