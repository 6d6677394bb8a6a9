//! One suite, two servers: each case is told to a real kube-apiserver and to the one in memory, and they must answer alike.
//!
//! A case sends requests and says what an operator would expect of the answers. It runs on both servers at the same time; what it
//! says must hold on both, and then both transcripts are compared answer by answer: status, the headers that clients read, and
//! every field of the body. A difference is a bug of the server in memory, or stands in [`differences`] with its reason.
//!
//! The comparison, and what may differ by nature (versions, uids, drawn names), is the one of the recordings in
//! `simulation/tests/recordings`. Times of now stand for each other.
//!
//! The real control plane is started once, when the first case needs it; each case has a namespace of its own there, and names of
//! its own for what lives in none. No controllers run: nobody computes budgets, collects garbage or empties namespaces.
//!
//! This program is its own test harness, so that the control plane ends with it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test stops at the first surprise"
)]

#[path = "../../../simulation/tests/recordings/bindings.rs"]
#[allow(dead_code, unused_imports, reason = "a replay needs more of it")]
mod bindings;
#[path = "../../../simulation/tests/recordings/compare.rs"]
#[allow(dead_code, unused_imports, reason = "a replay needs more of it")]
mod compare;
mod differences;
mod older;
mod server;
mod story;

mod applying;
mod defining;
mod deleting;
mod evicting;
mod listing;
mod patching;
mod showing;
mod watching;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use e2e::control_plane::{ControlPlane, Options};
use libtest_mimic::{Arguments, Failed, Trial};

use self::story::Case;

/// A room of the suite and its cases.
type Room = (&'static str, fn() -> Vec<Case>);

const ROOMS: [Room; 8] = [
    ("patching", patching::cases),
    ("applying", applying::cases),
    ("listing", listing::cases),
    ("watching", watching::cases),
    ("evicting", evicting::cases),
    ("deleting", deleting::cases),
    ("defining", defining::cases),
    ("showing", showing::cases),
];

/// The real control plane, when it is needed.
#[derive(Default)]
struct Real(OnceLock<Result<ControlPlane, String>>);

impl Real {
    fn get(&self) -> Result<&ControlPlane, Failed> {
        let started = self.0.get_or_init(|| {
            let runtime = story::runtime();
            let started = runtime.block_on(ControlPlane::start(Options::default()));
            started.map_err(|error| format!("{:#}", anyhow::Error::from(error)))
        });
        started.as_ref().map_err(Failed::from)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let real = Arc::new(Real::default());
    let mut trials = Vec::new();
    for (room, cases) in ROOMS {
        for case in cases() {
            let real = Arc::clone(&real);
            let number = trials.len();
            let name = format!("{room}::{}", case.name);
            trials.push(Trial::test(name, move || {
                case.run(number, real.get()?).map_err(Failed::from)
            }));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The control plane ends here, before the program's end.
    drop(real);
    conclusion.exit_code()
}
