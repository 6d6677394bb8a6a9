//! The programs of a control plane, built from the Go module `e2e/control-plane`; those of the oldest supported Kubernetes
//! from `e2e/control-plane-1.33`.
//!
//! # Guarantees
//! * Built once per content of the module, into `~/.cache/windlass/control-plane-<version>-<digest>` (`WINDLASS_CACHE` names
//!   another cache). Callers at the same time, in many processes, build once: one builds, the others wait for its lock.
//! * A folder of that name holds every program: it is made under another name and renamed.
//! * `KUBEBUILDER_ASSETS` names a folder with programs to use instead.
//! * An API server that says another version than it is ([`api_server_as`]) stands beside them, in a folder of its own.
//! * Progress goes to standard error, past the capture of a test.
//!
//! # Assumes
//! Go on the PATH, where something has to be built; five minutes of two cores and 3 GiB of memory for the first time.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

/// Names a folder with the programs, as other test suites do.
const GIVEN: &str = "KUBEBUILDER_ASSETS";
/// After so many compiled packages progress is told.
const PACKAGES_PER_LINE: usize = 100;
/// How much of the compiler's output an error carries.
const TAIL_LINES: usize = 30;

/// The programs of a control plane.
const CONTROL_PLANE: [Program; 4] = [
    Program::Etcd,
    Program::ApiServer,
    Program::ControllerManager,
    Program::Scheduler,
];

/// One program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// etcd
    Etcd,
    /// kube-apiserver
    ApiServer,
    /// kube-controller-manager
    ControllerManager,
    /// kube-scheduler
    Scheduler,
    /// kubectl
    Kubectl,
}

impl Program {
    /// The name of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kubectl => "kubectl",
        }
    }
}

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
    #[error("finding a cache for the programs of a control plane: set WINDLASS_CACHE or HOME")]
    NoCache,
    /// The module names no version.
    #[error("reading the version of k8s.io/kubernetes in {}: no line requires it", path.display())]
    NoVersion {
        /// Its go.mod.
        path: PathBuf,
    },
    /// A folder without a program.
    #[error(
        "finding {program} in {}, which {GIVEN} names: it is not there; unset {GIVEN} to have it built",
        folder.display()
    )]
    NotGiven {
        /// Which.
        program: &'static str,
        /// Where.
        folder: PathBuf,
    },
    /// No Go.
    #[error("starting `go`: install Go 1.26 (Debian: golang-go), or set {GIVEN}")]
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

/// A folder with the programs of a control plane.
#[derive(Clone, Debug)]
pub struct Assets {
    folder: PathBuf,
}

impl Assets {
    /// The programs that `KUBEBUILDER_ASSETS` names, else those in the cache, else built now.
    pub fn ready() -> Result<Self> {
        if let Some(folder) = env::var_os(GIVEN) {
            return Ok(Self {
                folder: folder.into(),
            });
        }
        let folder = Module::ours()?.built("control-plane", &CONTROL_PLANE)?;
        Ok(Self { folder })
    }

    /// The programs of the oldest Kubernetes that Windlass supports, in the cache, else built now.
    pub fn oldest() -> Result<Self> {
        let folder = Module::oldest()?.built("control-plane", &CONTROL_PLANE)?;
        Ok(Self { folder })
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of them.
    pub fn path(&self, program: Program) -> Result<PathBuf> {
        let path = self.folder.join(program.name());
        if path.exists() {
            return Ok(path);
        }
        Err(AssetsError::NotGiven {
            program: program.name(),
            folder: self.folder.clone(),
        })
    }
}

/// An API server that says that it is of another version, as in `v1.35.9`; else it is the one of [`Assets::ready`]'s module, so
/// that building it after that one takes no more than linking it.
pub fn api_server_as(version: &str) -> Result<PathBuf> {
    let module = Module {
        version: version.to_owned(),
        ..Module::ours()?
    };
    let program = Program::ApiServer.name();
    let folder = module.built(program, &[Program::ApiServer])?;
    Ok(folder.join(program))
}

/// The kubectl on the PATH, else one that is built.
pub fn kubectl() -> Result<PathBuf> {
    let name = Program::Kubectl.name();
    let path = env::var_os("PATH").unwrap_or_default();
    if let Some(found) = env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
    {
        return Ok(found);
    }
    let folder = Module::ours()?.built("kubectl", &[Program::Kubectl])?;
    Ok(folder.join(name))
}

/// The Helm of the checks, built from its Go module unless the cache has it.
pub fn helm() -> Result<PathBuf> {
    let version = include_str!("../../../xtask/src/helm.version").trim_ascii();
    let folder = cache()?.join(format!("helm-{version}"));
    let binary = folder.join("bin/helm");
    let path = folder.with_extension("lock");
    let lock = File::create(&path).map_err(about("making", &path))?;
    lock.lock().map_err(about("locking", &path))?;
    if binary.exists() {
        return Ok(binary);
    }
    tell(&format!(
        "helm {version}: building once, into {}",
        folder.display()
    ));
    let built = Command::new("go")
        .args(["install", "-trimpath"])
        .arg(format!("helm.sh/helm/v4/cmd/helm@v{version}"))
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOBIN", folder.join("bin"))
        .output()
        .map_err(AssetsError::NoGo)?;
    if built.status.success() {
        return Ok(binary);
    }
    Err(AssetsError::Build {
        programs: "helm".to_owned(),
        module: folder,
        status: built.status,
        said: String::from_utf8_lossy(&built.stderr).into_owned(),
    })
}

/// A Go module whose mains are the programs.
struct Module {
    folder: PathBuf,
    version: String,
    digest: String,
}

impl Module {
    fn ours() -> Result<Self> {
        Self::read(Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/control-plane"
        )))
    }

    fn oldest() -> Result<Self> {
        Self::read(Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/control-plane-1.33"
        )))
    }

    fn read(folder: &Path) -> Result<Self> {
        let manifest = folder.join("go.mod");
        let text = read(&manifest)?;
        let version = version_in(&text).ok_or(AssetsError::NoVersion { path: manifest })?;
        Ok(Self {
            folder: folder.to_owned(),
            version,
            digest: digest(folder)?,
        })
    }

    /// The folder in the cache that holds these programs; they are built if they are not there.
    fn built(&self, what: &str, programs: &[Program]) -> Result<PathBuf> {
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

    fn build(&self, what: &str, programs: &[Program], into: &Path) -> Result<()> {
        fs::create_dir_all(into).map_err(about("making", into))?;
        let mains: Vec<String> = programs
            .iter()
            .map(|program| format!("./cmd/{}", program.name()))
            .collect();
        tell(&format!(
            "{what} {}: building once, into {}; five minutes on two cores if nothing of it is in Go's cache",
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
            .arg(flags(&self.version))
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

/// What stamps the version into the programs; without it a client cannot tell which API it speaks to.
fn flags(version: &str) -> String {
    let mut numbers = version.trim_start_matches('v').split('.');
    let major = numbers.next().unwrap_or_default();
    let minor = numbers.next().unwrap_or_default();
    let stamps: String = [
        ("gitVersion", version),
        ("gitMajor", major),
        ("gitMinor", minor),
        ("gitTreeState", "clean"),
    ]
    .iter()
    .map(|(name, value)| format!(" -X k8s.io/component-base/version.{name}={value}"))
    .collect();
    format!("-s -w{stamps}")
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
fn tell(line: &str) {
    // Nobody may be there to read it.
    writeln!(io::stderr(), "{line}").unwrap_or_default();
}

fn version_in(manifest: &str) -> Option<String> {
    manifest.lines().find_map(|line| {
        let mut words = line
            .trim()
            .trim_start_matches("require ")
            .split_whitespace();
        (words.next() == Some("k8s.io/kubernetes"))
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
fn cache() -> Result<PathBuf> {
    let named = |name: &str| env::var_os(name).map(PathBuf::from);
    let cache = named("WINDLASS_CACHE")
        .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("windlass")))
        .or_else(|| named("HOME").map(|folder| folder.join(".cache/windlass")))
        .ok_or(AssetsError::NoCache)?;
    fs::create_dir_all(&cache).map_err(about("making", &cache))?;
    Ok(cache)
}

fn about(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AssetsError {
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

        assert_eq!(version_in(manifest).as_deref(), Some("v1.36.3"));
        assert_eq!(
            version_in("require k8s.io/kubernetes v1.33.13").as_deref(),
            Some("v1.33.13")
        );
        assert_eq!(version_in("module x"), None);
    }

    #[test]
    fn the_stamp_tells_major_and_minor_apart() {
        let flags = flags("v1.36.3");

        for stamp in [
            "gitVersion=v1.36.3 ",
            "version.gitMajor=1 ",
            "version.gitMinor=36 ",
        ] {
            assert!(flags.contains(stamp), "{flags}");
        }
    }

    #[test]
    fn a_build_that_fails_keeps_the_end_of_what_it_said() {
        let said: String = (0..100).map(|line| format!("line {line}\n")).collect();

        let kept = follow("it", 10, said.as_bytes());

        assert!(kept.starts_with("line 70\n"), "{kept}");
        assert!(kept.ends_with("line 99"), "{kept}");
    }
}
