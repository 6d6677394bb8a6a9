//! Edges that close a circle. A client that followed one would come back to where it was.
//!
//! # Guarantees
//! Of the edges in a circle those are named that go backwards by version; without them no circle is left, because all
//! others in it go forward. So the answer does not depend on the order of the edges, and an edge backwards that is in
//! no circle is left alone.

use super::edges::Edges;

/// The places of the edges to take away. Releases are in the order of their versions.
pub(super) fn backwards(edges: &Edges, releases: usize) -> Vec<usize> {
    let backwards: Vec<usize> = edges
        .all
        .iter()
        .enumerate()
        .filter(|(_, (from, to))| from >= to)
        .map(|(place, _)| place)
        .collect();
    if backwards.is_empty() {
        return backwards;
    }
    let component = Components::of(edges, releases);
    backwards
        .into_iter()
        .filter(|place| {
            edges
                .all
                .get(*place)
                .is_some_and(|(from, to)| component.same(*from as usize, *to as usize))
        })
        .collect()
}

/// Which releases can reach each other, by Tarjan's way, without recursion.
struct Components {
    component: Vec<usize>,
}

/// Not seen yet.
const UNSEEN: usize = usize::MAX;

struct Walk<'e> {
    edges: &'e Edges,
    /// When each release was first seen.
    seen: Vec<usize>,
    /// The earliest release that it reaches.
    low: Vec<usize>,
    component: Vec<usize>,
    open: Vec<usize>,
    next: usize,
}

impl Components {
    fn of(edges: &Edges, releases: usize) -> Self {
        let mut walk = Walk {
            edges,
            seen: vec![UNSEEN; releases],
            low: vec![UNSEEN; releases],
            component: vec![UNSEEN; releases],
            open: Vec::new(),
            next: 0,
        };
        for release in 0..releases {
            if walk.seen[release] == UNSEEN {
                walk.from(release);
            }
        }
        Self {
            component: walk.component,
        }
    }

    fn same(&self, one: usize, other: usize) -> bool {
        self.component.get(one) == self.component.get(other)
    }
}

impl Walk<'_> {
    /// Walks edges from where they lead to where they start: the components are the same either way.
    fn from(&mut self, root: usize) {
        let mut path = vec![(root, self.enter(root))];
        while let Some((release, rest)) = path.last_mut() {
            let release = *release;
            let Some(edge) = rest.next() else {
                path.pop();
                if let Some((above, _)) = path.last() {
                    self.low[*above] = self.low[*above].min(self.low[release]);
                }
                self.leave(release);
                continue;
            };
            let next = self.edges.from(edge);
            if self.seen[next] == UNSEEN {
                let edges = self.enter(next);
                path.push((next, edges));
            } else if self.component[next] == UNSEEN {
                self.low[release] = self.low[release].min(self.seen[next]);
            }
        }
    }

    fn enter(&mut self, release: usize) -> std::ops::Range<usize> {
        self.seen[release] = self.next;
        self.low[release] = self.next;
        self.next += 1;
        self.open.push(release);
        self.edges.towards(release)
    }

    fn leave(&mut self, release: usize) {
        if self.low[release] != self.seen[release] {
            return;
        }
        while let Some(member) = self.open.pop() {
            self.component[member] = release;
            if member == release {
                break;
            }
        }
    }
}
