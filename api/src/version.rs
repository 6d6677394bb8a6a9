//! Versions of kubelets and API servers, compared as precisely as they are stated (`docs/adr/0004`).

use std::fmt;
use std::str::FromStr;

/// A Kubernetes version: `1.34`, `1.34.2`, `v1.34.2+k3s1`, `v1.34.0-rc.1`.
///
/// What a distribution appends (`+k3s1`, `-gke.100`, `-1.el9`) says nothing about the API and is dropped;
/// that it is an alpha, beta or release candidate is kept, because such a server is older than its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Major version.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
    /// Patch version, where it is stated.
    pub patch: Option<u32>,
    /// Whether it comes before the release of that number.
    pub pre_release: bool,
}

impl Version {
    /// A version stated to its minor number.
    pub const fn minor(major: u32, minor: u32) -> Self {
        Self {
            major,
            minor,
            patch: None,
            pre_release: false,
        }
    }

    /// Whether something of this version is new enough for a need of `needed`: `1.34` is satisfied by every
    /// 1.34.x and newer, `1.34.2` by 1.34.2 and newer; a pre-release only by what comes after it.
    pub fn satisfies(&self, needed: &Self) -> bool {
        let own = (self.major, self.minor, self.patch.unwrap_or(0));
        let other = (needed.major, needed.minor, needed.patch.unwrap_or(0));
        match own.cmp(&other) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => !self.pre_release || needed.pre_release,
            std::cmp::Ordering::Less => false,
        }
    }
}

/// The text is not a Kubernetes version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a Kubernetes version; write it as 1.34 or 1.34.2")]
pub struct NotAVersion(String);

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let bad = || NotAVersion(text.to_owned());
        let bare = text.strip_prefix('v').unwrap_or(text);
        let cut = bare.find(['-', '+', '~']).unwrap_or(bare.len());
        let (numbers, suffix) = bare.split_at(cut);
        let mut parts = numbers.split('.');
        let major = number(parts.next()).ok_or_else(bad)?;
        let minor = number(parts.next()).ok_or_else(bad)?;
        let patch = match parts.next() {
            Some(part) => Some(number(Some(part)).ok_or_else(bad)?),
            None => None,
        };
        if parts.next().is_some() {
            return Err(bad());
        }
        let suffix = suffix.trim_start_matches(['-', '~']);
        let pre_release = ["alpha", "beta", "rc"]
            .iter()
            .any(|word| suffix.starts_with(word));
        Ok(Self {
            major,
            minor,
            patch,
            pre_release,
        })
    }
}

fn number(part: Option<&str>) -> Option<u32> {
    let part = part?;
    part.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| part.parse().ok())
        .flatten()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if let Some(patch) = self.patch {
            write!(f, ".{patch}")?;
        }
        if self.pre_release {
            f.write_str(" (pre-release)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("a version")
    }

    #[test]
    fn versions_compare_as_precisely_as_they_are_stated() {
        for (serves, needs, enough) in [
            ("v1.34.0", "1.34", true),
            ("v1.34.9+k3s1", "1.34", true),
            ("v1.33.9", "1.34", false),
            ("v1.34.1", "1.34.2", false),
            ("v1.35.0", "1.34.2", true),
            ("v2.0.0", "1.34.2", true),
            ("v1.34.0-rc.1", "1.34", false),
            ("v1.34.1-gke.100", "1.34.1", true),
            ("v1.34.1-rc.0", "1.34", true),
        ] {
            assert_eq!(
                version(serves).satisfies(&version(needs)),
                enough,
                "{serves} for {needs}"
            );
        }
    }

    #[test]
    fn what_is_no_version_is_refused_by_name() {
        for text in ["", "1", "1.x", "one", "1.34.2.5", "1..2", "+1.34"] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }
}
