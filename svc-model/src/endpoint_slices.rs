//! The EndpointSlice controller as a pure function: a Service, the pods that it selects, their nodes, and the slices that
//! stand already, give the slices that have to be written.
//!
//! Which endpoints there are, and all that is said of them, depends on Service, pods and nodes alone. In which slice an
//! endpoint stands depends on history too, as in Kubernetes: slices are changed as little as possible and never packed
//! anew. For each address family, and each set of port numbers in it:
//!
//! 1. endpoints that are no longer wanted go, changed ones are changed where they stand;
//! 2. new ones fill the slices that have to be written anyway, the fullest first;
//! 3. what is left over makes new, full slices; the last remainder goes where it fits most tightly, or into a slice of
//!    its own;
//! 4. slices that would be deleted are written over when new ones are needed.
//!
//! A family without endpoints keeps one empty slice.
//!
//! # Cost
//!
//! [`reconcile`](Controller::reconcile) with [`Scope::Pods`] builds the endpoints of those pods and copies the slices that
//! change; of the Service's other endpoints it compares the pods' names. With [`Scope::Service`], and for Services with
//! topology-mode `Auto` always, it builds the endpoints of all pods of the Service. No other Service is looked at.
//!
//! # Example
//!
//! ```
//! use svc_model::endpoint_slices::{Controller, Scope};
//! use svc_model::{ObjectName, Snapshot, yaml};
//!
//! let snapshot: Snapshot = yaml::read("
//! {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80}]}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: web-0, labels: {app: web}}, status: {podIP: 10.244.2.65}}
//! ").stored().0.into_iter().collect();
//! let service = snapshot.service(&ObjectName::new("default", "web")).unwrap();
//!
//! let controller = Controller::default();
//! let first = controller.reconcile(service, &[], &Scope::Service, &snapshot);
//! assert_eq!(first.set[0].endpoints()[0].address().to_string(), "10.244.2.65");
//!
//! // What stands already is not written again.
//! let existing: Vec<_> = first.set.into_iter().map(Into::into).collect();
//! let second = controller.reconcile(service, &existing, &Scope::Service, &snapshot);
//! assert!(second.set.is_empty() && second.removed.is_empty());
//! ```

mod endpoint;
mod hints;
mod naming;
mod packing;
#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::{
    AddressType, Endpoint, EndpointPort, EndpointSlice, Node, ObjectName, Pod, Problem, Service, ServiceType,
    Snapshot,
};
use endpoint::endpoints;
pub(crate) use hints::is_auto;
use naming::Names;
use packing::{Packed, pack};

/// Endpoints in one slice, unless the [`Controller`] is told otherwise.
pub const MAX_ENDPOINTS: usize = 100;

/// The label that says who looks after a slice.
pub const MANAGED_BY_LABEL: &str = "endpointslice.kubernetes.io/managed-by";

/// The value of [`MANAGED_BY_LABEL`] on derived slices: as in Kubernetes, so that those who filter by it see them.
pub const MANAGER: &str = "endpointslice-controller.k8s.io";

/// The label of the slices of headless Services; proxies pass over them.
pub const HEADLESS_LABEL: &str = "service.kubernetes.io/headless";

/// Where pods, nodes and slices are looked up. A [`Snapshot`] is one; what has indexes is a faster one.
pub trait Cluster {
    /// A pod by name.
    fn pod(&self, name: &ObjectName) -> Option<&Arc<Pod>>;

    /// The pods of the Service's namespace that its selector matches.
    fn selected(&self, service: &Service) -> Vec<&Arc<Pod>>;

    /// A node by name.
    fn node(&self, name: &str) -> Option<&Arc<Node>>;

    /// All nodes; none where the cluster does not say which there are.
    fn nodes(&self) -> Vec<&Arc<Node>>;

    /// A slice of this name exists, whoever made it.
    fn has_slice(&self, name: &ObjectName) -> bool;
}

/// `selected` looks at every pod.
impl Cluster for Snapshot {
    fn pod(&self, name: &ObjectName) -> Option<&Arc<Pod>> {
        Snapshot::pod(self, name)
    }

    fn selected(&self, service: &Service) -> Vec<&Arc<Pod>> {
        self.pods().filter(|pod| is_selected(service, pod)).collect()
    }

    fn node(&self, name: &str) -> Option<&Arc<Node>> {
        Snapshot::node(self, name)
    }

    fn nodes(&self) -> Vec<&Arc<Node>> {
        Snapshot::nodes(self).collect()
    }

    fn has_slice(&self, name: &ObjectName) -> bool {
        self.slice(name).is_some()
    }
}

/// What may have changed since the existing slices were written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// Anything: every endpoint is looked at.
    Service,
    /// These pods, or the nodes that they run on. What stands there of others stays.
    Pods(BTreeSet<ObjectName>),
}

impl Scope {
    /// The pod may have changed; an endpoint of nobody we know is looked at with everything.
    pub(crate) fn includes(&self, pod: Option<&ObjectName>) -> bool {
        match self {
            Scope::Service => true,
            Scope::Pods(pods) => pod.is_some_and(|pod| pods.contains(pod)),
        }
    }
}

/// What has to be written.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SliceChanges {
    /// Slices that are new or differ from those that stand.
    pub set: Vec<EndpointSlice>,
    /// Slices that go.
    pub removed: Vec<ObjectName>,
    /// Pods that are left out although the Service selects them, and why.
    pub skipped: Vec<(ObjectName, Problem)>,
}

/// The settings of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Controller {
    max_endpoints: usize,
}

impl Default for Controller {
    fn default() -> Self {
        Self { max_endpoints: MAX_ENDPOINTS }
    }
}

/// All endpoints of one family that share their ports.
type Group = (AddressType, Vec<EndpointPort>);

/// Which endpoint it is, whatever else is said of it.
type Key = (ObjectName, IpAddr);

type Wanted = BTreeMap<Group, BTreeMap<Key, Endpoint>>;

impl Controller {
    /// Endpoints in one slice: 1-1000, [`MAX_ENDPOINTS`] if never called. Slices that hold more stay as they are.
    #[must_use]
    pub fn max_endpoints(self, max_endpoints: usize) -> Self {
        Self { max_endpoints: max_endpoints.clamp(1, 1000) }
    }

    /// What has to be written so that the slices of `service` are right again. `existing` are the slices that were
    /// derived for it before. A Service without selector, or of type ExternalName, has none: its slices are made by hand.
    pub fn reconcile(
        &self,
        service: &Service,
        existing: &[Arc<EndpointSlice>],
        scope: &Scope,
        cluster: &impl Cluster,
    ) -> SliceChanges {
        let mut changes = SliceChanges::default();
        if service.selector().is_none() || service.service_type() == ServiceType::ExternalName {
            changes.removed = existing.iter().map(|slice| slice.name().clone()).collect();
            return changes;
        }
        let scope = if is_auto(service) { &Scope::Service } else { scope };
        let mut wanted = wanted(service, scope, cluster, &mut changes);
        if is_auto(service) {
            hints::allocate(&mut wanted, &cluster.nodes());
        }
        let families = families(service);
        let mut names = Names::new(service, existing, |name| cluster.has_slice(name));
        for family in [AddressType::Ipv4, AddressType::Ipv6] {
            let mut existing: Vec<_> =
                existing.iter().filter(|slice| slice.address_type() == family).collect();
            existing.sort_by_key(|slice| slice.name());
            if families.contains(&family) {
                let family = Family { service, family, existing, scope, max: self.max_endpoints };
                family.reconcile(&mut wanted, &mut names, &mut changes);
            } else {
                changes.removed.extend(existing.iter().map(|slice| slice.name().clone()));
            }
        }
        changes
    }
}

pub(crate) fn is_selected(service: &Service, pod: &Pod) -> bool {
    pod.name().namespace() == service.name().namespace()
        && service.selector().is_some_and(|selector| selector.matches(pod.meta().labels()))
}

/// A headless Service that does not say serves both families.
fn families(service: &Service) -> Vec<AddressType> {
    match service.families() {
        families if families.is_empty() => vec![AddressType::Ipv4, AddressType::Ipv6],
        families => families,
    }
}

fn wanted(service: &Service, scope: &Scope, cluster: &impl Cluster, changes: &mut SliceChanges) -> Wanted {
    let pods: Vec<_> = match scope {
        Scope::Service => cluster.selected(service),
        Scope::Pods(names) => {
            let pods = names.iter().filter_map(|name| cluster.pod(name));
            pods.filter(|pod| is_selected(service, pod)).collect()
        }
    };
    let families = families(service);
    let mut wanted = Wanted::new();
    for pod in pods {
        match endpoints(service, pod, &families, cluster) {
            Ok(endpoints) => {
                for (group, endpoint) in endpoints {
                    let key = (pod.name().clone(), endpoint.address());
                    wanted.entry(group).or_default().insert(key, endpoint);
                }
            }
            Err(problem) => changes.skipped.push((pod.name().clone(), problem)),
        }
    }
    wanted
}

/// The slices of one family, by name.
struct Family<'a> {
    service: &'a Service,
    family: AddressType,
    existing: Vec<&'a Arc<EndpointSlice>>,
    scope: &'a Scope,
    max: usize,
}

impl Family<'_> {
    fn reconcile(&self, wanted: &mut Wanted, names: &mut Names<'_>, changes: &mut SliceChanges) {
        let labels = naming::labels(self.service);
        let mut packed = Packed::default();
        for (ports, slices) in self.groups(wanted) {
            let wanted = wanted.remove(&(self.family, ports.clone())).unwrap_or_default();
            packed.append(pack(slices, ports, wanted, self.scope, &labels, self.max));
        }
        self.keep_one(&mut packed, &labels);
        for (ports, endpoints) in packed.created {
            let slice = match packed.deleted.is_empty() {
                false => {
                    let former = packed.deleted.remove(0);
                    EndpointSlice { ports, endpoints, ..EndpointSlice::clone(former) }
                }
                true => {
                    let name = names.fresh(self.family, &ports);
                    EndpointSlice::of_service(self.service.name(), name, self.family, ports, endpoints)
                }
            };
            packed.updated.push(slice);
        }
        changes.removed.extend(packed.deleted.iter().map(|slice| slice.name().clone()));
        changes.set.extend(packed.updated.into_iter().map(|mut slice| {
            slice.meta.labels.clone_from(&labels);
            slice
        }));
    }

    /// The existing slices by their ports, and the ports that need slices.
    fn groups(&self, wanted: &Wanted) -> BTreeMap<Vec<EndpointPort>, Vec<&Arc<EndpointSlice>>> {
        let mut groups = BTreeMap::<_, Vec<_>>::new();
        for slice in &self.existing {
            let mut ports = slice.ports().to_vec();
            ports.sort();
            groups.entry(ports).or_default().push(*slice);
        }
        for (family, ports) in wanted.keys() {
            if *family == self.family {
                groups.entry(ports.clone()).or_default();
            }
        }
        groups
    }

    /// Where no endpoint is left one empty slice says so.
    fn keep_one(&self, packed: &mut Packed<'_>, labels: &BTreeMap<String, String>) {
        if packed.deleted.len() < self.existing.len() || !packed.created.is_empty() {
            return;
        }
        let is_placeholder = |slice: &EndpointSlice| {
            slice.endpoints.is_empty() && slice.ports.is_empty() && slice.meta.labels == *labels
        };
        match packed.deleted.iter().position(|slice| is_placeholder(slice)) {
            Some(index) => drop(packed.deleted.remove(index)),
            None => packed.created.push((Vec::new(), Vec::new())),
        }
    }
}
