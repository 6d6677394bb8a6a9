//! A filled registry, and a scan of it.

use std::time::Duration;

use e2e::registry::filler::{Filled, Plan, fill};
use e2e::registry::{Options, Server, clock};
use updates::Graph;
use updates::registry::{Asked, Registry, Repository};
use updates::source::scan::{Scanner, Settings};

/// The repository that holds the releases.
pub(crate) const REPOSITORY: &str = "openshift/release";

/// Three versions for all machines, and others beside them.
pub(crate) const FEW: Plan = Plan {
    versions: 3,
    others_every: 5,
};

/// A filled registry.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) filled: Filled,
}

impl Stage {
    pub(crate) async fn with(options: Options, plan: Plan) -> Self {
        let server = Server::start(options).await.unwrap();
        let repository = server.repository(REPOSITORY).unwrap();
        let filled = fill(&server.client().unwrap(), &repository, plan)
            .await
            .unwrap();
        Self { server, filled }
    }

    pub(crate) async fn few() -> Self {
        Self::with(Options::default(), FEW).await
    }

    pub(crate) fn repository(&self) -> Repository {
        self.server.repository(REPOSITORY).unwrap()
    }

    pub(crate) fn scanner(&self) -> Scanner {
        scanner(self.server.client().unwrap(), self.repository())
    }
}

/// Tags are taken for what they were for an hour.
pub(crate) fn scanner(registry: Registry, repository: Repository) -> Scanner {
    scanner_again(registry, repository, Duration::from_secs(3600))
}

pub(crate) fn scanner_again(
    registry: Registry,
    repository: Repository,
    again: Duration,
) -> Scanner {
    let settings = Settings {
        repository,
        tags: None,
        again,
    };
    Scanner::new(registry, settings, clock())
}

/// What a scan costs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) pages: u64,
    pub(crate) manifests: u64,
    pub(crate) unchanged: u64,
    pub(crate) blobs: u64,
}

/// What was asked so far.
pub(crate) fn cost(scanner: &Scanner) -> Cost {
    let of = |asked| scanner.registry().counts().of(asked);
    Cost {
        pages: of(Asked::TagPage),
        manifests: of(Asked::Manifest),
        unchanged: of(Asked::Unchanged),
        blobs: of(Asked::Blob),
    }
}

impl Cost {
    pub(crate) fn since(self, before: &Self) -> Self {
        Self {
            pages: self.pages - before.pages,
            manifests: self.manifests - before.manifests,
            unchanged: self.unchanged - before.unchanged,
            blobs: self.blobs - before.blobs,
        }
    }
}

/// The versions of a scan's releases, without those that are known by name alone.
pub(crate) async fn versions(scanner: &Scanner) -> Vec<String> {
    let raw = scanner.scan().await.unwrap().raw();
    let real = raw.releases.into_iter().filter(|r| r.payload.is_some());
    let mut versions: Vec<String> = real.map(|release| release.version).collect();
    versions.sort();
    versions
}

/// The graph of a scan, without graph data.
pub(crate) async fn graph(scanner: &Scanner) -> Graph {
    Graph::build(
        scanner.scan().await.unwrap().raw(),
        updates::GraphData::default(),
    )
}
