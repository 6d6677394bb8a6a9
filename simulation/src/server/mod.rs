//! An in-memory Kubernetes API server.
//!
//! One [`ApiServer`] is one cluster's API. An unmodified kube client or kube-runtime controller works against it in process
//! ([`ApiServer::client`]), a real kubectl over loopback ([`http`]), and a checker looks into the store without any of that
//! ([`observe`]). It holds to the answers of a recorded kube-apiserver (`tests/recordings`).
//!
//! Guarantees: writes happen one after the other and take rising resourceVersions; equal seeds, requests and virtual times give
//! equal answers, byte for byte; nothing reads the machine's clock or chance. Assumes a tokio runtime for delays and watches.
//!
//! Not here: rights (a caller's name is taken as given), admission policies (they are stored, never asked), aggregation,
//! protobuf, YAML answers, gzip, exec, logs and proxies, and controllers: what a controller manager does beside garbage
//! collection and namespace deletion ([`Options::janitor`]) is the simulation's business.

mod builtin;
mod change;
mod create;
mod custom;
mod delete;
mod discovery;
mod events;
mod evict;
mod faults;
mod handle;
pub mod http;
mod instances;
mod janitor;
mod naming;
pub mod observe;
mod openapi;
mod options;
mod patch;
mod present;
mod read;
mod refusal;
mod request;
mod resource;
mod selector;
mod service;
mod shape;
mod steps;
mod store;
mod strategic;
mod table;
mod trace;
mod value;
mod watching;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::clock::Clock;

pub use self::faults::{Attempt, Fate, Faults, NoFaults, Outcome};
pub use self::instances::Instance;
pub use self::refusal::{About, Cause, Refusal};
pub use self::request::Verb;
pub use self::selector::{FieldSelector, LabelSelector};
pub use self::service::Connection;
pub use self::store::{Change, Event, HISTORY_LIMIT, Key, Object};
pub use self::trace::{Entry, Lines, Passage, TraceSink};

use self::instances::Instances;
use self::resource::Registry;
use self::store::Store;

/// How a server is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Uids and generated names follow from it.
    pub seed: u64,
    /// What `/version` answers, where no instance has another version.
    pub version: String,
    /// Whether the server itself does what a controller manager would do first: delete what lost its owners, finish foreground
    /// and orphaning deletions, and empty namespaces that are deleted. Done in the same moment as the write.
    pub janitor: bool,
    /// How often a watch that allows bookmarks is told how far it is.
    pub bookmark_every: std::time::Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            version: "v1.34.1".to_owned(),
            janitor: true,
            bookmark_every: std::time::Duration::from_secs(60),
        }
    }
}

/// The server. Cheap to clone; all clones are the same server.
#[derive(Clone)]
pub struct ApiServer {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    state: Mutex<State>,
    door: Mutex<Door>,
}

/// What the requests work on.
pub(crate) struct State {
    pub store: Store,
    pub registry: Registry,
    pub instances: Instances,
}

/// What stands between the callers and the server.
struct Door {
    faults: Arc<dyn Faults>,
    trace: Option<Arc<dyn TraceSink>>,
    requests: u64,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next request.
    fn next_request(&self) -> u64 {
        let mut door = self.door();
        door.requests += 1;
        door.requests
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> Arc<dyn Faults> {
        Arc::clone(&self.door().faults)
    }

    fn record(&self, actor: &str, request: u64, passage: impl FnOnce() -> Passage) {
        let Some(trace) = self.door().trace.clone() else {
            return;
        };
        trace.record(&Entry {
            at: self.clock.now(),
            actor: actor.to_owned(),
            request,
            passage: passage(),
        });
    }

    /// Now, as object metadata has it: whole seconds.
    pub(crate) fn now(&self) -> String {
        seconds(self.clock.now())
    }
}

/// A time as object metadata has it: RFC 3339, UTC, whole seconds.
pub(crate) fn seconds(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl ApiServer {
    /// A server with the usual namespaces and nothing else, whose objects bear this clock's times.
    pub fn new(clock: Clock, options: Options) -> Self {
        let mut state = State {
            store: Store::new(options.seed),
            registry: Registry::built_in(),
            instances: Instances::default(),
        };
        create::initial_namespaces(&mut state, &seconds(clock.now()));
        Self {
            shared: Arc::new(Shared {
                clock,
                options,
                state: Mutex::new(state),
                door: Mutex::new(Door {
                    faults: Arc::new(NoFaults),
                    trace: None,
                    requests: 0,
                }),
            }),
        }
    }

    /// The clock whose time the objects bear.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Lets `faults` decide from now on what goes wrong.
    pub fn set_faults(&self, faults: impl Faults + 'static) {
        self.shared.door().faults = Arc::new(faults);
    }

    /// Sends everything that crosses the door to `sink` from now on.
    pub fn set_trace(&self, sink: impl TraceSink + 'static) {
        self.shared.door().trace = Some(Arc::new(sink));
    }

    /// A client for `actor`, the name under which faults are decided and the trace is written.
    pub fn client(&self, actor: &str) -> kube::Client {
        kube::Client::new(self.connection(actor), "default")
    }

    /// The service under such a client, for those who wrap it.
    pub fn connection(&self, actor: &str) -> Connection {
        Connection::new(Arc::clone(&self.shared), actor, None)
    }

    /// A client that speaks to the one API server instance at `address`.
    pub fn instance_client(&self, actor: &str, address: &str) -> kube::Client {
        let connection = Connection::new(Arc::clone(&self.shared), actor, Some(address));
        kube::Client::new(connection, "default")
    }
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiServer")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}
