//! The tools that the checks need beyond the toolchain, in a cache outside the clone.
//!
//! # Guarantees
//! A tool is built or installed once per version and found again by every later run and clone.
//! A tool that cannot be had fails the check that needs it, and the error names the package.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The book's builder, without its server and search.
const MDBOOK: Tool = Tool {
    name: "mdbook",
    version: "0.5.4",
    features: &["--no-default-features"],
};

/// The licence and duplicate check.
const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    features: &[],
};

/// The chart's renderer. It builds from its Go module.
const HELM: (&str, &str) = (
    "helm.sh/helm/v4/cmd/helm",
    include_str!("helm.version").trim_ascii(),
);

/// Debian's package with promtool in it.
const PROMETHEUS: &str = "prometheus";

/// Debian's package of the program that asks an HTTP server over and over.
const WRK: &str = "wrk";

/// A program built from its sources by `cargo install`, once per version.
struct Tool {
    name: &'static str,
    version: &'static str,
    features: &'static [&'static str],
}

/// Where built tools are kept: `WINDLASS_CACHE`, else the user's cache folder.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = env::var_os("WINDLASS_CACHE")
        .map(PathBuf::from)
        .or_else(|| env::var_os("XDG_CACHE_HOME").map(|dir| PathBuf::from(dir).join("windlass")))
        .or_else(|| env::var_os("HOME").map(|dir| PathBuf::from(dir).join(".cache/windlass")))
        .context("finding a cache folder: set WINDLASS_CACHE")?;
    fs::create_dir_all(&base).with_context(|| format!("making the cache {}", base.display()))?;
    Ok(base)
}

/// The mdBook binary.
pub(crate) fn mdbook() -> Result<PathBuf> {
    MDBOOK.binary()
}

/// The cargo-deny binary.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    CARGO_DENY.binary()
}

/// The Helm binary.
pub(crate) fn helm() -> Result<PathBuf> {
    let (module, version) = HELM;
    let folder = cache()?.join(format!("helm-{version}"));
    let binary = folder.join("bin/helm");
    if !binary.exists() {
        eprintln!(
            "building helm {version} once, into {}: some minutes",
            folder.display()
        );
        run(Command::new("go")
            .args(["install", "-trimpath", &format!("{module}@v{version}")])
            .env("CGO_ENABLED", "0")
            .env("GOBIN", folder.join("bin")))
        .context("building helm: the check needs Go")?;
    }
    Ok(binary)
}

/// The promtool binary: the one on the PATH, else Debian's, unpacked and not installed, so that nothing is started.
pub(crate) fn promtool() -> Result<PathBuf> {
    let on_path = Command::new("promtool").arg("--version").output();
    if on_path.is_ok_and(|told| told.status.success()) {
        return Ok(PathBuf::from("promtool"));
    }
    let (cache, said) = (
        cache()?,
        format!("fetching promtool: install Debian's package {PROMETHEUS}"),
    );
    if let Some(binary) = unpacked_promtool(&cache).context(said.clone())? {
        return Ok(binary);
    }
    let packages = cache.join("packages");
    fs::create_dir_all(&packages).with_context(|| format!("making {}", packages.display()))?;
    let download = || {
        let mut download = Command::new("apt-get");
        download
            .args([
                "download",
                "-qq",
                "-o",
                "APT::Sandbox::User=root",
                PROMETHEUS,
            ])
            .current_dir(&packages);
        run(&mut download)
    };
    // Without the lists of packages, as in a fresh container, there is nothing to download.
    if download().is_err() {
        run(Command::new("apt-get").args(["update", "-qq"])).context(said.clone())?;
        download().context(said.clone())?;
    }
    for entry in fs::read_dir(&packages).context(said.clone())? {
        let package = entry.context(said.clone())?.path();
        let version = package.file_stem().unwrap_or_default();
        run(Command::new("dpkg-deb")
            .arg("-x")
            .arg(&package)
            .arg(cache.join(version)))
        .context(said.clone())?;
    }
    fs::remove_dir_all(&packages).context(said.clone())?;
    unpacked_promtool(&cache)?.context(said)
}

/// The wrk binary: the one on the PATH, else Debian's is installed, for it needs a library of its own.
pub(crate) fn wrk() -> Result<PathBuf> {
    // Without arguments it tells its usage, and calls that a failure.
    let there = || Command::new(WRK).output().is_ok();
    if !there() {
        let install = || {
            let mut install = Command::new("apt-get");
            install.args(["install", "-y", "-qq", "--no-install-recommends", WRK]);
            // Standard output is the figures' alone.
            run(install.stdout(std::io::stderr()))
        };
        let said = format!("installing wrk: install Debian's package {WRK}");
        if install().is_err() {
            let mut update = Command::new("apt-get");
            update.args(["update", "-qq"]).stdout(std::io::stderr());
            run(&mut update).context(said.clone())?;
            install().context(said.clone())?;
        }
        if !there() {
            bail!("{said}; it was installed, and is not on the PATH");
        }
    }
    Ok(PathBuf::from(WRK))
}

/// The promtool that an earlier check unpacked, of whichever version Debian had.
fn unpacked_promtool(cache: &Path) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(cache)? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let binary = folder.join("usr/bin/promtool");
        if name.starts_with(PROMETHEUS) && binary.exists() {
            return Ok(Some(binary));
        }
    }
    Ok(None)
}

impl Tool {
    fn binary(&self) -> Result<PathBuf> {
        let Self {
            name,
            version,
            features,
        } = self;
        let folder = cache()?.join(format!("{name}-{version}"));
        let binary = folder.join("bin").join(name);
        if !binary.exists() {
            eprintln!("building {name} {version} once, into {}", folder.display());
            run(Command::new(env!("CARGO"))
                // They run for a second: building them optimised takes longer than all their runs.
                .args([
                    "install",
                    name,
                    "--version",
                    version,
                    "--locked",
                    "--quiet",
                    "--debug",
                ])
                .args(*features)
                .arg("--root")
                .arg(&folder)
                // Its own target folder: the workspace's is locked by the build that runs this.
                .env("CARGO_TARGET_DIR", folder.join("target")))?;
            fs::remove_dir_all(folder.join("target")).ok();
        }
        Ok(binary)
    }
}

/// Runs a command to its end; its output is the reader's to see.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command
        .status()
        .with_context(|| format!("starting {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// The folder of the workspace: the one above this crate.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or_else(|| Path::new("."))
}

/// A started stopwatch.
#[expect(
    clippy::disallowed_methods,
    reason = "a task runner times real commands"
)]
pub(crate) fn stopwatch() -> std::time::Instant {
    std::time::Instant::now()
}
