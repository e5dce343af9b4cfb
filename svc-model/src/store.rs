//! The watchable store: where sources put objects and consumers follow them.
//!
//! # Order
//!
//! - Every change that changes something is a revision, numbered by one; what changes nothing is none. Writers on several
//!   threads take turns, and all watchers see the same revisions in the same order.
//! - An object that differs only in what API servers write down at every touch (`resourceVersion`, `generation`,
//!   `managedFields`, times of heartbeats and probes) [is the same](crate::Meta#equality): no revision, and the snapshot goes on
//!   showing the former one.
//! - A watcher sees revisions only forwards. It may skip some: it is always shown the newest, with a [`Delta`] that names
//!   everything that differs from what it saw last (and possibly names what changed and changed back).
//! - A watcher that does not look costs nothing: nothing is queued for it. The deltas of the last 256 revisions are kept, or
//!   fewer if they have more than 16 384 names together; who has seen nothing since is given a delta of everything.
//! - Memory: the newest snapshot, and those that watchers hold, which share what they have in common.

mod cell;
mod gate;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;

use crate::{Delta, Object, ObjectRef, Revision, Snapshot};
pub use gate::{Progress, Reached};

/// What the cell stands on; its model check puts loom's in the place.
mod sync {
    pub(super) use std::sync::{Arc, Mutex, MutexGuard};
}

/// How many deltas are kept for consumers that lag; who lags more gets the delta between snapshots by name.
const HISTORY: usize = 256;

/// How many names they may have together.
const HISTORY_NAMES: usize = 1 << 14;

/// All objects of a cluster, one revision after the other. Clones share the same objects.
///
/// ```
/// use svc_model::{store::Store, yaml};
///
/// let store = Store::new();
/// let mut watch = store.watch();
/// let (objects, problems) = yaml::read("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").stored();
/// assert!(problems.is_empty());
/// let revision = store.apply(objects);
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (snapshot, delta) = watch.changed().await.unwrap();
/// assert_eq!(snapshot.revision(), revision);
/// assert!(delta.namespaces().contains("shop"));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    latest: Arc<cell::Sender<Arc<State>>>,
}

#[derive(Debug)]
struct State {
    snapshot: Snapshot,
    history: History,
}

/// The last deltas, oldest first.
#[derive(Clone, Debug, Default)]
struct History {
    deltas: VecDeque<Arc<Delta>>,
    names: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let empty = State { snapshot: Snapshot::default(), history: History::default() };
        Self { latest: Arc::new(cell::Sender::new(Arc::new(empty))) }
    }

    /// Puts objects in place, replacing those of the same kind and name, as one revision. O(objects x log).
    pub fn apply(&self, objects: impl IntoIterator<Item = Object>) -> Revision {
        self.update(objects, [])
    }

    /// Removes an object. Nothing happens if there is none.
    pub fn delete(&self, reference: &ObjectRef) -> Revision {
        self.update([], [reference.clone()])
    }

    /// Puts objects in place and removes others, as one revision.
    pub fn update(
        &self,
        set: impl IntoIterator<Item = Object>,
        removed: impl IntoIterator<Item = ObjectRef>,
    ) -> Revision {
        self.edit(|_| (set, removed))
    }

    /// Puts objects in place and removes others by what there is: nobody else changes the store in between.
    pub fn edit<S, R>(&self, edit: impl FnOnce(&Snapshot) -> (S, R)) -> Revision
    where
        S: IntoIterator<Item = Object>,
        R: IntoIterator<Item = ObjectRef>,
    {
        self.latest.update(|state| {
            let (set, removed) = edit(&state.snapshot);
            let (snapshot, delta) = state.snapshot.with(set, removed);
            let revision = snapshot.revision();
            let next =
                (!delta.is_empty()).then(|| Arc::new(State { snapshot, history: state.history.and(delta) }));
            (next, revision)
        })
    }

    /// What the store holds now. O(1).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.latest.newest().snapshot.clone()
    }

    /// Follows the store from what it holds now.
    #[must_use]
    pub fn watch(&self) -> Watch {
        let receiver = self.latest.subscribe();
        let seen = receiver.newest().snapshot.clone();
        Watch { receiver, seen, gate: None, waiting: None }
    }
}

/// The store was dropped: there will be no more changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is gone: no more changes will come")]
#[non_exhaustive]
pub struct Closed;

/// One consumer's view of a store: which revision it has seen, and what changed since. A slow consumer misses no
/// change: what happened in between arrives merged.
#[derive(Clone, Debug)]
pub struct Watch {
    receiver: cell::Receiver<Arc<State>>,
    seen: Snapshot,
    gate: Option<Reached>,
    /// What waits before the gate. It stays the same until it has passed, so that a store which never rests is shown too.
    waiting: Option<Arc<State>>,
}

impl Watch {
    /// What was seen last.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.seen.clone()
    }

    /// The same watch behind a gate: nothing newer than the revision that `programmed` has reached is shown. A name
    /// server or a router behind the proxy's gate announces a Service only once the kernel forwards to it.
    #[must_use]
    pub fn behind(mut self, programmed: Reached) -> Self {
        self.gate = Some(programmed);
        self
    }

    /// Waits until there is something newer than what was seen, and returns it with the difference.
    /// Cancel safe: a change is either returned or seen by the next call.
    ///
    /// # Errors
    /// [`Closed`] when all handles of the store, or the gate's [`Progress`], are gone.
    pub async fn changed(&mut self) -> Result<(Snapshot, Delta), Closed> {
        let state = match self.waiting.take() {
            Some(state) => state,
            None => self.newer().await?,
        };
        self.waiting = Some(Arc::clone(&state));
        self.pass_gate(state.snapshot.revision()).await?;
        self.waiting = None;
        let delta = state.since(&self.seen);
        self.seen = state.snapshot.clone();
        Ok((self.seen.clone(), delta))
    }

    async fn newer(&mut self) -> Result<Arc<State>, Closed> {
        let seen = self.seen.revision();
        let newer = |state: &Arc<State>| state.snapshot.revision() > seen;
        poll_fn(|cx| self.receiver.poll(cx, newer)).await.map_err(|_| Closed)
    }

    /// Waits until the gate lets a revision pass: a proxy may skip revisions, but never goes back.
    async fn pass_gate(&mut self, wanted: Revision) -> Result<(), Closed> {
        if let Some(gate) = &mut self.gate {
            gate.at_least(wanted).await?;
        }
        Ok(())
    }
}

impl State {
    /// The merged deltas after a snapshot, or, if history no longer reaches back, every name of either side.
    fn since(&self, seen: &Snapshot) -> Delta {
        let from = seen.revision();
        let mut missed = self.history.deltas.iter().filter(|delta| delta.from() >= from).peekable();
        if missed.peek().is_none_or(|oldest| oldest.from() > from) {
            return Delta::everything(seen, &self.snapshot);
        }
        missed.fold(Delta::starting_at(from), |merged, delta| merged.merge(Delta::clone(delta)))
    }
}

impl History {
    /// With one more, and without the oldest if there are too many.
    fn and(&self, delta: Delta) -> Self {
        let mut next = self.clone();
        next.names += delta.len();
        next.deltas.push_back(Arc::new(delta));
        while next.deltas.len() > HISTORY || next.names > HISTORY_NAMES {
            let Some(oldest) = next.deltas.pop_front() else { break };
            next.names -= oldest.len();
        }
        next
    }
}
