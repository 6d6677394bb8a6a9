//! Who we are to a registry: the credentials of a docker config.
//!
//! # Guarantees
//! A secret is in no `Debug`, no error and no log. The entry for the longest part of a repository's name wins, down to
//! the registry's.
//!
//! # Not here
//! Credential helpers: they are programs, and nothing is run. An entry that is kept by one is named when a registry
//! refuses us.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::reference::Repository;

/// A docker config is no larger: a pull secret of all registries of a company is some kilobytes.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// The credentials of a docker config, by the part of a name that they are for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    by_name: BTreeMap<String, Secret>,
    /// Credentials are kept by these programs as well.
    helpers: Vec<String>,
}

/// How we prove who we are.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// By a name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// By a token that buys other tokens.
    Identity(String),
    /// By a token that the registry takes as it is.
    Token(String),
}

/// A docker config that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotADockerConfig {
    /// It is no such document.
    #[error("it is no docker config: {0}")]
    NotOne(String),
    /// An entry is wrong.
    #[error("the entry for `{name}`: {says}")]
    Entry {
        /// Whose.
        name: String,
        /// What is wrong.
        says: &'static str,
    },
}

#[derive(Deserialize)]
struct Config {
    auths: Option<BTreeMap<String, Entry>>,
    #[serde(rename = "credsStore", default)]
    store: Option<String>,
    #[serde(rename = "credHelpers", default)]
    helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    #[serde(rename = "identitytoken")]
    identity: Option<String>,
    #[serde(rename = "registrytoken")]
    token: Option<String>,
}

impl Credentials {
    /// Reads a `config.json`, an OpenShift pull secret, or the older `.dockercfg`.
    pub fn read(json: &[u8]) -> Result<Self, NotADockerConfig> {
        let not_one = |error: serde_json::Error| {
            // What the reader quotes may be a secret; where it stands is not.
            NotADockerConfig::NotOne(format!(
                "line {} column {} cannot be read",
                error.line(),
                error.column()
            ))
        };
        let config: Config = serde_json::from_slice(json).map_err(not_one)?;
        let entries = match config.auths {
            Some(entries) => entries,
            None if config.store.is_some() || !config.helpers.is_empty() => BTreeMap::new(),
            None => serde_json::from_slice(json).map_err(not_one)?,
        };
        let mut credentials = Self {
            helpers: config
                .store
                .into_iter()
                .chain(config.helpers.into_values())
                .collect(),
            ..Self::default()
        };
        for (name, entry) in entries {
            let secret = entry.secret().map_err(|says| NotADockerConfig::Entry {
                name: name.clone(),
                says,
            })?;
            if let Some(secret) = secret {
                credentials.by_name.insert(plain_name(&name), secret);
            }
        }
        Ok(credentials)
    }

    /// Adds one, for tests and for who has them from elsewhere.
    #[must_use]
    pub fn with(mut self, name: &str, secret: Secret) -> Self {
        self.by_name.insert(plain_name(name), secret);
        self
    }

    /// What is known for a repository.
    pub fn of(&self, repository: &Repository) -> Option<&Secret> {
        let whole = repository.to_string();
        let mut name = whole.as_str();
        loop {
            if let Some(secret) = self.by_name.get(name) {
                return Some(secret);
            }
            (name, _) = name.rsplit_once('/')?;
        }
    }

    /// What to do when a registry refuses somebody of whom nothing is known.
    pub(super) fn hint(&self, repository: &Repository) -> String {
        if self.of(repository).is_some() {
            return "the credentials for it are not accepted".to_owned();
        }
        match self.helpers.first() {
            Some(helper) => format!(
                "there are no credentials for it; the docker config keeps some in `{helper}`, which is not asked: write them out"
            ),
            None => "there are no credentials for it".to_owned(),
        }
    }
}

impl Entry {
    fn secret(self) -> Result<Option<Secret>, &'static str> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(token) = filled(self.token) {
            return Ok(Some(Secret::Token(token)));
        }
        if let Some(identity) = filled(self.identity) {
            return Ok(Some(Secret::Identity(identity)));
        }
        if let (Some(user), Some(password)) = (filled(self.username), self.password) {
            return Ok(Some(Secret::Password { user, password }));
        }
        let Some(auth) = filled(self.auth) else {
            return Ok(None);
        };
        let decoded = STANDARD
            .decode(auth.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or("`auth` is no base64 of text")?;
        let (user, password) = decoded
            .split_once(':')
            .ok_or("`auth` has no `:` between name and password")?;
        Ok(Some(Secret::Password {
            user: user.to_owned(),
            password: password.trim_end_matches('\0').to_owned(),
        }))
    }
}

impl Secret {
    /// The header that sends a name and a password.
    pub(super) fn basic(user: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(…)",
            Self::Identity(_) => "Identity(…)",
            Self::Token(_) => "Token(…)",
        })
    }
}

/// `https://index.docker.io/v1/` and `docker.io` are the same to everybody.
fn plain_name(name: &str) -> String {
    let name = name
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let name = name
        .strip_suffix("/v1")
        .or_else(|| name.strip_suffix("/v2"))
        .unwrap_or(name);
    match name {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"auths":{
        "quay.io":{"auth":"YTph"},
        "quay.io/openshift-release-dev":{"auth":"Yjpi","email":"x"},
        "https://index.docker.io/v1/":{"username":"c","password":"c"},
        "one.example":{"auth":"eDp5","identitytoken":"d"},
        "two.example":{"registrytoken":"e"},
        "empty.example":{}},
        "credHelpers":{"gcr.io":"gcloud"}}"#;

    fn of(name: &str) -> Option<Secret> {
        let credentials = Credentials::read(CONFIG.as_bytes()).unwrap();
        credentials.of(&name.parse().unwrap()).cloned()
    }

    fn password(word: &str) -> Secret {
        Secret::Password {
            user: word.to_owned(),
            password: word.to_owned(),
        }
    }

    #[test]
    fn the_entry_for_the_longest_part_of_a_name_wins() {
        assert_eq!(of("quay.io/other/repository"), Some(password("a")));
        assert_eq!(
            of("quay.io/openshift-release-dev/ocp-release"),
            Some(password("b"))
        );
        assert_eq!(
            of("quay.io/openshift-release-develop/x"),
            Some(password("a"))
        );
        assert_eq!(of("docker.io/library/busybox"), Some(password("c")));
        assert_eq!(of("empty.example/a"), None);
        assert_eq!(of("elsewhere.example/a"), None);
    }

    #[test]
    fn tokens_are_told_apart_from_passwords() {
        assert_eq!(of("one.example/a"), Some(Secret::Identity("d".to_owned())));
        assert_eq!(of("two.example/a"), Some(Secret::Token("e".to_owned())));
    }

    #[test]
    fn the_older_form_is_read_as_well() {
        let credentials = Credentials::read(br#"{"quay.io":{"auth":"YTph"}}"#).unwrap();

        assert_eq!(
            credentials.of(&"quay.io/a/b".parse().unwrap()).cloned(),
            Some(password("a"))
        );
    }

    #[test]
    fn no_secret_is_told() {
        let told = format!("{:?}", Credentials::read(CONFIG.as_bytes()).unwrap());
        assert!(!told.contains("\"d\"") && !told.contains("\"a\""), "{told}");

        let slip = Credentials::read(br#"{"auths":{"x.y":{"auth":["hunter2"]}}}"#);
        assert!(!slip.unwrap_err().to_string().contains("hunter2"));
        let slip = Credentials::read(br#"{"auths":{"x.y":{"auth":"hunter2"}}}"#);
        let told = slip.unwrap_err().to_string();
        assert!(told.contains("x.y") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_helper_that_is_not_asked_is_named() {
        let credentials = Credentials::read(CONFIG.as_bytes()).unwrap();

        let hint = credentials.hint(&"gcr.io/a/b".parse().unwrap());

        assert!(hint.contains("gcloud"), "{hint}");
    }
}
