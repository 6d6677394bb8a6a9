//! What faults of a registry do: nothing that is known is lost, and nothing that failed is taken for an answer.

use std::time::Duration;

use e2e::registry::client;
use e2e::registry::faulty::{Fault, Faulty, Rule};
use updates::Aside;
use updates::registry::{Digest, Patience, Registry, Repository, Settings};
use updates::source::scan::Scanner;

use crate::support::{REPOSITORY, Stage, graph, scanner, scanner_again, versions};

/// A filled registry behind one that fails, and a scan through it.
struct Broken {
    stage: Stage,
    faulty: Faulty,
    scanner: Scanner,
}

impl Broken {
    async fn begin() -> Self {
        let stage = Stage::few().await;
        let faulty = Faulty::before(stage.server.address()).await.unwrap();
        let registry = impatient();
        let scanner = scanner(registry, through(&faulty));
        Self {
            stage,
            faulty,
            scanner,
        }
    }

    fn fails(&self, path: &str, times: usize, fault: Fault) {
        self.faulty.fails(vec![Rule {
            path: path.to_owned(),
            times,
            fault,
        }]);
    }

    /// The digest of the layer that a release's metadata is in.
    async fn metadata_layer(&self, tag: &str) -> Digest {
        let registry = self.stage.server.client().unwrap();
        let image = format!("{}:{tag}", self.stage.repository())
            .parse()
            .unwrap();
        let fetched = registry.manifest(&image).await.unwrap();
        match fetched.manifest {
            updates::registry::Manifest::Image { layers, .. } => layers[1].digest.clone(),
            updates::registry::Manifest::List(_) => panic!("{tag} is for several machines"),
        }
    }
}

fn through(faulty: &Faulty) -> Repository {
    format!("{}/{REPOSITORY}", faulty.address())
        .parse()
        .unwrap()
}

/// A client that takes silence for a failure soon.
fn impatient() -> Registry {
    client(Settings {
        patience: Patience {
            answer: Duration::from_millis(500),
            idle: Duration::from_millis(500),
            ..Patience::default()
        },
        ..Settings::default()
    })
    .unwrap()
}

const ALL: usize = 15;
const ALWAYS: usize = usize::MAX;

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_down_is_an_error_and_the_next_scan_goes_on_from_what_is_known() {
    let broken = Broken::begin().await;
    assert_eq!(versions(&broken.scanner).await.len(), ALL);
    broken.fails("/v2/", ALWAYS, Fault::Status(503, Vec::new()));

    let failed = broken.scanner.scan().await.unwrap_err();
    broken.faulty.fails(Vec::new());

    assert_eq!(failed.why().reason(), "Failing");
    broken.faulty.asked();
    assert_eq!(versions(&broken.scanner).await.len(), ALL);
    assert_eq!(
        broken.faulty.asked().len(),
        1,
        "more than the tags was asked for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_once_is_asked_again() {
    for fault in [
        Fault::Status(500, Vec::new()),
        Fault::Silence,
        Fault::Cut(10),
    ] {
        let broken = Broken::begin().await;
        broken.fails("/manifests/", 2, fault.clone());

        assert_eq!(versions(&broken.scanner).await.len(), ALL, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_wants_rest_is_left_alone_and_says_for_how_long() {
    let broken = Broken::begin().await;
    let rest = vec![("retry-after", "120".to_owned())];
    broken.fails("/manifests/", ALWAYS, Fault::Status(429, rest));

    let failed = broken.scanner.scan().await.unwrap_err();

    assert_eq!(failed.why().retry_after(), Some(Duration::from_secs(120)));
    // Those that were on their way when the first answer came, and none a second time.
    let asked = broken.faulty.asked();
    assert!(asked.len() <= 1 + 1 + 16, "{}", asked.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_cut_is_read_on_from_where_it_was_cut() {
    let broken = Broken::begin().await;
    let layer = broken.metadata_layer("4.12.1-x86_64").await;
    broken.fails(layer.as_str(), 2, Fault::Cut(100));

    let found = versions(&broken.scanner).await;

    assert_eq!(found.len(), ALL);
    let asked = broken.faulty.asked();
    let ranges: Vec<_> = asked
        .iter()
        .filter(|asked| asked.path.contains(layer.as_str()))
        .map(|asked| asked.range.as_deref())
        .collect();
    assert_eq!(ranges, [None, Some("bytes=100-"), Some("bytes=200-")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_not_what_its_digest_says_is_no_answer() {
    let broken = Broken::begin().await;
    let layer = broken.metadata_layer("4.12.1-x86_64").await;
    broken.fails(layer.as_str(), 1, Fault::OtherBytes);

    let graph = graph(&broken.scanner).await;

    let [aside] = graph.aside() else {
        panic!("{:?}", graph.aside())
    };
    assert_eq!(aside.reason(), "WrongDigest");
    // And it is asked for again, not remembered.
    assert_eq!(versions(&broken.scanner).await.len(), ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_not_what_its_digest_says_is_no_answer() {
    let broken = Broken::begin().await;
    broken.fails("/manifests/4.12.1-x86_64", 1, Fault::OtherBytes);

    let graph = graph(&broken.scanner).await;

    let reasons: Vec<_> = graph.aside().iter().map(Aside::reason).collect();
    assert_eq!(reasons, ["WrongDigest"]);
    assert_eq!(versions(&broken.scanner).await.len(), ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_cannot_be_asked_for_keeps_its_last_answer() {
    let stage = Stage::few().await;
    let faulty = Faulty::before(stage.server.address()).await.unwrap();
    let scanner = scanner_again(impatient(), through(&faulty), Duration::ZERO);
    assert_eq!(versions(&scanner).await.len(), ALL);
    faulty.fails(vec![Rule {
        path: "/manifests/4.12.1-x86_64".to_owned(),
        times: ALWAYS,
        fault: Fault::Status(500, Vec::new()),
    }]);

    let found = versions(&scanner).await;

    assert_eq!(found.len(), ALL);
    assert!(found.contains(&"4.12.1+amd64".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_may_come_is_waited_for_at_first() {
    let broken = Broken::begin().await;
    broken.fails(
        "/manifests/4.12.1-x86_64",
        ALWAYS,
        Fault::Status(500, Vec::new()),
    );

    let failed = broken.scanner.scan().await.unwrap_err();
    broken.faulty.fails(Vec::new());

    assert!(
        failed.to_string().contains("1 images are missing"),
        "{failed}"
    );
    assert_eq!(versions(&broken.scanner).await.len(), ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_refuses_every_token_is_asked_twice_and_no_more() {
    let broken = Broken::begin().await;
    let challenge = format!(
        "Bearer realm=\"http://{}/token\",service=\"a\"",
        broken.faulty.address()
    );
    broken.faulty.fails(vec![
        Rule {
            path: "/tags/list".to_owned(),
            times: ALWAYS,
            fault: Fault::Status(401, vec![("www-authenticate", challenge)]),
        },
        Rule {
            path: "/token".to_owned(),
            times: ALWAYS,
            fault: Fault::Status(403, Vec::new()),
        },
    ]);

    let failed = broken.scanner.scan().await.unwrap_err();

    assert_eq!(failed.why().reason(), "Denied", "{failed}");
    let tokens = broken.faulty.asked();
    let tokens = tokens.iter().filter(|asked| asked.path == "/token").count();
    assert_eq!(tokens, 1);
}
