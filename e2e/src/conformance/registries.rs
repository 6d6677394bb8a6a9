//! `registries`: does a change of registries.conf need a drain.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use rendering::contents::{self, Contents};
use rendering::ignition::config::Resource;
use rendering::registries;
use serde_json::{Value, json};

use super::{Corpus, Strictness};

pub(super) struct Registries;

impl Corpus for Registries {
    fn name(&self) -> &'static str {
        "registries"
    }

    fn answer(&self, input: &Value) -> anyhow::Result<Value> {
        let packed = input["compression"] == "gzip";
        let stored = |field: &str| -> anyhow::Result<Option<Vec<u8>>> {
            let text: Option<String> =
                serde_json::from_value(input[field].clone()).context(field.to_owned())?;
            text.map(|text| {
                if packed {
                    as_stored(text.as_bytes())
                } else {
                    Ok(text.into_bytes())
                }
            })
            .transpose()
        };
        let (before, after) = (stored("before")?, stored("after")?);
        Ok(
            match registries::judge(before.as_deref(), after.as_deref()) {
                Ok(verdict) => {
                    json!({"safe": verdict.is_safe(), "drainRequired": !verdict.is_safe()})
                }
                Err(error) => json!({"error": error.to_string()}),
            },
        )
    }

    fn strictness(&self, path: &str, _: &Value) -> Strictness {
        match path {
            "error" => Strictness::Wording,
            _ => Strictness::Exact,
        }
    }
}

/// The text as it comes out of a config that stores it compressed: this is where Windlass unpacks.
fn as_stored(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text)?;
    let mut source = "data:,".to_owned();
    for byte in gzip.finish()? {
        write!(source, "%{byte:02X}")?;
    }
    let resource = Resource {
        compression: Some("gzip".to_owned()),
        source: Some(source),
        ..Resource::default()
    };
    match contents::contents(&resource)? {
        Contents::Inline(bytes) => Ok(bytes),
        Contents::Remote(_) => bail!("a data URL is not fetched"),
    }
}
