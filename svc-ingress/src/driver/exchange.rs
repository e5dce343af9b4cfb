//! One request and its response on one upstream connection, driven from the request's own task: no connection task, no
//! channel. Sends the request's body and reads the response at the same time.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::state::Pooled;
use crate::upstream::{Event, Expected, ResponseDecoder, ResponseError, emit_chunk, emit_last_chunk};

const READ_SIZE: usize = 16 * 1024;

/// Why there is no response, or no more of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
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
}

/// The body of a request on its way to the backend.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) body: Option<Incoming>,
    pub(super) chunked: bool,
    /// How many bytes the client may send.
    pub(super) left: u64,
}

/// How long the endpoint may pause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    pub(super) read: Duration,
    pub(super) send: Duration,
}

#[derive(Debug)]
pub(super) struct Exchange<S> {
    upstream: Pooled<S>,
    decoder: ResponseDecoder,
    input: BytesMut,
    output: BytesMut,
    sending: Sending,
    pauses: Pauses,
    progress: Instant,
    // One timer for the whole exchange, looked at when it fires: setting it anew at every read would cost more.
    timer: Option<Pin<Box<Sleep>>>,
    received: bool,
    /// Why no more can be sent; the backend may have answered before it stopped reading.
    send_error: Option<io::Error>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Exchange<S> {
    /// Begins with the request's head in `output`.
    pub(super) fn new(
        upstream: Pooled<S>,
        output: BytesMut,
        sending: Sending,
        expected: Expected,
        pauses: Pauses,
    ) -> Self {
        Self {
            upstream,
            decoder: ResponseDecoder::new(expected),
            input: BytesMut::new(),
            output,
            sending,
            pauses,
            progress: Instant::now(),
            timer: None,
            received: false,
            send_error: None,
        }
    }

    /// Not a byte of a response came.
    pub(super) fn is_unanswered(&self) -> bool {
        !self.received
    }

    /// How many bytes of the response's body are to come, where that is known.
    pub(super) fn remaining(&self) -> Option<u64> {
        self.decoder.remaining()
    }

    /// The next event of the response.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, ExchangeError>> {
        self.poll_send(cx)?;
        loop {
            if let Some(event) = self.decoder.poll_event(&mut self.input)? {
                return Poll::Ready(Ok(event));
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(self.handle_eof()),
                Poll::Ready(Ok(_)) => {
                    self.received = true;
                    self.progress = Instant::now();
                }
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(self.send_error.take().unwrap_or(error).into()));
                }
                Poll::Pending => return self.poll_timer(cx),
            }
        }
    }

    /// The connection after the response's exact end, for another request; `None` if anything was odd.
    pub(super) fn into_reusable(self) -> Option<Pooled<S>> {
        let sent = self.sending.body.is_none() && self.output.is_empty() && self.send_error.is_none();
        (sent && self.decoder.is_reusable() && self.input.is_empty()).then_some(self.upstream)
    }

    /// The connection after 101, and the bytes of the other protocol that came with it.
    pub(super) fn into_switched(self) -> (S, BytesMut) {
        (self.upstream.into_inner(), self.input)
    }

    fn handle_eof(&mut self) -> Result<Event, ExchangeError> {
        let end = self.decoder.handle_eof();
        end.map_err(|error| self.send_error.take().map_or(error.into(), ExchangeError::Io))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() - self.input.len() < READ_SIZE / 4 {
            self.input.reserve(READ_SIZE);
        }
        // The future holds no state: dropping it between polls loses nothing.
        pin!(self.upstream.get_mut().read_buf(&mut self.input)).poll(cx)
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
            self.progress = Instant::now();
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the next piece of the client's body; `false` once there is none.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, ExchangeError>> {
        let Some(body) = &mut self.sending.body else { return Poll::Ready(Ok(false)) };
        let frame = ready!(Pin::new(body).poll_frame(cx)).transpose().map_err(ExchangeError::Client)?;
        self.progress = Instant::now();
        match frame.map(hyper::body::Frame::into_data) {
            None => {
                self.sending.body = None;
                if self.sending.chunked {
                    emit_last_chunk(&mut self.output);
                }
            }
            Some(Ok(data)) => {
                let left = self.sending.left.checked_sub(data.len() as u64);
                self.sending.left = left.ok_or(ExchangeError::BodyTooLarge)?;
                match self.sending.chunked {
                    true => emit_chunk(&data, &mut self.output),
                    false => self.output.extend_from_slice(&data),
                }
            }
            // Trailers of a request are not passed on.
            Some(Err(_)) => {}
        }
        Poll::Ready(Ok(true))
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, ExchangeError>> {
        loop {
            let pause = if self.output.is_empty() { self.pauses.read } else { self.pauses.send };
            let deadline = self.progress + pause;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                let waits_for_client = self.sending.body.is_some() && self.output.is_empty();
                let error =
                    if waits_for_client { ExchangeError::ClientTimeout } else { ExchangeError::Timeout };
                return Poll::Ready(Err(error));
            }
            timer.as_mut().reset(deadline);
        }
    }
}
