//! A future that is polled only after it was woken, beside another that has its turn each time a task wakes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

#[derive(Debug)]
pub(super) struct OnceWoken<F> {
    future: F,
    alarm: Arc<Alarm>,
    /// Who the alarm wakes, once it knows.
    task: Option<Waker>,
}

#[derive(Debug)]
struct Alarm {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl<F: Future + Unpin> OnceWoken<F> {
    pub(super) fn new(future: F) -> Self {
        // The first poll is the future's own to ask for others.
        let alarm = Alarm { rung: AtomicBool::new(true), task: AtomicWaker::new() };
        Self { future, alarm: Arc::new(alarm), task: None }
    }
}

impl<F: Future + Unpin> Future for OnceWoken<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if !self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            self.alarm.task.register(cx.waker());
            self.task = Some(cx.waker().clone());
        }
        // Looking costs less than taking.
        if !self.alarm.rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.alarm.rung.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(&self.alarm));
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker))
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::task::Context;

    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn a_future_is_polled_when_it_was_woken_and_not_else() {
        let (send, receive) = oneshot::channel();
        let mut receive = Box::pin(receive);
        let polls = Cell::new(0);
        let mut once = OnceWoken::new(std::future::poll_fn(|cx| {
            polls.set(polls.get() + 1);
            receive.as_mut().poll(cx)
        }));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(Pin::new(&mut once).poll(&mut cx).is_pending());
        }
        assert_eq!(polls.get(), 1);
        send.send(7).unwrap();
        assert_eq!(Pin::new(&mut once).poll(&mut cx), Poll::Ready(Ok(7)));
        assert_eq!(polls.get(), 2);
    }

    #[test]
    fn waking_it_wakes_the_task_that_polled_last() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (send, receive) = oneshot::channel();
            let mut once = OnceWoken::new(receive);
            assert!(Pin::new(&mut once).poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let waiting = tokio::spawn(once);
            tokio::task::yield_now().await;
            send.send(7).unwrap();
            assert_eq!(waiting.await.unwrap(), Ok(7));
        });
    }
}
