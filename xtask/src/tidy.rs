//! House rules that no compiler holds: lengths, forbidden words, pages that nobody links.
//!
//! # Guarantees
//! Every finding names file, line and rule. The check reads tracked and untracked files that git
//! does not ignore, so a new file is judged before it is committed.
//!
//! # Not here
//! Dependency directions and purity: `e2e/tests/house.rs`, over `cargo metadata`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Longest source file. A file is one concept; past this it is two.
const FILE_LINES_MAX: usize = 600;

/// Longest function, its signature and braces included. Past this nobody sees it whole.
const FUNCTION_LINES_MAX: usize = 80;

/// Words that may stand nowhere in sources or docs, and what to write instead.
/// Written in halves, so that this list does not find itself.
const FORBIDDEN: [(&str, &str, &str); 4] = [
    ("TO", "DO", "say what is missing in the docs, or file it"),
    ("FIX", "ME", "mend it, or file it"),
    (
        "serde_",
        "yaml::",
        "use serde-saphyr: the crate of that name is unmaintained",
    ),
    ("#[ignore", "]", "a test that is not run proves nothing"),
];

/// Checks the whole tree.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut findings = String::new();
    let mut files = 0_usize;
    for path in listed(root)? {
        let rust = path.ends_with(".rs");
        if !(rust || path.ends_with(".md") || path.ends_with(".toml")) {
            continue;
        }
        let Ok(text) = fs::read_to_string(root.join(&path)) else {
            continue;
        };
        files += 1;
        words(&path, &text, &mut findings)?;
        if rust {
            lengths(&path, &text, &mut findings)?;
        }
    }
    unlinked_pages(root, &mut findings)?;
    if !findings.is_empty() {
        bail!("the house is not tidy:\n{findings}");
    }
    println!("tidy: {files} files");
    Ok(())
}

fn listed(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("listing the files of the checkout with git; install git")?;
    Ok(String::from_utf8(output.stdout)?
        .lines()
        .map(str::to_owned)
        .collect())
}

fn words(path: &str, text: &str, findings: &mut String) -> Result<()> {
    for (index, line) in text.lines().enumerate() {
        for (head, tail, instead) in FORBIDDEN {
            let word = format!("{head}{tail}");
            if line.contains(&word) {
                writeln!(findings, "{path}:{}: `{word}`: {instead}", index + 1)?;
            }
        }
    }
    Ok(())
}

fn lengths(path: &str, text: &str, findings: &mut String) -> Result<()> {
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() > FILE_LINES_MAX {
        writeln!(
            findings,
            "{path}: {} lines, at most {FILE_LINES_MAX}",
            lines.len()
        )?;
    }
    for (start, line) in lines.iter().enumerate() {
        if !opens_function(line) {
            continue;
        }
        // A signature that ends before any body is a declaration, as traits have them.
        let head = lines[start..].iter().find(|l| l.ends_with(['{', ';']));
        if head.is_none_or(|head| head.ends_with(';')) {
            continue;
        }
        // rustfmt closes a function with a brace at the indentation that opened it.
        let indent = &line[..line.len() - line.trim_start().len()];
        let close = format!("{indent}}}");
        let Some(length) = lines[start..].iter().position(|l| *l == close) else {
            continue;
        };
        if length + 1 > FUNCTION_LINES_MAX {
            writeln!(
                findings,
                "{path}:{}: a function of {} lines, at most {FUNCTION_LINES_MAX}",
                start + 1,
                length + 1
            )?;
        }
    }
    Ok(())
}

fn opens_function(line: &str) -> bool {
    let mut rest = line.trim_start();
    for word in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest.starts_with("fn ") && !line.trim_end().ends_with(['}', ';'])
}

/// Every page of the book is reachable from its table of contents.
fn unlinked_pages(root: &Path, findings: &mut String) -> Result<()> {
    let summary = fs::read_to_string(root.join("docs/SUMMARY.md")).unwrap_or_default();
    for path in listed(root)? {
        let Some(page) = path.strip_prefix("docs/") else {
            continue;
        };
        if page.ends_with(".md") && page != "SUMMARY.md" && !summary.contains(&format!("({page})"))
        {
            writeln!(findings, "{path}: no line of docs/SUMMARY.md links it")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_past_the_limit_is_named_with_its_line() {
        let body = "    let a = 1;\n".repeat(FUNCTION_LINES_MAX);
        let text = format!("struct A;\n\nfn long() {{\n{body}}}\n");
        let mut findings = String::new();

        lengths("a.rs", &text, &mut findings).unwrap();

        assert_eq!(findings, "a.rs:3: a function of 82 lines, at most 80\n");
    }

    #[test]
    fn a_forbidden_word_is_named_with_what_to_do_instead() {
        let mut findings = String::new();

        words(
            "a.rs",
            &format!("ok\n// {}{} later\n", "FIX", "ME"),
            &mut findings,
        )
        .unwrap();

        assert_eq!(
            findings,
            format!("a.rs:2: `{}{}`: mend it, or file it\n", "FIX", "ME")
        );
    }
}
