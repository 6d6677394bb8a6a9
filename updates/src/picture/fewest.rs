//! What can be reached, and which edges it takes to show it.

use super::Offered;

/// Which release can be reached from which, without known issues and with them.
#[derive(Debug)]
pub(super) struct Reach {
    recommended: Bits,
    any: Bits,
    /// By number of edge: whether no longer way leads there.
    needed: Vec<bool>,
}

impl Reach {
    /// Edges are in the order of where they start, then of where they lead, and lead to higher places.
    pub(super) fn new(releases: usize, edges: &[Offered<'_>]) -> Self {
        let mut reach = Self {
            recommended: Bits::new(releases),
            any: Bits::new(releases),
            needed: vec![false; edges.len()],
        };
        let mut starts: Vec<usize> = vec![edges.len(); releases + 1];
        for (number, edge) in edges.iter().enumerate().rev() {
            if let Some(start) = starts.get_mut(edge.from) {
                *start = number;
            }
        }
        let mut end = edges.len();
        for from in (0..releases).rev() {
            let start = starts.get(from).copied().unwrap_or(end).min(end);
            for (number, edge) in edges.iter().enumerate().take(end).skip(start) {
                // From near to far: what is reached by now is reached over another release.
                let safe = edge.risks.is_empty();
                let needed = if safe {
                    !reach.recommended.has(from, edge.to)
                } else {
                    !reach.any.has(from, edge.to)
                };
                if let Some(entry) = reach.needed.get_mut(number) {
                    *entry = needed;
                }
                if safe {
                    reach.recommended.follow(from, edge.to);
                }
                reach.any.follow(from, edge.to);
            }
            end = start;
        }
        reach
    }

    /// Whether a way without known issues leads there.
    pub(super) fn is_recommended(&self, from: usize, to: usize) -> bool {
        self.recommended.has(from, to)
    }

    /// Whether any way leads there.
    pub(super) fn is_reached(&self, from: usize, to: usize) -> bool {
        self.any.has(from, to)
    }

    /// Whether the picture loses a way without this edge.
    pub(super) fn needs(&self, edge: usize) -> bool {
        self.needed.get(edge).copied().unwrap_or_default()
    }
}

/// A square of bits.
#[derive(Debug)]
struct Bits {
    words: usize,
    rows: Vec<u64>,
}

impl Bits {
    fn new(size: usize) -> Self {
        let words = size.div_ceil(64);
        Self {
            words,
            rows: vec![0; words * size],
        }
    }

    fn has(&self, row: usize, column: usize) -> bool {
        let word = self.rows.get(row * self.words + column / 64);
        word.is_some_and(|word| word >> (column % 64) & 1 == 1)
    }

    /// What is reached from `to`, and `to` itself, is reached from `from`; `to` is higher.
    fn follow(&mut self, from: usize, to: usize) {
        let (low, high) = self.rows.split_at_mut(to * self.words);
        let row = low.get_mut(from * self.words..).unwrap_or_default();
        for (word, more) in row.iter_mut().zip(high.iter().take(self.words)) {
            *word |= more;
        }
        if let Some(word) = row.get_mut(to / 64) {
            *word |= 1 << (to % 64);
        }
    }
}
