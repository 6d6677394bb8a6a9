//! The programs of a control plane, built from the Go module `e2e/control-plane`; those of the oldest supported Kubernetes
//! from `e2e/control-plane-1.33`.
//!
//! # Guarantees
//! They are kept as [`crate::go_module`] says. `KUBEBUILDER_ASSETS` names a folder with programs to use instead.
//! An API server that says another version than it is ([`api_server_as`]) stands beside them, in a folder of its own.
//!
//! # Assumes
//! Five minutes of two cores and 3 GiB of memory for the first time.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use crate::go_module::AssetsError;
use crate::go_module::{Module, about, cache, tell};

/// Names a folder with the programs, as other test suites do.
const GIVEN: &str = "KUBEBUILDER_ASSETS";
/// The module whose version they have.
const KUBERNETES: &str = "k8s.io/kubernetes";

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
        let folder = ours()?.built("control-plane", &names(&CONTROL_PLANE))?;
        Ok(Self { folder })
    }

    /// The programs of the oldest Kubernetes that Windlass supports, in the cache, else built now.
    pub fn oldest() -> Result<Self> {
        let folder = oldest()?.built("control-plane", &names(&CONTROL_PLANE))?;
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
    let program = Program::ApiServer.name();
    let module = ours()?.saying(version, flags(version));
    let folder = module.built(program, &[program])?;
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
    let folder = ours()?.built(name, &[name])?;
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

fn ours() -> Result<Module> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/control-plane");
    Module::read(Path::new(folder), KUBERNETES, flags)
}

fn oldest() -> Result<Module> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/control-plane-1.33");
    Module::read(Path::new(folder), KUBERNETES, flags)
}

fn names(programs: &[Program]) -> Vec<&'static str> {
    programs.iter().map(|program| program.name()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
