//! A blob that comes piece by piece, for a reader that may wait.
//!
//! # Guarantees
//! At most [`AHEAD_MAX`] pieces are in memory between the connection and the reader. When the reader has what it wants, no
//! more is asked for. A stream that fails is a failure, whatever the reader made of its beginning.

use std::io::{self, BufRead, Read};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::registry::{BlobStream, RegistryError, Why};

/// Pieces between the connection and the reader; a piece is what a connection gives at once, 64 KiB at most.
pub(super) const AHEAD_MAX: usize = 2;

/// Lets `reader` read a blob on a thread of its own, until it has what it wants.
pub(super) async fn read<T: Send + 'static>(
    stream: &mut BlobStream,
    reader: impl FnOnce(Pieces) -> T + Send + 'static,
) -> Result<T, RegistryError> {
    let (pieces, receiver) = mpsc::channel(AHEAD_MAX);
    let reading = spawn_blocking(move || {
        reader(Pieces {
            receiver,
            piece: Bytes::new(),
        })
    });
    let fed = feed(stream, pieces).await;
    let read = reading.await;
    fed?;
    read.map_err(|error| RegistryError {
        attempt: "unpacking",
        on: stream.name(),
        why: Why::NotUnderstood(error.to_string()),
    })
}

async fn feed(stream: &mut BlobStream, pieces: mpsc::Sender<Bytes>) -> Result<(), RegistryError> {
    while let Some(piece) = stream.next().await? {
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// What a reader is handed.
pub(super) struct Pieces {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => break,
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, amount: usize) {
        self.piece.advance(amount.min(self.piece.len()));
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
