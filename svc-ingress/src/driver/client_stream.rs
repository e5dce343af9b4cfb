//! A client's connection: bytes that were read ahead to see what it is come first, and a client that takes no bytes for
//! too long is let go.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::proxy_protocol::ProxyHeader;

use super::deadline::Deadline;
use super::turns::Turns;

/// RFC 9113 section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Debug)]
pub(super) struct ClientStream<S> {
    stream: S,
    early: BytesMut,
    patience: Duration,
    stalled: Option<Instant>,
    heads: Option<Heads>,
    deadline: Deadline,
}

/// How long a request's head may be awaited, and since when one is.
#[derive(Debug)]
struct Heads {
    turns: Turns,
    patience: Duration,
    since: Option<(u64, Instant)>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientStream<S> {
    /// `patience` is for a client that takes nothing.
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            early: BytesMut::new(),
            patience,
            stalled: None,
            heads: None,
            deadline: Deadline::default(),
        }
    }

    /// From now on requests come one after the other, each head within `patience` of the end of the last turn.
    pub(super) fn await_heads(&mut self, turns: Turns, patience: Duration) {
        self.heads = Some(Heads { turns, patience, since: None });
    }

    /// Takes the PROXY protocol header off the front.
    pub(super) async fn proxy_header(&mut self) -> io::Result<ProxyHeader> {
        loop {
            let parsed = ProxyHeader::parse(&self.early);
            let parsed = parsed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if let Some((header, length)) = parsed {
                self.early.advance(length);
                return Ok(header);
            }
            self.read_ahead().await?;
        }
    }

    /// Whether the client begins with the preface of HTTP/2. Reads no more than it needs to see.
    pub(super) async fn begins_with_http2(&mut self) -> io::Result<bool> {
        loop {
            let length = self.early.len().min(PREFACE.len());
            if self.early[..length] != PREFACE[..length] {
                return Ok(false);
            }
            if length == PREFACE.len() {
                return Ok(true);
            }
            self.read_ahead().await?;
        }
    }

    /// What was read ahead, which stays to be read.
    pub(super) fn early(&self) -> &[u8] {
        &self.early
    }

    /// Reads more ahead.
    pub(super) async fn read_ahead(&mut self) -> io::Result<()> {
        self.early.reserve(4096);
        match self.stream.read_buf(&mut self.early).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Passes a result of writing on; an error once nothing was taken for too long.
    fn check<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let since = *self.stalled.get_or_insert_with(Instant::now);
        self.deadline.poll(cx, since + self.patience).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S> ClientStream<S> {
    /// Nothing is there to read; an error once a head was awaited for too long. hyper's own timer would be set anew for
    /// every request.
    fn check_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(heads) = &mut self.heads else { return Poll::Pending };
        let Some(pause) = heads.turns.pause() else { return Poll::Pending };
        let since = match heads.since {
            Some((known, since)) if known == pause => since,
            _ => heads.since.insert((pause, Instant::now())).1,
        };
        self.deadline.poll(cx, since + heads.patience).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.early.is_empty() {
            let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
            return if read.is_pending() { this.check_head(cx) } else { read };
        }
        let length = this.early.len().min(buffer.remaining());
        buffer.put_slice(&this.early.split_to(length));
        if this.early.is_empty() {
            this.early = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.check(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.check(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.check(cx, shut)
    }
}
