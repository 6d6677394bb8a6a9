//! The update service on loopback, with a graph of today's size.

use std::sync::{Arc, OnceLock};

use api::clock::Clock;
use e2e::update_graph::recorded;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use updates::serve::{Door, House, Metrics, Served, serve};
use updates::source::{Files, load_into};

struct Service {
    root: String,
    _runtime: Runtime,
    _end: watch::Sender<bool>,
}

static SERVICE: OnceLock<Service> = OnceLock::new();

/// The address of the service, without a stroke at its end. It is started once for all tests of this file.
pub(crate) fn root() -> &'static str {
    &SERVICE.get_or_init(start).root
}

/// The same below the prefix.
pub(crate) fn below(path: &str) -> String {
    format!("{}/api/upgrades_info{path}", root())
}

fn start() -> Service {
    let house = House {
        served: Arc::new(Served::waiting("the test has loaded nothing yet")),
        metrics: Arc::new(Metrics::new(Clock::fixed(jiff::Timestamp::UNIX_EPOCH))),
    };
    let files = Files {
        raw: recorded("raw-2026.json.gz").unwrap(),
        graph_data: recorded("graph-data-2026.tar.gz").unwrap(),
    };
    load_into(&files, &house);
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    let door = Door::Main {
        prefix: "/api/upgrades_info".to_owned(),
        signatures: None,
    };
    let (end, ended) = watch::channel(false);
    runtime.spawn(serve(listener, door, house, ended));
    Service {
        root,
        _runtime: runtime,
        _end: end,
    }
}
