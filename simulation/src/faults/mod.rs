//! What goes wrong in a simulated cluster: drawn from a seed, printed, and ended by healing.
//!
//! | module | what it breaks |
//! | --- | --- |
//! | [`rates`] | how often each thing goes wrong in one run |
//! | [`requests`] | requests, answers and watches of chosen actors |
//! | [`breaker`] | machines, daemons, controllers and budgets |

pub mod breaker;
pub mod rates;
pub(crate) mod requests;

pub use rates::Rates;

use crate::chance::Chance;
use crate::machine::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// The faults of one run, shared by everything that can fail in it.
#[derive(Debug)]
pub struct Faults {
    rates: Rates,
    chance: Chance,
    healed: watch::Sender<bool>,
    /// One sequence per actor: what one of them asks does not change what happens to another.
    sequences: Mutex<BTreeMap<String, Chance>>,
}

impl Faults {
    /// Faults at `rates`, decided by `chance`; they begin at once.
    pub fn new(rates: Rates, chance: &Chance) -> Arc<Self> {
        Arc::new(Self {
            rates,
            chance: chance.branch("faults"),
            healed: watch::Sender::new(false),
            sequences: Mutex::default(),
        })
    }

    /// No faults at all.
    pub fn none() -> Arc<Self> {
        let faults = Self::new(Rates::none(), &Chance::from_seed(0));
        faults.heal();
        faults
    }

    /// Ends all faults; what is broken is mended by whoever broke it.
    pub fn heal(&self) {
        self.healed.send_replace(true);
    }

    /// Whether faults have ended.
    pub fn are_healed(&self) -> bool {
        *self.healed.borrow()
    }

    /// Waits until faults have ended.
    pub async fn healed(&self) {
        // The sender lives as long as `self`, so this ends by healing alone.
        if self
            .healed
            .subscribe()
            .wait_for(|healed| *healed)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }

    /// How often each thing goes wrong.
    pub const fn rates(&self) -> &Rates {
        &self.rates
    }

    /// The chance for machines and processes.
    pub(crate) fn breakage(&self) -> Chance {
        self.chance.branch("breakage")
    }

    /// Draws on behalf of `actor`.
    fn draw<T>(&self, actor: &str, decide: impl FnOnce(&mut Chance) -> T) -> T {
        let mut sequences = lock(&self.sequences);
        let sequence = sequences
            .entry(actor.to_owned())
            .or_insert_with(|| self.chance.branch("requests").branch(actor));
        decide(sequence)
    }
}
