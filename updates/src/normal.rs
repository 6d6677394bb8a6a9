//! The normalised answer: one text for what the wire may say in many orders. Recorded answers are compared by its hash.
//!
//! The keys are `version`, `nodes` (by version), `edges` (as versions, sorted) and `conditional` (from, to, known issues
//! by name). Versions are sorted as strings. A consumed `previous.remove_regex` is split at every `|`, sorted and joined
//! again, because it was joined in the order of a directory. Keys are sorted, there are no blanks, and whatever is not
//! printable ASCII is escaped, as Python's `json.dumps(..., sort_keys=True, separators=(",", ":"))` writes it.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

use crate::answer::{Answer, Shown};
use crate::graph::{Graph, RiskList};
use crate::keys;

/// Writes normalised answers of one graph. Known issues, which make most of the text, are written once.
pub struct Normal<'g> {
    graph: &'g Graph,
    risks: Vec<Vec<u8>>,
}

impl<'g> Normal<'g> {
    /// For answers of this graph.
    pub fn new(graph: &'g Graph) -> Result<Self, serde_json::Error> {
        let risks = graph.risks().iter().map(ascii).collect::<Result<_, _>>()?;
        Ok(Self { graph, risks })
    }

    /// Writes one answer.
    pub fn write(&self, answer: &Answer<'_>, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"{\"conditional\":[")?;
        let mut conditional: Vec<(&str, &str, RiskList)> = answer
            .conditional
            .iter()
            .map(|(from, to, risks)| (answer.version(*from), answer.version(*to), *risks))
            .collect();
        conditional.sort_unstable();
        for (place, (from, to, risks)) in conditional.into_iter().enumerate() {
            comma(place, out)?;
            out.write_all(b"[")?;
            out.write_all(&ascii(&from)?)?;
            out.write_all(b",")?;
            out.write_all(&ascii(&to)?)?;
            out.write_all(b",[")?;
            for (place, risk) in self.graph.risk_list(risks).iter().enumerate() {
                comma(place, out)?;
                out.write_all(self.risks.get(*risk as usize).map_or(&[], Vec::as_slice))?;
            }
            out.write_all(b"]]")?;
        }
        out.write_all(b"],\"edges\":")?;
        let mut edges: Vec<(&str, &str)> = answer
            .edges
            .iter()
            .map(|(from, to)| (answer.version(*from), answer.version(*to)))
            .collect();
        edges.sort_unstable();
        out.write_all(&ascii(&edges)?)?;
        out.write_all(b",\"nodes\":[")?;
        let mut releases: Vec<&Shown<'_>> = answer.releases.iter().collect();
        releases.sort_by_key(|shown| &shown.version);
        for (place, shown) in releases.into_iter().enumerate() {
            comma(place, out)?;
            node(shown, out)?;
        }
        write!(out, "],\"version\":{}}}", crate::wire::FORMAT)
    }
}

fn comma(place: usize, out: &mut impl Write) -> io::Result<()> {
    if place == 0 {
        Ok(())
    } else {
        out.write_all(b",")
    }
}

fn node(shown: &Shown<'_>, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"{\"metadata\":{")?;
    let entries = shown.release.metadata.iter();
    let entries = entries.filter(|(key, _)| *key != keys::ARCHITECTURE);
    for (place, (key, value)) in entries.enumerate() {
        comma(place, out)?;
        out.write_all(&ascii(key)?)?;
        out.write_all(b":")?;
        if key == keys::PREVIOUS_REMOVE_REGEX {
            let mut parts: Vec<&str> = value.split('|').collect();
            parts.sort_unstable();
            out.write_all(&ascii(&parts.join("|"))?)?;
        } else {
            out.write_all(&ascii(value)?)?;
        }
    }
    out.write_all(b"},\"payload\":")?;
    out.write_all(&ascii(
        shown.release.payload.as_deref().unwrap_or_default(),
    )?)?;
    out.write_all(b",\"version\":")?;
    out.write_all(&ascii(&shown.version)?)?;
    out.write_all(b"}")
}

/// A value as compact JSON in printable ASCII. The fields of known issues are declared in the order of their names.
fn ascii<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Ascii);
    value.serialize(&mut serializer)?;
    Ok(out)
}

struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let printable = |c: char| c.is_ascii() && c != '\u{7f}';
        let mut rest = fragment;
        while let Some(at) = rest.find(|c| !printable(c)) {
            let (before, from) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut characters = from.chars();
            let escaped = characters.next().unwrap_or_default();
            for unit in escaped.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}
