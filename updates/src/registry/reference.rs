//! The names of repositories and images.
//!
//! # Guarantees
//! A name that was read can stand in the path of a request as it is. The registry is always named: nothing is looked for
//! where nobody said.

use std::fmt;
use std::str::FromStr;

use super::digest::Digest;

/// Repositories' names are no longer.
const NAME_MAX: usize = 255;
/// Tags are no longer.
const TAG_MAX: usize = 128;

/// A repository of a registry: `quay.io/openshift-release-dev/ocp-release`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: String,
    path: String,
}

/// An image: a repository, and a tag or digest in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The repository.
    pub repository: Repository,
    /// Which of its images.
    pub at: At,
}

/// Which image of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// The one that has this tag now.
    Tag(String),
    /// The one with this digest.
    Digest(Digest),
}

/// A text that names no repository or image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading `{name}` as the name of an image: {says}")]
pub struct NotAReference {
    /// The text.
    pub name: String,
    /// What is wrong with it.
    pub says: &'static str,
}

impl Repository {
    /// The registry: a host, and a port if it is not the usual one.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name within the registry.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// One of its images.
    pub fn at(&self, at: At) -> Reference {
        Reference {
            repository: self.clone(),
            at,
        }
    }
}

impl FromStr for Repository {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        let wrong = |says| NotAReference {
            name: text.chars().take(NAME_MAX).collect(),
            says,
        };
        let name = text.strip_prefix("docker://").unwrap_or(text);
        if name.contains("://") {
            return Err(wrong("leave the scheme out; it follows from the registry"));
        }
        let (registry, path) = name
            .split_once('/')
            .ok_or_else(|| wrong("it is a registry, `/` and a repository"))?;
        if !(registry.contains(['.', ':']) || registry == "localhost") {
            return Err(wrong(
                "it names no registry: write it out, as in `docker.io/…`",
            ));
        }
        if !is_host(registry) {
            return Err(wrong("its registry is no host with a port"));
        }
        if path.len() > NAME_MAX || !path.split('/').all(is_component) {
            return Err(wrong(
                "the repository's name has lower-case letters, digits, `.`, `_`, `-` and `/` between them",
            ));
        }
        Ok(Self {
            registry: registry.to_owned(),
            path: path.to_owned(),
        })
    }
}

impl FromStr for Reference {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        let wrong = |says| NotAReference {
            name: text.chars().take(2 * NAME_MAX).collect(),
            says,
        };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let digest = Digest::parse(digest)
                    .map_err(|_| wrong("what follows `@` is no digest that is known here"))?;
                (name, Some(digest))
            }
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (name, None),
        };
        let repository: Repository = name.parse()?;
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong(
                "its tag has letters, digits, `_`, `.` and `-`, 128 at most",
            ));
        }
        // A digest says more than the tag beside it.
        let at = digest.map_or_else(|| At::Tag(tag.unwrap_or("latest").to_owned()), At::Digest);
        Ok(Self { repository, at })
    }
}

/// Whether a tag may be called so. What a registry lists is no more trusted than what a person writes.
pub(super) fn is_tag(tag: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !tag.is_empty()
        && tag.len() <= TAG_MAX
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(inner)
}

fn is_component(component: &str) -> bool {
    let inner = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-')
    };
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    component.bytes().all(inner)
        && edge(component.bytes().next())
        && edge(component.bytes().next_back())
        && !component.contains("..")
}

fn is_host(host: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    host.chars().all(inner) && host.parse::<http::uri::Authority>().is_ok()
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            At::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            At::Digest(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_registry_repository_and_tag_or_digest() {
        let digest = Digest::of(b"");
        for (text, means) in [
            ("quay.io/a/b:4.16.3-x86_64", "quay.io/a/b:4.16.3-x86_64"),
            ("docker://quay.io/a/b", "quay.io/a/b:latest"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
            ("127.0.0.1:5000/a/b/c:x", "127.0.0.1:5000/a/b/c:x"),
            ("[::1]:5000/a:x", "[::1]:5000/a:x"),
        ] {
            let read: Reference = text.parse().unwrap();
            assert_eq!(read.to_string(), means);
        }
        let both: Reference = format!("quay.io/a/b:tag@{digest}").parse().unwrap();
        assert_eq!(both.at, At::Digest(digest));
    }

    #[test]
    fn a_name_that_could_lead_elsewhere_is_none() {
        for text in [
            "",
            "a/b",
            "quay.io",
            "quay.io/",
            "quay.io/a/../b",
            "quay.io/a//b",
            "quay.io/A/b",
            "quay.io/a?x=y",
            "https://quay.io/a/b",
            "user@quay.io/a/b",
            "quay.io/a/b:tag with blanks",
            "quay.io/a/b@sha256:1234",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        for tag in ["..", "-x", "a/b", "a?b", "a%2f"] {
            assert!(!is_tag(tag), "{tag}");
        }
    }
}
