//! Over a socket: whole answers while graphs swap, and an orderly end.

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;

/// Nothing on loopback takes as long.
const LONG: std::time::Duration = std::time::Duration::from_secs(20);

/// One answer on a connection that is kept: its tag and its body.
async fn answer(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let request = format!("GET {GRAPH} HTTP/1.1\r\nhost: loopback\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let value = |name: &str| {
        let line = head
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim().to_owned()
    };
    let mut body = vec![0; value("content-length:").parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    (value("etag:"), body)
}

#[tokio::test]
async fn every_answer_is_of_one_graph_while_graphs_swap_and_the_end_is_orderly() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let house = serving();
    let (ending, ended) = watch::channel(false);
    let server = tokio::spawn(serve(listener, main_door(), house.clone(), ended));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut tags = std::collections::BTreeSet::new();

    for turn in 0..40 {
        let versions: &[&str] = if turn % 2 == 0 {
            &["4.1.0"]
        } else {
            &["4.1.0", "4.1.1"]
        };
        swap(&house, versions);
        let (tag, body) = tokio::time::timeout(LONG, answer(&mut stream))
            .await
            .unwrap();
        let hash: String = Sha256::digest(&body)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(tag, format!("\"{hash}\""));
        tags.insert(tag);
    }

    assert_eq!(tags.len(), 2, "both graphs were served on one connection");
    ending.send(true).unwrap();
    tokio::time::timeout(LONG, server)
        .await
        .expect("the server ends")
        .unwrap();
}
