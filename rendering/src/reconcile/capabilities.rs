//! What a host can apply in place, as a set that travels on the MachineConfigNode.

use std::collections::BTreeSet;
use std::fmt;

use api::operator::StorageOverride;

/// One kind of change that a host backend can apply to a running machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Files: contents, mode, owner, removal.
    Files,
    /// systemd units and drop-ins.
    Units,
    /// Keys and password of the user `core`.
    CoreUser,
    /// Any user, with all fields.
    Users,
    /// Groups.
    Groups,
    /// Directories.
    Directories,
    /// Links. Without it, only a config without any link can follow one with links.
    Links,
    /// Contents appended to a file that is there already.
    Append,
    /// File modes beyond 0777: setuid, setgid, sticky.
    SpecialModes,
    /// The operating system's image.
    OsImage,
    /// Kernel arguments of the MachineConfig.
    KernelArguments,
    /// Kernel arguments of the Ignition config.
    IgnitionKernelArguments,
    /// The kernel type.
    KernelType,
    /// Extensions of the operating system.
    Extensions,
    /// Another version of a kubelet that is a package of the machine.
    KubeletPackage,
    /// FIPS mode.
    Fips,
    /// Partition tables; also what an owner allows to differ although nothing applies it.
    Disks,
    /// Filesystems; as for disks.
    Filesystems,
    /// RAID arrays; as for disks.
    Raid,
}

impl Capability {
    /// Every one, in the order of the names that are written.
    pub const ALL: [Self; 19] = [
        Self::Files,
        Self::Units,
        Self::CoreUser,
        Self::Users,
        Self::Groups,
        Self::Directories,
        Self::Links,
        Self::Append,
        Self::SpecialModes,
        Self::OsImage,
        Self::KernelArguments,
        Self::IgnitionKernelArguments,
        Self::KernelType,
        Self::Extensions,
        Self::KubeletPackage,
        Self::Fips,
        Self::Disks,
        Self::Filesystems,
        Self::Raid,
    ];

    /// The stable name, as a node reports it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Files => "Files",
            Self::Units => "Units",
            Self::CoreUser => "CoreUser",
            Self::Users => "Users",
            Self::Groups => "Groups",
            Self::Directories => "Directories",
            Self::Links => "Links",
            Self::Append => "Append",
            Self::SpecialModes => "SpecialModes",
            Self::OsImage => "OSImage",
            Self::KernelArguments => "KernelArguments",
            Self::IgnitionKernelArguments => "IgnitionKernelArguments",
            Self::KernelType => "KernelType",
            Self::Extensions => "Extensions",
            Self::KubeletPackage => "KubeletPackage",
            Self::Fips => "FIPS",
            Self::Disks => "Disks",
            Self::Filesystems => "FileSystems",
            Self::Raid => "Raid",
        }
    }
}

/// What a host can apply in place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities(BTreeSet<Capability>);

impl Capabilities {
    /// What the reference's daemon applies (machine-config.md 2.8 and 2.11); the default of a node that reports
    /// nothing.
    pub fn reference() -> Self {
        Self::of([
            Capability::Files,
            Capability::Units,
            Capability::CoreUser,
            Capability::OsImage,
            Capability::KernelArguments,
            Capability::KernelType,
            Capability::Extensions,
            Capability::KubeletPackage,
        ])
    }

    /// A set of capabilities.
    pub fn of(capabilities: impl IntoIterator<Item = Capability>) -> Self {
        Self(capabilities.into_iter().collect())
    }

    /// Reads what a node reports. A name that this version does not know is left out: what it would allow is then
    /// refused, which is the careful side.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let known = |name: &str| {
            Capability::ALL
                .into_iter()
                .find(|capability| capability.name() == name)
        };
        Self(names.into_iter().filter_map(known).collect())
    }

    /// The names as a node reports them, in a fixed order.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|capability| capability.name()).collect()
    }

    /// With what the owner lets differ although nothing applies it: MachineConfiguration's
    /// `irreconcilableValidationOverrides.storage`.
    #[must_use]
    pub fn with_overrides(mut self, storage: &[StorageOverride]) -> Self {
        self.0.extend(storage.iter().map(|part| match part {
            StorageOverride::Disks => Capability::Disks,
            StorageOverride::FileSystems => Capability::Filesystems,
            StorageOverride::Raid => Capability::Raid,
        }));
        self
    }

    /// Whether the host can apply this.
    pub fn has(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }
}

impl fmt::Display for Capabilities {
    /// The names with commas between them: how a node reports them in one annotation. Read back by
    /// [`Capabilities::from_names`] over the parts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_reports_is_read_back_the_same() {
        let all = Capabilities::of(Capability::ALL);
        assert_eq!(Capabilities::from_names(all.to_string().split(',')), all);
    }

    #[test]
    fn a_capability_of_a_newer_daemon_is_left_out() {
        assert_eq!(
            Capabilities::from_names(["Files", "Holograms"]),
            Capabilities::of([Capability::Files])
        );
    }

    #[test]
    fn what_the_owner_lets_differ_is_added() {
        let lenient = Capabilities::reference().with_overrides(&[StorageOverride::Raid]);
        assert!(lenient.has(Capability::Raid) && !lenient.has(Capability::Disks));
    }
}
