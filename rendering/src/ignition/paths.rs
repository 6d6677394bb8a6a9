//! Path rules: what counts as absolute and fully simplified, by text alone.
//!
//! Guarantees: `clean` gives the shortest equivalent path (no `//`, `.`, inner `..`, trailing `/`),
//! as Go's `path.Clean`; nothing touches a file system.

/// The shortest path that means the same; `.` for the empty one.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(last) if *last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            name => parts.push(name),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The extension of the last path element, with its dot; empty if there is none.
pub(crate) fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.')
        .and_then(|dot| name.get(dot..))
        .unwrap_or("")
}

/// What is wrong with an absolute path, if anything.
pub(crate) fn fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        Some("path not specified")
    } else if !path.starts_with('/') {
        Some("path not absolute")
    } else if clean(path) != path {
        Some("path is not fully simplified")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_path_is_found() {
        for (given, shortest) in [
            ("/a/b", "/a/b"),
            ("/", "/"),
            ("//a//b/", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/../a", "/a"),
            ("../a/..", ".."),
            ("", "."),
            ("a/..", "."),
        ] {
            assert_eq!(clean(given), shortest, "{given}");
        }
    }

    #[test]
    fn the_extension_belongs_to_the_last_element() {
        assert_eq!(extension("foo.service"), ".service");
        assert_eq!(extension("a.b/c"), "");
        assert_eq!(extension("tpl@.service"), ".service");
    }
}
