//! Endpoints as EndpointSlices: what Kubernetes' endpointslice-mirroring-controller makes of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{EndpointAddress, EndpointSubset, Endpoints};
use crate::endpoint_slice::EndpointRest;
use crate::endpoint_slices::MANAGED_BY_LABEL;
use crate::{AddressType, Endpoint, EndpointPort, EndpointSlice, Meta, ObjectName, SERVICE_NAME_LABEL};

/// The value of [`MANAGED_BY_LABEL`] on mirrored slices.
pub const MIRRORED_BY: &str = "endpointslicemirroring-controller.k8s.io";

/// No more addresses than these of one subset are mirrored.
const MAX_ADDRESSES: usize = 1000;

/// Set to `true` this label keeps Endpoints from being mirrored.
pub(crate) const SKIP_LABEL: &str = "endpointslice.kubernetes.io/skip-mirror";

/// Endpoints that carry this annotation are a lock, not endpoints.
pub(crate) const LEADER_ANNOTATION: &str = "control-plane.alpha.kubernetes.io/leader";

/// Annotations about the Endpoints object itself.
const OWN_ANNOTATIONS: [&str; 2] =
    ["endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration"];

/// The slices of these Endpoints: one for each family and list of ports, ready and unready addresses together. An
/// address that stands in several subsets of the same ports is one endpoint, and the first mention counts. At
/// most 1 000 addresses of a subset are taken. O(addresses).
///
/// There are none for Endpoints that are labelled `endpointslice.kubernetes.io/skip-mirror: "true"`, or that a leader
/// election uses as its lock. Whether the Service has slices of its own is for the caller to ask.
#[must_use]
pub fn mirror(endpoints: &Endpoints) -> Vec<EndpointSlice> {
    let skipped = endpoints.meta.labels.get(SKIP_LABEL).is_some_and(|value| value == "true");
    if skipped || endpoints.meta.annotations.contains_key(LEADER_ANNOTATION) {
        return Vec::new();
    }
    let mut groups = Groups::new();
    for subset in &endpoints.subsets {
        let ready = subset.ready.iter().map(|address| (address, true));
        let all = ready.chain(subset.not_ready.iter().map(|address| (address, false)));
        for (address, ready) in all.take(MAX_ADDRESSES) {
            let key = (AddressType::of(address.ip), sorted(subset));
            let group = groups.entry(key).or_default();
            if group.seen.insert(address.ip) {
                group.endpoints.push(endpoint(address, ready));
            }
        }
    }
    let slice = |(index, ((family, ports), group)): (usize, ((AddressType, Vec<EndpointPort>), Group))| {
        EndpointSlice {
            meta: meta(endpoints, family, index),
            service: Some(endpoints.name().clone()),
            address_type: family,
            ports,
            endpoints: group.endpoints,
        }
    };
    groups.into_iter().enumerate().map(slice).collect()
}

type Groups = BTreeMap<(AddressType, Vec<EndpointPort>), Group>;

#[derive(Default)]
struct Group {
    endpoints: Vec<Endpoint>,
    seen: BTreeSet<std::net::IpAddr>,
}

fn sorted(subset: &EndpointSubset) -> Vec<EndpointPort> {
    let mut ports = subset.ports.clone();
    ports.sort();
    ports
}

fn endpoint(address: &EndpointAddress, ready: bool) -> Endpoint {
    Endpoint {
        ready,
        rest: EndpointRest::named(address.hostname()),
        node_name: address.node_name().map(Into::into),
        target: address.target.clone().map(Box::new),
        ..Endpoint::ready_at(address.ip)
    }
}

fn meta(endpoints: &Endpoints, family: AddressType, index: usize) -> Meta {
    let mut labels = endpoints.meta.labels.clone();
    labels.insert(SERVICE_NAME_LABEL.to_owned(), endpoints.name().name().to_owned());
    labels.insert(MANAGED_BY_LABEL.to_owned(), MIRRORED_BY.to_owned());
    let mut annotations = endpoints.meta.annotations.clone();
    annotations.retain(|key, _| !OWN_ANNOTATIONS.contains(&key.as_str()));
    let name = format!("{}-mirrored-{}-{index}", endpoints.name().name(), family.as_str().to_lowercase());
    Meta { name: ObjectName::new(endpoints.name().namespace(), name), labels, annotations, ..Meta::default() }
}
