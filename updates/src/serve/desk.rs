//! Between a connection and the answers: who may ask now, and where the answer is made.
//!
//! # Guarantees
//! * What is a look-up is answered on the spot. What takes longer (an answer that is made for the first time, an explanation,
//!   a feed, a file) is made away from the sockets, by [`MADE_AT_ONCE`] at a time.
//! * [`WAITING_MAX`] wait for that; who comes then is told to come again.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Either, Full, StreamBody};
use tokio::sync::{Semaphore, watch};

use super::respond::{Door, House, Reply, told};
use super::watch::{FOLLOWERS_MAX, Following};
use super::{Rates, watch as events};

/// So many answers are made at a time away from the sockets: two, so that one that takes long does not hold up all others, and
/// two processors are not both busy with what people ask when clusters come.
pub(super) const MADE_AT_ONCE: usize = 2;
/// So many wait for that: a page asks a few questions at once, and this is many pages.
pub(super) const WAITING_MAX: usize = 256;
/// After so many seconds one comes again where too many wait.
const COME_AGAIN: u64 = 1;

/// A body: whole, or as it comes.
pub(super) type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Infallible>>;

/// What all connections of a port share.
#[derive(Debug)]
pub(super) struct Desk {
    door: Door,
    house: House,
    rates: Option<Arc<Rates>>,
    making: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    followers: Arc<Semaphore>,
    end: watch::Receiver<bool>,
}

impl Desk {
    pub(super) fn new(
        door: Door,
        house: House,
        rates: Option<Arc<Rates>>,
        end: watch::Receiver<bool>,
    ) -> Self {
        Self {
            door,
            house,
            rates,
            making: Arc::new(Semaphore::new(MADE_AT_ONCE)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            end,
        }
    }

    pub(super) fn house(&self) -> &House {
        &self.house
    }

    /// Answers a request of this client.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<()>,
        client: IpAddr,
    ) -> Response<Body> {
        let started = self.house.metrics.clock().now();
        let mut reply = match self.limit(client) {
            Some(refusal) => refusal,
            None if self.door.takes_long(&request, &self.house.served) => {
                Arc::clone(&self).made_aside(request).await
            }
            None => self.respond(&request),
        };
        let took = self.house.metrics.clock().now().duration_since(started);
        self.house.metrics.took(took.as_secs_f64());
        if self.house.served.ends_soon() {
            let close = HeaderValue::from_static("close");
            reply.headers_mut().insert(header::CONNECTION, close);
        }
        match reply.extensions_mut().remove::<Following>() {
            Some(following) => self.follow(following, reply),
            None => reply.map(|body| Either::Left(Full::new(body))),
        }
    }

    fn respond(&self, request: &Request<()>) -> Reply {
        self.door
            .respond(request, &self.house.served, &self.house.metrics)
    }

    /// The refusal of a client that asks too often.
    fn limit(&self, client: IpAddr) -> Option<Reply> {
        let seconds = self.rates.as_ref()?.ask(client).err()?;
        self.house.metrics.limited();
        Some(self.later(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "this client asks too often",
            seconds,
        ))
    }

    /// Makes an answer away from the sockets.
    async fn made_aside(self: Arc<Self>, request: Request<()>) -> Reply {
        let busy = |desk: &Self, says: &str| {
            desk.later(StatusCode::SERVICE_UNAVAILABLE, "busy", says, COME_AGAIN)
        };
        let Ok(waiting) = Arc::clone(&self.waiting).try_acquire_owned() else {
            return busy(&self, "too many questions wait that take long to answer");
        };
        let Ok(making) = Arc::clone(&self.making).acquire_owned().await else {
            return busy(&self, "the service ends");
        };
        let desk = Arc::clone(&self);
        // The places are given back when the work is done, also where the client has gone by then.
        let made = tokio::task::spawn_blocking(move || {
            let reply = desk.respond(&request);
            drop((making, waiting));
            reply
        })
        .await;
        made.unwrap_or_else(|error| {
            tracing::error!(%error, "making an answer ended early");
            told(
                StatusCode::INTERNAL_SERVER_ERROR,
                "failed_answer",
                "making the answer ended early",
            )
        })
    }

    fn follow(&self, following: Following, reply: Reply) -> Response<Body> {
        let Ok(place) = Arc::clone(&self.followers).try_acquire_owned() else {
            let says = format!("{FOLLOWERS_MAX} connections follow channels already");
            let refusal = self.later(StatusCode::SERVICE_UNAVAILABLE, "busy", &says, COME_AGAIN);
            return refusal.map(|body| Either::Left(Full::new(body)));
        };
        let stream = events::events(
            following,
            Arc::clone(&self.house.served),
            Arc::clone(&self.house.metrics),
            place,
            self.end.clone(),
        );
        reply.map(|_| Either::Right(StreamBody::new(stream).boxed_unsync()))
    }

    fn later(&self, status: StatusCode, kind: &'static str, says: &str, seconds: u64) -> Reply {
        self.house.metrics.refused(status, kind);
        let mut reply = told(status, kind, says);
        let seconds = HeaderValue::from(seconds);
        reply.headers_mut().insert(header::RETRY_AFTER, seconds);
        reply
    }
}

impl Door {
    /// Whether the answer is more than a look-up.
    fn takes_long(&self, request: &Request<()>, served: &super::Served) -> bool {
        let Self::Main { prefix, .. } = self else {
            // Metrics are written for a scrape now and then.
            return request.uri().path() == "/metrics";
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return false;
        }
        let path = request.uri().path().strip_prefix(prefix.as_str());
        match path.unwrap_or_default() {
            "/graph" | "/v1/graph" => served.has_to_make(request.uri().query()),
            // All that only looks something up is named here, so that what is new is made aside.
            "/openapi" | "/v1/openapi" | "/v1/watch" => false,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::num::NonZeroU32;

    use super::super::tests::{GRAPH, main_door, serving};
    use super::*;

    const ONE: NonZeroU32 = NonZeroU32::new(1).unwrap();
    const EXPLAIN: &str = "/api/v1/explain?channel=stable-4.1&from=4.1.0";
    const WATCH: &str = "/api/v1/watch?channel=stable-4.1";

    struct Told {
        status: u16,
        retry_after: Option<String>,
        body: String,
    }

    fn desk(rates: Option<Rates>) -> (Arc<Desk>, watch::Sender<bool>) {
        let (ending, ended) = watch::channel(false);
        let desk = Desk::new(main_door(), serving(), rates.map(Arc::new), ended);
        (Arc::new(desk), ending)
    }

    async fn ask(desk: &Arc<Desk>, path: &str) -> Told {
        let request = Request::builder().uri(path).body(()).unwrap();
        let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let response = Arc::clone(desk).answer(request, client).await;
        let after = response.headers().get(header::RETRY_AFTER);
        let retry_after = after.map(|after| after.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = match response.into_body() {
            Either::Left(whole) => whole.collect().await.unwrap().to_bytes(),
            Either::Right(_) => Bytes::new(),
        };
        Told {
            status,
            retry_after,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_too_often_is_told_to_wait_and_counted() {
        let (desk, _ending) = desk(Some(Rates::new(ONE)));
        assert_eq!(ask(&desk, "/api/openapi").await.status, 200);

        let told = ask(&desk, "/api/openapi").await;

        assert_eq!((told.status, told.retry_after.as_deref()), (429, Some("1")));
        assert!(told.body.contains("too_many_requests"), "{}", told.body);
        let metrics = desk.house.metrics.text(&desk.house.served).unwrap();
        assert!(
            metrics.contains("windlass_update_rate_limited_total 1"),
            "{metrics}"
        );
    }

    #[tokio::test]
    async fn where_too_many_wait_for_explanations_one_is_told_to_come_again_and_answers_go_on() {
        let (desk, _ending) = desk(None);
        assert_eq!(ask(&desk, GRAPH).await.status, 200);
        let all = u32::try_from(WAITING_MAX).unwrap();
        let taken = desk.waiting.try_acquire_many(all).unwrap();

        let told = ask(&desk, EXPLAIN).await;

        assert_eq!((told.status, told.retry_after.as_deref()), (503, Some("1")));
        assert!(told.body.contains("busy"), "{}", told.body);
        assert_eq!(ask(&desk, GRAPH).await.status, 200);
        drop(taken);
        assert_eq!(ask(&desk, EXPLAIN).await.status, 200);
    }

    #[tokio::test]
    async fn so_many_follow_and_no_more() {
        let (desk, _ending) = desk(None);
        let all = u32::try_from(FOLLOWERS_MAX).unwrap();
        let taken = Arc::clone(&desk.followers)
            .try_acquire_many_owned(all)
            .unwrap();

        let refused = ask(&desk, WATCH).await;

        assert_eq!(
            (refused.status, refused.retry_after.as_deref()),
            (503, Some("1"))
        );
        drop(taken);
        assert_eq!(ask(&desk, WATCH).await.status, 200);
    }
}
