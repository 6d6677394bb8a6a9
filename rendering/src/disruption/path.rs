//! Paths as text: which directory is above which file.

/// The shortest equal path: no `//`, no `.`, no `..` where it can be resolved, no `/` at the end. Purely of the text;
/// no link is followed.
pub(super) fn cleaned(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => drop(parts.pop()),
            ("..", None) if path.starts_with('/') => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if path.starts_with('/') {
        format!("/{joined}")
    } else {
        joined
    }
}

/// Whether `directory` is a directory above `file`. The root is above nothing, so that no policy can speak for all.
pub(super) fn is_above(directory: &str, file: &str) -> bool {
    let directory = cleaned(directory);
    let above = file
        .rsplit_once('/')
        .map(|(above, _)| cleaned(above))
        .unwrap_or_default();
    directory.len() > 1
        && above
            .strip_prefix(&directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_make_a_directory() {
        assert!(is_above("/etc/app", "/etc/app/sub/x"));
        assert!(is_above("/etc//app/", "/etc/app/x"));
        assert!(!is_above("/etc/app", "/etc/application"));
        assert!(!is_above("/etc/app", "/etc/app"));
        assert!(!is_above("/", "/etc/app"));
    }

    #[test]
    fn a_path_is_resolved_as_text() {
        assert_eq!(cleaned("/a/./b/../c//"), "/a/c");
        assert_eq!(cleaned("/../a"), "/a");
    }
}
