//! What the machine says of itself: its operating system, its kubelet, its boot.

use super::disk::Disk;
use super::files::failed;
use crate::host::HostError;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// The owner's word first (os-release(5)).
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// Where a kubelet lies: packages, a hand, Flatcar and other systems whose `/usr` is read-only.
const KUBELETS: [&str; 3] = [
    "/usr/bin/kubelet",
    "/usr/local/bin/kubelet",
    "/opt/bin/kubelet",
];

/// What dpkg keeps of an installed package.
const DPKG_KUBELET: &str = "/var/lib/dpkg/info/kubelet.list";
const DPKG_STATUS: &str = "/var/lib/dpkg/status";

/// What a system made from an image has.
const OSTREE_BOOTED: &str = "/run/ostree-booted";

const RPM: &str = "/usr/bin/rpm";

/// Where package databases lie: a change there may be one of the facts.
pub(super) const PACKAGE_DATABASES: [&str; 3] =
    ["/var/lib/dpkg", "/var/lib/rpm", "/usr/lib/sysimage/rpm"];

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const COMMAND_LINE: &str = "/proc/cmdline";

/// Longest time that a program may take to say its version; they take milliseconds.
const PROGRAM_MAX: Duration = Duration::from_secs(10);

/// `ID` of os-release; `linux` where it says none, as os-release(5) has it.
pub(super) fn os_id(disk: &Disk) -> Result<String, HostError> {
    for path in OS_RELEASE {
        let text = disk.read_text(path);
        if let Some(text) = text.map_err(|error| failed("read", path, error))? {
            let id = text.lines().find_map(|line| line.strip_prefix("ID="));
            let id = id.unwrap_or("linux").trim().trim_matches(['"', '\'']);
            return Ok(id.to_owned());
        }
    }
    Ok("linux".to_owned())
}

pub(super) fn boot_id(disk: &Disk) -> Result<String, HostError> {
    let text = disk.read_text(BOOT_ID);
    let text = text.map_err(|error| failed("read", BOOT_ID, error))?;
    let id = text.unwrap_or_default().trim().to_owned();
    if id.is_empty() {
        let hint = "the boot has no identity; mount /proc below the root";
        return Err(HostError::new("read", BOOT_ID, hint));
    }
    Ok(id)
}

/// The kernel's command line.
pub(super) fn kernel_arguments(disk: &Disk) -> Result<Vec<String>, HostError> {
    let text = disk.read_text(COMMAND_LINE);
    let text = text.map_err(|error| failed("read", COMMAND_LINE, error))?;
    let arguments = text.unwrap_or_default();
    Ok(arguments.split_whitespace().map(str::to_owned).collect())
}

/// Whether the kubelet is a package of this machine, by its databases; the machine's own `rpm` is asked where `root`
/// is the machine's.
pub(super) async fn has_kubelet_package(disk: &Disk, root: &Path) -> Result<bool, HostError> {
    if exists(disk, OSTREE_BOOTED)? {
        return Ok(false);
    }
    if exists(disk, DPKG_KUBELET)? {
        return Ok(true);
    }
    if root != Path::new("/") || !exists(disk, RPM)? {
        return Ok(false);
    }
    let answer = output(Path::new(RPM), &["-q", "kubelet"]).await;
    Ok(answer.is_some())
}

fn exists(disk: &Disk, path: &str) -> Result<bool, HostError> {
    let found = disk.lookup(path, rustix::fs::OFlags::PATH);
    found
        .map(|found| found.is_some())
        .map_err(|error| failed("look at", path, error))
}

/// The version of the installed kubelet: by its own word where it is the machine's, else by the package database, for a
/// program of another root may need that root's libraries.
pub(super) async fn kubelet_version(disk: &Disk, root: &Path) -> Result<Option<String>, HostError> {
    if root != Path::new("/") {
        let status = disk.read_text(DPKG_STATUS);
        let status = status.map_err(|error| failed("read", DPKG_STATUS, error))?;
        return Ok(dpkg_version(&status.unwrap_or_default(), "kubelet"));
    }
    for path in KUBELETS {
        if exists(disk, path)?
            && let Some(said) = output(Path::new(path), &["--version"]).await
        {
            return Ok(said_version(&said));
        }
    }
    Ok(None)
}

/// `Kubernetes v1.34.2` is 1.34.2.
fn said_version(said: &str) -> Option<String> {
    let version = said.split_whitespace().last()?.trim_start_matches('v');
    version
        .starts_with(|first: char| first.is_ascii_digit())
        .then(|| version.to_owned())
}

/// The upstream part of the version of an installed package in dpkg's status file: `1.34.2-1.1` is 1.34.2.
fn dpkg_version(status: &str, package: &str) -> Option<String> {
    let field = |paragraph: &str, name: &str| {
        let mut lines = paragraph.lines();
        lines.find_map(|line| line.strip_prefix(name).map(|it| it.trim().to_owned()))
    };
    let paragraph = status
        .split("\n\n")
        .find(|it| field(it, "Package:").as_deref() == Some(package))?;
    let installed = field(paragraph, "Status:").is_some_and(|it| it.ends_with(" installed"));
    let version = field(paragraph, "Version:").filter(|_| installed)?;
    let upstream = version.split_once(':').map_or(&*version, |(_, it)| it);
    let upstream = upstream.rsplit_once('-').map_or(upstream, |(it, _)| it);
    Some(upstream.to_owned())
}

/// What a program says on its standard output, `None` where it fails.
async fn output(program: &Path, arguments: &[&str]) -> Option<String> {
    let run = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PROGRAM_MAX, run).await.ok()?.ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelet_says_its_version() {
        assert_eq!(
            said_version("Kubernetes v1.34.2\n").as_deref(),
            Some("1.34.2")
        );
        assert_eq!(said_version("unknown flag: --version"), None);
    }

    #[test]
    fn a_package_counts_only_while_it_is_installed() {
        let status = "Package: kubelet\nStatus: install ok installed\nVersion: 1:1.34.2-1.1\n\n\
                      Package: kubectl\nStatus: deinstall ok config-files\nVersion: 1.34.2-1.1\n";
        assert_eq!(dpkg_version(status, "kubelet").as_deref(), Some("1.34.2"));
        assert_eq!(dpkg_version(status, "kubectl"), None);
    }
}
