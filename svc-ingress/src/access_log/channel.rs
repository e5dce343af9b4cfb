//! From the workers to whoever writes the lines somewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{AccessLog, Entry};

/// Buffers, so that workers seldom wait for one another.
const SHARDS: usize = 16;
/// What one of them holds at most before lines are lost.
const MAX_WAITING: usize = 1 << 20;
/// How long lines wait for more: the reader is woken so seldom that no worker notices.
const GATHER: Duration = Duration::from_millis(100);

/// The end that is written to: for [`ServerBuilder::access_log`](crate::driver::ServerBuilder::access_log). A clone writes to the
/// same lines.
#[derive(Clone, Debug)]
pub struct LogSender(Arc<Sending>);

/// The end that lines are read from.
#[derive(Debug)]
pub struct LogReader(Arc<Shared>);

/// Ends the lines with its last clone.
#[derive(Debug)]
struct Sending {
    log: AccessLog,
    turns: [AtomicU64; SHARDS],
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    buffers: [Mutex<Vec<u8>>; SHARDS],
    lost: AtomicU64,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    some: bool,
    /// There is so much that it should be read at once.
    much: bool,
    closed: bool,
}

pub(super) fn new(log: AccessLog) -> (LogSender, LogReader) {
    let shared = Arc::<Shared>::default();
    let sending = Sending { log, turns: Default::default(), shared: Arc::clone(&shared) };
    (LogSender(Arc::new(sending)), LogReader(shared))
}

impl LogSender {
    /// Whether the next request of a worker is to be logged.
    pub(crate) fn wants(&self, worker: usize) -> bool {
        let sample = u64::from(self.0.log.sample);
        sample == 1 || self.0.turns[worker % SHARDS].fetch_add(1, Ordering::Relaxed).is_multiple_of(sample)
    }

    /// Appends the line of a request.
    pub(crate) fn write(&self, worker: usize, entry: &Entry) {
        let shared = &*self.0.shared;
        let mut buffer = lock(&shared.buffers[worker % SHARDS]);
        let before = buffer.len();
        if before >= MAX_WAITING {
            shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        entry.emit(self.0.log.format, &mut buffer);
        let much = before < MAX_WAITING / 2 && buffer.len() >= MAX_WAITING / 2;
        drop(buffer);
        if before == 0 || much {
            shared.tell(|state| {
                state.some = true;
                state.much |= much;
            });
        }
    }

    /// How many lines were lost because nobody read them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.shared.tell(|state| state.closed = true);
    }
}

impl LogReader {
    /// Waits for lines and returns all there are, each ended, those of one worker in their order; `None` once nobody writes any
    /// more and everything was read. It waits some 100 ms for more to come; it may be called from a thread of its own only, as
    /// it blocks.
    pub fn blocking_next(&mut self) -> Option<Vec<u8>> {
        loop {
            let state = self.0.wait();
            let mut lines = Vec::new();
            for buffer in &self.0.buffers {
                let mut buffer = lock(buffer);
                if lines.is_empty() {
                    lines = std::mem::take(&mut *buffer);
                } else {
                    lines.append(&mut buffer);
                }
            }
            match (lines.is_empty(), state.closed) {
                (false, _) => return Some(lines),
                (true, true) => return None,
                (true, false) => {}
            }
        }
    }

    /// How many lines were lost because nobody read them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn tell(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.wake.notify_one();
    }

    /// Waits until there is something to read, and some time for more.
    fn wait(&self) -> State {
        let state = lock(&self.state);
        let idle = |state: &mut State| !state.some && !state.closed;
        let state = self.wake.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        let few = |state: &mut State| !state.much && !state.closed;
        let waited = self.wake.wait_timeout_while(state, GATHER, few).unwrap_or_else(PoisonError::into_inner);
        let mut state = waited.0;
        let now = *state;
        (state.some, state.much) = (false, false);
        now
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
