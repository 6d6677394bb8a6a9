//! Renewal against an API server that gives tokens, or does not, in paused time.

use super::claims::tests::token;
use super::*;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tower::service_fn;

const HOUR: i64 = 3600;
const NODE: &str = "worker-1";

/// What the server was asked for.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// An API server that answers `status`, and gives tokens of an hour.
fn server(clock: &Clock, status: StatusCode) -> (Client, Asked) {
    let asked = Asked::default();
    let (log, clock) = (Arc::clone(&asked), clock.clone());
    let service = service_fn(move |request: Request<Body>| {
        let (log, clock) = (Arc::clone(&log), clock.clone());
        async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let wish: Value = serde_json::from_slice(&body).unwrap();
            log.lock().unwrap().push((path, wish.clone()));
            let now = clock.now().as_second();
            let answer = if status.is_success() {
                json!({
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "TokenRequest",
                    "metadata": {},
                    "spec": wish["spec"].clone(),
                    "status": {
                        "token": token(NODE, now, now + HOUR),
                        "expirationTimestamp": "2026-01-01T00:00:00Z",
                    },
                })
            } else {
                json!({"kind": "Status", "status": "Failure", "code": status.as_u16()})
            };
            let response = Response::builder().status(status);
            let body = Body::from(answer.to_string().into_bytes());
            Ok::<_, std::convert::Infallible>(response.body(body).unwrap())
        }
    });
    (Client::new(service, "windlass"), asked)
}

/// A clock that goes with tokio's time.
fn clock() -> Clock {
    let start = tokio::time::Instant::now();
    Clock::new(move || {
        let passed = SignedDuration::try_from(start.elapsed()).unwrap();
        Timestamp::from_second(1_700_000_000).unwrap() + passed
    })
}

struct Rig {
    directory: TempDir,
    clock: Clock,
    asked: Asked,
    client: Client,
}

impl Rig {
    /// A token that was issued `age` seconds ago for an hour.
    fn new(age: i64, status: StatusCode) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = clock();
        let (client, asked) = server(&clock, status);
        let rig = Self {
            directory,
            clock,
            asked,
            client,
        };
        rig.bring(age);
        rig
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("token")
    }

    fn bring(&self, age: i64) {
        let issued = self.clock.now().as_second() - age;
        std::fs::write(self.path(), token(NODE, issued, issued + HOUR)).unwrap();
    }

    async fn run_for(&self, time: Duration) {
        let file = TokenFile::at(&self.path()).unwrap();
        let fresh = keep_fresh(
            self.client.clone(),
            NODE.to_owned(),
            file,
            LIFETIME,
            self.clock.clone(),
        );
        let _elapsed = tokio::time::timeout(time, fresh).await;
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn claims(&self) -> Claims {
        TokenFile::at(&self.path()).unwrap().claims().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_when_a_third_of_its_life_is_over() {
    let rig = Rig::new(0, StatusCode::CREATED);
    rig.run_for(Duration::from_mins(19)).await;
    assert_eq!(rig.asked(), 0);
    rig.run_for(Duration::from_mins(2)).await;
    assert_eq!(rig.asked(), 1);
    assert!(rig.claims().expires > rig.clock.now() + SignedDuration::from_mins(58));
    rig.run_for(Duration::from_hours(1)).await;
    assert_eq!(rig.asked(), 3 + 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_bound_to_the_node_and_to_nothing_else() {
    let rig = Rig::new(HOUR / 2, StatusCode::CREATED);
    rig.run_for(Duration::from_secs(1)).await;
    let asked = rig.asked.lock().unwrap();
    let (path, wish) = &asked[0];
    assert_eq!(
        path,
        "/api/v1/namespaces/windlass/serviceaccounts/windlass-daemon/token"
    );
    assert_eq!(
        wish["spec"]["boundObjectRef"],
        json!({"apiVersion": "v1", "kind": "Node", "name": NODE})
    );
    assert_eq!(wish["spec"]["expirationSeconds"], 604_800);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_gives_none_leaves_the_token_as_it_is() {
    let rig = Rig::new(HOUR / 2, StatusCode::FORBIDDEN);
    let before = std::fs::read(rig.path()).unwrap();
    rig.run_for(Duration::from_mins(10)).await;
    assert!(rig.asked() > 5, "it is asked again: {}", rig.asked());
    assert!(rig.asked() < 60, "and not without a pause: {}", rig.asked());
    assert_eq!(std::fs::read(rig.path()).unwrap(), before);
}

#[tokio::test]
async fn a_token_that_somebody_else_brings_is_taken_up_at_once() {
    let rig = Rig::new(0, StatusCode::CREATED);
    let look = async {
        // It is not due for long; the one that is brought is due now.
        tokio::task::yield_now().await;
        rig.bring(HOUR / 2);
        while rig.asked() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = rig.run_for(Duration::from_secs(30)) => panic!("it was not noticed"),
        () = look => {}
    }
    assert_eq!(rig.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_no_token_is_told_and_waited_for() {
    let rig = Rig::new(0, StatusCode::CREATED);
    std::fs::write(rig.path(), "no token").unwrap();
    rig.run_for(Duration::from_mins(1)).await;
    assert_eq!(rig.asked(), 0);
    let error = TokenFile::at(&rig.path()).unwrap().claims().unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}
