//! OpenAPI version 2: the frame of a document, without paths or definitions.
//!
//! kubectl asks for it when it changes a custom resource by `apply` or `diff`, to see whether the kind has merge keys; finding no
//! definition, it sends a merge patch, as it does with a real server. For built-in kinds it takes version 3. So the frame is enough.

use bytes::Bytes;
use serde_json::json;

use crate::server::handle::Answer;
use crate::server::refusal::Refusal;
use crate::server::request::Call;

const TITLE: &str = "Kubernetes";
const VERSION: &str = "unversioned";
/// What kubectl asks for, and what it is answered: the media type's name in HTTP has a dot where gnostic's has an at sign.
const ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const ANSWERED: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// The frame, in the form that the caller accepts: the first acceptable entry counts.
pub(super) fn answer(call: &Call) -> Result<Answer, Refusal> {
    let accept = call.accept.trim();
    if accept.is_empty() {
        return Ok(as_json());
    }
    accept
        .split(',')
        .find_map(
            |entry| match entry.split(';').next().unwrap_or_default().trim() {
                ASKED | ANSWERED => Some(Answer::bytes(ANSWERED, frame())),
                "application/json" | "application/*" | "*/*" => Some(as_json()),
                _ => None,
            },
        )
        .ok_or_else(Refusal::not_acceptable)
}

fn as_json() -> Answer {
    Answer::json(
        200,
        &json!({
            "swagger": "2.0",
            "info": { "title": TITLE, "version": VERSION },
            "paths": {},
            "definitions": {},
        }),
    )
}

/// The frame as gnostic's `openapi.v2.Document`.
fn frame() -> Bytes {
    let info = [text(1, TITLE), text(2, VERSION)].concat();
    [
        text(1, "2.0"),
        field(2, &info),
        field(8, &[]),
        field(9, &[]),
    ]
    .concat()
    .into()
}

fn text(number: u8, text: &str) -> Vec<u8> {
    field(number, text.as_bytes())
}

/// A length-delimited field of protobuf. Numbers up to 15 take one byte with the wire type, and lengths here are below 128.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    const LENGTH_DELIMITED: u8 = 2;
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    debug_assert!(
        number < 16 && length < 128,
        "one byte holds a small varint only"
    );
    [&[number << 3 | LENGTH_DELIMITED, length], content].concat()
}
