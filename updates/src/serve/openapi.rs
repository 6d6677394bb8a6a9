//! What the service offers, as an OpenAPI document.

use serde_json::{Value, json};

/// The document, for a service under this prefix.
pub(super) fn document(prefix: &str) -> Value {
    let parameter = |name: &str, required: bool, pattern: &str, says: &str| {
        json!({
            "name": name, "in": "query", "required": required, "description": says,
            "schema": {"type": "string", "pattern": pattern},
        })
    };
    let graph = json!({
        "get": {
            "summary": "The update graph of a channel",
            "parameters": [
                parameter("channel", true, r"^[0-9a-z\-\.]+$", "The channel"),
                parameter("arch", false, "^[0-9a-z]+$", "The architecture; amd64 if there is none"),
            ],
            "responses": {
                "200": {"description": "Releases, edges and conditional edges", "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Graph"}},
                    "application/vnd.redhat.cincinnati.v1+json": {"schema": {"$ref": "#/components/schemas/Graph"}},
                }},
                "304": {"description": "The client has this answer already"},
                "400": {"description": "A parameter is missing or invalid"},
                "406": {"description": "No accepted media type"},
                "503": {"description": "There is no graph yet"},
            },
        },
    });
    let mut paths = serde_json::Map::new();
    for path in ["/graph", "/v1/graph"] {
        paths.insert(format!("{prefix}{path}"), graph.clone());
    }
    json!({
        "openapi": "3.0.3",
        "info": {"title": "Windlass update service", "version": env!("CARGO_PKG_VERSION"), "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": {"Graph": schema()}},
    })
}

fn schema() -> Value {
    let text = || json!({"type": "string"});
    let pair = json!({"type": "object", "properties": {"from": text(), "to": text()}});
    let rule = json!({"type": "object", "required": ["type"], "properties": {
        "type": text(), "promql": {"type": "object", "properties": {"promql": text()}},
    }});
    let risk = json!({"type": "object", "properties": {
        "name": text(), "url": text(), "message": text(), "matchingRules": {"type": "array", "items": rule},
    }});
    json!({"type": "object", "required": ["version", "nodes", "edges", "conditionalEdges"], "properties": {
        "version": {"type": "integer", "enum": [1]},
        "nodes": {"type": "array", "items": {"type": "object", "properties": {
            "version": text(), "payload": text(),
            "metadata": {"type": "object", "additionalProperties": text()},
        }}},
        "edges": {"type": "array", "items": {
            "type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "integer", "minimum": 0},
        }},
        "conditionalEdges": {"type": "array", "items": {"type": "object", "properties": {
            "edges": {"type": "array", "items": pair}, "risks": {"type": "array", "items": risk},
        }}},
    }})
}
