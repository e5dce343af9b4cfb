//! Coarse deadlines: a timer that is set once and looked at when it fires, rather than one that is set anew for every
//! request. Moving a deadline costs nothing.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// One timer for many deadlines after one another. It outlives a request and goes with its connection.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Ready once `at` is past.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}

/// hyper asks for a timer at every request's head: on one connection they all share one.
#[derive(Clone, Debug, Default)]
pub(super) struct CoarseTimer {
    shared: Arc<Mutex<Deadline>>,
}

struct CoarseSleep {
    at: Instant,
    shared: Arc<Mutex<Deadline>>,
}

impl hyper::rt::Timer for CoarseTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep_until((Instant::now() + duration).into_std())
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let at = Instant::from_std(deadline);
        Box::pin(CoarseSleep { at, shared: Arc::clone(&self.shared) })
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

impl hyper::rt::Sleep for CoarseSleep {}

impl std::future::Future for CoarseSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).poll(cx, self.at)
    }
}

impl fmt::Debug for CoarseSleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoarseSleep").field("at", &self.at).finish_non_exhaustive()
    }
}
