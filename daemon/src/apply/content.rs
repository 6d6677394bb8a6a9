//! What a config asks of a machine, in the machine's own terms.

use crate::host::{Directory, File, Owner, User};
use api::version::Version;
use std::collections::BTreeMap;

/// Where the units of the machine's owner live.
pub(crate) const UNIT_DIRECTORY: &str = "/etc/systemd/system";

/// Everything that a config asks for. What is not named here is left as it is, or becomes its original again
/// where we once changed it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// Files by path, unit files and drop-ins among them.
    pub files: BTreeMap<String, File>,
    /// Symbolic links by path, with their targets.
    pub links: BTreeMap<String, String>,
    /// Directories by path.
    pub directories: BTreeMap<String, Directory>,
    /// How units start, by name; a unit that the config names without saying so is not here.
    pub units: BTreeMap<String, UnitWish>,
    /// Users by name. A `password_hash` that is `None` is left as it is.
    pub users: BTreeMap<String, User>,
    /// The operating system.
    pub system: SystemWish,
    /// The kubelet that is needed at least, as precisely as stated: `1.34` or `1.34.2`.
    pub kubelet_version: Option<String>,
}

/// How a unit shall start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitWish {
    /// At boot.
    Enabled,
    /// When asked for.
    Disabled,
    /// Never.
    Masked,
    /// As the machine's own preset rules say.
    Preset,
}

/// What a config asks of the operating system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SystemWish {
    /// The image; `None` leaves the one that is there.
    pub image: Option<String>,
    /// The kernel's flavour; `None` is the default one.
    pub kernel_type: Option<String>,
    /// Extensions that shall be there besides the machine's own, sorted, each once.
    pub extensions: Vec<String>,
    /// Kernel arguments that shall be there besides the machine's own, one an entry, in order.
    pub kernel_arguments: Vec<String>,
}

impl Content {
    /// Whether the configuration says what is at `path`.
    pub(crate) fn names(&self, path: &str) -> bool {
        self.files.contains_key(path)
            || self.links.contains_key(path)
            || self.directories.contains_key(path)
    }

    /// The path of the file of unit `name`.
    pub fn unit_path(name: &str) -> String {
        format!("{UNIT_DIRECTORY}/{name}")
    }

    /// The path of drop-in `dropin` of unit `name`.
    pub fn dropin_path(name: &str, dropin: &str) -> String {
        format!("{UNIT_DIRECTORY}/{name}.d/{dropin}")
    }
}

/// Whether `now` is `wish`. An owner by name is only known to the machine's database, so that it counts when the
/// file is written and not when it is compared; root is the exception that everybody knows.
pub(crate) fn as_wished(wish: &File, now: &File) -> bool {
    wish.content == now.content
        && wish.mode == now.mode
        && owner_as_wished(&wish.user, &now.user)
        && owner_as_wished(&wish.group, &now.group)
}

/// The same for a directory.
pub(crate) fn directory_as_wished(wish: &Directory, now: &Directory) -> bool {
    wish.mode == now.mode
        && owner_as_wished(&wish.user, &now.user)
        && owner_as_wished(&wish.group, &now.group)
}

fn owner_as_wished(wish: &Owner, now: &Owner) -> bool {
    match wish {
        Owner::Id(_) => wish == now,
        Owner::Name(name) => name != "root" || *now == Owner::Id(0) || wish == now,
    }
}

/// Whether kubelet `installed` is at least `wanted`, read and compared as the gate does it (docs/adr/0004): what the
/// gate cannot read no daemon installs. A version that is no version never suffices.
pub fn kubelet_suffices(installed: &str, wanted: &str) -> bool {
    let (Ok(installed), Ok(wanted)) = (installed.parse::<Version>(), wanted.parse::<Version>())
    else {
        return false;
    };
    installed.satisfies(&wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelet_is_compared_as_precisely_as_it_is_asked_for() {
        for (installed, wanted, suffices) in [
            ("1.34.2", "1.34", true),
            ("1.35.0", "1.34", true),
            ("1.33.9", "1.34", false),
            ("1.34.1", "1.34.2", false),
            ("v1.34.2", "1.34.2", true),
            ("1.34.2-150.el9", "1.34.2", true),
            ("1.34", "1.34.0", true),
            ("1.34.0-rc.1", "1.34.0", false),
            ("unknown", "1.34", false),
            ("1.34.2", "vv1.34", false),
            ("1.34.2", "1.34.1.0", false),
        ] {
            assert_eq!(
                kubelet_suffices(installed, wanted),
                suffices,
                "{installed} for {wanted}"
            );
        }
    }
}
