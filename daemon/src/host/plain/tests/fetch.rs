//! Contents over https, from a server on loopback that only these tests trust.

use super::super::fetch::fetch;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A server that answers path by path.
struct Server {
    port: u16,
    roots: RootCertStore,
    asked: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = [0; 4096];
                let read = stream.read(&mut request).await.unwrap();
                let line = String::from_utf8_lossy(&request[..read]).into_owned();
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                let number = count.fetch_add(1, Ordering::Relaxed);
                let answer = answer(&path, number);
                // A client that has read enough goes away.
                let _gone = stream.write_all(&answer).await;
                let _gone = stream.shutdown().await;
            }
        });
        Self {
            port,
            roots,
            asked,
            task,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    async fn fetch(&self, path: &str) -> Result<Vec<u8>, String> {
        let fetched = fetch(&self.url(path), self.roots.clone()).await;
        fetched.map_err(|error| error.in_full())
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn answer(path: &str, number: usize) -> Vec<u8> {
    let head =
        |status: &str, more: &str| format!("HTTP/1.1 {status}\r\n{more}connection: close\r\n");
    let with_body = |body: &[u8]| {
        let length = format!("content-length: {}\r\n", body.len());
        let mut answer = (head("200 OK", &length) + "\r\n").into_bytes();
        answer.extend(body);
        answer
    };
    let without =
        |status: &str, more: &str| (head(status, more) + "content-length: 0\r\n\r\n").into_bytes();
    match path {
        "/file" => with_body(b"pool a\n"),
        "/moved" => without("302 Found", "location: /file\r\n"),
        "/circle" => without("302 Found", "location: /circle\r\n"),
        "/plain" => without("302 Found", "location: http://localhost/file\r\n"),
        "/late" if number == 0 => without("503 Service Unavailable", ""),
        "/late" => with_body(b"late"),
        "/big" => with_body(&vec![b'x'; 33 * 1024 * 1024]),
        _ => without("404 Not Found", ""),
    }
}

#[tokio::test]
async fn a_file_is_fetched_and_redirections_are_followed() {
    let server = Server::start().await;
    assert_eq!(server.fetch("/file").await.unwrap(), b"pool a\n");
    assert_eq!(server.fetch("/moved").await.unwrap(), b"pool a\n");
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let server = Server::start().await;
    assert_eq!(server.fetch("/late").await.unwrap(), b"late");
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn what_is_not_there_is_asked_for_once_and_named() {
    let server = Server::start().await;
    let error = server.fetch("/gone").await.unwrap_err();
    assert!(error.contains("404") && error.contains("/gone"), "{error}");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn more_than_a_file_may_have_is_asked_for_once_and_named() {
    let server = Server::start().await;
    let error = server.fetch("/big").await.unwrap_err();
    assert!(error.contains("more than"), "{error}");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_redirection_away_from_https_or_in_a_circle_ends() {
    let server = Server::start().await;
    for path in ["/plain", "/circle"] {
        let error = server.fetch(path).await.unwrap_err();
        assert!(error.contains("redirected"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gives_nothing() {
    let server = Server::start().await;
    tokio::time::pause();
    let fetched = fetch(&server.url("/file"), RootCertStore::empty()).await;
    assert!(fetched.is_err());
    assert_eq!(server.asked(), 0);
}
