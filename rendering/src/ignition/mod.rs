//! Ignition configs, spec 3.0.0 to 3.5.0: read, validate, translate to 3.5.0.
//!
//! Guarantees: [`parse`] finds what the reference's parser finds, in the declared version's rules;
//! [`accept`] answers as the reference's operator does, and gives the config as spec 3.5.0, fields
//! unknown to the declared version dropped, parts that say nothing left out.
//! Deviation `spec2-refused`: the reference converts spec 2.0 to 2.2; here they are refused, with
//! the way to convert them named ([`Refusal::Spec2`]).
//! Assumes nothing about the text. Not here: joining configs (`crate::merge`), what is applied.
//!
//! Rooms: `json` and `decode` (text to fields), `schema` (which fields there are), `version`,
//! `validate` (rules about values), `config` (the typed model), `url`, `data_url`, `unit_file`,
//! `paths` (the small languages inside).

pub mod config;
pub mod data_url;
mod decode;
mod json;
pub(crate) mod paths;
mod refusal;
mod report;
pub(crate) mod schema;
mod unit_file;
mod url;
mod validate;
mod version;

use serde_json::{Map, Value};

pub use config::Config;
pub use refusal::Refusal;
pub use report::{Entry, Severity};
pub use version::SpecVersion;

use json::Json;
use schema::CONFIG;
use version::Declared;

/// The highest mode that a file may have: the operator writes no setuid, setgid or sticky files.
const FILE_MODE_MAX: i64 = 0o777;

/// Why a text did not become a config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text has no characters.
    #[error("not a config (empty)")]
    Empty,
    /// No JSON, a value of a wrong type, or a broken rule; the entries say which.
    #[error("config is not valid")]
    Invalid,
    /// The declared version is absent or no version.
    #[error("invalid config version (couldn't parse)")]
    InvalidVersion {
        /// What stands there.
        version: String,
    },
    /// A version, but not 3.0.0 to 3.5.0.
    #[error("unsupported config version")]
    UnknownVersion {
        /// What stands there.
        version: String,
    },
}

/// What [`parse`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Why there is no config, if there is none.
    pub error: Option<ParseError>,
    /// All findings, errors and warnings, in the order of the config.
    pub entries: Vec<Entry>,
    /// The config, translated to spec 3.5.0; lists that were written empty are still there.
    pub config: Option<Config>,
}

impl Report {
    /// Whether an entry is an error.
    pub fn fatal(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.severity == Severity::Error)
    }

    /// The translated config, as the operator reads it.
    ///
    /// # Errors
    /// Why there is none.
    pub fn accepted(&self) -> Result<&Config, Refusal> {
        match (&self.config, &self.error) {
            (Some(config), None) => Ok(config),
            (_, Some(error)) => Err(Refusal::from_parse(error.clone(), self.entries.clone())),
            (None, None) => Err(Refusal::Invalid {
                entries: self.entries.clone(),
            }),
        }
    }

    fn failed(error: ParseError, entries: Vec<Entry>) -> Self {
        Self {
            error: Some(error),
            entries,
            config: None,
        }
    }
}

/// Reads and validates the text of a config by the rules of the version that it declares.
pub fn parse(raw: &str) -> Report {
    if raw.is_empty() {
        return Report::failed(ParseError::Empty, Vec::new());
    }
    match Json::from_text(raw) {
        Ok(json) => parse_json(&json),
        Err(error) => Report::failed(
            ParseError::Invalid,
            vec![Entry::about_the_text(error.to_string())],
        ),
    }
}

/// The same for a config that is already JSON, as inside of a MachineConfig.
pub fn parse_value(value: &Value) -> Report {
    parse_json(&Json::from(value))
}

fn parse_json(json: &Json) -> Report {
    let invalid =
        |message: String| Report::failed(ParseError::Invalid, vec![Entry::about_the_text(message)]);
    let text = match declared_version(json) {
        Ok(text) => text,
        Err(error) => return invalid(error.to_string()),
    };
    let version = match version::declared(&text) {
        Declared::Supported(version) => version,
        Declared::Unsupported { text } => {
            let error = ParseError::UnknownVersion { version: text };
            return Report::failed(error, Vec::new());
        }
        Declared::Unreadable { text } => {
            let error = ParseError::InvalidVersion { version: text };
            return Report::failed(error, Vec::new());
        }
    };
    let decoded = match decode::decode(json, &CONFIG, version.minor()) {
        Ok(decoded) => decoded,
        Err(error) => return invalid(error.to_string()),
    };
    let mut config = match serde_json::from_value::<Config>(Value::Object(decoded.clone())) {
        Ok(config) => config,
        Err(error) => return invalid(error.to_string()),
    };
    let mut entries = validate::validate(&config, &decoded, version);
    entries.extend(decode::unused_keys(json, &CONFIG, version.minor()));
    if entries
        .iter()
        .any(|entry| entry.severity == Severity::Error)
    {
        return Report::failed(ParseError::Invalid, entries);
    }
    config.ignition.version = SpecVersion::NEWEST.to_string();
    Report {
        error: None,
        entries,
        config: Some(config),
    }
}

/// The version alone: a text of an unknown version may hold anything else.
fn declared_version(json: &Json) -> Result<String, decode::WrongType> {
    let decoded = decode::decode(json, &schema::VERSION_ONLY, 0)?;
    let version = decoded
        .get("ignition")
        .and_then(|ignition| ignition.get("version"));
    Ok(version
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned())
}

/// Reads the text of a config as the operator does: valid in its own version, valid as 3.5.0, and
/// with modes that the operator writes.
///
/// # Errors
/// The first reason to refuse it.
pub fn accept(raw: &str) -> Result<Value, Refusal> {
    let report = parse(raw);
    let config = report.accepted()?;
    check_translated(config)?;
    Ok(to_value(config))
}

/// The same for a config that is already JSON, giving the typed model.
///
/// # Errors
/// The first reason to refuse it.
pub fn accept_value(value: &Value) -> Result<Config, Refusal> {
    let config = read_value(value)?;
    check_translated(&config)?;
    Ok(config)
}

/// Parses and translates only: what the merge does with a config before it joins it.
///
/// # Errors
/// Why it cannot be read.
pub fn read_value(value: &Value) -> Result<Config, Refusal> {
    parse_value(value).accepted().cloned()
}

/// What the operator checks on a translated config: 3.5.0's own rules (those of 3.0 are laxer in
/// places), then file modes.
///
/// # Errors
/// The broken rule.
pub fn check_translated(config: &Config) -> Result<(), Refusal> {
    let entries = findings(config);
    let errors: Vec<Entry> = entries
        .into_iter()
        .filter(|entry| entry.severity == Severity::Error)
        .collect();
    if !errors.is_empty() {
        return Err(Refusal::InvalidAsNewest { entries: errors });
    }
    for file in &config.storage.files {
        if let Some(mode) = file.mode.filter(|mode| *mode > FILE_MODE_MAX) {
            return Err(Refusal::FileMode {
                path: file.path.clone(),
                mode,
            });
        }
    }
    Ok(())
}

/// All findings about a config of spec 3.5.0, which may be the result of a merge.
pub fn findings(config: &Config) -> Vec<Entry> {
    validate::validate(config, &to_map(config), SpecVersion::NEWEST)
}

/// The config as JSON, parts that say nothing (empty objects and lists) left out.
pub fn to_value(config: &Config) -> Value {
    let mut map = to_map(config);
    leave_out_empty(&mut map);
    Value::Object(map)
}

/// The config as the fields of the schema.
pub(crate) fn to_map(config: &Config) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(map)) => map,
        // The model holds texts, numbers, flags, lists and objects: all of them are JSON.
        _ => Map::new(),
    }
}

/// The typed config of such fields.
pub(crate) fn from_map(map: Map<String, Value>) -> Config {
    let mut map = map;
    map.entry("ignition")
        .or_insert_with(|| Value::Object(Map::new()));
    // Fields of the schema's types, as `decode` and the merge make them, always fit the model.
    serde_json::from_value(Value::Object(map)).unwrap_or_default()
}

fn leave_out_empty(map: &mut Map<String, Value>) {
    map.retain(|_, value| match value {
        Value::Object(inner) => {
            leave_out_empty(inner);
            !inner.is_empty()
        }
        Value::Array(items) => {
            for item in items.iter_mut() {
                if let Value::Object(inner) = item {
                    leave_out_empty(inner);
                }
            }
            !items.is_empty()
        }
        _ => true,
    });
}
