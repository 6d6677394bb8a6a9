//! Chance that a seed decides: a tree of random number generators.
//!
//! # Guarantees
//! One seed gives one sequence per purpose. A branch is drawn from its purpose's name alone, never from how much
//! its parent has drawn already, so one more draw for one machine leaves all others as they were.
//! # Not here
//! Secrecy: the generator is SplitMix64 (Steele, Lea, Flood 2014), good statistics and nothing more.

use std::ops::RangeInclusive;
use std::time::Duration;

/// One branch of the tree: draws numbers, and grows further branches.
#[derive(Clone, Debug)]
pub struct Chance {
    /// What this branch is; its branches are derived from it.
    identity: u64,
    /// Where the sequence of this branch stands.
    state: u64,
}

impl Chance {
    /// The root of the tree that `seed` gives.
    pub const fn from_seed(seed: u64) -> Self {
        Self {
            identity: seed,
            state: seed,
        }
    }

    /// The branch for `purpose`, the same whatever this one has drawn.
    #[must_use]
    pub fn branch(&self, purpose: &str) -> Self {
        Self::from_seed(scramble(self.identity ^ scramble(fingerprint(purpose))))
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        scramble(self.state)
    }

    /// A number below `bound`; 0 where `bound` is 0.
    ///
    /// The bias of the remainder is under one in 2^32 for every bound used here.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw().checked_rem(bound).unwrap_or(0)
    }

    /// True in `per_mille` of 1000 draws.
    pub fn happens(&mut self, per_mille: u16) -> bool {
        self.below(1000) < u64::from(per_mille)
    }

    /// A duration in `range`, in whole milliseconds.
    pub fn duration(&mut self, range: RangeInclusive<Duration>) -> Duration {
        let shortest = millis(*range.start());
        let spread = millis(*range.end()).saturating_sub(shortest);
        Duration::from_millis(shortest + self.below(spread + 1))
    }

    /// A random (version 4) UUID, as boot ids and machine ids are.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.draw(), self.draw());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            (low >> 48) & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff,
        )
    }

    /// A suffix of `length` letters and digits, as Kubernetes gives to pods.
    pub fn suffix(&mut self, length: usize) -> String {
        // No vowels and no digits that look like one: as Kubernetes does, so that no words come out.
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        (0..length)
            .filter_map(|_| {
                let at = usize::try_from(self.below(ALPHABET.len() as u64)).unwrap_or(0);
                ALPHABET.get(at).map(|letter| char::from(*letter))
            })
            .collect()
    }
}

/// The step of SplitMix64: 2^64 divided by the golden ratio, made odd.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer of SplitMix64.
const fn scramble(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// FNV-1a over the bytes of `text`: short, stable over platforms and versions.
pub(crate) fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut left, mut right) = (Chance::from_seed(7), Chance::from_seed(7));

        assert_eq!(left.draw(), right.draw());
        assert_eq!(left.uuid(), right.uuid());
    }

    #[test]
    fn a_branch_does_not_depend_on_what_its_parent_has_drawn() {
        let fresh = Chance::from_seed(7);
        let mut used = fresh.clone();
        used.draw();

        assert_eq!(
            fresh.branch("worker-0").draw(),
            used.branch("worker-0").draw()
        );
    }

    #[test]
    fn two_purposes_are_two_sequences() {
        let root = Chance::from_seed(7);

        assert_ne!(
            root.branch("worker-0").draw(),
            root.branch("worker-1").draw()
        );
    }

    #[test]
    fn a_duration_stays_in_its_range() {
        let mut chance = Chance::from_seed(7);
        let range = Duration::from_secs(2)..=Duration::from_secs(3);

        assert!((0..200).all(|_| range.contains(&chance.duration(range.clone()))));
    }
}
