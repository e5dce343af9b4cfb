//! The Nodes of a cluster, followed from when they are first asked for.

use std::sync::OnceLock;
use std::time::Duration;

use svc_model::kube::{Cluster, Kube, KubeHandle};
use svc_model::store::{self, Store};
use svc_model::{Kind, Problem, Snapshot};
use tokio::time::timeout;

use crate::lease::LeaseError;
use crate::registry::RegistryError;

/// What problems with the collection itself are said of; those with one Node have its name.
const COLLECTION: &str = "nodes";

#[derive(Debug)]
pub(super) struct Follower {
    cluster: Cluster,
    store: Store,
    /// Dropped with the last clone of the registry and its watches, which ends the task.
    handle: OnceLock<KubeHandle>,
}

impl Follower {
    pub(super) fn new(cluster: Cluster) -> Self {
        Follower { cluster, store: Store::new(), handle: OnceLock::new() }
    }

    /// Begins to follow, on the first call.
    pub(super) fn handle(&self) -> KubeHandle {
        let start = || {
            let (handle, run) =
                Kube::new(self.cluster.clone()).kinds([Kind::Node]).follow(self.store.clone());
            tokio::spawn(run);
            handle
        };
        self.handle.get_or_init(start).clone()
    }

    /// Waits until all Nodes were listed once.
    pub(super) async fn ready(&self, patience: Duration) -> Result<(), RegistryError> {
        let mut handle = self.handle();
        match timeout(patience, handle.ready()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(trouble(&handle).unwrap_or_else(|| {
                RegistryError::Unavailable(format!(
                    "the Nodes were not listed within {} s",
                    patience.as_secs()
                ))
            })),
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.store.snapshot()
    }

    pub(super) fn watch(&self) -> store::Watch {
        self.store.watch()
    }
}

/// Why nothing comes from the API server at the moment.
pub(super) fn trouble(handle: &KubeHandle) -> Option<RegistryError> {
    let problems = handle.problems();
    let trouble = problems.iter().find(|problem| problem.object() == COLLECTION)?;
    Some(RegistryError::Unavailable(trouble.to_string()))
}

/// Nodes that cannot be read.
pub(super) fn faults(handle: &KubeHandle) -> Vec<LeaseError> {
    let of_node = handle.problems().into_iter().filter(|problem| problem.object() != COLLECTION);
    let error = |problem: Problem| LeaseError::Node {
        node: problem.object().trim_start_matches("Node ").to_owned(),
        field: problem.field().to_owned(),
        problem: problem.message().to_owned(),
    };
    of_node.map(error).collect()
}
