//! The door on loopback: plain HTTP for a real kubectl. Real time only.
//!
//! # Guarantees
//! It listens on 127.0.0.1 alone, and ends with its [`Listener`]. The caller's name is taken from its user agent, for the
//! trace; rights are not asked for (see the module above).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::ApiServer;
use super::service::{AnswerBody, ConnectionLost, empty};

/// The largest body that a request may have: the real server's limit for a request, 3 MiB.
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Connections at a time. A kubectl opens a handful; a hundred of them are somebody's loop.
const CONNECTIONS_MAX: usize = 256;

/// A listener on loopback; dropping it closes the door.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Listener {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig, as YAML, whose one context leads here.
    pub fn kubeconfig(&self) -> String {
        let address = self.address;
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: windlass\n\
             clusters:\n- name: windlass\n  cluster: {{server: \"http://{address}\"}}\n\
             contexts:\n- name: windlass\n  context: {{cluster: windlass, user: person}}\n\
             users:\n- name: person\n  user: {{}}\n"
        )
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves the cluster on loopback, on a free port.
pub async fn listen(server: &ApiServer) -> io::Result<Listener> {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = door.local_addr()?;
    let accepting = tokio::spawn(accept(door, server.clone()));
    Ok(Listener { address, accepting })
}

async fn accept(door: TcpListener, server: ApiServer) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        // Those that have ended make room; the set itself ends them all when the listener goes.
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        match door.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, server.clone()));
            }
            Err(error) => tracing::warn!(%error, "accepting a connection on loopback failed"),
        }
    }
}

async fn serve(stream: TcpStream, server: ApiServer) {
    let answer = service_fn(move |request| respond(server.clone(), request));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection on loopback ended early");
    }
}

async fn respond(
    server: ApiServer,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, ConnectionLost> {
    let (parts, body) = request.into_parts();
    let actor = parts
        .headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok())
        .and_then(|agent| agent.split(['/', ' ']).next())
        .filter(|name| !name.is_empty())
        .unwrap_or("visitor")
        .to_owned();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        let mut refused = Response::new(empty());
        *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(refused);
    };
    let request: Request<Bytes> = Request::from_parts(parts, body.to_bytes());
    server.connection(&actor).serve(request).await
}
