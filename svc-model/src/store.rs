//! The watchable store: where sources put objects and consumers follow them.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::{Delta, Object, ObjectRef, Revision, Snapshot};

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
        Watch { receiver, seen }
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
}

impl Watch {
    /// What was seen last.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.seen.clone()
    }

    /// Waits until there is something newer than what was seen, and returns it with the difference.
    /// Cancel safe: a change is either returned or seen by the next call.
    ///
    /// # Errors
    /// [`Closed`] when all handles of the store are gone.
    pub async fn changed(&mut self) -> Result<(Snapshot, Delta), Closed> {
        let seen = self.seen.revision();
        let newer = |state: &Arc<State>| state.snapshot.revision() > seen;
        let state = Arc::clone(&*self.receiver.wait_for(newer).await.map_err(|_| Closed)?);
        let delta = state.since(&self.seen);
        self.seen = state.snapshot.clone();
        Ok((self.seen.clone(), delta))
    }

    /// As [`changed`](Self::changed), but nothing newer than what `programmed` allows is shown: a consumer behind such a
    /// gate announces a Service only once the proxy has programmed it.
    ///
    /// # Errors
    /// [`Closed`] when all handles of the store, or the gate's sender, are gone.
    pub async fn changed_behind(
        &mut self,
        programmed: &mut watch::Receiver<Revision>,
    ) -> Result<(Snapshot, Delta), Closed> {
        loop {
            let wanted = self.peek().await?;
            let reached = *programmed.wait_for(|reached| *reached >= wanted).await.map_err(|_| Closed)?;
            let latest = self.receiver.borrow().snapshot.revision();
            if latest <= reached {
                return self.changed().await;
            }
        }
    }

    async fn peek(&mut self) -> Result<Revision, Closed> {
        let seen = self.seen.revision();
        let state =
            self.receiver.wait_for(|state| state.snapshot.revision() > seen).await.map_err(|_| Closed)?;
        Ok(state.snapshot.revision())
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
