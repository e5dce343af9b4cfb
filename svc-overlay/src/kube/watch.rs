//! Following the leases of Nodes: all of them first, then what changes.

use svc_model::Snapshot;
use svc_model::kube::KubeHandle;
use svc_model::store;

use super::follow::{faults, trouble};
use super::*;
use crate::lease::LeaseError;
use crate::registry::{LeaseSet, Named};

#[derive(Debug)]
pub(super) struct NodesWatch {
    shared: Arc<Shared>,
    following: Option<Following>,
}

#[derive(Debug)]
struct Following {
    handle: KubeHandle,
    /// Nothing before all Nodes were listed once.
    known: Option<Known>,
    faults: Vec<LeaseError>,
    /// A failure was told: what is known is told once more when it is over.
    failed: bool,
}

#[derive(Debug)]
struct Known {
    nodes: store::Watch,
    leases: Named,
}

impl NodesWatch {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        NodesWatch { shared, following: None }
    }
}

impl Watch for NodesWatch {
    fn changed(&mut self) -> BoxFuture<'_, Result<LeaseSet, RegistryError>> {
        Box::pin(async move {
            let NodesWatch { shared, following } = self;
            let begin = || {
                let handle = shared.follower.handle();
                Following { handle, known: None, faults: Vec::new(), failed: false }
            };
            following.get_or_insert_with(begin).next(shared).await
        })
    }
}

impl Following {
    /// Each step is kept before the next one waits: whoever drops the future loses nothing.
    async fn next(&mut self, shared: &Shared) -> Result<LeaseSet, RegistryError> {
        loop {
            if let Some(news) = self.news(shared) {
                return news;
            }
            let Following { handle, known, .. } = self;
            let changed = async {
                match known {
                    Some(known) => known.changed(&shared.annotations).await,
                    None => std::future::pending().await,
                }
            };
            let going_on = tokio::select! {
                going_on = changed => going_on,
                problems = handle.changed() => problems.map(|_| false),
            };
            match going_on {
                Some(true) => return Ok(self.set()),
                Some(false) => {}
                None => {
                    return Err(RegistryError::Unavailable("the Nodes are not followed any more".to_owned()));
                }
            }
        }
    }

    /// What is to be told without waiting.
    fn news(&mut self, shared: &Shared) -> Option<Result<LeaseSet, RegistryError>> {
        let trouble = trouble(&self.handle);
        let over = self.failed && trouble.is_none();
        let begins = !self.failed && trouble.is_some();
        self.failed = trouble.is_some();
        if let Some(error) = trouble.filter(|_| begins) {
            return Some(Err(error));
        }
        let faults = faults(&self.handle);
        let differ = faults != self.faults;
        self.faults = faults;
        let first = self.known.is_none() && self.handle.is_ready();
        if first {
            self.known = Some(Known::new(shared));
        }
        (self.known.is_some() && (first || over || differ)).then(|| Ok(self.set()))
    }

    fn set(&self) -> LeaseSet {
        let set = self.known.as_ref().map(|known| known.leases.set()).unwrap_or_default();
        let unreadable: Vec<_> = set.unreadable().iter().chain(&self.faults).cloned().collect();
        set.with_unreadable(unreadable)
    }
}

impl Known {
    fn new(shared: &Shared) -> Self {
        let nodes = shared.follower.watch();
        let snapshot = nodes.snapshot();
        let entries = snapshot.nodes();
        let entries =
            entries.filter_map(|node| Some((node.name().to_owned(), entry(&shared.annotations, node)?)));
        Known { leases: Named::new(revision(&snapshot), entries), nodes }
    }

    /// Whether anything about leases is new; nothing when there will be no more changes.
    async fn changed(&mut self, annotations: &Annotations) -> Option<bool> {
        let (snapshot, delta) = self.nodes.changed().await.ok()?;
        let mut new = false;
        for name in delta.nodes() {
            let entry = snapshot.node(name).and_then(|node| entry(annotations, node));
            new |= self.leases.change(revision(&snapshot), name, entry);
        }
        Some(new)
    }
}

fn revision(snapshot: &Snapshot) -> Revision {
    Revision::new(snapshot.revision().number())
}

/// Nothing for a Node that takes no part.
fn entry(annotations: &Annotations, node: &svc_model::Node) -> Option<Result<Lease, LeaseError>> {
    annotations.lease(node).transpose()
}
