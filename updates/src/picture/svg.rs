//! The picture as SVG: one text, with its style, light or dark as the reader's system is.

use std::fmt;

use percent_encoding::utf8_percent_encode;

use super::{Drawn, Mark, Picture, Placed, STYLE, Way};
use crate::wire::IN_A_QUERY;

/// The height of a row, in pixels like all that follows.
const ROW: usize = 26;
/// The height of a release's box.
const BOX: usize = 20;
/// The width of a character: the style has a font of fixed width.
const CHARACTER: usize = 7;
/// What a box is wider than its text: the sign before it, and air.
const AROUND: usize = 34;
/// No box is wider; longer versions are cut in the picture, and whole in their titles.
const BOX_WIDTH_MAX: usize = 260;
/// Between two lanes there is room for edges.
const BETWEEN: usize = 72;
/// Around everything.
const MARGIN: usize = 16;
/// Above the lanes: the names.
const HEAD: usize = 64;
/// The picture is no narrower, so that its head can be read.
const WIDTH_MIN: usize = 440;

impl Picture {
    /// The picture as SVG. Each release is a link that asks for the same picture with the release chosen.
    pub fn svg(&self) -> String {
        Svg(self).to_string()
    }

    fn write_svg(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = Places::new(self);
        let (width, height) = (places.width, places.height);
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"group\" aria-label=\"{}\">",
            escaped(&format!(
                "{}, newer ones higher and further right",
                self.headline()
            ))
        )?;
        writeln!(out, "<style>{STYLE}</style>")?;
        writeln!(
            out,
            "<rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>"
        )?;
        writeln!(
            out,
            "<text class=\"headline\" x=\"{MARGIN}\" y=\"20\">{}</text>",
            escaped(&self.headline())
        )?;
        if self.left_out > 0 {
            writeln!(
                out,
                "<text class=\"note\" x=\"{MARGIN}\" y=\"37\">{} more edges only shorten a way that is drawn</text>",
                self.left_out
            )?;
        }
        self.write_lanes(&places, out)?;
        // What is marked lies above what is not.
        for way in [Way::None, Way::Other, Way::First] {
            for edge in self.edges.iter().filter(|edge| edge.way == way) {
                self.write_edge(edge, &places, out)?;
            }
        }
        for (place, release) in self.releases.iter().enumerate() {
            self.write_release(place, release, &places, out)?;
        }
        writeln!(out, "</svg>")
    }

    fn headline(&self) -> String {
        let count = self.releases.len();
        let releases = if count == 1 { "release" } else { "releases" };
        format!("{} {}: {count} {releases}", self.channel, self.architecture)
    }

    fn write_lanes(&self, places: &Places, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let height = places.height - HEAD - MARGIN + 20;
        for (lane, name) in places.lanes.iter().zip(&self.lanes) {
            writeln!(
                out,
                "<rect class=\"lane\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{height}\" rx=\"8\"/>\
                 <text class=\"minor\" x=\"{}\" y=\"{}\">{}</text>",
                lane.x - 8,
                HEAD - 18,
                lane.width + 16,
                lane.x + lane.width / 2,
                HEAD - 3,
                escaped(name)
            )?;
        }
        Ok(())
    }

    fn write_edge(
        &self,
        edge: &Drawn,
        places: &Places,
        out: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let (Some(from), Some(to)) = (self.releases.get(edge.from), self.releases.get(edge.to))
        else {
            return Ok(());
        };
        let risky = if edge.risks.is_empty() { "" } else { " risky" };
        let way = match edge.way {
            Way::None => "",
            Way::Other => " other",
            Way::First => " first",
        };
        let near = if edge.way == Way::None && self.touches(edge) {
            " near"
        } else {
            ""
        };
        let mut title = format!("{} to {}", from.version, to.version);
        if !edge.risks.is_empty() {
            title.push_str(&format!(": known issue {}", edge.risks.join(", ")));
        }
        writeln!(
            out,
            "<path class=\"edge{risky}{way}{near}\" d=\"{}\"><title>{}</title></path>",
            self.line(edge, from, to, places),
            escaped(&title)
        )
    }

    /// Whether the edge starts where the cluster is.
    fn touches(&self, edge: &Drawn) -> bool {
        self.from == Some(edge.from)
    }

    /// The line of an edge: straight to a neighbour, around what lies between, or over to another lane.
    fn line(&self, edge: &Drawn, from: &Placed, to: &Placed, places: &Places) -> String {
        let (start, end) = (places.of(from), places.of(to));
        let (low, high) = (start.middle, end.middle);
        if from.lane != to.lane {
            let (left, right) = (start.x + start.width, end.x);
            let bend = BETWEEN / 2 + 8;
            return format!(
                "M{left} {low}C{} {low} {} {high} {right} {high}",
                left + bend,
                right - bend
            );
        }
        let between = self
            .releases
            .get(edge.from + 1..edge.to)
            .unwrap_or_default();
        if between.is_empty() {
            let x = start.x + start.width / 2;
            return format!("M{x} {low}V{high}");
        }
        let x = start.x;
        let bulge = x - (10 + 2 * between.len()).min(BETWEEN / 2 - 6).min(x);
        format!("M{x} {low}C{bulge} {low} {bulge} {high} {x} {high}")
    }

    fn write_release(
        &self,
        place: usize,
        release: &Placed,
        places: &Places,
        out: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let at = places.of(release);
        let (class, sign, says) = told(release);
        let mut more = String::new();
        if release.is_next {
            more.push_str(" next");
        }
        if release.on_way {
            more.push_str(" on-way");
        }
        let version = escaped(&release.version);
        writeln!(
            out,
            "<a class=\"release {class}{more}\" href=\"{}\" data-version=\"{version}\" data-lane=\"{}\" data-mark=\"{class}\" \
             aria-label=\"{version}{says}\">\
             <title>{version}{says}</title>\
             <rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{BOX}\" rx=\"10\"/>\
             <text class=\"sign\" x=\"{}\" y=\"{}\">{sign}</text>\
             <text class=\"version\" x=\"{}\" y=\"{}\">{}</text></a>",
            self.link(place, release),
            release.lane,
            at.x,
            at.middle - BOX / 2,
            at.width,
            at.x + 13,
            at.middle + 4,
            at.x + 23,
            at.middle + 4,
            escaped(&cut(&release.version)),
        )
    }

    /// The question with this release chosen: where to go if it is newer than what the cluster has, else what it has.
    fn link(&self, place: usize, release: &Placed) -> String {
        let value = |text: &str| utf8_percent_encode(text, IN_A_QUERY).to_string();
        let of = format!(
            "?channel={}&arch={}",
            value(&self.channel),
            value(&self.architecture)
        );
        let version = value(&release.version);
        let link = match self.from {
            Some(from) if place > from => {
                format!("{of}&from={}&to={version}", value(self.version(from)))
            }
            _ => format!("{of}&from={version}"),
        };
        escaped(&link)
    }
}

struct Svg<'p>(&'p Picture);

impl fmt::Display for Svg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_svg(f)
    }
}

/// A release's class, the sign before its version, and what it says to whom cannot see it.
fn told(release: &Placed) -> (&'static str, &'static str, &'static str) {
    match (release.mark, release.is_next) {
        (Mark::Plain, _) => ("plain", "", ""),
        (Mark::Here, _) => ("here", "\u{25cf}", ": what the cluster has"),
        (Mark::Recommended, true) => ("good", "\u{2713}", ": recommended, in one step"),
        (Mark::Recommended, false) => ("good", "\u{2713}", ": recommended, in several steps"),
        (Mark::WithRisks, true) => ("risks", "!", ": only with known issues, in one step"),
        (Mark::WithRisks, false) => ("risks", "!", ": only with known issues, in several steps"),
        (Mark::No, _) => ("no", "\u{2715}", ": no way leads there"),
        (Mark::Older, _) => ("older", "", ": older than what the cluster has"),
    }
}

/// A version as far as a box holds it.
fn cut(version: &str) -> String {
    let most = (BOX_WIDTH_MAX - AROUND) / CHARACTER;
    if version.chars().count() <= most {
        return version.to_owned();
    }
    let mut cut: String = version.chars().take(most - 1).collect();
    cut.push('\u{2026}');
    cut
}

/// Text between tags or in quotes; what XML cannot hold is replaced.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}');
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Where lanes and rows are, in pixels.
struct Places {
    lanes: Vec<Lane>,
    width: usize,
    height: usize,
}

struct Lane {
    x: usize,
    width: usize,
}

/// Where a release is.
struct At {
    x: usize,
    width: usize,
    middle: usize,
}

impl Places {
    fn new(picture: &Picture) -> Self {
        let mut longest = vec![0; picture.lanes.len()];
        for release in &picture.releases {
            if let Some(longest) = longest.get_mut(release.lane) {
                *longest = release.version.chars().count().max(*longest);
            }
        }
        let mut x = MARGIN + BETWEEN / 2;
        let lanes: Vec<Lane> = longest
            .into_iter()
            .map(|characters| {
                let width = (characters * CHARACTER + AROUND).min(BOX_WIDTH_MAX);
                let lane = Lane { x, width };
                x += width + BETWEEN;
                lane
            })
            .collect();
        Self {
            lanes,
            width: (x - BETWEEN / 2 + MARGIN).max(WIDTH_MIN),
            height: HEAD + picture.rows * ROW + MARGIN,
        }
    }

    fn of(&self, release: &Placed) -> At {
        let (x, width) = self
            .lanes
            .get(release.lane)
            .map_or((MARGIN, AROUND), |lane| (lane.x, lane.width));
        At {
            x,
            width,
            middle: HEAD + release.row * ROW + ROW / 2,
        }
    }
}
