//! Inputs that nobody wrote: seeds, changed a little, over and over, the same in every run.

use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

/// Inputs of each kind in a run of the tests: some seconds.
const ROUNDS: u64 = 1500;
/// Names the number of a longer run.
const MORE: &str = "WINDLASS_MUTATIONS";
/// An input grows to this and no further, so that what grows without bound is not the input.
const BYTES_MAX: usize = 64 << 10;
/// Changes of one input.
const CHANGES_MAX: u64 = 8;

/// Feeds seeds of a kind, and what becomes of them, to `feed`. An input that ends it by a panic is written down and named.
pub(crate) fn all(kind: &str, words: &[&str], feed: impl Fn(&[u8])) {
    let seeds = seeds(kind);
    for seed in &seeds {
        one(kind, seed, &feed);
    }
    let rounds = env::var(MORE).map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut chance = Chance(0x57_49_4e_44);
    for _ in 0..rounds {
        let mut input = chance.of(&seeds).clone();
        for _ in 0..=chance.below(CHANGES_MAX) {
            change(&mut input, &seeds, words, &mut chance);
        }
        input.truncate(BYTES_MAX);
        one(kind, &input, &feed);
    }
}

fn one(kind: &str, input: &[u8], feed: &impl Fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| feed(input))) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{kind}.input"));
        fs::write(&path, input).unwrap();
        eprintln!(
            "the input lies at {}; as text it is\n{}",
            path.display(),
            String::from_utf8_lossy(input)
        );
        resume_unwind(panic);
    }
}

/// The seeds of a kind, in the order of their names.
fn seeds(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(kind);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("reading {}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has no seeds", folder.display());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str], chance: &mut Chance) {
    let length = input.len() as u64;
    let at = usize::try_from(chance.below(length + 1)).unwrap();
    let span = usize::try_from(chance.below(32)).unwrap();
    let end = (at + span).min(input.len());
    match chance.below(8) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = *chance.of(&[0, b'0', b'9', b'"', b'\n', b' ', b'%', b'&', 0x7f, 0xff]);
            }
        }
        2 => drop(input.drain(at..end)),
        3 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        4 => input.truncate(at),
        5 => {
            let other = chance.of(seeds);
            let from = usize::try_from(chance.below(other.len() as u64 + 1)).unwrap();
            let more = other[from..(from + span * 8).min(other.len())].to_vec();
            input.splice(at..end, more);
        }
        _ => {
            let word = chance.of(words).as_bytes().to_vec();
            input.splice(at..end, word);
        }
    }
}

/// The same numbers in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let place = usize::try_from(self.below(all.len() as u64)).unwrap();
        &all[place]
    }
}
