//! proptest strategies: objects, whole clusters, and their histories, for tests of whatever consumes snapshots.
//!
//! All names and addresses come from a small [`World`], so that objects meet: slices have a Service, two slices share an
//! address, a change hits something that exists. Within that world everything is valid: each object would be accepted
//! when created and is read back from its manifest as it is. No two Services share a virtual address or a node port,
//! whatever is combined; outside addresses (`externalIPs`, load balancers) they do share now and then, as nothing in a
//! cluster forbids it.
//!
//! Objects carry what API servers and controllers add to their metadata: owners, finalizers, versions.
//!
//! What no object says, but a cluster holds all the same (EndpointSlices of names), is among [`manifests`], which tell the same
//! cluster in the spellings of old ones.
//!
//! A [`history`] mixes arbitrary steps with the [`Edit`]s that clusters really see: scaling, rolling updates, a Service
//! that becomes another type, endpoints that move between slices.
//!
//! ```
//! use proptest::prelude::*;
//! use svc_model::{Snapshot, testing};
//!
//! proptest!(|(history in testing::history())| {
//!     let mut snapshot = Snapshot::default();
//!     for step in &history {
//!         let (next, delta) = step.apply(&snapshot);
//!         // consumer.update(&next, &delta) must equal Consumer::new(&next)
//!         prop_assert_eq!(delta.is_empty(), next.revision() == snapshot.revision());
//!         snapshot = next;
//!     }
//! });
//! ```
//!
//! The size is a knob. Small worlds find conflicts and shrink fast; larger ones fill slices and tables:
//!
//! ```
//! use proptest::{prelude::*, test_runner::TestRunner};
//! use svc_model::{Snapshot, testing::World};
//!
//! let world = World::default().services(40).objects(400).steps(3);
//! let config = ProptestConfig { cases: 4, ..ProptestConfig::default() };
//! TestRunner::new(config).run(&world.history(), |history| {
//!     let cluster: Snapshot = history[0].set.iter().cloned().collect();
//!     prop_assert!(cluster.services().count() <= 40);
//!     Ok(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a test wants of one object alone it takes from that object's strategy, and sets the rest by hand:
//!
//! ```
//! use proptest::prelude::*;
//! use svc_model::testing;
//!
//! proptest!(|(service in testing::service(), slice in testing::slice())| {
//!     prop_assert_eq!(service.is_headless(), service.service_type().to_string() == "ClusterIP"
//!         && service.cluster_ips().is_empty());
//!     prop_assert!(slice.endpoints().iter().all(|endpoint| !endpoint.addresses().is_empty()));
//! });
//! ```

mod edit;
mod endpoints;
mod ingress;
mod metadata;
mod service;
mod spelling;
#[cfg(test)]
mod tests;
mod world;

use proptest::prelude::*;

pub use edit::Edit;
pub use ingress::{config_map, ingress, ingress_class, secret};
pub use spelling::{manifest, manifests};
pub use world::{NAMESPACES, NODES, SERVICES, World};

use crate::{
    Delta, EndpointSlice, Endpoints, Namespace, Object, ObjectName, ObjectRef, Pod, Service, ServiceImport,
    Snapshot,
};
use world::{labels, meta};

/// A whole cluster of the small world: objects of all kinds, each name at most once. The nodes are always there.
pub fn cluster() -> impl Strategy<Value = Vec<Object>> {
    World::default().cluster()
}

/// A cluster's life: it comes up, then objects come, change and go.
pub fn history() -> impl Strategy<Value = Vec<Step>> {
    World::default().history()
}

/// Any one object.
pub fn object() -> impl Strategy<Value = Object> {
    World::default().object()
}

/// The name of any object that may exist in the small world.
pub fn reference() -> impl Strategy<Value = ObjectRef> {
    object().prop_map(|object| object.reference())
}

/// A Service: ClusterIP (one or two families), headless, NodePort, LoadBalancer, ExternalName, with and without selector,
/// externalIPs, affinity, policies, source ranges, topology mode; balancers with addresses, with a name, or both; now and then
/// another proxy's.
pub fn service() -> impl Strategy<Value = Service> {
    World::default().service()
}

/// An EndpointSlice: up to three a Service, of either family, whether the Service has it or not; its endpoints in every
/// combination of ready, serving and terminating, on known and unknown nodes, with and without hints. Their addresses
/// may occur in several slices. Now and then a slice names no Service, or a ServiceImport, and which cluster it comes from.
pub fn slice() -> impl Strategy<Value = EndpointSlice> {
    World::default().slice()
}

/// A ServiceImport by the name of a Service, whether there is one or not: with addresses of up to two families, or headless.
pub fn service_import() -> impl Strategy<Value = ServiceImport> {
    World::default().service_import()
}

/// Endpoints (core/v1) of a Service, whether it has slices or not: subsets of ready and unready addresses.
pub fn endpoints() -> impl Strategy<Value = Endpoints> {
    World::default().endpoints()
}

/// A pod in any state of its life, labelled so that selectors may match it.
pub fn pod() -> impl Strategy<Value = Pod> {
    World::default().pod()
}

/// The node of this index, with its pod networks and its address; it may be of either zone or of none.
pub fn node(index: usize) -> impl Strategy<Value = Object> {
    endpoints::node(index)
}

/// A Namespace object.
pub fn namespace() -> impl Strategy<Value = Namespace> {
    let named = prop_oneof![prop::sample::select(&NAMESPACES[..]), Just("empty")];
    (named, labels()).prop_map(|(name, labels)| Namespace {
        meta: crate::Meta { labels, ..meta(ObjectName::cluster(name)) },
    })
}

/// One step: up to four objects set and up to four removed (which need not exist).
pub fn step() -> impl Strategy<Value = Step> {
    World::default().step()
}

/// What happens at once: one revision of a store.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Objects put in place.
    pub set: Vec<Object>,
    /// Objects removed, before any is put in place.
    pub removed: Vec<ObjectRef>,
}

impl Step {
    /// A step that puts objects in place.
    #[must_use]
    pub fn setting(set: impl IntoIterator<Item = Object>) -> Self {
        Self { set: set.into_iter().collect(), removed: Vec::new() }
    }

    /// A step that removes objects.
    #[must_use]
    pub fn removing(removed: impl IntoIterator<Item = ObjectRef>) -> Self {
        Self { set: Vec::new(), removed: removed.into_iter().collect() }
    }

    /// The snapshot after this step, and the difference.
    #[must_use]
    pub fn apply(&self, snapshot: &Snapshot) -> (Snapshot, Delta) {
        snapshot.with(self.set.iter().cloned(), self.removed.iter().cloned())
    }
}
