//! Whether a client's connection waits for a request: told by who answers, asked by who reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Of one connection over HTTP/1, where one request follows the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<AtomicU64>);

/// A request's turn, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn(Turns);

impl Turns {
    pub(super) fn begin(&self) -> Turn {
        self.0.fetch_add(1, Ordering::Relaxed);
        Turn(self.clone())
    }

    /// The pause between two requests that it is now, by a number that no other pause has; `None` in a turn.
    pub(super) fn pause(&self) -> Option<u64> {
        let count = self.0.load(Ordering::Relaxed);
        count.is_multiple_of(2).then_some(count)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}
