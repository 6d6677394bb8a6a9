//! The sockets of the service.
//!
//! # Guarantees
//! Bounded: connections, header bytes, the time that a client may take for its headers and for taking an answer. Told to end,
//! it takes no new connection, lets those that are in a response finish it, and ends.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::Rates;
use super::desk::Desk;
use super::respond::{Door, House};
use super::timely::Timely;
use super::tls::Certificate;

/// Connections at a time on one port; more wait in the kernel's queue. A cluster asks once in minutes, so this is many
/// thousand clusters.
pub const CONNECTIONS_MAX: usize = 4096;
/// A client sends its headers within this, or is let go; so is one that keeps a connection and does not use it.
pub const HEADER_TIME_MAX: Duration = Duration::from_secs(30);
/// A client that takes nothing of an answer for so long is let go.
pub const WRITE_TIME_MAX: Duration = Duration::from_secs(30);
/// All headers of a request: what the common servers take.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// A failed accept is mostly a lack of file descriptors; they come back when connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a port asks of its clients.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    /// TLS with this certificate; none is plain HTTP.
    pub certificate: Option<Arc<Certificate>>,
    /// How often a client may ask; none is as often as it likes.
    pub rates: Option<Arc<Rates>>,
}

/// Serves one port without guards until `end` becomes true, or nobody is left to say so.
pub async fn serve(listener: TcpListener, door: Door, house: House, end: watch::Receiver<bool>) {
    serve_guarded(listener, door, house, Guards::default(), end).await;
}

/// Serves one port until `end` becomes true, or nobody is left to say so.
pub async fn serve_guarded(
    listener: TcpListener,
    door: Door,
    house: House,
    guards: Guards,
    mut end: watch::Receiver<bool>,
) {
    let desk = Arc::new(Desk::new(door, house, guards.rates, end.clone()));
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
            Ok((stream, client)) => {
                let (desk, end) = (Arc::clone(&desk), end.clone());
                let certificate = guards.certificate.clone();
                connections.spawn(async move {
                    welcome(stream, client, certificate, desk, end).await;
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

async fn welcome(
    stream: TcpStream,
    client: SocketAddr,
    certificate: Option<Arc<Certificate>>,
    desk: Arc<Desk>,
    mut end: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection will wait for full packets");
    }
    let Some(certificate) = certificate else {
        return converse(stream, client.ip(), desk, end).await;
    };
    let greeting = certificate.acceptor().accept(stream);
    let greeted = tokio::select! {
        () = told_to_end(&mut end) => return,
        greeted = tokio::time::timeout(HEADER_TIME_MAX, greeting) => greeted,
    };
    match greeted {
        Ok(Ok(stream)) => converse(stream, client.ip(), desk, end).await,
        Ok(Err(error)) => debug!(%error, "a connection ended before TLS was agreed on"),
        Err(_) => debug!("a connection took too long to agree on TLS"),
    }
}

async fn converse<S>(stream: S, client: IpAddr, desk: Arc<Desk>, mut end: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let house = desk.house().clone();
    let stream = TokioIo::new(Timely::new(stream, WRITE_TIME_MAX));
    let answer = service_fn(move |request: http::Request<Incoming>| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(request.map(drop), client).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(stream, answer);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_end(&mut end) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        if read_too_slowly(&error) {
            house.metrics.slow_reader();
        }
        debug!(%error, "a connection ended early");
    }
}

/// Whether the limit of [`WRITE_TIME_MAX`] ended a connection; for its headers a client has hyper's own.
fn read_too_slowly(error: &hyper::Error) -> bool {
    error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

async fn told_to_end(end: &mut watch::Receiver<bool>) {
    // An error means that nobody is left to say so, which says it as well.
    drop(end.wait_for(|end| *end).await);
}
