//! `kargs`: the arguments of the tool that sets kernel arguments.

use rendering::kernel_arguments;
use serde_json::{Value, json};

use super::Corpus;

pub(super) struct Kargs;

impl Corpus for Kargs {
    fn name(&self) -> &'static str {
        "kargs"
    }

    fn answer(&self, input: &Value) -> anyhow::Result<Value> {
        let list = |field: &str| -> anyhow::Result<Vec<String>> {
            let absent_is_empty: Option<Vec<String>> =
                serde_json::from_value(input[field].clone())?;
            Ok(absent_is_empty.unwrap_or_default())
        };
        let (old, new) = (list("old")?, list("new")?);
        Ok(json!({
            "args": kernel_arguments::command_line(&old, &new),
            "changed": kernel_arguments::changed(&old, &new),
        }))
    }
}
