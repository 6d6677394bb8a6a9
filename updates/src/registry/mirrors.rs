//! Where else a repository can be had.

use std::str::FromStr;

use super::reference::{NotAReference, Repository};

/// Which names have mirrors, in the order in which they are asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors(Vec<Mirror>);

/// Names that start so are found there as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// A registry, or the beginning of a repository's name at a `/`.
    pub prefix: String,
    /// What stands in its place.
    pub instead: String,
}

impl FromStr for Mirror {
    type Err = NotAReference;

    /// `quay.io/openshift-release-dev=mirror.example:5000/openshift`
    fn from_str(text: &str) -> Result<Self, NotAReference> {
        let wrong = |says| NotAReference {
            name: text.to_owned(),
            says,
        };
        let (prefix, instead) = text
            .split_once('=')
            .ok_or_else(|| wrong("a mirror is given as PREFIX=MIRROR"))?;
        for name in [prefix, instead] {
            // A registry alone is a name as well; any repository shows whether it is one.
            let whole = name.parse::<Repository>();
            let registry = format!("{name}/any").parse::<Repository>();
            whole.or(registry)?;
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            instead: instead.to_owned(),
        })
    }
}

impl Mirrors {
    /// These mirrors.
    pub fn new(mirrors: impl IntoIterator<Item = Mirror>) -> Self {
        Self(mirrors.into_iter().collect())
    }

    /// Where a repository is looked for: the mirrors of the longest prefix in their order, then itself.
    pub(super) fn of(&self, repository: &Repository) -> Vec<Repository> {
        let name = repository.to_string();
        let rest = |prefix: &str| {
            let rest = name.strip_prefix(prefix)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
        };
        let longest = self
            .0
            .iter()
            .filter(|mirror| rest(&mirror.prefix).is_some())
            .map(|mirror| mirror.prefix.len())
            .max();
        let mut found: Vec<Repository> = self
            .0
            .iter()
            .filter(|mirror| Some(mirror.prefix.len()) == longest)
            .filter_map(|mirror| {
                let rest = rest(&mirror.prefix)?;
                format!("{}{rest}", mirror.instead).parse().ok()
            })
            .collect();
        found.push(repository.clone());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Vec<String> {
        let mirrors = Mirrors::new(
            [
                "quay.io=one.example",
                "quay.io/releases=two.example:5000/mirrored/releases",
                "quay.io/releases=three.example",
                "quay.io/releases/exactly=four.example/x",
            ]
            .map(|mirror| mirror.parse().unwrap()),
        );
        let found = mirrors.of(&name.parse().unwrap());
        found.iter().map(Repository::to_string).collect()
    }

    #[test]
    fn mirrors_of_the_longest_prefix_come_first_and_the_source_last() {
        assert_eq!(
            of("quay.io/releases/ocp"),
            [
                "two.example:5000/mirrored/releases/ocp",
                "three.example/ocp",
                "quay.io/releases/ocp"
            ]
        );
        assert_eq!(
            of("quay.io/releases/exactly"),
            ["four.example/x", "quay.io/releases/exactly"]
        );
    }

    #[test]
    fn a_prefix_ends_where_a_part_of_the_name_ends() {
        assert_eq!(
            of("quay.io/releases-of-others/ocp"),
            [
                "one.example/releases-of-others/ocp",
                "quay.io/releases-of-others/ocp"
            ]
        );
        assert_eq!(of("other.example/a"), ["other.example/a"]);
    }

    #[test]
    fn what_names_nothing_is_no_mirror() {
        for text in ["quay.io", "quay.io=", "=a.b", "quay.io=http://a.b", "x=y"] {
            assert!(text.parse::<Mirror>().is_err(), "{text}");
        }
    }
}
