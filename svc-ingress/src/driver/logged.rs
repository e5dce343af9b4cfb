//! A request on its way into the access log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;

use crate::access_log::{Entry, LogSender, Try};
use crate::table::Route;

use super::asked::{Asked, Peer};
use super::received::Received;
use super::reply::ReplyBody;

/// One request; its line is written when this is dropped.
#[derive(Debug)]
pub(super) struct Logged {
    log: LogSender,
    worker: usize,
    entry: Entry,
    begun: Instant,
    received: Received,
    /// When the last endpoint's reply began.
    replied: Option<Instant>,
    silent: bool,
}

impl Logged {
    /// A request that begins now, if it is to be logged.
    pub(super) fn begin(
        log: &LogSender,
        worker: usize,
        request: &Request<Incoming>,
        received: &Received,
        peer: &Peer,
    ) -> Option<Box<Self>> {
        if !log.wants(worker) {
            return None;
        }
        let (entry, received) = (Entry::new(request, peer.address.ip()), received.clone());
        let (log, begun) = (log.clone(), Instant::now());
        Some(Box::new(Self { log, worker, entry, begun, received, replied: None, silent: false }))
    }

    /// Its rule is known.
    pub(super) fn routed(&mut self, route: &Route, asked: &Asked) {
        self.entry.client = asked.client;
        self.entry.location = Some(Arc::clone(route.location()));
        self.silent = !route.policies().access_log();
    }

    /// It goes to an endpoint under this name.
    pub(super) fn permitted(&mut self, id: Option<HeaderValue>, canary: bool) {
        (self.entry.request_id, self.entry.canary) = (id, canary);
    }

    /// An endpoint was asked.
    pub(super) fn tried(&mut self, endpoint: SocketAddr, status: u16, took: Duration) {
        self.entry.tries.push(Try { endpoint, status, bytes: 0, took });
    }

    /// The head of its reply is there.
    pub(super) fn replied<S>(&mut self, reply: &Response<ReplyBody<S>>) {
        self.entry.status = reply.status().as_u16();
        self.replied = reply.body().is_of_backend().then(Instant::now);
    }

    /// A piece of its reply's body was sent.
    pub(super) fn sent(&mut self, bytes: u64) {
        self.entry.bytes += bytes;
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        if self.silent {
            return;
        }
        self.entry.took = self.begun.elapsed();
        self.entry.request_length = self.received.bytes();
        self.entry.at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if let (Some(tried), Some(replied)) = (self.entry.tries.last_mut(), self.replied) {
            tried.bytes = self.entry.bytes;
            tried.took += replied.elapsed();
        }
        self.log.write(self.worker, &self.entry);
    }
}
