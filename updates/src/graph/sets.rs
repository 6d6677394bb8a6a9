//! Lists that many edges share: which files are about an edge, which known issues follow, what else takes it away.
//!
//! A graph of today has 390,000 edges, and a few thousand different lists.

use std::collections::BTreeMap;

use super::Taken;
use crate::data::{Block, Risk};

/// The number of the empty list.
pub(super) const NONE: u32 = 0;

/// The number of a list of known issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RiskList(u32);

/// Lists by number, each there once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lists<T> {
    all: Vec<Vec<T>>,
    numbers: BTreeMap<Vec<T>, u32>,
}

impl<T: Ord + Clone> Default for Lists<T> {
    fn default() -> Self {
        Self {
            all: vec![Vec::new()],
            numbers: BTreeMap::from([(Vec::new(), NONE)]),
        }
    }
}

impl<T: Ord + Clone> Lists<T> {
    /// The number of this list.
    pub(super) fn number(&mut self, list: &[T]) -> u32 {
        if let Some(number) = self.numbers.get(list) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(list.to_vec());
        self.numbers.insert(list.to_vec(), number);
        number
    }

    fn get(&self, number: u32) -> &[T] {
        self.all.get(number as usize).map_or(&[], Vec::as_slice)
    }
}

/// All lists of a graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sets {
    blocks: Lists<u32>,
    taken: Lists<Taken>,
    /// Ordered by name.
    risks: Vec<Risk>,
    risk_lists: Lists<u32>,
    /// For each list of files, the list of known issues that they name.
    risks_of_blocks: Vec<u32>,
}

impl Sets {
    /// From finished lists of files and of what else takes edges away.
    pub(super) fn new(blocks: Lists<u32>, taken: Lists<Taken>, files: &[Block]) -> Self {
        let by_name = |risk: &Risk| (risk.name.clone(), risk.clone());
        let named = || files.iter().filter_map(|block| block.risk.as_ref());
        let numbers: BTreeMap<(String, Risk), u32> =
            named().map(|risk| (by_name(risk), 0)).collect();
        let risks: Vec<Risk> = numbers.into_keys().map(|(_, risk)| risk).collect();
        let places: BTreeMap<&Risk, u32> = risks.iter().zip(0_u32..).collect();
        let risk_of = |file: &u32| {
            let risk = files.get(*file as usize)?.risk.as_ref()?;
            places.get(risk).copied()
        };
        let mut lists: Vec<Vec<u32>> = blocks
            .all
            .iter()
            .map(|list| {
                let mut risks: Vec<u32> = list.iter().filter_map(risk_of).collect();
                // The same known issue from two files is one known issue.
                risks.sort_unstable();
                risks.dedup();
                risks
            })
            .collect();
        // Numbered in their own order, so that the order of files changes nothing.
        let mut risk_lists = Lists::default();
        let mut ordered = lists.clone();
        ordered.sort_unstable();
        for list in ordered {
            risk_lists.number(&list);
        }
        let risks_of_blocks = lists
            .iter_mut()
            .map(|list| risk_lists.number(list))
            .collect();
        Self {
            blocks,
            taken,
            risks,
            risk_lists,
            risks_of_blocks,
        }
    }

    pub(super) fn blocks(&self, number: u32) -> &[u32] {
        self.blocks.get(number)
    }

    pub(super) fn taken(&self, number: u32) -> &[Taken] {
        self.taken.get(number)
    }

    pub(super) fn risks(&self) -> &[Risk] {
        &self.risks
    }

    pub(super) fn risk_list(&self, list: RiskList) -> &[u32] {
        self.risk_lists.get(list.0)
    }

    /// The known issues that a list of files names; none if it names none.
    pub(super) fn risks_of(&self, blocks: u32) -> Option<RiskList> {
        self.risks_of_blocks
            .get(blocks as usize)
            .filter(|list| **list != NONE)
            .map(|list| RiskList(*list))
    }

    /// Whether something stands against an edge that no known issue outweighs: nobody knows what else was said of it.
    pub(super) fn holds_back(&self, taken: u32) -> bool {
        self.taken(taken).iter().any(|taken| match taken {
            Taken::HeldBack(_) | Taken::Instruction(_) | Taken::Circle => true,
            Taken::PreviousRemove | Taken::OwnPattern | Taken::NextRemove => false,
        })
    }
}
