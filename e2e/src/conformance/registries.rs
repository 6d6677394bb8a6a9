//! `registries`: does a change of registries.conf need a drain.

use anyhow::Context;
use rendering::registries;
use serde_json::{Value, json};

use super::{Corpus, Strictness};

pub(super) struct Registries;

impl Corpus for Registries {
    fn name(&self) -> &'static str {
        "registries"
    }

    fn answer(&self, input: &Value) -> anyhow::Result<Value> {
        // `compression` says how the texts lie in the config; Windlass unpacks before it judges.
        let text = |field: &str| -> anyhow::Result<Option<String>> {
            serde_json::from_value(input[field].clone()).context(field.to_owned())
        };
        let (before, after) = (text("before")?, text("after")?);
        let verdict = registries::judge(
            before.as_deref().map(str::as_bytes),
            after.as_deref().map(str::as_bytes),
        );
        Ok(match verdict {
            Ok(verdict) => json!({"safe": verdict.is_safe(), "drainRequired": !verdict.is_safe()}),
            Err(error) => json!({"error": error.to_string()}),
        })
    }

    fn strictness(&self, path: &str, _: &Value) -> Strictness {
        match path {
            "error" => Strictness::Wording,
            _ => Strictness::Exact,
        }
    }
}
