//! What a simulated machine has on its disk before anybody configures it.

use crate::chance::Chance;
use crate::machine::{FileTree, MachineSpec};
use daemon::host::User;
use std::collections::BTreeMap;
use std::io;

/// Where the units of the vendor lie; those of the administrator win over them.
pub(super) const VENDOR_UNITS: &str = "/usr/lib/systemd/system";
/// Where the units of the administrator lie.
pub(super) const OWN_UNITS: &str = "/etc/systemd/system";

/// Units that every simulated machine brings.
pub(super) fn units() -> impl Iterator<Item = &'static str> {
    [
        "auditd.service",
        "chronyd.service",
        "containerd.service",
        "coreos-update-ca-trust.service",
        "crio.service",
        "kubelet.service",
        "multipathd.service",
        "NetworkManager.service",
        "rsyslog.service",
        "sshd.service",
        "systemd-journald.service",
        "systemd-sysctl.service",
        "systemd-timesyncd.service",
        "tuned.service",
        "update-ca-trust.service",
    ]
    .into_iter()
}

/// Users that every simulated machine brings, and that may log in.
pub(super) fn users() -> BTreeMap<String, User> {
    ["core", "root"]
        .map(|name| (name.to_owned(), User::default()))
        .into()
}

/// The number of user or group `name` in the machine's database.
pub(super) fn account(name: &str) -> Option<u32> {
    match name {
        "root" | "wheel" => Some(0),
        "core" => Some(1000),
        "systemd-network" => Some(192),
        "chrony" => Some(994),
        "nobody" => Some(65534),
        _ => None,
    }
}

/// Fills the disk of a machine that is being made.
pub(super) fn fill(files: &FileTree, spec: &MachineSpec, chance: &Chance) -> io::Result<()> {
    let MachineSpec {
        name,
        os_id,
        os_version,
        ..
    } = spec;
    files.write(
        "/etc/os-release",
        &format!("ID={os_id}\nVERSION_ID={os_version}\nPRETTY_NAME=\"{os_id} {os_version}\"\n"),
    )?;
    files.write("/etc/hostname", &format!("{name}\n"))?;
    let machine_id = chance.branch("machine-id").uuid().replace('-', "");
    files.write("/etc/machine-id", &format!("{machine_id}\n"))?;
    files.write(
        "/etc/chrony.conf",
        "pool 2.pool.ntp.org iburst\ndriftfile /var/lib/chrony/drift\n",
    )?;
    files.write(
        "/etc/containers/registries.conf",
        "unqualified-search-registries = ['docker.io']\n",
    )?;
    files.write(
        "/etc/containers/policy.json",
        "{\"default\":[{\"type\":\"insecureAcceptAnything\"}]}\n",
    )?;
    for unit in units() {
        let program = unit.trim_end_matches(".service");
        files.write(
            &format!("{VENDOR_UNITS}/{unit}"),
            &format!(
                "[Service]\nExecStart=/usr/bin/{program}\n[Install]\nWantedBy=multi-user.target\n"
            ),
        )?;
    }
    Ok(())
}
