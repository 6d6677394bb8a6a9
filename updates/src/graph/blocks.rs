//! Which files of blocked edges are about which edges.
//!
//! A pattern is shared by all files of a known issue, and a release starts edges to hundreds of others: so each pattern
//! is compiled once, and asked once for each release.

use std::collections::BTreeMap;

use regex::Regex;

use super::edges::{Edges, number};
use super::releases::Releases;
use super::{ReleaseId, Taken};
use crate::aside::Aside;
use crate::data::{Block, pattern};
use crate::keys;

/// Notes for each edge the files that are about it.
pub(super) fn apply(blocks: &[Block], releases: &Releases, edges: &mut Edges) {
    let mut by_pattern: BTreeMap<&str, Vec<(usize, &Block)>> = BTreeMap::new();
    for (file, block) in blocks.iter().enumerate() {
        by_pattern
            .entry(&block.from)
            .or_default()
            .push((file, block));
    }
    for (text, files) in by_pattern {
        // Graph data is read with the same bound: what does not compile is a problem there, and no block here.
        let Ok(regex) = pattern(text) else { continue };
        let mut asked = Asked::new(regex, releases);
        for (file, block) in files {
            for to in releases.blocked(&block.to) {
                for edge in edges.towards(to) {
                    if asked.matches(edges.from(edge)) {
                        edges.blocks.push((number(edge), number(file)));
                    }
                }
            }
        }
    }
}

/// Takes the edges away that a release's own metadata removes by pattern.
pub(super) fn apply_own(releases: &Releases, edges: &mut Edges, aside: &mut Vec<Aside>) {
    let mut by_pattern: BTreeMap<&str, Vec<ReleaseId>> = BTreeMap::new();
    for (place, release) in releases.all.iter().enumerate() {
        if let Some(text) = release.metadata.get(keys::PREVIOUS_REMOVE_REGEX) {
            by_pattern.entry(text).or_default().push(place);
        }
    }
    for (text, places) in by_pattern {
        match pattern(text) {
            Ok(regex) => {
                let mut asked = Asked::new(regex, releases);
                for to in places {
                    for edge in edges.towards(to) {
                        if asked.matches(edges.from(edge)) {
                            edges.take(edge, Taken::OwnPattern);
                        }
                    }
                }
            }
            Err(_) => {
                for to in places {
                    let at = number(aside.len());
                    aside.push(Aside::Instruction {
                        version: releases
                            .all
                            .get(to)
                            .map_or_else(String::new, |r| r.text.clone()),
                        key: keys::PREVIOUS_REMOVE_REGEX,
                        says: format!("`{text}` is not a regular expression"),
                    });
                    edges.take_into(to, Taken::Instruction(at));
                }
            }
        }
    }
}

/// Writes the patterns into the metadata of the releases that they are about, where clients look for them.
pub(super) fn tell(blocks: &[Block], releases: &mut Releases) {
    let (certain, known): (Vec<&Block>, Vec<&Block>) =
        blocks.iter().partition(|block| block.risk.is_none());
    for block in certain.into_iter().chain(known) {
        for to in releases.blocked(&block.to) {
            releases.append(to, keys::PREVIOUS_REMOVE_REGEX, &block.from, '|');
        }
    }
}

/// A pattern, and what it answered for each release.
struct Asked<'r> {
    regex: Regex,
    releases: &'r Releases,
    answers: Vec<Option<bool>>,
}

impl<'r> Asked<'r> {
    fn new(regex: Regex, releases: &'r Releases) -> Self {
        Self {
            regex,
            releases,
            answers: vec![None; releases.all.len()],
        }
    }

    fn matches(&mut self, release: ReleaseId) -> bool {
        let (Some(answer), Some(release)) = (
            self.answers.get_mut(release),
            self.releases.all.get(release),
        ) else {
            return false;
        };
        *answer.get_or_insert_with(|| self.regex.is_match(&release.text))
    }
}
