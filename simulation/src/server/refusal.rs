//! Every "no" of the server, as the `Status` object that Kubernetes clients read.
//!
//! Codes, reasons, details and the wording that clients or people act on follow a recorded kube-apiserver 1.36
//! (`tests/recorded.rs` holds them to it). A [`Refusal`] knows nothing of HTTP but its code and its `Retry-After`.

use serde_json::{Value, json};

/// The server's refusal of one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The HTTP status code.
    pub code: u16,
    /// The machine-readable reason; empty where the real server gives none.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
    /// `details` of the Status, absent where the real server gives none.
    pub details: Option<Value>,
    /// Seconds after which a client should ask again.
    pub retry_after: Option<u32>,
}

/// One field that is wrong, and why (`details.causes` of an `Invalid` status).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// CamelCase reason, such as `FieldValueInvalid`.
    pub reason: &'static str,
    /// What is wrong, without the field.
    pub message: String,
    /// The path of the field.
    pub field: String,
}

impl Cause {
    /// A field that is not there and must be.
    pub fn required(field: impl Into<String>, why: &str) -> Self {
        let message = match why {
            "" => "Required value".to_owned(),
            why => format!("Required value: {why}"),
        };
        Self {
            reason: "FieldValueRequired",
            message,
            field: field.into(),
        }
    }

    /// A value that breaks a rule. `value` is how the offending value is shown.
    pub fn invalid(field: impl Into<String>, value: &str, why: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {value}: {why}"),
            field: field.into(),
        }
    }

    /// Something that may not be done to the field.
    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self {
            reason: "FieldValueForbidden",
            message: format!("Forbidden: {why}"),
            field: field.into(),
        }
    }
}

/// What a refusal is about: names for its sentence and `details`.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// API group, empty for core.
    pub group: &'a str,
    /// Kind or plural resource name, as the real server has it in that case.
    pub kind: &'a str,
    /// Object name; may be empty.
    pub name: &'a str,
}

impl About<'_> {
    /// `nodes` or `widgets.example.com`.
    fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.kind.to_owned()
        } else {
            format!("{}.{}", self.kind, self.group)
        }
    }

    fn details(&self) -> Value {
        let mut details = json!({});
        if !self.kind.is_empty() {
            details["kind"] = self.kind.into();
        }
        if !self.name.is_empty() {
            details["name"] = self.name.into();
        }
        if !self.group.is_empty() {
            details["group"] = self.group.into();
        }
        details
    }
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
            retry_after: None,
        }
    }

    fn about(mut self, about: About<'_>) -> Self {
        self.details = Some(about.details());
        self
    }

    /// The request itself makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// There is no such object. `about.kind` is the plural.
    pub fn not_found(about: About<'_>) -> Self {
        let message = format!("{} \"{}\" not found", about.qualified(), about.name);
        Self::new(404, "NotFound", message).about(about)
    }

    /// There is no such resource in a group that exists.
    pub fn no_such_resource() -> Self {
        let mut refusal = Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        );
        refusal.details = Some(json!({}));
        refusal
    }

    /// The verb is not served for this resource.
    pub fn method_not_allowed() -> Self {
        let mut refusal = Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        );
        refusal.details = Some(json!({}));
        refusal
    }

    /// The name is taken.
    pub fn already_exists(about: About<'_>) -> Self {
        let message = format!("{} \"{}\" already exists", about.qualified(), about.name);
        Self::new(409, "AlreadyExists", message).about(about)
    }

    /// Somebody else wrote in between, or a precondition does not hold.
    pub fn conflict(about: About<'_>, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{}\": {why}",
            about.qualified(),
            about.name
        );
        Self::new(409, "Conflict", message).about(about)
    }

    /// The resourceVersion given is not the stored one.
    pub fn stale(about: About<'_>) -> Self {
        Self::conflict(
            about,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// Other field managers own what an apply would change.
    pub fn apply_conflict(conflicts: &[(String, String)]) -> Self {
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|(manager, field)| {
                json!({
                    "reason": "FieldManagerConflict",
                    "message": format!("conflict with {manager}"),
                    "field": field,
                })
            })
            .collect();
        let mut refusal = Self::new(409, "Conflict", conflict_sentence(conflicts));
        refusal.details = Some(json!({ "causes": causes }));
        refusal
    }

    /// The caller may not do this.
    pub fn forbidden(about: About<'_>, why: &str) -> Self {
        let message = format!(
            "{} \"{}\" is forbidden: {why}",
            about.qualified(),
            about.name
        );
        Self::new(403, "Forbidden", message).about(about)
    }

    /// With a cause in its details.
    #[must_use]
    pub fn because(mut self, cause: &Cause) -> Self {
        if let Some(details) = &mut self.details {
            details["causes"] = json!([
                { "reason": cause.reason, "message": cause.message, "field": cause.field }
            ]);
        }
        self
    }

    /// Fields break the rules of the kind.
    pub fn invalid(about: About<'_>, causes: &[Cause]) -> Self {
        let mut sentences: Vec<String> = Vec::new();
        for cause in causes {
            let sentence = format!("{}: {}", cause.field, cause.message);
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
        let listed = match sentences.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!(
            "{} \"{}\" is invalid: {listed}",
            about.qualified(),
            about.name
        );
        let mut details = about.details();
        details["causes"] = causes
            .iter()
            .map(|cause| {
                json!({ "reason": cause.reason, "message": cause.message, "field": cause.field })
            })
            .collect();
        let mut refusal = Self::new(422, "Invalid", message);
        refusal.details = Some(details);
        refusal
    }

    /// A JSON patch that cannot be applied to the object as it is.
    pub fn patch_failed() -> Self {
        let mut refusal = Self::new(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        );
        refusal.details = Some(json!({}));
        refusal
    }

    /// No representation that the caller accepts.
    pub fn not_acceptable() -> Self {
        let mut refusal = Self::new(
            406,
            "NotAcceptable",
            "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, \
             application/vnd.kubernetes.protobuf",
        );
        refusal.details = Some(json!({}));
        refusal
    }

    /// The body's media type is not one that the endpoint takes. `accepted` empty: a kind of media type that it knows but
    /// does not take here.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        if accepted.is_empty() {
            let mut refusal = Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
            refusal.details = Some(json!({}));
            return refusal;
        }
        Self::new(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: {}",
                accepted.join(", ")
            ),
        )
    }

    /// The asked-for version is no longer remembered.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// The asked-for version has not been reached.
    pub fn version_in_the_future(asked: u64, current: u64) -> Self {
        let mut refusal = Self::new(
            504,
            "Timeout",
            format!("Timeout: Too large resource version: {asked}, current: {current}"),
        );
        refusal.details = Some(json!({
            "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
            "retryAfterSeconds": 1,
        }));
        refusal.retry_after = Some(1);
        refusal
    }

    /// A PodDisruptionBudget does not allow the eviction now. `retry_after` in seconds, 0 for none.
    pub fn budget(cause: &str, retry_after: u32) -> Self {
        let mut details = json!({
            "causes": [{ "reason": "DisruptionBudget", "message": cause }],
        });
        let mut refusal = Self::new(
            429,
            "TooManyRequests",
            "Cannot evict pod as it would violate the pod's disruption budget.",
        );
        if retry_after > 0 {
            details["retryAfterSeconds"] = retry_after.into();
            refusal.retry_after = Some(retry_after);
        }
        refusal.details = Some(details);
        refusal
    }

    /// Too many requests; ask again later.
    pub fn too_many_requests(retry_after: u32) -> Self {
        let mut refusal = Self::new(
            429,
            "TooManyRequests",
            "too many requests, please try again later",
        );
        refusal.details = Some(json!({ "retryAfterSeconds": retry_after }));
        refusal.retry_after = Some(retry_after);
        refusal
    }

    /// The server failed. The reason stays empty for the one case in which the real server gives none.
    pub fn internal(message: impl Into<String>, reason: &'static str) -> Self {
        Self::new(500, reason, message)
    }

    /// The server's answer did not come in time.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(504, "Timeout", message)
    }

    /// The server cannot serve now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    /// The object to send.
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}

fn conflict_sentence(conflicts: &[(String, String)]) -> String {
    if let [(manager, field)] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {manager}: {field}");
    }
    let mut by_manager: Vec<(&str, Vec<&str>)> = Vec::new();
    for (manager, field) in conflicts {
        match by_manager.iter_mut().find(|(known, _)| known == manager) {
            Some((_, fields)) => fields.push(field),
            None => by_manager.push((manager, vec![field])),
        }
    }
    let listed: Vec<String> = by_manager
        .iter()
        .map(|(manager, fields)| match fields.as_slice() {
            [field] => format!("conflict with {manager}: {field}"),
            fields => format!("conflicts with {manager}:\n- {}", fields.join("\n- ")),
        })
        .collect();
    format!(
        "Apply failed with {} conflicts: {}",
        conflicts.len(),
        listed.join("\n")
    )
}
