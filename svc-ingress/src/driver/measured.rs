//! What a request came to, known once its reply's body is sent or given up.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Buf;
use http::{Method, Response};
use http_body::{Body, Frame, SizeHint};

use crate::metrics::{Counters, Outcome, Verb};

use super::logged::Logged;
use super::received::Received;
use super::reply::ReplyBody;

/// One request, counted when this is dropped.
#[derive(Debug)]
pub(super) struct Record {
    counters: Arc<Counters>,
    worker: usize,
    verb: Verb,
    status: u16,
    begun: Instant,
    connect: Option<Duration>,
    header: Option<Duration>,
    received: Received,
    sent: u64,
}

impl Record {
    /// A request that begins now.
    pub(super) fn new(counters: Arc<Counters>, worker: usize, method: &Method, received: Received) -> Self {
        // A client that goes away before there is a reply: nginx's own status for that.
        let status = 499;
        let (verb, begun) = (Verb::of(method), Instant::now());
        Self { counters, worker, verb, status, begun, connect: None, header: None, received, sent: 0 }
    }

    /// An endpoint was asked, after it had taken so long to connect to it.
    pub(super) fn connected(&mut self, took: Option<Duration>) {
        self.connect = took;
    }

    /// Its reply's head is there.
    pub(super) fn replied<S>(mut self, reply: &Response<ReplyBody<S>>) -> Self {
        self.status = reply.status().as_u16();
        self.header = reply.body().is_of_backend().then(|| self.begun.elapsed());
        self
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Self { connect, header, sent, .. } = *self;
        let outcome =
            Outcome { took: self.begun.elapsed(), connect, header, received: self.received.bytes(), sent };
        self.counters.record(self.worker, self.verb, self.status, outcome);
    }
}

/// A reply's body, whose bytes are counted where somebody wants to know.
#[derive(Debug)]
pub(super) struct Measured<B> {
    body: B,
    record: Option<Record>,
    logged: Option<Box<Logged>>,
}

impl<B> Measured<B> {
    pub(super) fn new(body: B, record: Option<Record>, logged: Option<Box<Logged>>) -> Self {
        Self { body, record, logged }
    }
}

impl<B: Body + Unpin> Body for Measured<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
            if let Some(record) = &mut self.record {
                record.sent += bytes;
            }
            if let Some(logged) = &mut self.logged {
                logged.sent(bytes);
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
