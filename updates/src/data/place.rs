//! Where in a YAML file something is wrong: the line, and the field that this line belongs to.

use super::problem::{About, Problem};

/// The problem that the YAML reader found.
pub(super) fn unreadable(
    file: &str,
    text: &str,
    error: &serde_saphyr::Error,
    about: About,
) -> Problem {
    let line = error.location().map(|location| location.line());
    Problem {
        file: file.to_owned(),
        line,
        field: line.and_then(|line| field_at(text, line)),
        says: plain(error),
        about,
    }
}

/// The reader's sentence without the excerpt of the file that it draws below.
fn plain(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// The top-level key at or above a line.
fn field_at(text: &str, line: u64) -> Option<String> {
    let until = usize::try_from(line).ok()?;
    text.lines().take(until).filter_map(key).last()
}

/// The line of a top-level key, from 1.
pub(super) fn line_of(text: &str, field: &str) -> Option<u64> {
    let at = text
        .lines()
        .position(|line| key(line).as_deref() == Some(field))?;
    u64::try_from(at).ok().map(|at| at + 1)
}

fn key(line: &str) -> Option<String> {
    let (name, _) = line.split_once(':')?;
    let name = name.trim_end().trim_matches(['"', '\'']);
    let is_key = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_key.then(|| name.to_owned())
}
