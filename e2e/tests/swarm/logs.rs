//! What the programs of a run log: the newest lines for whoever reads a failure, and every ERROR.

use api::clock::Clock;
use std::collections::VecDeque;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Lines that are kept: the last minutes of a run.
const LINES_MAX: usize = 150;

/// Set by whoever replays a seed: each line is printed as it comes.
const ALOUD: &str = "WINDLASS_ALOUD";

/// The log of one run.
#[derive(Clone)]
pub(crate) struct Logs {
    clock: Clock,
    aloud: bool,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<String>,
    errors: Vec<String>,
}

impl Logs {
    /// Begins to take in what this process logs.
    pub(crate) fn begin(clock: Clock) -> Self {
        let logs = Self {
            clock,
            aloud: std::env::var_os(ALOUD).is_some(),
            kept: Arc::default(),
        };
        tracing_subscriber::registry().with(logs.clone()).init();
        logs
    }

    /// Every ERROR so far.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.kept.lock().unwrap().errors.clone()
    }

    /// The newest lines.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.kept.lock().unwrap().lines.iter().cloned().collect()
    }
}

impl<S: Subscriber> Layer<S> for Logs {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let level = *event.metadata().level();
        if level > Level::INFO {
            return;
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        let line = format!(
            "{} {level} {}:{}",
            self.clock.now(),
            event.metadata().target(),
            text.0
        );
        if self.aloud {
            eprintln!("{line}");
        }
        let mut kept = self.kept.lock().unwrap();
        if level == Level::ERROR {
            kept.errors.push(line.clone());
        }
        kept.lines.push_back(line);
        if kept.lines.len() > LINES_MAX {
            kept.lines.pop_front();
        }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        written.unwrap();
    }
}
