//! One request and its response on one upstream connection, driven from the request's own task: no connection task, no
//! channel. Sends the request's body and reads the response at the same time.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::Instant;

use crate::state::Pooled;
use crate::upstream::{Event, Expected, ResponseDecoder, ResponseError, emit_chunk, emit_last_chunk};

use super::kept::Shared;
use super::link::{Key, Link};
use super::outgoing::RequestBody;

/// How much is read at once: grows while the endpoint fills it.
const READ_SIZE: usize = 16 * 1024;
const MAX_READ_SIZE: usize = 64 * 1024;

/// Why there is no response, or no more of it.
#[derive(Debug, thiserror::Error)]
pub(in crate::driver) enum ExchangeError {
    #[error("connection to the endpoint: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Response(#[from] ResponseError),
    #[error("the endpoint takes too long")]
    Timeout,
    #[error("the client takes too long to send its request's body")]
    ClientTimeout,
    #[error("the request's body is larger than allowed")]
    BodyTooLarge,
    #[error("the client broke off its request's body: {0}")]
    Client(hyper::Error),
    #[error("HTTP/2 to the endpoint: {0}")]
    Http2(hyper::Error),
}

/// The request's body on its way out.
#[derive(Debug)]
pub(super) struct Sending {
    body: Option<RequestBody>,
    chunked: bool,
    ended: bool,
}

impl Sending {
    pub(super) fn new(body: Option<RequestBody>, chunked: bool) -> Self {
        let ended = !chunked && body.as_ref().is_none_or(RequestBody::is_over);
        Self { body, chunked, ended }
    }
}

/// How long the endpoint may pause, and the client in its body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    pub(super) read: Duration,
    pub(super) send: Duration,
    pub(super) body: Duration,
}

#[derive(Debug)]
pub(in crate::driver) struct Exchange<S> {
    upstream: Pooled<Link<S>>,
    kept: Shared<S>,
    decoder: ResponseDecoder,
    input: BytesMut,
    output: BytesMut,
    sending: Sending,
    pauses: Pauses,
    /// When bytes went either way, as it was known when there was last a pause.
    progress: Instant,
    /// Bytes went since.
    moved: bool,
    read_size: usize,
    received: bool,
    /// Why no more can be sent; the backend may have answered before it stopped reading.
    send_error: Option<io::Error>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Exchange<S> {
    /// Begins with the request's head in `output`.
    pub(super) fn new(
        upstream: Pooled<Link<S>>,
        kept: Shared<S>,
        output: BytesMut,
        sending: Sending,
        expected: Expected,
        pauses: Pauses,
        now: Instant,
    ) -> Box<Self> {
        // Moved from hand to hand with the reply: a box costs less than the copies.
        Box::new(Self {
            upstream,
            decoder: ResponseDecoder::new(expected).with_fields(kept.fields()),
            kept,
            input: BytesMut::new(),
            output,
            sending,
            pauses,
            progress: now,
            moved: false,
            read_size: READ_SIZE,
            received: false,
            send_error: None,
        })
    }

    /// Not a byte of a response came.
    pub(super) fn is_unanswered(&self) -> bool {
        !self.received
    }

    /// How many bytes of the response's body are to come, where that is known.
    pub(in crate::driver) fn remaining(&self) -> Option<u64> {
        self.decoder.remaining()
    }

    /// The next event of the response.
    pub(in crate::driver) fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Event, ExchangeError>> {
        self.poll_send(cx)?;
        loop {
            if let Some(event) = self.decoder.poll_event(&mut self.input)? {
                return Poll::Ready(Ok(event));
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(self.handle_eof()),
                Poll::Ready(Ok(_)) => {
                    self.received = true;
                    self.moved = true;
                }
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(self.send_error.take().unwrap_or(error).into()));
                }
                Poll::Pending => return self.poll_timer(cx),
            }
        }
    }

    /// The response is over: its connection is kept for another request unless anything was odd, and so is its memory.
    pub(in crate::driver) fn finish(self, key: Key) {
        let sent = self.sending.ended && self.output.is_empty() && self.send_error.is_none();
        if sent && self.decoder.is_reusable() && self.input.is_empty() {
            self.kept.put(key, self.upstream);
        }
        self.kept.put_buffer(self.input);
    }

    /// The connection after 101, and the bytes of the other protocol that came with it.
    pub(super) fn into_switched(self) -> (Link<S>, BytesMut) {
        (self.upstream.into_inner(), self.input)
    }

    /// The request's body, for another endpoint.
    pub(super) fn body(&self) -> Option<&RequestBody> {
        self.sending.body.as_ref()
    }

    pub(super) fn into_body(self) -> Option<RequestBody> {
        self.sending.body
    }

    /// The response is passed on: the request will not be sent again.
    pub(in crate::driver) fn commit(&mut self) {
        if let Some(body) = &mut self.sending.body {
            body.keep_nothing();
        }
    }

    fn handle_eof(&mut self) -> Result<Event, ExchangeError> {
        let end = self.decoder.handle_eof();
        end.map_err(|error| self.send_error.take().map_or(error.into(), ExchangeError::Io))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() == 0 {
            self.input = self.kept.buffer();
        }
        if self.input.capacity() - self.input.len() < READ_SIZE / 4 {
            self.input.reserve(self.read_size);
        }
        let room = self.input.capacity() - self.input.len();
        // The future holds no state: dropping it between polls loses nothing.
        let read = pin!(self.upstream.get_mut().read_buf(&mut self.input)).poll(cx);
        match read {
            Poll::Ready(Ok(read)) if read == room => self.read_size = (self.read_size * 2).min(MAX_READ_SIZE),
            // Who waits has no buffer.
            Poll::Pending if self.input.is_empty() => self.kept.put_buffer(std::mem::take(&mut self.input)),
            _ => {}
        }
        read
    }

    /// Sends what can be sent now. An error of the connection is kept for when reading ends too.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), ExchangeError> {
        while self.send_error.is_none() {
            match self.poll_flush(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => self.send_error = Some(error),
                Poll::Ready(Ok(())) => match self.poll_body(cx) {
                    Poll::Ready(Ok(true)) => {}
                    Poll::Ready(Ok(false)) | Poll::Pending => return Ok(()),
                    Poll::Ready(Err(error)) => return Err(error),
                },
            }
        }
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let written = ready!(Pin::new(self.upstream.get_mut()).poll_write(cx, &self.output))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(written);
            self.moved = true;
            if self.output.is_empty() && self.sending.ended {
                self.kept.put_buffer(std::mem::take(&mut self.output));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the next piece of the client's body; `false` once there is none.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, ExchangeError>> {
        let Some(body) = self.sending.body.as_mut().filter(|_| !self.sending.ended) else {
            return Poll::Ready(Ok(false));
        };
        let frame = ready!(body.poll_frame(cx)).transpose()?;
        self.moved = true;
        match frame.map(hyper::body::Frame::into_data) {
            None => self.end_body(&HeaderMap::new()),
            Some(Ok(data)) if self.sending.chunked => emit_chunk(&data, &mut self.output),
            Some(Ok(data)) => self.output.extend_from_slice(&data),
            Some(Err(frame)) => self.end_body(&frame.into_trailers().unwrap_or_default()),
        }
        Poll::Ready(Ok(true))
    }

    fn end_body(&mut self, trailers: &HeaderMap) {
        self.sending.ended = true;
        if self.sending.chunked {
            emit_last_chunk(trailers, &mut self.output);
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, ExchangeError>> {
        let waits_for_client = !self.sending.ended && self.output.is_empty();
        let pause = match self.output.is_empty() {
            true if waits_for_client => self.pauses.body,
            true => self.pauses.read,
            false => self.pauses.send,
        };
        // The clock is read in pauses only.
        if std::mem::take(&mut self.moved) {
            self.progress = Instant::now();
        }
        let at = self.progress + pause;
        ready!(self.upstream.get_mut().deadline.poll(cx, at));
        Poll::Ready(Err(if waits_for_client { ExchangeError::ClientTimeout } else { ExchangeError::Timeout }))
    }
}
