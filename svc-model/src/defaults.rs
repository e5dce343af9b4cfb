//! What the API server fills in: on creation, and on an update from what was there before.
//!
//! | field | default |
//! |--|--|
//! | `type`, `sessionAffinity`, `ports[].protocol` | `ClusterIP`, `None`, `TCP` |
//! | `ports[].targetPort` | `port`, where it is 0 or empty |
//! | `sessionAffinityConfig` | none without affinity, 10 800 s with `ClientIP` |
//! | `externalTrafficPolicy` | `Cluster`, where something leads in from outside: a node port, a balancer, externalIPs |
//! | `internalTrafficPolicy` | `Cluster`, but for ExternalName |
//! | `allocateLoadBalancerNodePorts` | true for LoadBalancer |
//! | `status.loadBalancer.ingress[].ipMode` | `VIP` where there is an `ip` (LoadBalancer only) |
//! | `clusterIPs` | the one `clusterIP` |
//! | `ipFamilyPolicy` | what it was; on creation `SingleStack`, headless without selector `RequireDualStack` |
//! | `ipFamilies` | those of the `clusterIPs`, else the cluster's first; a second one where the policy wants it |
//! | Namespace: label `kubernetes.io/metadata.name` | its name |
//! | IngressClass: `parameters.scope` | `Cluster` |
//! | EndpointSlice, Endpoints, Pod: `protocol` of ports | `TCP` |
//! | EndpointSlice: `name` of ports | the empty name |
//! | Pod with `hostNetwork`: `hostPort` of ports | `containerPort` |
//! | Secret: `type` | `Opaque` |
//!
//! Filling in twice is filling in once.

pub(crate) mod families;
mod objects;
#[cfg(test)]
mod tests;
mod update;

pub use objects::manifest;
pub use update::update;
pub(crate) use update::{has_node_ports, needs_health_check};

use crate::problem::Findings;
use crate::read::{is_externally_accessible, service_type};
use crate::wire::{self, IntOrString, Manifest};
use crate::{AddressType, Kind, ObjectName, ObjectRef, ServiceType};

/// Fills in everything that is missing from a new Service of a cluster with these families, the primary one first.
pub fn service(service: &mut wire::Service, cluster: &[AddressType]) {
    update(service, None);
    // What is wrong with the families is for validation to say.
    let nobody = ObjectRef::new(Kind::Service, ObjectName::default());
    families::settle(&mut service.spec, cluster, None, &mut Findings::of(&nobody));
}

/// What depends on nothing but the object itself.
pub(crate) fn fields(service: &mut wire::Service) {
    let spec = &mut service.spec;
    let Ok(kind) = service_type(spec.service_type.as_deref()) else { return };
    spec.service_type = Some(kind.to_string());
    affinity(spec);
    spec.ports.iter_mut().flatten().for_each(port);
    if is_externally_accessible(spec, kind) {
        fill(&mut spec.external_traffic_policy, "Cluster");
    }
    if kind != ServiceType::ExternalName {
        fill(&mut spec.internal_traffic_policy, "Cluster");
    }
    if kind == ServiceType::LoadBalancer {
        spec.allocate_load_balancer_node_ports.get_or_insert(true);
        ip_modes(service);
    }
}

/// What depends on nothing but the status.
pub(crate) fn status(manifest: &mut Manifest) {
    if let Manifest::Service(service) = manifest {
        ip_modes(service);
    }
}

fn ip_modes(service: &mut wire::Service) {
    let status = service.status.iter_mut().flat_map(|status| &mut status.load_balancer);
    for ingress in status.flat_map(|status| status.ingress.iter_mut().flatten()) {
        if !is_empty(ingress.ip.as_deref()) {
            fill(&mut ingress.ip_mode, "VIP");
        }
    }
}

fn affinity(spec: &mut wire::ServiceSpec) {
    fill(&mut spec.session_affinity, "None");
    match spec.session_affinity.as_deref() {
        Some("None") => spec.session_affinity_config = None,
        Some("ClientIP") => {
            let config = spec.session_affinity_config.get_or_insert_default();
            config.client_ip.get_or_insert_default().timeout_seconds.get_or_insert(10_800);
        }
        _ => {}
    }
}

fn port(port: &mut wire::ServicePort) {
    fill(&mut port.protocol, "TCP");
    let missing = match &port.target_port {
        None | Some(IntOrString::Int(0)) => true,
        Some(IntOrString::String(name)) => name.is_empty(),
        Some(IntOrString::Int(_)) => false,
    };
    if missing {
        port.target_port = port.port.map(IntOrString::Int);
    }
}

fn fill(field: &mut Option<String>, default: &str) {
    if is_empty(field.as_deref()) {
        *field = Some(default.to_owned());
    }
}

fn is_empty(text: Option<&str>) -> bool {
    text.is_none_or(str::is_empty)
}
