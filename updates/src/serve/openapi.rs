//! What the service offers, as an OpenAPI document.

use serde_json::{Value, json};

/// The document, for a service under this prefix.
pub(super) fn document(prefix: &str) -> Value {
    let graph = json!({
        "get": {
            "summary": "The update graph of a channel",
            "parameters": [channel(), architecture()],
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
    paths.insert(format!("{prefix}/v1/explain"), explain());
    paths.insert(format!("{prefix}/v1/channels"), channels());
    for (path, media_type) in [
        ("/graph.svg", "image/svg+xml"),
        ("/graph.dot", "text/vnd.graphviz"),
    ] {
        paths.insert(format!("{prefix}{path}"), picture(media_type));
    }
    paths.insert(
        format!("{prefix}/v1/watch"),
        followed(
            "Each change of a channel as a server-sent event, named by its kind",
            "text/event-stream",
        ),
    );
    paths.insert(
        format!("{prefix}/v1/feed"),
        followed(
            "The last changes of a channel as an Atom feed",
            "application/atom+xml",
        ),
    );
    paths.insert(format!("{prefix}/signatures/{{of}}/{{name}}"), signature());
    json!({
        "openapi": "3.0.3",
        "info": {"title": "Windlass update service", "version": env!("CARGO_PKG_VERSION"), "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": {"Graph": schema()}},
    })
}

fn parameter(name: &str, required: bool, pattern: &str, says: &str) -> Value {
    json!({
        "name": name, "in": "query", "required": required, "description": says,
        "schema": {"type": "string", "pattern": pattern},
    })
}

fn channel() -> Value {
    parameter("channel", true, r"^[0-9a-z\-\.]+$", "The channel")
}

fn architecture() -> Value {
    let says = "The architecture; amd64 if there is none";
    parameter("arch", false, "^[0-9a-z]+$", says)
}

fn explain() -> Value {
    json!({"get": {
        "summary": "Why releases of a channel can or cannot be reached",
        "parameters": [
            channel(), architecture(),
            parameter("from", true, "", "The version that the cluster has"),
            parameter("to", false, "", "The release that is asked about; every newer one of the channel if there is none"),
        ],
        "responses": {
            "200": {"description": "For each release its ways and what stands in them", "content": {"application/json": {}}},
            "400": {"description": "A parameter is missing or invalid"},
            "404": {"description": "The channel does not hold the version"},
            "503": {"description": "There is no graph yet, or too many questions wait"},
        },
    }})
}

fn channels() -> Value {
    json!({"get": {
        "summary": "All channels, and how many releases each has for which architecture",
        "responses": {
            "200": {"description": "The channels", "content": {"application/json": {}}},
            "503": {"description": "There is no graph yet"},
        },
    }})
}

fn picture(media_type: &str) -> Value {
    json!({"get": {
        "summary": "A picture of a channel",
        "parameters": [
            channel(), architecture(),
            parameter("from", false, "", "The version that the cluster has: releases are marked by how it reaches them"),
            parameter("to", false, "", "The release to go to: the ways there are marked"),
            parameter("edges", false, "^(fewest|all)$", "Whether edges are drawn that only shorten a way"),
        ],
        "responses": {
            "200": {"description": "The picture", "content": {media_type: {}}},
            "400": {"description": "A parameter is missing or invalid, or there would be too much to see"},
            "404": {"description": "The channel does not hold the version"},
            "503": {"description": "There is no graph yet, or too many questions wait"},
        },
    }})
}

fn followed(summary: &str, media_type: &str) -> Value {
    json!({"get": {
        "summary": summary,
        "parameters": [channel(), architecture()],
        "responses": {
            "200": {"description": "The changes", "content": {media_type: {}}},
            "400": {"description": "A parameter is missing or invalid"},
            "503": {"description": "There is no graph yet, or too many follow"},
        },
    }})
}

fn signature() -> Value {
    let part = |name: &str, says: &str| json!({"name": name, "in": "path", "required": true, "description": says, "schema": {"type": "string"}});
    json!({"get": {
        "summary": "A release's signature",
        "parameters": [
            part("of", "sha256=<digest of the release image>"),
            part("name", "signature-<N>, from 1"),
        ],
        "responses": {
            "200": {"description": "A signed message", "content": {"application/octet-stream": {}}},
            "400": {"description": "No such name can be"},
            "404": {"description": "There is no such signature"},
        },
    }})
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
