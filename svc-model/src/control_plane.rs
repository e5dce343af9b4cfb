//! What an API server and its controllers do for Services, as a state machine for those who have neither.
//!
//! Manifests go in; what comes out is which objects now stand differently: Services with their addresses and node ports,
//! the EndpointSlices of the pods behind them, and everything else as written. Nothing here waits, reads a clock or
//! touches a file. A faulty manifest is reported and changes nothing; what was in force before stays in force.

mod admission;
mod adoption;
mod balancers;
mod builder;
mod change;
#[cfg(feature = "yaml")]
mod declared;
mod endpoints;
mod outcome;
mod pods;
#[cfg(test)]
mod proptests;
mod status;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

pub use builder::ControlPlaneBuilder;
pub use outcome::Outcome;

use crate::allocate::{ClusterIps, LoadBalancerProvider, NodePorts};
use crate::endpoint_slices::Controller;
use crate::validate::Ranges;
use crate::wire::Manifest;
use crate::{Object, ObjectName, ObjectRef};
use change::Change;
use endpoints::SelectorIndex;

/// The objects of a cluster, what is allocated to them, and what follows from them.
///
/// ```
/// use svc_model::{ControlPlane, ObjectName, store::Store, yaml};
///
/// let store = Store::new();
/// let mut control = ControlPlane::builder().service_cidr("10.96.0.0/12".parse()?).seed(1).build();
/// control.apply(&yaml::read("
/// {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
/// ---
/// {apiVersion: v1, kind: Pod, metadata: {name: web-0, labels: {app: web}}}
/// ")).commit(&store);
///
/// let web = ObjectName::new("default", "web");
/// assert_eq!(store.snapshot().service(&web).unwrap().cluster_ips().len(), 1);
///
/// // The pod is attached to the network: the Service's endpoints follow.
/// control.pod_network(&ObjectName::new("default", "web-0"), &["10.244.2.65".parse()?]).commit(&store);
/// let snapshot = store.snapshot();
/// let slice = snapshot.slices_of(&web).next().unwrap();
/// assert_eq!(slice.endpoints()[0].address().to_string(), "10.244.2.65");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ControlPlane {
    ranges: Ranges,
    cluster_ips: Vec<ClusterIps>,
    node_ports: NodePorts,
    balancer: Option<Box<dyn LoadBalancerProvider + Send>>,
    /// Services of type LoadBalancer that the provider looks after.
    served: BTreeSet<ObjectName>,
    /// Those whose provider had nothing for them; asked again when something is released.
    unserved: BTreeSet<ObjectName>,
    objects: BTreeMap<ObjectRef, Object>,
    /// The manifest of each object as it was last accepted.
    manifests: BTreeMap<ObjectRef, Manifest>,
    /// Objects that came by `replace`, with the file where known.
    declared: BTreeMap<ObjectRef, Option<Arc<str>>>,
    /// Those of them whose status was refused; it is tried, and said, again.
    misstated: BTreeSet<ObjectRef>,
    selectors: SelectorIndex,
    controller: Controller,
    /// Pods that a Service selects and that are left out: this was said.
    skipped: BTreeMap<ObjectName, BTreeSet<ObjectName>>,
    /// The names of the slices derived for each Service.
    derived: BTreeMap<ObjectName, BTreeSet<ObjectName>>,
}

impl ControlPlane {
    /// Starts with Kubernetes' defaults: 10.96.0.0/12, node ports 30000-32767, no load balancer.
    pub fn builder() -> ControlPlaneBuilder {
        ControlPlaneBuilder::default()
    }

    /// Creates or updates objects. Each manifest stands alone: faulty ones are reported and the others go on. What is
    /// allocated to an object stays with it, and so does what was reported of it: a `status` is not looked at
    /// ([`update_status`](Self::update_status) writes it), and a Pod stays on its node.
    #[cfg(feature = "yaml")]
    pub fn apply(&mut self, manifests: &crate::yaml::Manifests) -> Outcome {
        let mut change = Change::default();
        change.problems.extend(manifests.problems().iter().cloned());
        self.admit(manifests.sourced().collect(), &mut change);
        self.finish(change)
    }

    /// As [`apply`](Self::apply), for manifests that were never text.
    pub fn apply_manifests<'a>(&mut self, manifests: impl IntoIterator<Item = &'a Manifest>) -> Outcome {
        let mut change = Change::default();
        self.admit(manifests.into_iter().map(|manifest| (None, manifest)).collect(), &mut change);
        self.finish(change)
    }

    /// Removes an object and takes back what was allocated to it. Slices derived from it go too.
    pub fn delete(&mut self, reference: &ObjectRef) -> Outcome {
        let mut change = Change::default();
        self.remove(reference, &mut change);
        self.finish(change)
    }

    /// An object as it stands.
    #[must_use]
    pub fn object(&self, reference: &ObjectRef) -> Option<&Object> {
        self.objects.get(reference)
    }

    /// All objects as they stand, derived EndpointSlices among them, by kind and name.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    fn finish(&mut self, mut change: Change) -> Outcome {
        self.ask_balancers(&mut change);
        self.derive_slices(&mut change);
        change.into_outcome()
    }
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlPlane")
            .field("ranges", &self.ranges)
            .field("objects", &self.objects.len())
            .field("cluster_ips", &self.cluster_ips.iter().map(ClusterIps::held).sum::<usize>())
            .field("node_ports", &self.node_ports.held())
            .finish_non_exhaustive()
    }
}
