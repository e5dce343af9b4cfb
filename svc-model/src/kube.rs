//! The Kubernetes API as a source of objects: list and watch, into a [`Store`].
//!
//! A small client of its own over hyper and rustls (aws-lc-rs): no cache beside the store, one connection for each kind,
//! pages of 500 objects, bookmarks, resumption after disconnects, a new list (of which only the differences count) when
//! the server has forgotten where we were. What it does not need it drops while it decodes: a connection holds one
//! object at a time, a list one page.
//!
//! Objects are read as `stored`: nothing is defaulted, allocated or derived.
//!
//! ```no_run
//! use svc_model::{kube::{Cluster, Kube}, store::Store, Kind};
//!
//! # async fn follow() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::new();
//! let kinds = [Kind::Service, Kind::EndpointSlice, Kind::Namespace];
//! let (mut handle, run) = Kube::new(Cluster::in_cluster()?).kinds(kinds).follow(store.clone());
//! tokio::spawn(run);
//! handle.ready().await?; // every kind was listed to its end
//! while let Some(problems) = handle.changed().await {
//!     problems.iter().for_each(|problem| eprintln!("{problem}"));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Rights
//!
//! `manifests/rbac.yaml` of this crate has exactly the rules that are needed: `list` and `watch` of
//! [`Kube::DEFAULT_KINDS`] and Pods.
//! Secrets are never listed as a whole: those that Ingresses refer to are followed one by one, by `metadata.name`, so that
//! a rule with `resourceNames` is enough. Where a rule is missing, the problem says which; other kinds go on.
//!
//! # Credentials
//!
//! A kubeconfig (`certificate-authority`, `client-certificate` and `client-key` as files or data, `token`, `tokenFile`) or
//! a pod's service account. Files are read again for every connection. Exec plugins are not supported, and are named.

mod backoff;
mod cluster;
mod decode;
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the loop around connections")]
mod driver;
mod kubeconfig;
mod lines;
mod referenced;
mod reflector;
mod resource;
mod status;
#[cfg(test)]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "an API server for the tests")]
mod tests;

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

pub use cluster::{Cluster, ClusterError};
pub(crate) use cluster::{Source, Tls};
pub use status::KubeHandle;
use tokio::sync::{Notify, watch};

use crate::Kind;
use crate::store::Store;
use resource::Resource;
use status::Status;

/// Which kinds of a cluster are followed, and how.
#[derive(Clone, Debug)]
#[must_use]
pub struct Kube {
    cluster: Cluster,
    settings: Settings,
}

#[derive(Clone, Debug)]
struct Settings {
    kinds: BTreeSet<Kind>,
    page_size: usize,
    least_wait: Duration,
    most_wait: Duration,
}

impl Kube {
    /// Follows [`DEFAULT_KINDS`](Self::DEFAULT_KINDS).
    pub fn new(cluster: Cluster) -> Self {
        let (least_wait, most_wait) = (Duration::from_millis(800), Duration::from_secs(30));
        let kinds = Self::DEFAULT_KINDS.into_iter().collect();
        Self { cluster, settings: Settings { kinds, page_size: 500, least_wait, most_wait } }
    }

    /// What proxies, name servers and routers need, but for Pods: these are many, and only a name server with verified
    /// pod records asks for them.
    pub const DEFAULT_KINDS: [Kind; 7] = [
        Kind::EndpointSlice,
        Kind::Ingress,
        Kind::IngressClass,
        Kind::Namespace,
        Kind::Node,
        Kind::Secret,
        Kind::Service,
    ];

    /// Follows these kinds. Of Secrets only those that Ingresses in the store refer to.
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.settings.kinds = kinds.into_iter().collect();
        self
    }

    /// How many objects a page of a list has at most (500). Pages of more than 32 MiB are asked for again in halves.
    pub fn page_size(mut self, objects: usize) -> Self {
        self.settings.page_size = objects;
        self
    }

    /// How long to wait after a failure: from the first (800 ms), doubling up to the most (30 s), with jitter. What
    /// the server asks for by `Retry-After` goes before.
    pub fn retry(mut self, least: Duration, most: Duration) -> Self {
        (self.settings.least_wait, self.settings.most_wait) = (least, most);
        self
    }

    /// Keeps `store` in step with the cluster. The future does it, and ends when all handles are dropped; it has to run
    /// on a tokio runtime with I/O and time. Objects of other sources in the same store are not touched, but an object of
    /// the same kind and name belongs to whoever wrote last. Cancel safe: dropping it stops at a whole revision.
    pub fn follow(self, store: Store) -> (KubeHandle, impl Future<Output = ()> + Send) {
        let Self { cluster, settings } = self;
        let mut first = Status::default();
        for kind in &settings.kinds {
            match kind {
                Kind::Secret => first.secrets = Some(false),
                kind => drop(first.collections.insert(Resource::all(*kind), status::State::default())),
            }
        }
        let (status, reader) = watch::channel(first);
        let ingresses = Notify::new();
        if !settings.kinds.contains(&Kind::Ingress) {
            // Those of other sources in the store count.
            ingresses.notify_one();
        }
        (
            KubeHandle::new(reader),
            driver::run(driver::Follower { cluster, settings, store, status, ingresses }),
        )
    }
}
