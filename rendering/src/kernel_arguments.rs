//! Kernel arguments: from the lists of two configs to the arguments of the tool that sets them.
//!
//! Guarantees: every old argument is asked to be deleted and every new one to be appended, in the order of the
//! lists, so that the command line after the update does not depend on what stood there before
//! (reference, machine-config.md 2.11). Entries are split as the reference splits them, because a kernel command
//! line that comes out differently is another machine.
//!
//! Not here: whether the change disturbs the node (`disruption`), and the tool itself (the daemon's host backends).

/// ASCII space as the splitting knows it. Unicode spaces do not split; see [`split`].
const SEPARATORS: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];

/// The single arguments of one list of entries, in order.
///
/// An entry may hold several arguments. They are separated by ASCII white space outside double quotes; quotes stay
/// in the text, know no escape, and an unbalanced one runs to the end of its entry. Each piece loses white space at
/// its ends, Unicode's included; blank pieces vanish.
pub fn split(entries: &[String]) -> Vec<&str> {
    entries.iter().flat_map(|entry| pieces(entry)).collect()
}

fn pieces(entry: &str) -> Vec<&str> {
    let mut quoted = false;
    entry
        .split(|c: char| {
            if c == '"' {
                quoted = !quoted;
            }
            !quoted && SEPARATORS.contains(&c)
        })
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
        .collect()
}

/// The arguments of `rpm-ostree kargs` that turn `old` into `new`: all old ones deleted if present, all new ones
/// appended.
pub fn command_line(old: &[String], new: &[String]) -> Vec<String> {
    let deleted = split(old)
        .into_iter()
        .map(|argument| format!("--delete-if-present={argument}"));
    let appended = split(new)
        .into_iter()
        .map(|argument| format!("--append={argument}"));
    deleted.chain(appended).collect()
}

/// Whether an update considers the kernel arguments different: as lists, so that order, repetition and blank
/// entries count. An absent list is an empty one.
pub fn changed(old: &[String], new: &[String]) -> bool {
    old != new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn quotes_group_and_single_quotes_do_not() {
        let list = entries(&["dyndbg=\"file x +p; file y +p\" quiet", "k='a b'"]);
        assert_eq!(
            split(&list),
            ["dyndbg=\"file x +p; file y +p\"", "quiet", "k='a", "b'"]
        );
    }

    #[test]
    fn an_unbalanced_quote_ends_with_its_entry() {
        assert_eq!(
            split(&entries(&["x=\"y z", "quiet nosmt"])),
            ["x=\"y z", "quiet", "nosmt"]
        );
    }

    #[test]
    fn unicode_spaces_are_trimmed_but_do_not_split() {
        assert_eq!(split(&entries(&["\u{a0}a\u{2003}b\u{a0}"])), ["a\u{2003}b"]);
    }

    #[test]
    fn an_argument_that_stays_is_deleted_and_appended_again() {
        let (old, new) = (entries(&["quiet"]), entries(&["quiet", "nosmt"]));
        assert_eq!(
            command_line(&old, &new),
            [
                "--delete-if-present=quiet",
                "--append=quiet",
                "--append=nosmt"
            ]
        );
    }

    #[test]
    fn a_blank_entry_is_a_change_that_gives_no_argument() {
        let (old, new) = (entries(&[]), entries(&["  "]));
        assert!(changed(&old, &new));
        assert!(command_line(&old, &new).is_empty());
    }
}
