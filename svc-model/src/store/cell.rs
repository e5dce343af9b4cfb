//! Where writers and watchers meet: one value, the newest. No runtime; watchers are woken by their wakers.
//!
//! Two threads can meet here in many orders. `tests/store_interleavings.rs` builds this file upon loom's mutex and tries
//! them all, which is why the primitives come from `super::sync`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use super::sync::{Arc, Mutex, MutexGuard};

/// Writes values. Clones are made by sharing; when it is dropped, watchers learn that nothing more will come.
pub(super) struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// Looks at the newest value, or waits for one.
pub(super) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// Under which its waker is kept.
    id: u64,
}

struct Shared<T> {
    /// Serialises writers; who reads does not wait for a value that is being made.
    writing: Mutex<()>,
    meeting: Mutex<Meeting<T>>,
}

struct Meeting<T> {
    newest: T,
    is_closed: bool,
    /// One waker for each watcher that waits.
    waiting: BTreeMap<u64, Waker>,
    next_id: u64,
}

/// The sender is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

impl<T: Clone> Sender<T> {
    pub(super) fn new(value: T) -> Self {
        let meeting = Meeting { newest: value, is_closed: false, waiting: BTreeMap::new(), next_id: 0 };
        Self { shared: Arc::new(Shared { writing: Mutex::new(()), meeting: Mutex::new(meeting) }) }
    }

    pub(super) fn newest(&self) -> T {
        self.shared.meet().newest.clone()
    }

    /// Makes the next value from the newest one; nothing happens if there is none. One writer at a time.
    pub(super) fn update<R>(&self, next: impl FnOnce(&T) -> (Option<T>, R)) -> R {
        let _writing = self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, result) = next(&self.newest());
        if let Some(next) = next {
            let (former, woken) = {
                let mut meeting = self.shared.meet();
                (std::mem::replace(&mut meeting.newest, next), std::mem::take(&mut meeting.waiting))
            };
            woken.into_values().for_each(Waker::wake);
            drop(former);
        }
        result
    }

    pub(super) fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.shared)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let woken = {
            let mut meeting = self.shared.meet();
            meeting.is_closed = true;
            std::mem::take(&mut meeting.waiting)
        };
        woken.into_values().for_each(Waker::wake);
    }
}

impl<T> Shared<T> {
    fn meet(&self) -> MutexGuard<'_, Meeting<T>> {
        self.meeting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Receiver<T> {
    fn new(shared: &Arc<Shared<T>>) -> Self {
        let mut meeting = shared.meet();
        let id = meeting.next_id;
        meeting.next_id += 1;
        drop(meeting);
        Self { shared: Arc::clone(shared), id }
    }
}

impl<T: Clone> Receiver<T> {
    pub(super) fn newest(&self) -> T {
        self.shared.meet().newest.clone()
    }

    /// The newest value once it is `wanted`. Looking and lying down to wait are one step: no value falls between.
    pub(super) fn poll(&mut self, cx: &Context<'_>, wanted: impl Fn(&T) -> bool) -> Poll<Result<T, Gone>> {
        let mut meeting = self.shared.meet();
        if wanted(&meeting.newest) {
            return Poll::Ready(Ok(meeting.newest.clone()));
        }
        if meeting.is_closed {
            return Poll::Ready(Err(Gone));
        }
        meeting.waiting.insert(self.id, cx.waker().clone());
        Poll::Pending
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self::new(&self.shared)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let waker = self.shared.meet().waiting.remove(&self.id);
        drop(waker);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("id", &self.id).finish_non_exhaustive()
    }
}
