//! Defaults of everything but Services.

use super::fill;
use crate::wire::Manifest;
use crate::{AddressType, wire};

/// The label that every namespace carries (KEP-2161).
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Fills in what is missing from a new object of any kind; `cluster` are the address families, the primary one first.
pub fn manifest(manifest: &mut Manifest, cluster: &[AddressType]) {
    match manifest {
        Manifest::Service(wire) => super::service(wire, cluster),
        Manifest::EndpointSlice(wire) => {
            for port in wire.ports.iter_mut().flatten() {
                endpoint_port(port);
                port.name.get_or_insert_default();
            }
        }
        Manifest::Endpoints(wire) => {
            let subsets = wire.subsets.iter_mut().flatten();
            subsets.flat_map(|subset| subset.ports.iter_mut().flatten()).for_each(endpoint_port);
        }
        Manifest::IngressClass(wire) => {
            let parameters = wire.spec.iter_mut().flat_map(|spec| &mut spec.parameters);
            parameters.for_each(|parameters| fill(&mut parameters.scope, "Cluster"));
        }
        Manifest::Namespace(wire) => {
            if let Some(name) = &wire.metadata.name {
                let labels = wire.metadata.labels.get_or_insert_default();
                labels.insert(NAME_LABEL.to_owned(), name.clone());
            }
        }
        Manifest::Pod(wire) => pod(wire),
        Manifest::Secret(wire) => fill(&mut wire.secret_type, "Opaque"),
        Manifest::ConfigMap(_) | Manifest::Ingress(_) | Manifest::Node(_) | Manifest::ServiceImport(_) => {}
    }
}

fn endpoint_port(port: &mut wire::EndpointPort) {
    fill(&mut port.protocol, "TCP");
}

fn pod(pod: &mut wire::Pod) {
    let host_network = pod.spec.host_network.unwrap_or(false);
    let containers = pod.spec.containers.iter_mut().chain(&mut pod.spec.init_containers).flatten();
    for port in containers.flat_map(|container| container.ports.iter_mut().flatten()) {
        fill(&mut port.protocol, "TCP");
        if host_network && port.host_port.unwrap_or(0) == 0 {
            port.host_port = port.container_port;
        }
    }
}
