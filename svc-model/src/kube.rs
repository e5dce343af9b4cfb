//! The Kubernetes API as a source of objects: list and watch, into a [`Store`].
//!
//! A small client of its own over hyper and rustls (aws-lc-rs): no cache beside the store, pages of 500 objects, bookmarks,
//! resumption after disconnects, a new list (of which only the differences count) when the server has forgotten where we were.
//! Each kind (in each namespace, where [`Kube::namespaces`] names them) has one connection, which carries one request after
//! the other. What it does not need it drops while it decodes: a connection holds one object at a time, a list one page.
//!
//! Objects are read as `stored`: nothing is defaulted, allocated or derived. `managedFields` and the conditions of Pods and Nodes
//! other than Ready are not kept: they would be most of the memory.
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
//! [`Cluster::merge_patch`] and [`Cluster::strategic_merge_patch`] write: one patch of one object.
//!
//! # Rights
//!
//! `manifests/rbac.yaml` of this crate has exactly the rules that are needed: `list` and `watch` of
//! [`Kube::DEFAULT_KINDS`] and Pods; who follows ServiceImports adds them, in the group multicluster.x-k8s.io
//! (the version that the server has is found: v1beta1 or v1alpha1).
//! `manifests/rbac-namespaced.yaml` does with Roles for one namespace.
//! Secrets are never listed as a whole: those that Ingresses refer to are followed one by one, by `metadata.name`, so that
//! a rule with `resourceNames` is enough. Where a rule is missing, the problem says which; other kinds go on.
//!
//! # Credentials
//!
//! A kubeconfig (`certificate-authority`, `client-certificate` and `client-key` as files or data, `token`, `tokenFile`) or
//! a pod's service account. Files of certificates are read again for every connection, and those of tokens for every request.
//! Exec plugins are not supported, and are named.

mod backoff;
mod cluster;
mod decode;
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the loop around connections")]
mod driver;
mod kubeconfig;
mod lines;
mod patch;
mod referenced;
mod reflector;
mod replay;
mod requests;
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
pub use patch::PatchError;
#[doc(hidden)]
pub use replay::replay;
pub use requests::Requests;
pub use status::KubeHandle;
use tokio::sync::{Notify, watch};

use crate::store::Store;
use crate::{Kind, ObjectName};
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
    /// Those that no object in the store refers to.
    secrets: BTreeSet<ObjectName>,
    /// All of them where nothing is said.
    namespaces: Option<BTreeSet<String>>,
    page_size: usize,
    least_wait: Duration,
    most_wait: Duration,
    /// The largest page that is held; a smaller one is asked for if it has more.
    max_page_bytes: usize,
    /// How long a watch lasts at least, and at most twice that; the server ends it. Not 0.
    watch_seconds: u64,
    /// A watch that the server has not ended by so much after its time is dead.
    watch_grace: Duration,
}

impl Settings {
    fn of(kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self {
            kinds: kinds.into_iter().collect(),
            secrets: BTreeSet::new(),
            namespaces: None,
            page_size: 500,
            least_wait: Duration::from_millis(800),
            most_wait: Duration::from_secs(30),
            max_page_bytes: 32 << 20,
            watch_seconds: 240,
            watch_grace: Duration::from_secs(30),
        }
    }

    /// What is followed from the start: everything but Secrets.
    fn resources(&self) -> Vec<Resource> {
        let kinds = self.kinds.iter().copied().filter(|kind| *kind != Kind::Secret);
        kinds.flat_map(|kind| self.resources_of(kind)).collect()
    }

    fn resources_of(&self, kind: Kind) -> Vec<Resource> {
        let Some(namespaces) = &self.namespaces else { return vec![Resource::all(kind)] };
        match kind {
            Kind::Namespace => {
                let one = |name: &String| Resource::named(kind, ObjectName::cluster(name));
                namespaces.iter().map(one).collect()
            }
            kind if !kind.is_namespaced() => vec![Resource::all(kind)],
            kind => namespaces.iter().map(|name| Resource::of_namespace(kind, name)).collect(),
        }
    }

    fn follows_namespace(&self, name: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|all| all.contains(name))
    }
}

impl Kube {
    /// Follows [`DEFAULT_KINDS`](Self::DEFAULT_KINDS).
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, settings: Settings::of(Self::DEFAULT_KINDS) }
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

    /// Follows these Secrets too, if it follows Secrets: those that settings of a program name rather than an Ingress.
    pub fn secrets(mut self, names: impl IntoIterator<Item = ObjectName>) -> Self {
        self.settings.secrets.extend(names);
        self
    }

    /// Follows only what is in these namespaces, each by requests of its own, so that a Role there is enough; of Namespaces
    /// those of these names. Nodes and IngressClasses are in no namespace: they need a ClusterRole, or are left out by
    /// [`kinds`](Self::kinds). A Secret elsewhere that an Ingress refers to is told as a problem.
    pub fn namespaces<N: Into<String>>(mut self, namespaces: impl IntoIterator<Item = N>) -> Self {
        self.settings.namespaces = Some(namespaces.into_iter().map(Into::into).collect());
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
        let known = |resource| (resource, status::State::default());
        let first = Status {
            collections: settings.resources().into_iter().map(known).collect(),
            secrets: settings.kinds.contains(&Kind::Secret).then_some(false),
            ..Status::default()
        };
        let (status, reader) = watch::channel(first);
        let ingresses = Notify::new();
        if !settings.kinds.contains(&Kind::Ingress) {
            // Those of other sources in the store count.
            ingresses.notify_one();
        }
        let requests = requests::Counter::of(cluster.address.authority());
        (
            KubeHandle::new(reader, requests.clone()),
            driver::run(driver::Follower { cluster, settings, store, status, ingresses, requests }),
        )
    }
}
