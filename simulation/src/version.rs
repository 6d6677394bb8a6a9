//! Versions of kubelets and API servers, as the simulation compares them.

use std::fmt;

/// Major, minor and patch; what follows (build, package release) does not order versions here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number: the one that version skew is counted in.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl Version {
    /// Reads `v1.33.4`, `1.33`, `1.33.4-150.el9` or `1.33.4+build`; nothing if it does not begin so.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        let core = text.split(['-', '+', '~']).next().unwrap_or(text);
        let mut numbers = core.split('.').map(str::parse);
        let major = numbers.next()?.ok()?;
        let minor = numbers.next()?.ok()?;
        let patch = match numbers.next() {
            Some(patch) => patch.ok()?,
            None => 0,
        };
        Some(Self {
            major,
            minor,
            patch,
        })
    }

    /// The same minor version without its patch.
    pub const fn minor_only(self) -> (u32, u32) {
        (self.major, self.minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_kubernetes_and_packages_write_them() {
        let written = ["v1.33.4", "1.33.4", "1.33.4-150500.1.1", "v1.33.4+k3s1"];

        let read: Vec<_> = written
            .iter()
            .filter_map(|text| Version::parse(text))
            .collect();

        assert_eq!(
            read,
            [Version {
                major: 1,
                minor: 33,
                patch: 4
            }; 4]
        );
    }

    #[test]
    fn ten_comes_after_nine() {
        assert!(Version::parse("1.10") > Version::parse("1.9.8"));
    }

    #[test]
    fn what_is_no_version_is_none() {
        assert_eq!(Version::parse("latest"), None);
    }
}
