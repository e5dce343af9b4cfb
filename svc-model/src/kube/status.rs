//! How far the following of a cluster has come, and what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;

use super::reflector::Faults;
use super::requests::{Counter, Requests};
use super::resource::Resource;
use crate::store::Closed;
use crate::{Kind, ObjectName, Problem};

/// What is known of each collection.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Status {
    pub(super) collections: BTreeMap<Resource, State>,
    /// Whether Secrets are followed, and if so, whether it is known which.
    pub(super) secrets: Option<bool>,
    /// How many Secrets are referenced beyond those that are followed.
    pub(super) beyond: usize,
    /// Secrets that are referenced and are in no namespace that is followed.
    pub(super) outside: BTreeSet<ObjectName>,
}

/// A collection.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    /// Everything that existed at some time is in the store.
    pub(super) listed: bool,
    pub(super) trouble: Option<String>,
    pub(super) faults: Faults,
}

impl Status {
    pub(super) fn is_listed(&self, kind: Kind) -> bool {
        self.collections.iter().filter(|(of, _)| of.kind() == kind).all(|(_, state)| state.listed)
    }

    fn is_ready(&self) -> bool {
        self.secrets != Some(false) && self.collections.values().all(|state| state.listed)
    }

    fn problems(&self) -> Vec<Problem> {
        let troubles = self.collections.iter().filter_map(|(resource, state)| {
            state.trouble.as_ref().map(|trouble| Problem::unnamed(resource.to_string(), "", trouble))
        });
        let faults = self.collections.values().flat_map(|state| state.faults.values().flatten().cloned());
        let beyond = (self.beyond > 0).then(|| {
            Problem::unnamed(
                "secrets",
                "",
                format!("{} more are referenced than can be followed", self.beyond),
            )
        });
        let outside = self.outside.iter().map(|name| {
            let message = "is referenced by an Ingress and in no namespace that is followed";
            Problem::unnamed(format!("Secret {name}"), "", message)
        });
        troubles.chain(faults).chain(beyond).chain(outside).collect()
    }
}

/// The state of following. Dropping all clones ends it.
#[derive(Clone, Debug)]
pub struct KubeHandle {
    status: watch::Receiver<Status>,
    requests: Counter,
}

impl KubeHandle {
    pub(super) fn new(status: watch::Receiver<Status>, requests: Counter) -> Self {
        Self { status, requests }
    }

    /// What was asked of the API server so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.requests.read()
    }

    /// Every collection was listed to its end once: what the store holds is a whole cluster. A kind that the server
    /// does not serve counts as listed, one that may not be listed does not.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status.borrow().is_ready()
    }

    /// Waits until [`is_ready`](Self::is_ready). Cancel safe.
    ///
    /// # Errors
    /// [`Closed`] when following has ended.
    pub async fn ready(&mut self) -> Result<(), Closed> {
        self.status.wait_for(Status::is_ready).await.map(drop).map_err(|_| Closed)
    }

    /// What is wrong now: what the server refuses and what would allow it, and objects that cannot be read. What these
    /// were before is still in force.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        self.status.borrow().problems()
    }

    /// Waits until anything is different, and returns what is wrong then; `None` when following has ended. Cancel safe.
    pub async fn changed(&mut self) -> Option<Vec<Problem>> {
        self.status.changed().await.ok()?;
        Some(self.status.borrow_and_update().problems())
    }
}
