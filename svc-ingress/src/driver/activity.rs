//! How busy a connection is: how many requests it has carried, whether one is under way, and since when none is.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

#[derive(Clone, Debug)]
pub(super) struct Activity {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    keep_alive: Duration,
    limit: u32,
    requests: AtomicU32,
    under_way: Mutex<UnderWay>,
    exhausted: Notify,
}

#[derive(Debug)]
struct UnderWay {
    count: usize,
    idle_since: Instant,
}

impl Activity {
    /// A connection that may be idle for `keep_alive`, and carry so many requests.
    pub(super) fn new(keep_alive: Duration, limit: u32) -> Self {
        let under_way = Mutex::new(UnderWay { count: 0, idle_since: Instant::now() });
        let (requests, exhausted) = (AtomicU32::new(0), Notify::new());
        Self { shared: Arc::new(Shared { keep_alive, limit, requests, under_way, exhausted }) }
    }

    /// Counts a request; whether it is the last that the connection carries.
    pub(super) fn is_last(&self) -> bool {
        self.shared.requests.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= self.shared.limit
    }

    /// Counts a request that is under way until what is returned is dropped.
    pub(super) fn begin(&self) -> Begun {
        if self.is_last() {
            self.shared.exhausted.notify_one();
        }
        self.shared.under_way().count += 1;
        Begun { shared: Arc::clone(&self.shared) }
    }

    /// Completes once the connection was idle for long enough, or has carried its requests.
    pub(super) async fn is_over(&self) {
        loop {
            let until = match *self.shared.under_way() {
                UnderWay { count: 0, idle_since } => idle_since + self.shared.keep_alive,
                UnderWay { .. } => Instant::now() + self.shared.keep_alive,
            };
            if until <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.shared.exhausted.notified() => return,
            }
        }
    }
}

impl Shared {
    fn under_way(&self) -> std::sync::MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request under way.
#[derive(Debug)]
pub(super) struct Begun {
    shared: Arc<Shared>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut under_way = self.shared.under_way();
        under_way.count -= 1;
        under_way.idle_since = Instant::now();
    }
}

/// A reply's body with the count of its request: that is under way until the body is sent or given up.
#[derive(Debug)]
pub(super) struct Counted<B, C> {
    body: B,
    _count: C,
}

impl<B, C> Counted<B, C> {
    pub(super) fn new(body: B, count: C) -> Self {
        Self { body, _count: count }
    }
}

impl<B: Body + Unpin, C: Unpin> Body for Counted<B, C> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
