//! Unit files of systemd, as far as Ignition reads them: is it one, and which sections have options?
//!
//! Guarantees: refuses what the reference's reader refuses, by the same reading rules: text before
//! the first section is skipped up to its `[`, option names end at `=`, a value goes on after a
//! backslash at the end of a line.
//! Not here: what the options mean.

/// A longer line is cut by systemd without a word (`LINE_MAX`).
const LINE_LIMIT: usize = 2048;

/// Why a text is no unit file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitFileError {
    #[error("unable to find end of section")]
    UnclosedSection,
    #[error("found garbage after section name")]
    TextAfterSection,
    #[error("unexpected newline encountered while parsing option name")]
    NoEqualsSign,
    #[error("EOF")]
    EndInOption,
    #[error("line too long (max 2048 bytes)")]
    LineTooLong,
}

/// The sections of the options, one entry an option.
pub(crate) fn option_sections(text: &str) -> Result<Vec<&str>, UnitFileError> {
    if text
        .split(['\r', '\n'])
        .any(|line| line.len() >= LINE_LIMIT)
    {
        return Err(UnitFileError::LineTooLong);
    }
    let mut reader = Reader { rest: text };
    let mut sections = Vec::new();
    let mut section: Option<&str> = None;
    loop {
        let Some(first) = reader.rest.chars().next() else {
            return Ok(sections);
        };
        match (first, section) {
            ('[', _) => section = Some(reader.section_name()?),
            ('#' | ';', _) => reader.skip_comment(),
            (_, Some(section)) if !first.is_whitespace() => {
                reader.option()?;
                sections.push(section);
            }
            _ => reader.rest = reader.rest.get(first.len_utf8()..).unwrap_or(""),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// Up to the end of the line, which is taken too.
    fn line(&mut self) -> &'a str {
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        line
    }

    fn section_name(&mut self) -> Result<&'a str, UnitFileError> {
        let (name, rest) = self
            .rest
            .get(1..)
            .unwrap_or("")
            .split_once(']')
            .ok_or(UnitFileError::UnclosedSection)?;
        self.rest = rest;
        if self.line().trim().is_empty() {
            Ok(name)
        } else {
            Err(UnitFileError::TextAfterSection)
        }
    }

    fn skip_comment(&mut self) {
        loop {
            let line = self.line();
            if !line.strip_suffix(' ').unwrap_or(line).ends_with('\\') || self.rest.is_empty() {
                return;
            }
        }
    }

    fn option(&mut self) -> Result<(), UnitFileError> {
        match self.rest.find(['=', '\n', '\r']) {
            None => return Err(UnitFileError::EndInOption),
            Some(end) if self.rest.as_bytes().get(end) == Some(&b'=') => {
                self.rest = self.rest.get(end + 1..).unwrap_or("");
            }
            Some(_) => return Err(UnitFileError::NoEqualsSign),
        }
        loop {
            let line = self.line();
            if line.trim().is_empty() || !line.ends_with('\\') {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_names_its_section() {
        let text = "# c\n[Unit]\nAfter=a \\\n b\n\n[Install]\nWantedBy=x\n";
        assert_eq!(option_sections(text), Ok(vec!["Unit", "Install"]));
    }

    #[test]
    fn text_without_any_section_is_an_empty_unit() {
        assert_eq!(option_sections("hello"), Ok(vec![]));
        assert_eq!(option_sections(""), Ok(vec![]));
    }

    #[test]
    fn broken_units_are_refused() {
        for (text, error) in [
            ("[Unit", UnitFileError::UnclosedSection),
            ("[Unit] x\n", UnitFileError::TextAfterSection),
            ("[Unit]\nfoo\n", UnitFileError::NoEqualsSign),
            ("[Unit]\nfoo", UnitFileError::EndInOption),
        ] {
            assert_eq!(option_sections(text), Err(error), "{text}");
        }
    }
}
