//! The sockets of the service.
//!
//! # Guarantees
//! Bounded: connections, header bytes, the time that a client may take for its headers. Told to end, it takes no new
//! connection, lets those that are in a response finish it, and ends.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::respond::{Door, House};

/// Connections at a time on one port; more wait in the kernel's queue. A cluster asks once in minutes, so this is many
/// thousand clusters.
pub const CONNECTIONS_MAX: usize = 4096;
/// A client sends its headers within this, or is let go; so is one that keeps a connection and does not use it.
pub const HEADER_TIME_MAX: Duration = Duration::from_secs(30);
/// All headers of a request: what the common servers take.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// A failed accept is mostly a lack of file descriptors; they come back when connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves one port until `end` becomes true, or nobody is left to say so.
pub async fn serve(
    listener: TcpListener,
    door: Door,
    house: House,
    mut end: watch::Receiver<bool>,
) {
    let door = Arc::new(door);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = told_to_end(&mut end) => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (door, house, end) = (door.clone(), house.clone(), end.clone());
                connections.spawn(async move {
                    converse(stream, door, house, end).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn converse(
    stream: TcpStream,
    door: Arc<Door>,
    house: House,
    mut end: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection will wait for full packets");
    }
    let answer = service_fn(move |request: http::Request<Incoming>| {
        let started = house.metrics.clock().now();
        let reply = door.respond(&request, &house.served, &house.metrics);
        let took = house.metrics.clock().now().duration_since(started);
        house.metrics.took(took.as_secs_f64());
        async move { Ok::<_, Infallible>(reply.map(Full::new)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_end(&mut end) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}

async fn told_to_end(end: &mut watch::Receiver<bool>) {
    // An error means that nobody is left to say so, which says it as well.
    drop(end.wait_for(|end| *end).await);
}
