//! The page of the update service in a real browser, with a graph of today's size, and its pictures in Graphviz.
//!
//! `WINDLASS_PAGE_PICTURES=DIR cargo test -p e2e --test page` leaves pictures of what the tests see, for a person to look
//! at.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod browser;
mod service;

use std::process::{Command, Stdio};

use browser::{Browser, DESKTOP, DESKTOP_DARK, PHONE, PHONE_DARK, View};
use e2e::packages;
use e2e::update_graph::{graph, recorded};
use updates::client::Offers;
use updates::picture::{Picture, Sight};
use updates::wire::Received;

const CHANNEL: &str = "/?channel=stable-4.16&arch=amd64";
const VIEWS: [View; 4] = [DESKTOP, DESKTOP_DARK, PHONE, PHONE_DARK];

/// A channel; what a version may go to; a release with a recommended way; one with known issues; no such version.
const SIGHTS: [(&str, &str); 5] = [
    ("channel", ""),
    ("overview", "&from=4.15.20"),
    ("recommended", "&from=4.14.20&to=4.16.55"),
    ("risks", "&from=4.14.20&to=4.16.49"),
    ("stranger", "&from=4.12.3"),
];

#[test]
fn an_operator_finds_with_the_keyboard_alone_where_the_cluster_can_go_and_why() {
    let mut browser = Browser::start(DESKTOP);
    browser.go(&format!("{}{CHANNEL}", service::root()));

    browser.tab_to("#from");
    browser.press("End");
    assert_eq!(browser.text("#told h2"), "From 4.14.0");
    let lead = browser.text("#told .lead");
    assert!(
        lead.contains("The newest recommended release is 4."),
        "{lead}"
    );

    browser.tab_to("#told .risks a");
    browser.press("Enter");
    assert!(browser.text("#told h2").starts_with("4.14.0 to 4."));
    let lead = browser.text("#told .lead");
    assert!(lead.contains("only with known issues, in "), "{lead}");
    assert!(!browser.text("#told .issue h4").is_empty());
    assert!(browser.text("#told .issue").contains("https://"));

    browser.press("Escape");
    assert_eq!(browser.text("#told h2"), "From 4.14.0");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn the_picture_is_walked_through_with_the_arrow_keys() {
    let mut browser = Browser::start(DESKTOP);
    browser.go(&format!("{}{CHANNEL}&from=4.15.20", service::root()));
    let focused = "document.activeElement.dataset.version";

    browser.tab_to("#skip-to-picture");
    browser.press("Enter");
    assert_eq!(browser.eval(focused), "4.15.20");
    browser.press("ArrowUp");
    assert_eq!(browser.eval(focused), "4.15.21");
    browser.press("ArrowRight");
    assert!(browser.eval(focused).as_str().unwrap().starts_with("4.16."));
    browser.press("Home");
    assert_eq!(browser.eval(focused), "4.16.55");
    browser.press("Enter");

    assert_eq!(browser.text("#told h2"), "4.15.20 to 4.16.55");
    assert_eq!(browser.eval(focused), "4.16.55");
    assert!(
        browser
            .eval("location.search")
            .as_str()
            .unwrap()
            .contains("to=4.16.55")
    );
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn a_link_to_a_view_shows_that_view_wherever_the_page_is_served() {
    let mut browser = Browser::start(DESKTOP);
    for root in [service::root().to_owned(), service::below("")] {
        browser.go(&format!("{root}{CHANNEL}&from=4.14.20&to=4.16.49"));

        assert_eq!(browser.text("#told h2"), "4.14.20 to 4.16.49");
        let on_way = "document.querySelectorAll('#picture .on-way').length";
        assert_eq!(browser.eval(on_way), 3, "{root}");
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn a_version_that_the_channel_lacks_is_told_with_the_channels_that_have_it() {
    let mut browser = Browser::start(DESKTOP);

    browser.go(&format!("{}{CHANNEL}&from=4.12.3", service::root()));

    let trouble = browser.text("#trouble");
    assert!(
        trouble.contains("stable-4.16 has no release 4.12.3"),
        "{trouble}"
    );
    assert!(trouble.contains("stable-4.12"), "{trouble}");
    assert_eq!(
        browser.eval("document.querySelectorAll('#picture a.release').length"),
        161
    );
}

#[test]
fn every_view_fits_its_screen_and_can_be_read_light_and_dark() {
    for view in VIEWS {
        let mut browser = Browser::start(view);
        for (name, query) in SIGHTS {
            browser.go(&format!("{}{CHANNEL}{query}", service::root()));
            browser.picture(name);

            let wider = browser.eval("document.documentElement.scrollWidth - innerWidth");
            assert!(wider.as_i64().unwrap() <= 0, "{name} on {}", view.name);
            let faint = browser.eval(FAINT);
            assert_eq!(faint, serde_json::json!([]), "{name} on {}", view.name);
        }
    }
}

/// Texts whose contrast with what is behind them is below 4.5, the least that WCAG 2 lets pass (AA).
const FAINT: &str = r"(() => {
  const light = (c) => {
    const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parts = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const solid = (colour) => { const c = parts(colour); return c.length === 3 || (c.length === 4 && c[3] === 1) ? c.slice(0, 3) : undefined; };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const rect = at.matches('a.release') && at.querySelector('rect');
      const found = solid(rect ? getComputedStyle(rect).fill : getComputedStyle(at).backgroundColor);
      if (found) return found;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll('h1, h2, h3, h4, p, label, a, b, span, select, li, summary, .picture text')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.getClientRects().length || element.closest('.unseen, .skip')) continue;
    const style = getComputedStyle(element);
    const ink = solid(element.matches('text') ? style.fill : style.color);
    const [one, other] = [light(ink), light(behind(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) faint.push(`${element.className.baseVal ?? element.className} ${element.textContent.trim().slice(0, 30)}: ${contrast.toFixed(1)}`);
  }
  return [...new Set(faint)];
})()";

#[test]
fn graphviz_reads_the_picture_of_the_largest_channel() {
    packages::need("dot", "graphviz").unwrap();
    let graph = graph(
        &recorded("raw-2026.json.gz").unwrap(),
        &recorded("graph-data-2026.tar.gz").unwrap(),
    )
    .unwrap();
    let size = |channel: &&str| graph.answer(channel, "amd64").releases.len();
    let channel = graph.channels().max_by_key(size).unwrap();
    let received = Received::from(&graph.answer(channel, "amd64"));
    let offers = Offers::new(&received);
    let picture = Picture::new(channel, "amd64", &offers, Sight::default()).unwrap();

    let read = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(read.path(), picture.dot()).unwrap();
    let drawn = Command::new("dot")
        .arg("-Tplain")
        .arg(read.path())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();

    let plain = String::from_utf8(drawn.stdout).unwrap();
    let count = |what: &str| plain.lines().filter(|line| line.starts_with(what)).count();
    assert!(drawn.status.success());
    assert_eq!(count("node "), received.nodes.len());
    assert_eq!(count("edge "), picture.edges.len());
}
