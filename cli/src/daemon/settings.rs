//! What an owner may set of a daemon: a file, and flags over it.

use std::path::{Path, PathBuf};

use ::daemon::core::WAY_BACK_AFTER;
use ::daemon::credential::LIFETIME;
use ::daemon::host::plain::{KUBELET_HEALTH, STATE_DIRECTORY};
use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

/// The shortest life of a token that an API server gives.
const LIFETIME_SECONDS_MIN: i64 = 600;

/// Where a pod learns its node, by the downward API.
pub(super) const NODE_NAME: &str = "NODE_NAME";

/// All that can be set. An unknown key is an error: it would be a setting that does nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Settings {
    /// The Node's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node_name: Option<String>,
    /// The root of the machine's file system.
    pub(super) root: PathBuf,
    /// The daemon's own directory, below the root.
    pub(super) state_directory: String,
    /// How the cluster is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// The token that the kubeconfig names, where the daemon renews it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token_file: Option<PathBuf>,
    /// How long a renewed token is asked for.
    pub(super) token_lifetime_seconds: i64,
    /// Where the kubelet answers for its health.
    pub(super) kubelet_health: String,
    /// After how long not Ready a new image or kubelet part is taken back.
    pub(super) way_back_after_seconds: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node_name: None,
            root: PathBuf::from("/"),
            state_directory: STATE_DIRECTORY.to_owned(),
            kubeconfig: None,
            token_file: None,
            token_lifetime_seconds: LIFETIME.as_secs(),
            kubelet_health: KUBELET_HEALTH.to_owned(),
            way_back_after_seconds: WAY_BACK_AFTER.as_secs(),
        }
    }
}

/// The command line's word.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct Flags {
    /// The name of this machine's Node; else the file's, or $NODE_NAME
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,
    /// The root of the machine's file system
    #[arg(long, value_name = "DIRECTORY")]
    root: Option<PathBuf>,
    /// The daemon's own directory, below the root
    #[arg(long, value_name = "PATH")]
    state_directory: Option<String>,
    /// The kubeconfig by which the cluster is reached
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The token that the kubeconfig names, where the daemon shall renew it
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Settings {
    /// The file's settings under the flags.
    pub(super) fn read(file: Option<&Path>, flags: Flags) -> Result<Self> {
        let mut settings = match file {
            None => Self::default(),
            Some(path) => {
                let reading = || format!("reading the settings {}", path.display());
                let text = std::fs::read_to_string(path).with_context(reading)?;
                serde_saphyr::from_str(&text).with_context(reading)?
            }
        };
        settings.node_name = flags.node_name.or(settings.node_name);
        settings.root = flags.root.unwrap_or(settings.root);
        settings.state_directory = flags.state_directory.unwrap_or(settings.state_directory);
        settings.kubeconfig = flags.kubeconfig.or(settings.kubeconfig);
        settings.token_file = flags.token_file.or(settings.token_file);
        settings.validated()
    }

    fn validated(self) -> Result<Self> {
        ensure!(
            self.token_lifetime_seconds >= LIFETIME_SECONDS_MIN,
            "tokenLifetimeSeconds is {}: no API server gives a token for less than {LIFETIME_SECONDS_MIN} s",
            self.token_lifetime_seconds
        );
        ensure!(
            self.way_back_after_seconds > 0,
            "wayBackAfterSeconds is {}: a node needs time to be Ready",
            self.way_back_after_seconds
        );
        Ok(self)
    }

    /// Whose daemon this is.
    pub(super) fn node_name(&self) -> Result<String> {
        let pod = || std::env::var(NODE_NAME).ok();
        let name = self.node_name.clone().or_else(pod);
        name.filter(|name| !name.is_empty())
            .context("nobody says which Node this machine is: give --node-name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, flags: Flags) -> Result<Settings> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("daemon.yaml");
        std::fs::write(&path, text).unwrap();
        Settings::read(Some(&path), flags)
    }

    #[test]
    fn a_key_that_nobody_knows_is_an_error_that_names_it() {
        let error = read("nodename: worker-1\n", Flags::default()).unwrap_err();
        assert!(format!("{error:#}").contains("nodename"), "{error:#}");
    }

    #[test]
    fn flags_override_the_file() {
        let flags = Flags {
            root: Some(PathBuf::from("/mnt")),
            ..Flags::default()
        };
        let settings = read("nodeName: worker-1\nroot: /\n", flags).unwrap();
        assert_eq!(settings.root, PathBuf::from("/mnt"));
        assert_eq!(settings.node_name().unwrap(), "worker-1");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let settings = Settings {
            node_name: Some("worker-1".to_owned()),
            ..Settings::default()
        };
        let text = serde_saphyr::to_string(&settings).unwrap();
        assert_eq!(read(&text, Flags::default()).unwrap(), settings);
    }

    #[test]
    fn a_life_that_no_api_server_gives_is_refused() {
        let error = read("tokenLifetimeSeconds: 60\n", Flags::default()).unwrap_err();
        assert!(error.to_string().contains("600 s"), "{error}");
    }
}
