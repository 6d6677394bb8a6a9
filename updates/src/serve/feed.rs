//! `GET /v1/feed`: the last changes of a channel as an Atom feed, for people's readers.
//!
//! # Guarantees
//! An entry for each new graph that changed the channel, the newest first; its id is made of channel, architecture and the
//! graph's name, so replicas agree on it. What is kept is the history's: a service that has just started has no entries.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::history::{History, Step, one_by_one};
use super::query::Asked;

/// The media type of Atom.
pub(super) const MEDIA_TYPE: &str = "application/atom+xml; charset=utf-8";
/// So many changes are told in an entry; the rest is counted.
const LINES_MAX: usize = 200;

/// The feed.
pub(super) fn feed(asked: &Asked, history: &History, now: Timestamp) -> String {
    let Asked {
        channel,
        architecture,
    } = asked;
    let steps: Vec<_> = history
        .newest_first()
        .into_iter()
        .filter(|step| step.of(channel, architecture).is_some())
        .collect();
    let updated = steps.first().map_or(now, |step| step.at);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <title>Updates of {channel} for {architecture}</title>\n<id>urn:windlass:{channel}:{architecture}</id>\n\
         <author><name>Windlass update service</name></author>\n<updated>{updated}</updated>\n"
    );
    for step in &steps {
        entry(&mut text, asked, step);
    }
    text.push_str("</feed>\n");
    text
}

fn entry(text: &mut String, asked: &Asked, step: &Step) {
    let Asked {
        channel,
        architecture,
    } = asked;
    let (title, lines) = match one_by_one(step.of(channel, architecture)) {
        None => (
            "Too much changed to tell it one by one".to_owned(),
            String::new(),
        ),
        Some(changes) => {
            let mut lines: Vec<String> = changes
                .iter()
                .take(LINES_MAX)
                .map(ToString::to_string)
                .collect();
            if changes.len() > LINES_MAX {
                lines.push(format!("and {} more", changes.len() - LINES_MAX));
            }
            let title = match (changes.len(), lines.first()) {
                (1, Some(only)) => only.clone(),
                (count, Some(first)) => format!("{first}, and {} more", count - 1),
                (_, None) => String::new(),
            };
            (title, lines.join("\n"))
        }
    };
    let (title, lines) = (escaped(&title), escaped(&lines));
    // Writing to a string does not fail.
    write!(
        text,
        "<entry>\n<title>{title}</title>\n<id>urn:windlass:{channel}:{architecture}:{}</id>\n\
         <updated>{}</updated>\n<content type=\"text\">{lines}</content>\n</entry>\n",
        step.graph, step.at
    )
    .unwrap_or_default();
}

/// Text of graph data as text of XML: what XML gives a meaning is escaped, what it has no place for is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\n' | '\t' => escaped.push(character),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => {}
            other => escaped.push(other),
        }
    }
    escaped
}
