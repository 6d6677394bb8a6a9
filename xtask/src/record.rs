//! `cargo xtask record`: plays the demo once and draws what it printed as an animated SVG for the README.
//!
//! The picture is made from the demo's own output and times; nothing in it is staged. Gaps are shortened, so that it
//! plays in under a minute.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::tools;

/// Where the picture is kept.
const PICTURE: &str = "docs/demo.svg";
/// Lines that the picture shows at a time: a small terminal.
const ROWS: usize = 26;
/// Characters of a line that are shown; the rest is cut with an ellipsis.
const COLUMNS: usize = 118;
/// Height of a line and width of a character, in the picture's units.
const LINE: usize = 18;
const CHARACTER: f64 = 7.8;
/// The longest pause between two lines. Nobody wants to watch a reboot.
const GAP_MAX: Duration = Duration::from_millis(900);
/// The whole play. A README's picture is watched for less than a minute, or not at all.
const PLAY_MAX: Duration = Duration::from_secs(54);
/// How long the last screen stands before it begins again.
const REST: Duration = Duration::from_secs(4);

/// One printed line, and when it appears in the picture.
struct Shown {
    at: Duration,
    text: String,
}

/// Plays and draws.
pub(crate) fn run() -> Result<()> {
    let mut demo = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--", "demo"])
        .current_dir(tools::root())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the demo")?;
    let output = demo.stdout.take().context("reading the demo's output")?;
    let started = tools::stopwatch();
    let mut lines = Vec::new();
    for line in BufReader::new(output).lines() {
        let text = line.context("reading the demo's output")?;
        lines.push(Shown {
            at: started.elapsed(),
            text,
        });
    }
    if !demo.wait().context("waiting for the demo")?.success() {
        bail!("the demo failed; there is nothing to show");
    }
    compress(&mut lines);
    fs::write(tools::root().join(PICTURE), picture(&lines)?)
        .with_context(|| format!("writing {PICTURE}"))?;
    eprintln!("{PICTURE}: {} lines", lines.len());
    Ok(())
}

/// Shortens gaps, then the whole.
fn compress(lines: &mut [Shown]) {
    let mut last_real = Duration::ZERO;
    let mut at = Duration::ZERO;
    for line in lines.iter_mut() {
        at += line.at.saturating_sub(last_real).min(GAP_MAX);
        last_real = line.at;
        line.at = at;
    }
    if at > PLAY_MAX {
        let factor = PLAY_MAX.as_secs_f64() / at.as_secs_f64();
        for line in lines {
            line.at = line.at.mul_f64(factor);
        }
    }
}

fn picture(lines: &[Shown]) -> Result<String> {
    let play = lines.last().map_or(Duration::ZERO, |line| line.at) + REST;
    let percent = |at: Duration| 100.0 * at.as_secs_f64() / play.as_secs_f64();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a picture is some hundred units wide"
    )]
    let width = COLUMNS as f64 * CHARACTER + 24.0;
    let height = ROWS * LINE + 24;
    let mut style = String::new();
    let mut body = String::new();
    let mut scroll = String::from("0%{transform:translateY(0)}");
    for (index, line) in lines.iter().enumerate() {
        let from = percent(line.at);
        write!(
            style,
            "@keyframes a{index}{{0%,{from:.3}%{{opacity:0}}{:.3}%,100%{{opacity:1}}}}",
            from + 0.001
        )?;
        write!(
            style,
            "#a{index}{{animation:a{index} {:.1}s linear infinite}}",
            play.as_secs_f64()
        )?;
        writeln!(
            body,
            "<text id=\"a{index}\" class=\"{}\" x=\"12\" y=\"{}\">{}</text>",
            class(&line.text),
            (index + 1) * LINE,
            escaped(&line.text)
        )?;
        if index >= ROWS {
            let up = (index + 1 - ROWS) * LINE;
            write!(
                scroll,
                "{:.3}%{{transform:translateY(-{}px)}}",
                from,
                up - LINE
            )?;
            write!(
                scroll,
                "{:.3}%{{transform:translateY(-{up}px)}}",
                from + 0.001
            )?;
            if index + 1 == lines.len() {
                write!(scroll, "100%{{transform:translateY(-{up}px)}}")?;
            }
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height}\" font-family=\"ui-monospace,Menlo,Consolas,monospace\" font-size=\"13\">\n\
         <title>windlass demo</title>\n<style>text{{fill:#d5dae0;white-space:pre}}.title{{fill:#7fd1ff;font-weight:bold}}.hold{{fill:#f2c46d}}.good{{fill:#8fdc8f}}\
         @keyframes scroll{{{scroll}}}#scroll{{animation:scroll {:.1}s linear infinite}}{style}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#14181d\"/>\n\
         <svg y=\"8\" height=\"{}\"><g id=\"scroll\">\n{body}</g></svg>\n</svg>\n",
        play.as_secs_f64(),
        ROWS * LINE + 6
    ))
}

fn class(line: &str) -> &'static str {
    if line.starts_with("==") {
        "title"
    } else if ["blocked", "held", "NotReady", "dead", "killed"]
        .iter()
        .any(|word| line.contains(word))
    {
        "hold"
    } else if ["passed", "converged", "repaired", "updated"]
        .iter()
        .any(|word| line.contains(word))
    {
        "good"
    } else {
        "line"
    }
}

fn escaped(line: &str) -> String {
    let mut shown: String = line.chars().take(COLUMNS).collect();
    if line.chars().count() > COLUMNS {
        shown.pop();
        shown.push('…');
    }
    shown
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(seconds: u64, text: &str) -> Shown {
        Shown {
            at: Duration::from_secs(seconds),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_long_run_plays_in_under_a_minute() {
        let mut lines: Vec<Shown> = (0..500)
            .map(|second| shown(second * 10, "a line"))
            .collect();

        compress(&mut lines);

        assert!(lines.last().unwrap().at + REST < Duration::from_secs(60));
    }

    #[test]
    fn words_of_the_demo_cannot_break_the_picture() {
        let picture = picture(&[shown(0, "a <b> & c")]).unwrap();

        assert!(picture.contains("a &lt;b&gt; &amp; c"), "{picture}");
    }
}
