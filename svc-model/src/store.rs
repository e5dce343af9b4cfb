//! The watchable store: where sources put objects and consumers follow them.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::{Delta, Object, ObjectRef, Revision, Snapshot};

#[cfg(test)]
mod tests;

/// How many deltas are kept for consumers that lag; who lags more gets the delta between snapshots by name.
const HISTORY: usize = 256;

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
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Serialises writers; readers use the channel alone.
    writing: Mutex<()>,
    latest: watch::Sender<Arc<State>>,
}

#[derive(Debug, Default)]
struct State {
    snapshot: Snapshot,
    history: std::collections::VecDeque<Arc<Delta>>,
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
        let latest = watch::Sender::new(Arc::default());
        Self { shared: Arc::new(Shared { writing: Mutex::new(()), latest }) }
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
        let _writing = self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = Arc::clone(&self.shared.latest.borrow());
        let (snapshot, delta) = state.snapshot.with(set, removed);
        let revision = snapshot.revision();
        if !delta.is_empty() {
            let mut history = state.history.clone();
            history.push_back(Arc::new(delta));
            while history.len() > HISTORY {
                history.pop_front();
            }
            self.shared.latest.send_replace(Arc::new(State { snapshot, history }));
        }
        revision
    }

    /// What the store holds now. O(1).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.latest.borrow().snapshot.clone()
    }

    /// Follows the store from what it holds now.
    #[must_use]
    pub fn watch(&self) -> Watch {
        let mut receiver = self.shared.latest.subscribe();
        let seen = receiver.borrow_and_update().snapshot.clone();
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
    receiver: watch::Receiver<Arc<State>>,
    seen: Snapshot,
    gate: Option<watch::Receiver<Revision>>,
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
    pub fn behind(mut self, programmed: watch::Receiver<Revision>) -> Self {
        self.gate = Some(programmed);
        self
    }

    /// Waits until there is something newer than what was seen, and returns it with the difference.
    /// Cancel safe: a change is either returned or seen by the next call.
    ///
    /// # Errors
    /// [`Closed`] when all handles of the store, or the gate's sender, are gone.
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
        Ok(Arc::clone(&*self.receiver.wait_for(newer).await.map_err(|_| Closed)?))
    }

    /// Waits until the gate lets a revision pass: a proxy may skip revisions, but never goes back.
    async fn pass_gate(&mut self, wanted: Revision) -> Result<(), Closed> {
        if let Some(gate) = &mut self.gate {
            gate.wait_for(|reached| *reached >= wanted).await.map_err(|_| Closed)?;
        }
        Ok(())
    }
}

impl State {
    /// The merged deltas after a snapshot, or, if history no longer reaches back, every name of either side.
    fn since(&self, seen: &Snapshot) -> Delta {
        let from = seen.revision();
        if self.history.front().is_some_and(|oldest| oldest.from() > from) {
            return Delta::everything(seen, &self.snapshot);
        }
        let missed = self.history.iter().filter(|delta| delta.from() >= from);
        missed.fold(Delta::starting_at(from), |merged, delta| merged.merge(Delta::clone(delta)))
    }
}
