//! Informational replies (1xx) of backends on their way to a client. hyper's server sends none but 100 and 101, so they are
//! written around it, where its bytes leave: at a moment when it has none of its own to send.

use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, BytesMut};
use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::forward;

/// Where a request leaves informational replies for the connection that it came on.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints(Arc<Slot>);

#[derive(Debug, Default)]
struct Slot {
    /// There is something to write; looking costs less than locking.
    full: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: BytesMut,
    /// Some of it is written: nothing else may come before the rest.
    begun: bool,
    sender: Option<Waker>,
}

impl Hints {
    /// Sends one. Completes when it has left: a final reply must not overtake it.
    pub(super) async fn send(&self, status: StatusCode, mut fields: HeaderMap) {
        forward::to_client(&mut fields, false);
        let mut text = BytesMut::new();
        // The reason is for people only; an unknown status has none.
        let _ = write!(text, "HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or(""));
        crate::upstream::emit_last_fields(&fields, &mut text);
        self.lock().bytes.unsplit(text);
        self.0.full.store(true, Ordering::Release);
        std::future::poll_fn(|cx| {
            let mut waiting = self.lock();
            if waiting.bytes.is_empty() {
                return Poll::Ready(());
            }
            waiting.sender = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream on which hints go out between what hyper writes.
#[derive(Debug)]
pub(super) struct Hinted<S> {
    stream: S,
    hints: Hints,
}

impl<S: AsyncWrite + Unpin> Hinted<S> {
    pub(super) fn new(stream: S, hints: Hints) -> Self {
        Self { stream, hints }
    }

    /// Writes what waits, or only the rest of what has begun.
    fn poll_hints(&mut self, cx: &mut Context<'_>, only_rest: bool) -> Poll<io::Result<()>> {
        if !self.hints.0.full.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        let mut waiting = self.hints.lock();
        while !waiting.bytes.is_empty() && (waiting.begun || !only_rest) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &waiting.bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            waiting.bytes.advance(written);
            waiting.begun = !waiting.bytes.is_empty();
        }
        if waiting.bytes.is_empty() {
            self.hints.0.full.store(false, Ordering::Release);
            if let Some(sender) = waiting.sender.take() {
                sender.wake();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Hinted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Hinted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_hints(cx, true))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    /// hyper asks for this when all that it had is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_hints(cx, false))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn fields() -> HeaderMap {
        let list = [("link", "</a>"), ("connection", "x-one"), ("x-one", "1"), ("content-length", "5")];
        list.iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_hint_leaves_at_a_flush_and_its_rest_before_anything_else() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            // The pipe takes ten bytes at a time.
            let (near, mut far) = tokio::io::duplex(10);
            let hints = Hints::default();
            let mut stream = Hinted::new(near, hints.clone());
            let writing = async {
                stream.write_all(b"before").await.unwrap();
                tokio::join!(hints.send(StatusCode::EARLY_HINTS, fields()), async {
                    // Some bytes of it only, since there is no room for more.
                    let mut cx = Context::from_waker(Waker::noop());
                    assert!(Pin::new(&mut stream).poll_flush(&mut cx).is_pending());
                    stream.write_all(b"after").await.unwrap();
                });
                drop(stream);
            };
            let mut text = String::new();
            let reading = far.read_to_string(&mut text);
            let ((), read) = tokio::join!(writing, reading);
            read.unwrap();
            assert_eq!(text, "beforeHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nafter");
        });
    }
}
