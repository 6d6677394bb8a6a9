//! What many objects of one kind say alike, kept once.
//!
//! # Guarantees
//! Sharing changes no value. What nobody uses any more is forgotten by the time that as much again was added.
//! # Assumptions
//! What is shared is immutable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What objects of one kind share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Names, such as those of namespaces and nodes.
    pub words: Common<str>,
    /// Kind and name of an owner.
    pub pairs: Common<(String, String)>,
    /// Labels.
    pub labels: Common<BTreeMap<String, String>>,
}

/// Values that are in use, each once.
#[derive(Debug)]
pub struct Common<T: ?Sized> {
    known: BTreeSet<Arc<T>>,
    /// At so many the unused ones are dropped.
    full: usize,
}

/// Fewer than this are not worth a look for unused ones.
const FULL_MIN: usize = 1024;

impl<T: ?Sized> Default for Common<T> {
    fn default() -> Self {
        Self {
            known: BTreeSet::new(),
            full: FULL_MIN,
        }
    }
}

impl<T: Ord + ?Sized> Common<T> {
    /// Replaces `value` by the equal one that is in use already; else it is the one from now on.
    pub fn share(&mut self, value: &mut Arc<T>) {
        if let Some(known) = self.known.get(value) {
            value.clone_from(known);
            return;
        }
        if self.known.len() >= self.full {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.full = self.known.len().saturating_mul(2).max(FULL_MIN);
        }
        self.known.insert(value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_say_alike_is_kept_once() {
        let mut common = Common::<str>::default();
        let (mut one, mut other): (Arc<str>, Arc<str>) = ("shop".into(), "shop".into());

        common.share(&mut one);
        common.share(&mut other);

        assert!(Arc::ptr_eq(&one, &other));
    }

    #[test]
    fn what_nobody_uses_any_more_is_forgotten() {
        let mut common = Common::<str>::default();
        for number in 0..10 * FULL_MIN {
            let mut passing: Arc<str> = number.to_string().into();
            common.share(&mut passing);
        }

        assert!(common.known.len() <= FULL_MIN, "{}", common.known.len());
    }
}
