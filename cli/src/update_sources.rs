//! Where the update service's graph comes from, as flags.
//!
//! # Guarantees
//! What cannot be used is told before anything is served, with the flag and the file that it is about.
//! # Not here
//! What the sources do: `updates::source`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::updates::registry::{
    self, Credentials, Mirror, Mirrors, Patience, Reference, Registry, Repository, Settings,
    credentials,
};
use ::updates::source::{Data, DataImage, FIRST_WAIT, Releases, Scanner, Sources, Upstream};
use ::updates::source::{scan, upstream};
use anyhow::{Context as _, Result, ensure};
use api::clock::Clock;
use http::Uri;
use jiff::SignedDuration;
use regex::Regex;

use crate::chance;

/// A file of certificates is no larger: the bundle of a whole operating system is a fifth of it.
const CERTIFICATES_BYTES_MAX: u64 = 4 << 20;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Releases and edges: a raw graph, .json or .json.gz; read again when it changes
    #[arg(long, value_name = "FILE", required_unless_present_any = ["repository", "upstream"])]
    raw: Option<PathBuf>,
    /// Releases and edges: a repository that is scanned for release images
    #[arg(long, value_name = "REGISTRY/REPOSITORY", conflicts_with_all = ["raw", "upstream"])]
    repository: Option<Repository>,
    /// Releases and edges: the graph of another update service
    #[arg(long, value_name = "URL", conflicts_with = "raw")]
    upstream: Option<Uri>,
    /// Channels and blocked edges: a graph-data folder, .tar or .tar.gz; read again when it changes
    #[arg(long, value_name = "PATH", required_unless_present_any = ["graph_data_image", "upstream"])]
    graph_data: Option<PathBuf>,
    /// Channels and blocked edges: a graph-data image; read again when its digest changes
    #[arg(long, value_name = "IMAGE", conflicts_with = "graph_data")]
    graph_data_image: Option<Reference>,
    /// How often registries and other update services are asked
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time)]
    ask_every: Duration,
    /// Leaves alone tags that this expression does not match
    #[arg(long, value_name = "REGEX", requires = "repository", conflicts_with_all = ["raw", "upstream"])]
    tags: Option<Regex>,
    /// Within this each tag is asked again whether it was moved; new tags are found at once
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time)]
    tags_again: Duration,
    /// A channel to ask the other update service for, besides those that its releases name; may be repeated
    #[arg(long, value_name = "CHANNEL", requires = "upstream", conflicts_with_all = ["raw", "repository"])]
    upstream_channel: Vec<String>,
    /// An architecture to ask the other update service for; may be repeated
    #[arg(long, value_name = "ARCH", requires = "upstream", conflicts_with_all = ["raw", "repository"],
        default_values = ["amd64", "arm64", "multi", "ppc64le", "s390x"])]
    upstream_arch: Vec<String>,
    /// Sets releases aside that raw/verification.json of graph data does not call verified
    #[arg(long)]
    require_signature: bool,
    /// Credentials of registries: a docker config, or an OpenShift pull secret
    #[arg(long, value_name = "FILE")]
    registry_auth: Option<PathBuf>,
    /// Trusts these authorities besides those of the machine, as PEM; may be repeated
    #[arg(long, value_name = "FILE")]
    registry_ca: Vec<PathBuf>,
    /// Looks for names that begin so at a mirror first, as in quay.io/a=mirror.example/a; may be repeated
    #[arg(long, value_name = "PREFIX=MIRROR")]
    registry_mirror: Vec<Mirror>,
    /// Speaks to this host without TLS, as host or host:port; may be repeated
    #[arg(long, value_name = "HOST")]
    registry_plain_http: Vec<String>,
}

impl Args {
    /// The sources that the flags name.
    pub(crate) fn sources(&self, clock: &Clock) -> Result<Sources> {
        let settings = self.settings()?;
        let (authorities, plain_http) = (settings.authorities.clone(), settings.plain_http.clone());
        let chance = chance::of_the_machine();
        let registry = Registry::new(settings, clock.clone(), chance.clone())?;
        let data = match (&self.graph_data, &self.graph_data_image) {
            (Some(path), _) => Data::Files(path.clone()),
            (None, Some(image)) => Data::Image(DataImage::new(registry.clone(), image.clone())),
            (None, None) => Data::None,
        };
        let releases = if let Some(repository) = &self.repository {
            let settings = scan::Settings {
                repository: repository.clone(),
                tags: self.tags.clone(),
                again: self.tags_again,
            };
            let scanner = Scanner::new(registry, settings, clock.clone());
            Releases::Scan(Box::new(scanner))
        } else if let Some(url) = &self.upstream {
            ensure!(
                url.scheme().is_some() && url.authority().is_some(),
                "reading --upstream {url}: it is a whole URL, as in https://example/api/upgrades_info/v1/graph"
            );
            let settings = upstream::Settings {
                url: url.clone(),
                channels: self.upstream_channel.clone(),
                architectures: self.upstream_arch.clone(),
                authorities,
                plain_http,
                patience: Patience::default(),
            };
            Releases::Upstream(Box::new(Upstream::new(settings, clock.clone())?))
        } else {
            let raw = self.raw.as_ref();
            Releases::File(
                raw.context("reading the settings: --raw is missing")?
                    .clone(),
            )
        };
        Ok(Sources {
            releases,
            data,
            every: self.ask_every,
            first_wait: FIRST_WAIT,
            chance,
            require_signatures: self.require_signature,
        })
    }

    fn settings(&self) -> Result<Settings> {
        let credentials = match &self.registry_auth {
            Some(path) => {
                let json = read(path, "--registry-auth", credentials::CONFIG_BYTES_MAX)?;
                Credentials::read(&json)
                    .with_context(|| format!("reading --registry-auth {}", path.display()))?
            }
            None => Credentials::default(),
        };
        let mut authorities = Vec::new();
        for path in &self.registry_ca {
            let pem = read(path, "--registry-ca", CERTIFICATES_BYTES_MAX)?;
            let read = registry::authorities(&pem)
                .with_context(|| format!("reading --registry-ca {}", path.display()))?;
            authorities.extend(read);
        }
        Ok(Settings {
            credentials,
            authorities,
            mirrors: Mirrors::new(self.registry_mirror.clone()),
            plain_http: self.registry_plain_http.clone(),
            patience: Patience::default(),
        })
    }
}

fn read(path: &Path, flag: &str, limit: u64) -> Result<Vec<u8>> {
    let attempt = || format!("reading {flag} {}", path.display());
    let size = fs::metadata(path).with_context(attempt)?.len();
    ensure!(
        size <= limit,
        "{}: it has more than {limit} bytes; this is not what it should be",
        attempt()
    );
    fs::read(path).with_context(attempt)
}

/// A time such as `90s`, `5m` or `1h 30m`.
fn time(text: &str) -> Result<Duration, String> {
    let time: SignedDuration = text.parse().map_err(|error| format!("{error}"))?;
    let time = Duration::try_from(time).map_err(|_| "a time is not negative".to_owned())?;
    Ok(time)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser, Debug)]
    struct Alone {
        #[command(flatten)]
        args: Args,
    }

    fn parse(flags: &str) -> Result<Args, String> {
        Alone::try_parse_from(format!("it {flags}").split(' '))
            .map(|alone| alone.args)
            .map_err(|error| error.to_string())
    }

    fn sources(flags: &str) -> Result<Sources, String> {
        let clock = Clock::fixed(jiff::Timestamp::UNIX_EPOCH);
        let sources = parse(flags)?.sources(&clock);
        sources.map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn releases_come_from_one_place_and_graph_data_from_one() {
        for flags in [
            "--raw a --graph-data b",
            "--repository quay.io/a/b --graph-data-image quay.io/a/c:latest",
            "--upstream https://a.example/graph",
            "--upstream https://a.example/graph --upstream-channel stable-4.16 --graph-data b",
        ] {
            assert!(
                sources(flags).is_ok(),
                "{flags}: {:?}",
                sources(flags).err()
            );
        }
        for flags in [
            "",
            "--raw a",
            "--graph-data b",
            "--repository quay.io/a/b",
            "--raw a --repository quay.io/a/b --graph-data b",
            "--raw a --upstream https://a.example/graph",
            "--raw a --graph-data b --graph-data-image quay.io/a/c",
            "--raw a --graph-data b --tags x",
            "--raw a --graph-data b --upstream-channel x",
            "--repository quay.io/a/b --graph-data b --upstream-arch arm64",
            "--raw a --graph-data b --registry-cas x",
        ] {
            assert!(parse(flags).is_err(), "{flags}");
        }
    }

    #[test]
    fn a_slip_in_a_flag_is_told_with_the_flag() {
        for (flags, told) in [
            ("--repository b --graph-data c", "--repository"),
            ("--raw a --graph-data b --ask-every soon", "--ask-every"),
            ("--raw a --graph-data b --ask-every=-5m", "--ask-every"),
            (
                "--raw a --graph-data b --registry-mirror x",
                "--registry-mirror",
            ),
            (
                "--raw a --graph-data b --registry-auth /nowhere",
                "--registry-auth /nowhere",
            ),
            (
                "--raw a --graph-data b --registry-ca /nowhere",
                "--registry-ca /nowhere",
            ),
            ("--upstream a.example", "--upstream a.example"),
        ] {
            let says = sources(flags).unwrap_err();
            assert!(says.contains(told), "{flags}: {says}");
        }
    }

    #[test]
    fn times_are_written_as_people_write_them() {
        assert_eq!(time("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(time("1h 30m"), Ok(Duration::from_secs(5400)));
        assert!(time("5").is_err());
    }
}
