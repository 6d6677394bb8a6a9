//! Which tags are asked again, and what a scan that missed some is worth.
//!
//! # Guarantees
//! Values in, values out: no clock, no chance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::registry::{Digest, RegistryError};

/// After so many scans in a row without an answer an image that was never read is set aside, and stands in nobody's way.
pub const MISSES_MAX: u32 = 3;
/// One tag of so many may be set aside like that: if there are more, it is the registry that fails, not the images.
const MISSED_SHARE: usize = 20;

/// What is known of a tag.
#[derive(Debug, Clone, Default)]
pub(super) struct Tag {
    /// The image that it led to.
    pub(super) digest: Option<Digest>,
    /// When that was last true.
    pub(super) confirmed: Option<Timestamp>,
    /// The failure of the last scan, if it was one.
    pub(super) failure: Option<RegistryError>,
    /// Scans in a row that failed at it.
    pub(super) misses: u32,
}

/// All tags of a repository.
#[derive(Debug, Clone, Default)]
pub(super) struct Tagged(pub(super) BTreeMap<String, Tag>);

impl Tagged {
    /// Takes the list of tags that there are now.
    pub(super) fn listed(&mut self, names: Vec<String>) {
        let listed: BTreeSet<&String> = names.iter().collect();
        self.0.retain(|name, _| listed.contains(name));
        for name in names {
            self.0.entry(name).or_default();
        }
    }

    /// The tags that are asked now, with the images that they led to: all that are new or failed, and those that were
    /// not asked for so long. The latter come due one by one, so that no scan asks for all of them.
    pub(super) fn due(&self, now: Timestamp, again: Duration) -> Vec<(String, Option<Digest>)> {
        let due = |name: &str, tag: &Tag| {
            let Some(confirmed) = tag.confirmed.filter(|_| tag.failure.is_none()) else {
                return true;
            };
            let since = now.duration_since(confirmed).unsigned_abs();
            since >= spread(name, again)
        };
        self.0
            .iter()
            .filter(|(name, tag)| due(name, tag))
            .map(|(name, tag)| (name.clone(), tag.digest.clone()))
            .collect()
    }

    /// A tag leads to this image now.
    pub(super) fn answered(&mut self, name: &str, digest: Digest, now: Timestamp) {
        if let Some(tag) = self.0.get_mut(name) {
            *tag = Tag {
                digest: Some(digest),
                confirmed: Some(now),
                failure: None,
                misses: 0,
            };
        }
    }

    /// A tag could not be asked, or its image not be read. What is known of it stays.
    pub(super) fn failed(&mut self, name: &str, failure: RegistryError) {
        if let Some(tag) = self.0.get_mut(name) {
            tag.failure = Some(failure);
            tag.misses = tag.misses.saturating_add(1);
        }
    }

    /// Whether the tags give a graph that is worth to be served: nothing is missing but images that cannot be read
    /// whatever one does.
    pub(super) fn verdict(&self) -> Verdict {
        let missing: Vec<&Tag> = self
            .0
            .values()
            .filter(|tag| {
                let passing = |failure: &RegistryError| !failure.why.is_of_the_thing();
                tag.digest.is_none() && tag.failure.as_ref().is_some_and(passing)
            })
            .collect();
        let Some(failure) = missing.iter().find_map(|tag| tag.failure.clone()) else {
            return Verdict::Whole;
        };
        let patient = missing.iter().all(|tag| tag.misses >= MISSES_MAX);
        if patient && missing.len() * MISSED_SHARE <= self.0.len() {
            return Verdict::Whole;
        }
        Verdict::Missing {
            images: missing.len(),
            failure,
        }
    }
}

/// What a scan is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It gives a graph.
    Whole,
    /// Images are missing that may be there the next time.
    Missing {
        /// How many.
        images: usize,
        /// Why the first of them is.
        failure: RegistryError,
    },
}

/// A time between the half of `again` and the whole, always the same for a name.
fn spread(name: &str, again: Duration) -> Duration {
    // FNV-1a: a few bits of difference between names are all that is asked of it.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    again / 2 + (again / 2).mul_f64(f64::from(hash) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Why;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn tagged(count: usize) -> Tagged {
        let mut tagged = Tagged::default();
        tagged.listed((0..count).map(|number| format!("4.16.{number}")).collect());
        tagged
    }

    fn failure(why: Why) -> RegistryError {
        RegistryError {
            attempt: "reading",
            on: "it".to_owned(),
            why,
        }
    }

    #[test]
    fn a_tag_that_was_answered_is_not_asked_again_at_once() {
        let mut tagged = tagged(100);
        assert_eq!(tagged.due(at(0), HOUR).len(), 100);
        for number in 0..100 {
            tagged.answered(&format!("4.16.{number}"), Digest::of(b"a"), at(0));
        }
        tagged.listed((0..101).map(|number| format!("4.16.{number}")).collect());

        assert_eq!(tagged.due(at(1), HOUR), [("4.16.100".to_owned(), None)]);
    }

    #[test]
    fn every_tag_is_asked_again_within_the_time_and_not_all_at_once() {
        let mut tagged = tagged(100);
        for number in 0..100 {
            tagged.answered(&format!("4.16.{number}"), Digest::of(b"a"), at(0));
        }

        let due = |minute| tagged.due(at(minute), HOUR).len();

        assert_eq!(due(29), 0);
        assert!((20..80).contains(&due(45)), "{}", due(45));
        assert_eq!(due(60), 100);
        assert_eq!(tagged.due(at(0), Duration::ZERO).len(), 100);
    }

    #[test]
    fn a_tag_that_is_gone_is_forgotten() {
        let mut tagged = tagged(2);
        tagged.answered("4.16.0", Digest::of(b"a"), at(0));

        tagged.listed(vec!["4.16.1".to_owned()]);

        assert_eq!(tagged.0.len(), 1);
    }

    #[test]
    fn an_image_that_cannot_be_read_whatever_one_does_stands_in_nobodys_way() {
        let mut tagged = tagged(2);
        tagged.answered("4.16.0", Digest::of(b"a"), at(0));
        tagged.failed("4.16.1", failure(Why::NotFound));

        assert_eq!(tagged.verdict(), Verdict::Whole);
    }

    #[test]
    fn an_image_that_may_come_is_waited_for_and_then_set_aside_if_it_is_alone() {
        let mut few = tagged(40);
        let mut many = tagged(40);
        for _ in 0..MISSES_MAX {
            assert_eq!(many.due(at(0), HOUR).len(), 40);
            few.failed("4.16.1", failure(Why::Failing(500)));
            for number in 0..10 {
                many.failed(&format!("4.16.{number}"), failure(Why::Failing(500)));
            }
            assert!(few.verdict() == Verdict::Whole || few.0["4.16.1"].misses < MISSES_MAX);
        }

        assert_eq!(few.verdict(), Verdict::Whole);
        assert!(matches!(
            many.verdict(),
            Verdict::Missing { images: 10, .. }
        ));
    }

    #[test]
    fn a_tag_that_cannot_be_asked_keeps_its_last_answer() {
        let mut tagged = tagged(1);
        tagged.answered("4.16.0", Digest::of(b"a"), at(0));

        tagged.failed("4.16.0", failure(Why::Failing(500)));

        assert_eq!(tagged.verdict(), Verdict::Whole);
        assert_eq!(tagged.0["4.16.0"].digest, Some(Digest::of(b"a")));
        assert_eq!(tagged.due(at(0), HOUR).len(), 1);
    }
}
