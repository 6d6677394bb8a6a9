//! Programs built from Go modules of this repository, for tests with real parts.
//!
//! # Guarantees
//! * Built once per content of the module, into `~/.cache/windlass/<what>-<version>-<digest>` (`WINDLASS_CACHE` names
//!   another cache). Callers at the same time, in many processes, build once: one builds, the others wait for its lock.
//! * A folder of that name holds every program: it is made under another name and renamed.
//! * Progress goes to standard error, past the capture of a test.
//!
//! # Assumes
//! Go on the PATH, where something has to be built.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

/// After so many compiled packages progress is told.
const PACKAGES_PER_LINE: usize = 100;
/// How much of the compiler's output an error carries.
const TAIL_LINES: usize = 30;

/// Programs that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum AssetsError {
    /// A file or folder.
    #[error("{attempt} {}", path.display())]
    File {
        /// As in "reading".
        attempt: &'static str,
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No cache.
    #[error("finding a cache for built programs: set WINDLASS_CACHE or HOME")]
    NoCache,
    /// The module names no version.
    #[error("reading the version of {of} in {}: no line requires it", path.display())]
    NoVersion {
        /// The module that is required.
        of: &'static str,
        /// Its go.mod.
        path: PathBuf,
    },
    /// A folder without a program.
    #[error(
        "finding {program} in {}, which KUBEBUILDER_ASSETS names: it is not there; unset it to have it built",
        folder.display()
    )]
    NotGiven {
        /// Which.
        program: &'static str,
        /// Where.
        folder: PathBuf,
    },
    /// No Go.
    #[error("starting `go`: install Go 1.26 (Debian: golang-go)")]
    NoGo(#[source] io::Error),
    /// It does not build.
    #[error("building {programs} in {}: go ended with {status} and said:\n{said}", module.display())]
    Build {
        /// Which programs.
        programs: String,
        /// Where.
        module: PathBuf,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it said.
        said: String,
    },
}

type Result<T> = std::result::Result<T, AssetsError>;

/// A Go module whose mains are the programs.
pub(crate) struct Module {
    folder: PathBuf,
    version: String,
    digest: String,
    /// What is handed to Go's linker.
    flags: String,
}

impl Module {
    /// The module in a folder, which is of the version of the module that it requires first of all.
    pub(crate) fn read(
        folder: &Path,
        of: &'static str,
        flags: impl FnOnce(&str) -> String,
    ) -> Result<Self> {
        let manifest = folder.join("go.mod");
        let text = read(&manifest)?;
        let version = version_in(&text, of).ok_or(AssetsError::NoVersion { of, path: manifest })?;
        Ok(Self {
            folder: folder.to_owned(),
            flags: flags(&version),
            version,
            digest: digest(folder)?,
        })
    }

    /// The same module, whose programs say that they are of another version.
    pub(crate) fn saying(self, version: &str, flags: String) -> Self {
        Self {
            version: version.to_owned(),
            flags,
            ..self
        }
    }

    /// The folder in the cache that holds these programs; they are built if they are not there.
    pub(crate) fn built(&self, what: &str, programs: &[&str]) -> Result<PathBuf> {
        let cache = cache()?;
        let name = format!("{what}-{}-{}", self.version, self.digest);
        let folder = cache.join(&name);
        if folder.exists() {
            return Ok(folder);
        }
        let path = cache.join(format!("{name}.lock"));
        let lock = File::create(&path).map_err(about("making", &path))?;
        if lock.try_lock().is_err() {
            tell(&format!(
                "{what}: another process builds it; waiting for {}",
                path.display()
            ));
            lock.lock().map_err(about("locking", &path))?;
        }
        if folder.exists() {
            return Ok(folder);
        }
        let half = cache.join(format!("{name}.half"));
        if half.exists() {
            fs::remove_dir_all(&half).map_err(about("removing", &half))?;
        }
        self.build(what, programs, &half)?;
        fs::rename(&half, &folder).map_err(about("renaming", &half))?;
        tell(&format!("{what}: built, in {}", folder.display()));
        Ok(folder)
    }

    fn build(&self, what: &str, programs: &[&str], into: &Path) -> Result<()> {
        fs::create_dir_all(into).map_err(about("making", into))?;
        let mains: Vec<String> = programs
            .iter()
            .map(|program| format!("./cmd/{program}"))
            .collect();
        tell(&format!(
            "{what} {}: building once, into {}; minutes on two cores if nothing of it is in Go's cache",
            self.version,
            into.with_extension("").display()
        ));
        let all = self
            .go(&["list", "-deps"])
            .args(&mains)
            .output()
            .map_err(AssetsError::NoGo)?;
        let packages = all.stdout.split(|byte| *byte == b'\n').count();
        let mut building = self
            .go(&["build", "-v", "-buildvcs=false", "-trimpath", "-ldflags"])
            .arg(&self.flags)
            .arg("-o")
            .arg(into)
            .args(&mains)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(AssetsError::NoGo)?;
        let said = building
            .stderr
            .take()
            .map(|pipe| follow(what, packages, BufReader::new(pipe)))
            .unwrap_or_default();
        let status = building.wait().map_err(AssetsError::NoGo)?;
        if status.success() {
            return Ok(());
        }
        Err(AssetsError::Build {
            programs: mains.join(" "),
            module: self.folder.clone(),
            status,
            said,
        })
    }

    fn go(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("go");
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("CGO_ENABLED", "0")
            // A workspace file above the module, and a caller's habits, are no part of what is built.
            .env("GOWORK", "off")
            .env("GOFLAGS", "");
        command
    }
}

/// Tells how far a build is; returns the end of what it said.
fn follow(what: &str, packages: usize, said: impl io::BufRead) -> String {
    let mut last = Vec::new();
    let mut compiled = 0;
    for line in said.lines().map_while(io::Result::ok) {
        // A package's path stands alone on its line; all else is the compiler's complaint or a download.
        if !line.contains(' ') {
            compiled += 1;
            if compiled % PACKAGES_PER_LINE == 0 {
                tell(&format!("{what}: {compiled} of {packages} packages"));
            }
        }
        if last.len() == TAIL_LINES {
            last.remove(0);
        }
        last.push(line);
    }
    last.join("\n")
}

/// Progress, to where a person sees it: a test's output is captured, its standard error is not.
pub(crate) fn tell(line: &str) {
    // Nobody may be there to read it.
    writeln!(io::stderr(), "{line}").unwrap_or_default();
}

fn version_in(manifest: &str, of: &str) -> Option<String> {
    manifest.lines().find_map(|line| {
        let mut words = line
            .trim()
            .trim_start_matches("require ")
            .split_whitespace();
        (words.next() == Some(of))
            .then(|| words.next().map(str::to_owned))
            .flatten()
    })
}

/// The digest of what is built: the module's files, in the order of their names.
fn digest(module: &Path) -> Result<String> {
    let mut files = vec![module.join("go.mod"), module.join("go.sum")];
    let mains = module.join("cmd");
    for entry in fs::read_dir(&mains).map_err(about("reading", &mains))? {
        let entry = entry.map_err(about("reading", &mains))?;
        files.push(entry.path().join("main.go"));
    }
    files.sort();
    let mut hasher = Sha256::new();
    for path in files {
        let text = read(&path)?;
        let name = path.strip_prefix(module).unwrap_or(&path);
        hasher.update(format!("{} {}\n{text}", name.display(), text.len()));
    }
    let digest = hasher.finalize();
    Ok(digest.iter().take(6).map(|b| format!("{b:02x}")).collect())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(about("reading", path))
}

/// Where built programs are kept, as for the other tools of the checks.
pub(crate) fn cache() -> Result<PathBuf> {
    let named = |name: &str| env::var_os(name).map(PathBuf::from);
    let cache = named("WINDLASS_CACHE")
        .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("windlass")))
        .or_else(|| named("HOME").map(|folder| folder.join(".cache/windlass")))
        .ok_or(AssetsError::NoCache)?;
    fs::create_dir_all(&cache).map_err(about("making", &cache))?;
    Ok(cache)
}

pub(crate) fn about(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AssetsError {
    let path = path.to_owned();
    move |source| AssetsError::File {
        attempt,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_the_module_requires() {
        let manifest = "require (\n\tk8s.io/kubectl v0.36.3\n\tk8s.io/kubernetes v1.36.3\n)\n";
        let version = |manifest| version_in(manifest, "k8s.io/kubernetes");

        assert_eq!(version(manifest).as_deref(), Some("v1.36.3"));
        assert_eq!(
            version("require k8s.io/kubernetes v1.33.13").as_deref(),
            Some("v1.33.13")
        );
        assert_eq!(version("module x"), None);
    }

    #[test]
    fn a_build_that_fails_keeps_the_end_of_what_it_said() {
        let said: String = (0..100).map(|line| format!("line {line}\n")).collect();

        let kept = follow("it", 10, said.as_bytes());

        assert!(kept.starts_with("line 70\n"), "{kept}");
        assert!(kept.ends_with("line 99"), "{kept}");
    }
}
