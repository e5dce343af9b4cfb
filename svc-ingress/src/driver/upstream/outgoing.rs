//! A request as the backend will see it, and its body, the beginning of which can be sent again.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};
use http_body::Body as _;
use hyper::body::{Frame, Incoming};

use crate::backend::is_idempotent;
use crate::driver::hints::Hints;
use crate::driver::mirror::Tee;
use crate::driver::received::Received;
use crate::forward::{Client, ToBackend, keep_trailers, upgrade};
use crate::upstream::{Expected, RequestFraming, RequestHead};

use super::ExchangeError;

// What nginx keeps in memory of a body is of this order too (`client_body_buffer_size`).
const MAX_KEPT: usize = 64 * 1024;

#[derive(Debug)]
pub(in crate::driver) struct Outgoing<'a> {
    pub(super) parts: &'a mut Parts,
    /// Path and query.
    pub(super) target: &'a str,
    pub(super) host: &'a str,
    /// `None` where the fields are the router's own: they go as they are.
    told: Option<Told<'a>>,
    /// Where informational replies go, for a client that takes them.
    pub(super) hints: Option<&'a Hints>,
    pub(super) upgrade: Option<HeaderValue>,
    pub(super) framing: RequestFraming,
    /// In here between tries.
    pub(super) body: Option<RequestBody>,
    /// How long the last endpoint that was connected to took for that.
    pub(super) connected: Option<Duration>,
}

/// What the backend is told beside the client's own fields.
#[derive(Clone, Copy, Debug)]
pub(in crate::driver) struct Told<'a> {
    pub(in crate::driver) client: Client<'a>,
    pub(in crate::driver) request_id: RequestId,
    pub(in crate::driver) hints: &'a Hints,
}

/// 32 hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub(in crate::driver) struct RequestId([u8; 32]);

impl RequestId {
    pub(in crate::driver) fn new(high: u64, low: u64) -> Self {
        let mut digits = [0; 32];
        let bytes = [high.to_be_bytes(), low.to_be_bytes()].into_iter().flatten();
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        Self(digits)
    }

    pub(in crate::driver) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("-")
    }
}

impl<'a> Outgoing<'a> {
    /// `limit` is for the body, in bytes; it is counted in `received`.
    pub(in crate::driver) fn new(
        parts: &'a mut Parts,
        body: Incoming,
        target: &'a str,
        host: &'a str,
        told: Told<'a>,
        limit: u64,
        received: Received,
    ) -> Self {
        let upgrade = upgrade(&parts.headers).filter(|_| parts.version == Version::HTTP_11);
        let empty = body.is_end_stream();
        let announced = parts.headers.contains_key(CONTENT_LENGTH);
        // HTTP/1.0 knows none, and hyper sends none over HTTP/2.
        let hints = Some(told.hints).filter(|_| parts.version == Version::HTTP_11);
        let framing = match body.size_hint().exact() {
            Some(0) if !announced => RequestFraming::Empty,
            Some(length) => RequestFraming::Length(length),
            None if empty => RequestFraming::Empty,
            None => RequestFraming::Chunked,
        };
        let body = Some(RequestBody::new((!empty).then_some(body), limit, received));
        Self { parts, target, host, told: Some(told), hints, upgrade, framing, body, connected: None }
    }

    /// A request of the router's own, without a body.
    pub(super) fn bodiless(parts: &'a mut Parts, target: &'a str, host: &'a str) -> Self {
        let body = Some(RequestBody::new(None, 0, Received::default()));
        let framing = RequestFraming::Empty;
        Self { parts, target, host, told: None, hints: None, upgrade: None, framing, body, connected: None }
    }

    /// How long connecting to the endpoint took that was asked last; nothing on a connection that was there.
    pub(in crate::driver) fn connected(&self) -> Option<Duration> {
        self.connected
    }

    /// The client's own head.
    pub(in crate::driver) fn parts(&self) -> &Parts {
        self.parts
    }

    /// Has the body copied as it passes.
    pub(in crate::driver) fn copy_to(&mut self, tee: Tee) {
        match self.body.as_mut().filter(|body| body.incoming.is_some()) {
            Some(body) => body.tee = Some(Box::new(tee)),
            None => tee.end(),
        }
    }

    pub(super) fn method(&self) -> &Method {
        &self.parts.method
    }

    pub(super) fn expected(&self) -> Expected {
        match self.parts.method {
            _ if self.upgrade.is_some() => Expected::Upgrade,
            Method::HEAD => Expected::NoBody,
            _ => Expected::Body,
        }
    }

    /// The request's head, in `buffer`.
    pub(super) fn emit(&self, mut buffer: BytesMut) -> BytesMut {
        let head = RequestHead::new(self.method(), self.target, self.host, self.framing);
        match &self.told {
            Some(told) => head.emit(&self.to_backend(told), &mut buffer),
            None => head.emit(&self.parts.headers, &mut buffer),
        }
        buffer
    }

    /// The fields of HTTP/2.
    pub(in crate::driver) fn headers(&self) -> HeaderMap {
        match &self.told {
            Some(told) => self.to_backend(told).to_map(),
            None => self.parts.headers.clone(),
        }
    }

    fn to_backend<'b>(&'b self, told: &'b Told<'_>) -> ToBackend<'b> {
        let id = told.request_id.as_str();
        ToBackend::new(&self.parts.headers, told.client, self.upgrade.as_ref(), id)
    }

    /// Sending it twice does what sending it once does, and it can be sent twice.
    pub(super) fn is_repeatable(&self) -> bool {
        let body = self.body.as_ref().is_some_and(RequestBody::is_repeatable);
        body && self.upgrade.is_none() && is_idempotent(&self.parts.method)
    }

    /// Makes it ready for another endpoint; `false` if the body cannot be had again.
    pub(super) fn rewind(&mut self) -> bool {
        self.upgrade.is_none() && self.body.as_mut().is_some_and(RequestBody::rewind)
    }
}

/// The body of a request on its way to a backend. As long as it is small enough it is kept for another endpoint.
#[derive(Debug)]
pub(in crate::driver) struct RequestBody {
    incoming: Option<Incoming>,
    /// How many bytes the client may still send.
    left: u64,
    received: Received,
    kept: Vec<Bytes>,
    // Few requests have them, and every request moves this value.
    trailers: Option<Box<HeaderMap>>,
    /// How much of what is kept was given out, and whether that is all that the client sent so far.
    given: usize,
    trailers_given: bool,
    whole: bool,
    /// Who gets a copy.
    tee: Option<Box<Tee>>,
}

impl RequestBody {
    fn new(incoming: Option<Incoming>, limit: u64, received: Received) -> Self {
        Self {
            incoming,
            left: limit,
            received,
            kept: Vec::new(),
            trailers: None,
            given: 0,
            trailers_given: false,
            whole: true,
            tee: None,
        }
    }

    pub(super) fn is_repeatable(&self) -> bool {
        self.whole
    }

    fn rewind(&mut self) -> bool {
        (self.given, self.trailers_given) = (0, false);
        self.whole
    }

    /// What the client still sends.
    pub(super) fn into_incoming(self) -> Option<Incoming> {
        self.incoming
    }

    /// Nothing is left to send.
    pub(super) fn is_over(&self) -> bool {
        self.incoming.is_none()
            && self.given == self.kept.len()
            && (self.trailers.is_none() || self.trailers_given)
    }

    /// No further try will be made: nothing has to be kept.
    pub(super) fn keep_nothing(&mut self) {
        self.whole = false;
        if self.given == self.kept.len() {
            (self.kept, self.given) = (Vec::new(), 0);
        }
    }

    /// The next piece; `None` at the end.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExchangeError>>> {
        if let Some(kept) = self.kept.get(self.given) {
            self.given += 1;
            return Poll::Ready(Some(Ok(Frame::data(kept.clone()))));
        }
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(self.last()) };
        let frame = match ready!(Pin::new(incoming).poll_frame(cx)) {
            None => {
                self.incoming = None;
                self.end_copy();
                return Poll::Ready(self.last());
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(ExchangeError::Client(error)))),
            Some(Ok(frame)) => frame,
        };
        match frame.into_data() {
            Ok(data) => Poll::Ready(Some(self.take(data).map(Frame::data))),
            Err(frame) => {
                let mut trailers = frame.into_trailers().unwrap_or_default();
                keep_trailers(&mut trailers);
                (self.trailers, self.incoming) = (Some(Box::new(trailers)), None);
                self.end_copy();
                Poll::Ready(self.last())
            }
        }
    }

    fn take(&mut self, data: Bytes) -> Result<Bytes, ExchangeError> {
        self.received.add(data.len());
        self.left = self.left.checked_sub(data.len() as u64).ok_or(ExchangeError::BodyTooLarge)?;
        if self.tee.as_mut().is_some_and(|tee| !tee.add(&data)) {
            self.tee = None;
        }
        let kept: usize = self.kept.iter().map(Bytes::len).sum();
        self.whole &= kept + data.len() <= MAX_KEPT;
        if self.whole {
            self.kept.push(data.clone());
            self.given += 1;
        } else {
            (self.kept, self.given) = (Vec::new(), 0);
        }
        Ok(data)
    }

    fn end_copy(&mut self) {
        if let Some(tee) = self.tee.take() {
            tee.end();
        }
    }

    fn last(&mut self) -> Option<Result<Frame<Bytes>, ExchangeError>> {
        let trailers = self.trailers.as_ref().filter(|_| !self.trailers_given)?;
        self.trailers_given = true;
        Some(Ok(Frame::trailers((**trailers).clone())))
    }
}
