//! How far somebody has come, for those who stand behind.

use std::future::poll_fn;

use super::Closed;
use super::cell::{Receiver, Sender};
use crate::Revision;

/// Says which revision is in force somewhere, such as in the kernel. When it is dropped, nothing more will be.
///
/// ```
/// use svc_model::store::{Progress, Store};
///
/// let (store, progress) = (Store::new(), Progress::new());
/// let watch = store.watch().behind(progress.reached()); // shows nothing before it is in force
/// progress.reach(store.snapshot().revision());
/// # drop(watch);
/// ```
#[derive(Debug)]
pub struct Progress(Sender<Revision>);

/// Follows a [`Progress`].
#[derive(Clone, Debug)]
pub struct Reached(Receiver<Revision>);

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Nothing is in force yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Sender::new(Revision::default()))
    }

    /// This revision is in force now.
    pub fn reach(&self, revision: Revision) {
        self.0.update(|before| ((*before != revision).then_some(revision), ()));
    }

    /// For those who wait.
    #[must_use]
    pub fn reached(&self) -> Reached {
        Reached(self.0.subscribe())
    }
}

impl Reached {
    /// What is in force.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.0.newest()
    }

    /// Waits until this revision or a later one is in force. Cancel safe.
    ///
    /// # Errors
    /// [`Closed`] when the [`Progress`] is gone before.
    pub async fn at_least(&mut self, wanted: Revision) -> Result<Revision, Closed> {
        poll_fn(|cx| self.0.poll(cx, |reached| *reached >= wanted)).await.map_err(|_| Closed)
    }
}
