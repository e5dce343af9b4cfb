//! What is counted and logged of one request while it is answered.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::access_log::LogSender;
use crate::metrics::Metrics;

use super::asked::Peer;
use super::logged::Logged;
use super::measured::{Measured, Record};
use super::received::Received;
use super::reply::ReplyBody;

/// Who wants to know of requests.
#[derive(Debug)]
pub(super) struct Watchers {
    /// Where they are counted, and as which worker.
    pub(super) counting: Option<(Arc<Metrics>, usize)>,
    /// Where they are logged, and as which worker.
    pub(super) logging: Option<(LogSender, usize)>,
}

impl Watchers {
    /// The same for another worker.
    pub(super) fn fork(&self, number: usize) -> Self {
        Self {
            counting: self.counting.as_ref().map(|(metrics, _)| (Arc::clone(metrics), number)),
            logging: self.logging.as_ref().map(|(log, _)| (log.clone(), number)),
        }
    }
}

/// What is observed of a request; nothing where nobody watches.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) received: Received,
    /// Whose request it is, for metrics.
    pub(super) record: Option<Record>,
    pub(super) logged: Option<Box<Logged>>,
}

impl Observed {
    /// A request that begins now.
    pub(super) fn begin(watchers: &Watchers, request: &Request<Incoming>, peer: &Peer) -> Self {
        if watchers.counting.is_none() && watchers.logging.is_none() {
            return Self { received: Received::default(), record: None, logged: None };
        }
        let received = Received::new(request);
        let log = watchers.logging.as_ref();
        let logged = log.and_then(|(log, worker)| Logged::begin(log, *worker, request, &received, peer));
        Self { received, record: None, logged }
    }

    /// The reply, which is observed to its end.
    pub(super) fn replied<S>(mut self, reply: Response<ReplyBody<S>>) -> Response<Measured<ReplyBody<S>>> {
        let record = self.record.map(|record| record.replied(&reply));
        if let Some(logged) = &mut self.logged {
            logged.replied(&reply);
        }
        reply.map(|body| Measured::new(body, record, self.logged))
    }
}
