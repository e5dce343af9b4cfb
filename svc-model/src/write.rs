//! From the domain types to Kubernetes' form. What is written reads back as the same object.
//!
//! # What is kept
//!
//! What a cluster holds comes back field by field, and as it was, if it is complete and canonical, as an API server writes
//! it. Otherwise it comes back like this:
//!
//! | what was read | what is written |
//! |--|--|
//! | fields that are not in [`wire`]: of a Pod, a Node and a Namespace what is none of the network's business, such as a container's image; of a ServiceImport all but `type`, `ips` and `ports`; of the other kinds and of metadata none | nothing |
//! | an address or network in another spelling | its canonical spelling, a network without host bits |
//! | what goes without saying: protocols, `targetPort`, policies, `sessionAffinity`, `ipMode`, `clusterIPs`, conditions of endpoints, `Opaque`, the path `/` | it is said |
//! | empty texts and lists, port 0, flags that are false | nothing |
//! | fields that no API server takes on a Service of this type (`nodePort` of a ClusterIP Service, `loadBalancerClass` of a NodePort); what it takes and does not use (`externalName`, `loadBalancerIP`, `nodePort` of an ExternalName) is kept | nothing |
//! | an unknown `trafficDistribution` | nothing |
//! | `loadBalancerSourceRanges` that are no networks | kept, behind those that are |
//! | hosts of an Ingress | in lower case |
//! | containers without ports, init containers that end | nothing |
//! | `allocatable` of a Node | `cpu` alone |
//! | `fieldsV1` that is no tree of keys | an empty one |
//! | a `targetRef` without kind or namespace | `Pod`, the object's own namespace |
//! | `stringData` of a Secret | as `data` |

mod balancer;
mod endpoints;
mod ingress;
mod meta;
mod node;
mod pod;
#[cfg(test)]
#[cfg(feature = "yaml")]
mod proptests;
mod secret;
mod service;
mod service_import;
mod slice;
#[cfg(test)]
#[cfg(feature = "yaml")]
mod tests;

use crate::wire::{self, Manifest};
use crate::{Condition, Object, TargetRef};
use meta::meta;

pub(crate) use ingress::status as ingress_status;
pub(crate) use node::status as node_status;
pub(crate) use pod::status as pod_status;
pub(crate) use service::status as service_status;

/// The manifest of an object: what a cluster would say of it, so far as networking is concerned.
#[must_use]
pub fn manifest(object: &Object) -> Manifest {
    match object {
        Object::ConfigMap(map) => Manifest::ConfigMap(Box::new(secret::config_map(map))),
        Object::EndpointSlice(slice) => Manifest::EndpointSlice(Box::new(slice::slice(slice))),
        Object::Endpoints(endpoints) => Manifest::Endpoints(Box::new(endpoints::endpoints(endpoints))),
        Object::Ingress(ingress) => Manifest::Ingress(Box::new(ingress::ingress(ingress))),
        Object::IngressClass(class) => Manifest::IngressClass(Box::new(ingress::class(class))),
        Object::Namespace(namespace) => {
            Manifest::Namespace(Box::new(wire::Namespace { metadata: meta(namespace.meta()) }))
        }
        Object::Node(node) => Manifest::Node(Box::new(node::node(node))),
        Object::Pod(pod) => Manifest::Pod(Box::new(pod::pod(pod))),
        Object::Secret(secret) => Manifest::Secret(Box::new(secret::secret(secret))),
        Object::Service(service) => Manifest::Service(Box::new(service::service(service))),
        Object::ServiceImport(import) => {
            Manifest::ServiceImport(Box::new(service_import::service_import(import)))
        }
    }
}

fn target_ref(target: &TargetRef) -> wire::TargetRef {
    wire::TargetRef {
        kind: Some(target.kind().to_owned()),
        namespace: text(target.name().namespace()),
        name: Some(target.name().name().to_owned()),
        uid: text(target.uid()),
        api_version: target.api_version().map(str::to_owned),
        resource_version: target.resource_version().map(str::to_owned),
        field_path: target.field_path().map(str::to_owned),
    }
}

fn condition(condition: &Condition) -> wire::Condition {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    wire::Condition {
        condition_type: text(condition.condition_type()),
        status: text(condition.status()),
        observed_generation: condition.observed_generation(),
        last_heartbeat_time: owned(condition.last_heartbeat_time()),
        last_probe_time: owned(condition.last_probe_time()),
        last_transition_time: owned(condition.last_transition_time()),
        reason: owned(condition.reason()),
        message: owned(condition.message()),
    }
}

/// What is taken for granted is not written.
fn flag(set: bool) -> Option<bool> {
    set.then_some(true)
}

/// An empty text is not written.
fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// An empty list is not written.
fn list<T>(items: impl IntoIterator<Item = T>) -> Option<Vec<T>> {
    let items: Vec<T> = items.into_iter().collect();
    (!items.is_empty()).then_some(items)
}
