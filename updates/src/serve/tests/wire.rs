//! A client on a socket that reads as little as it has to.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::{Guards, serve_guarded};
use super::*;

/// Nothing on loopback takes as long.
pub(super) const LONG: std::time::Duration = std::time::Duration::from_secs(20);

/// A service that listens.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) house: House,
    ending: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Running {
    pub(super) async fn start(house: House, guards: Guards) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ending, ended) = watch::channel(false);
        let server = serve_guarded(listener, main_door(), house.clone(), guards, ended);
        Self {
            address,
            house,
            ending,
            server: tokio::spawn(server),
        }
    }

    pub(super) async fn connect(&self) -> Client<TcpStream> {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Ends it, and waits until it has ended.
    pub(super) async fn end(self) {
        self.ending.send(true).unwrap();
        timeout(LONG, self.server).await.unwrap().unwrap();
    }
}

/// One connection.
pub(super) struct Client<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) async fn send(&mut self, path: &str, headers: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: loopback\r\n{headers}\r\n");
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// Reads until the text ends with this, and tells all of it.
    pub(super) async fn until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        let reading = async {
            while !text.ends_with(end.as_bytes()) {
                match self.0.read_u8().await {
                    Ok(byte) => text.push(byte),
                    Err(_) => break,
                }
            }
        };
        let late = timeout(LONG, reading).await.is_err();
        let text = String::from_utf8(text).unwrap();
        assert!(!late, "never came: {end:?}; there is\n{text}");
        text
    }

    pub(super) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Head and body of a whole answer.
    pub(super) async fn answer(&mut self) -> (String, Vec<u8>) {
        let head = self.head().await;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        timeout(LONG, self.0.read_exact(&mut body))
            .await
            .unwrap()
            .unwrap();
        (head, body)
    }
}
