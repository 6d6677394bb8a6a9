//! Which Ignition spec a text declares.
//!
//! Guarantees: the same division into "not a version", "a version that is not ours" and "one of
//! ours" as the reference's parser makes: three decimal numbers, so that `03.2.0` is 3.2.0 and
//! `v3.2.0` is none; anything with a pre-release, build or patch number is not ours.

use std::fmt;

/// A supported spec version: `3.MINOR.0`, MINOR from 0 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpecVersion(u8);

impl SpecVersion {
    /// The oldest supported spec, 3.0.0.
    pub const OLDEST: Self = Self(0);
    /// The newest supported spec, 3.5.0, which everything is translated to.
    pub const NEWEST: Self = Self(5);

    /// `3.MINOR.0`, or nothing if that spec is not supported.
    pub const fn of_minor(minor: u8) -> Option<Self> {
        if minor <= Self::NEWEST.0 {
            Some(Self(minor))
        } else {
            None
        }
    }

    /// The number between the dots.
    pub const fn minor(self) -> u8 {
        self.0
    }
}

impl fmt::Display for SpecVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "3.{}.0", self.0)
    }
}

/// What a declared version text turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Declared {
    /// One that this crate reads.
    Supported(SpecVersion),
    /// A version, but not one that this crate reads.
    Unsupported { text: String },
    /// Not a version at all; absent and empty ones come here too.
    Unreadable { text: String },
}

/// Reads the declared version.
pub(crate) fn declared(text: &str) -> Declared {
    let (core, extra) = split_extra(text);
    let parts: Option<Vec<i64>> = core.splitn(3, '.').map(whole_number).collect();
    match parts.as_deref() {
        Some([major, minor, patch]) if extra.well_formed() => {
            let ours = u8::try_from(*minor).ok().and_then(SpecVersion::of_minor);
            match ours {
                Some(version) if *major == 3 && *patch == 0 && extra.is_empty() => {
                    Declared::Supported(version)
                }
                _ => Declared::Unsupported {
                    text: text.to_owned(),
                },
            }
        }
        _ => Declared::Unreadable {
            text: text.to_owned(),
        },
    }
}

struct Extra<'a> {
    build: &'a str,
    pre_release: &'a str,
}

impl Extra<'_> {
    fn is_empty(&self) -> bool {
        self.build.is_empty() && self.pre_release.is_empty()
    }

    fn well_formed(&self) -> bool {
        let plain = |text: &str| {
            text.chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
        };
        plain(self.build) && plain(self.pre_release)
    }
}

fn split_extra(text: &str) -> (&str, Extra<'_>) {
    let (rest, build) = text.split_once('+').unwrap_or((text, ""));
    let (core, pre_release) = rest.split_once('-').unwrap_or((rest, ""));
    (core, Extra { build, pre_release })
}

/// Decimal digits only: no sign can be left here, and Rust would take a `+`.
fn whole_number(text: &str) -> Option<i64> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_six_plain_versions_are_supported() {
        for (text, supported) in [
            ("3.0.0", true),
            ("3.5.0", true),
            ("03.2.0", true),
            ("3.6.0", false),
            ("3.5.1", false),
            ("3.4.0-experimental", false),
            ("3.4.0+build", false),
            ("2.2.0", false),
        ] {
            assert_eq!(
                matches!(declared(text), Declared::Supported(_)),
                supported,
                "{text}"
            );
        }
    }

    #[test]
    fn a_text_that_is_no_dotted_triple_is_no_version() {
        for text in ["", "3.2", "v3.2.0", "3.2.x", "3.2.0.1", "3.2.0-ü", " 3.2.0"] {
            assert!(
                matches!(declared(text), Declared::Unreadable { .. }),
                "{text}"
            );
        }
    }
}
