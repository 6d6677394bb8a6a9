//! A real registry on loopback, built from the Go module `e2e/registry`, and what fills it.
//!
//! # Guarantees
//! It listens on a port that nobody had, keeps everything in memory, and ends with who started it.
//!
//! # Assumes
//! Go on the PATH for the first time; that takes some minutes of two cores.

pub mod faulty;
pub mod figures;
pub mod filler;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use api::clock::Clock;
use tempfile::TempDir;
use updates::patience::Chance;
use updates::registry::{Credentials, Patience, Registry, Repository, Secret, Settings};

use crate::control_plane::certificates::Authority;
use crate::control_plane::processes::{Process, Recipe};
use crate::go_module::Module;

/// The module whose version it has.
const DISTRIBUTION: &str = "github.com/distribution/distribution/v3";
/// How long it may take to listen; it takes a moment.
const START_MAX: Duration = Duration::from_secs(30);
/// How often its log is looked at until then.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What its log says when it listens.
const LISTENS: &str = "listening on ";

/// The name and the password that a registry with [`Options::password`] asks for.
pub const USER: (&str, &str) = ("windlass", "open sesame");
/// The same as Apache's htpasswd keeps it.
const HTPASSWD: &str = "windlass:$2a$05$dPSYutBRqJLfbKh4PqT7Q.ixw.udQjQS.m/6lQIBueTeixK2tYRNm\n";

/// How a registry is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether it asks for a password.
    pub password: bool,
    /// Whether it speaks TLS, with a certificate of an authority of its own.
    pub tls: bool,
}

/// A registry that runs.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    authority: Option<Authority>,
    /// Held: they end with this.
    _process: Process,
    _folder: TempDir,
}

/// The registry's program, built unless the cache has it.
pub fn program() -> Result<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/registry"));
    let flags = |version: &str| format!("-s -w -X {DISTRIBUTION}/version.version={version}");
    let module = Module::read(folder, DISTRIBUTION, flags)?;
    Ok(module.built("registry", &["registry"])?.join("registry"))
}

impl Server {
    /// Starts one.
    pub async fn start(options: Options) -> Result<Self> {
        let program = tokio::task::spawn_blocking(program).await??;
        let folder = tempfile::tempdir().context("making a folder for a registry")?;
        let authority = options
            .tls
            .then(|| Authority::new("a registry's authority"))
            .transpose()?;
        let config = folder.path().join("config.yaml");
        let text = configuration(options, authority.as_ref(), folder.path())?;
        fs::write(&config, text).context("writing a registry's configuration")?;
        let log = folder.path().join("log");
        let mut process = Process::start(Recipe {
            name: "registry".to_owned(),
            program,
            arguments: vec!["serve".into(), config.into()],
            log: log.clone(),
        })?;
        let address = listens(&mut process, &log).await?;
        Ok(Self {
            address,
            authority,
            _process: process,
            _folder: folder,
        })
    }

    /// Where it listens, which is also its name.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of its authority, as PEM.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_ref().map(Authority::certificate)
    }

    /// One of its repositories.
    pub fn repository(&self, name: &str) -> Result<Repository> {
        Ok(format!("{}/{name}", self.address).parse()?)
    }

    /// A client that it lets in.
    pub fn client(&self) -> Result<Registry> {
        let (user, password) = USER;
        let secret = Secret::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        let name = self.address.to_string();
        let authorities = match self.authority() {
            Some(pem) => updates::registry::authorities(pem.as_bytes())?,
            None => Vec::new(),
        };
        client(Settings {
            credentials: Credentials::default().with(&name, secret),
            authorities,
            ..Settings::default()
        })
    }
}

/// A client that does not wait long, because everything is near.
pub fn client(settings: Settings) -> Result<Registry> {
    let settings = Settings {
        patience: Patience {
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(4),
            ..settings.patience
        },
        ..settings
    };
    Ok(Registry::new(settings, clock(), Chance::fixed(0.5))?)
}

/// The machine's clock: real registries tell real times.
pub fn clock() -> Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "a real registry's tokens end by the machine's clock"
    )]
    Clock::new(jiff::Timestamp::now)
}

fn configuration(options: Options, authority: Option<&Authority>, folder: &Path) -> Result<String> {
    let mut text = "version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\nstorage: {inmemory: {}, delete: {enabled: true}}\n".to_owned();
    if options.password {
        let path = folder.join("htpasswd");
        fs::write(&path, HTPASSWD).context("writing a registry's passwords")?;
        let path = path.display();
        text.push_str(&format!(
            "auth: {{htpasswd: {{realm: a registry, path: {path}}}}}\n"
        ));
    }
    text.push_str("http:\n  addr: 127.0.0.1:0\n");
    if let Some(authority) = authority {
        let pair = authority.server(vec!["127.0.0.1".to_owned()])?;
        let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
        fs::write(&certificate, pair.certificate).context("writing a registry's certificate")?;
        fs::write(&key, pair.key).context("writing a registry's key")?;
        text.push_str(&format!(
            "  tls: {{certificate: {}, key: {}}}\n",
            certificate.display(),
            key.display()
        ));
    }
    Ok(text)
}

/// The address that its log names when it listens.
async fn listens(process: &mut Process, log: &Path) -> Result<SocketAddr> {
    let looking = async {
        loop {
            process.alive()?;
            let text = fs::read_to_string(log).unwrap_or_default();
            if let Some((_, rest)) = text.split_once(LISTENS) {
                let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ':')));
                // Not before the whole line is there.
                if let Some(address) = end.and_then(|end| rest.get(..end)) {
                    return address
                        .parse()
                        .with_context(|| format!("reading where a registry listens: {address}"));
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    match tokio::time::timeout(START_MAX, looking).await {
        Ok(listens) => listens,
        Err(_) => bail!(
            "a registry did not listen within {} s; its log: {}",
            START_MAX.as_secs(),
            fs::read_to_string(log).unwrap_or_default()
        ),
    }
}
