//! The EndpointSlice controller as a pure function: a Service and the pods that it selects give its slices.
//!
//! The slices depend on nothing else: same Service, same pods, same slices, under the same names. Endpoints are packed
//! by pod name, [`MAX_ENDPOINTS`] to a slice.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{
    AddressType, Endpoint, EndpointPort, EndpointSlice, Meta, Node, ObjectName, Pod, PodPhase,
    SERVICE_NAME_LABEL, Service, ServicePort, ServiceType, TargetPort, TargetRef,
};

#[cfg(test)]
mod tests;

/// Endpoints in one slice.
pub const MAX_ENDPOINTS: usize = 100;

/// The label that says who looks after a slice.
pub const MANAGED_BY_LABEL: &str = "endpointslice.kubernetes.io/managed-by";

/// The value of [`MANAGED_BY_LABEL`] on derived slices: as in Kubernetes, so that those who filter by it see them.
pub const MANAGER: &str = "endpointslice-controller.k8s.io";

/// The label of the slices of headless Services; proxies pass over them.
pub const HEADLESS_LABEL: &str = "service.kubernetes.io/headless";

/// The slices of `service`, in the order of their names. `pods` are those its selector matches, in the order of their
/// names; `node` finds the node that a pod runs on (a pod whose node is unknown has no zone). A Service without selector,
/// or of type ExternalName, has none: its slices are made by hand. O(pods x ports).
pub fn derive<'a>(
    service: &Service,
    pods: impl IntoIterator<Item = &'a Pod>,
    node: impl Fn(&str) -> Option<Arc<Node>>,
) -> Vec<EndpointSlice> {
    if service.selector().is_none() || service.service_type() == ServiceType::ExternalName {
        return Vec::new();
    }
    let mut groups = Groups::new();
    for pod in pods.into_iter().filter(|pod| counts(pod)) {
        let ports = Arc::<[EndpointPort]>::from(endpoint_ports(service, pod));
        for family in families(service) {
            if let Some(endpoint) = endpoint(service, pod, family, &node) {
                groups.entry((family, Arc::clone(&ports))).or_default().push(endpoint);
            }
        }
    }
    for family in families(service) {
        if !groups.keys().any(|(of, _)| *of == family) {
            groups.insert((family, Arc::from([])), Vec::new());
        }
    }
    let mut slices: Vec<_> =
        groups.into_iter().flat_map(|(key, endpoints)| pack(service, key, endpoints)).collect();
    slices.sort_by(|a, b| a.name().cmp(b.name()));
    slices
}

/// Pods that differ in their port numbers live in different slices.
type Groups = BTreeMap<(AddressType, Arc<[EndpointPort]>), Vec<Endpoint>>;

/// A pod is an endpoint until it has ended, also while it is being deleted.
fn counts(pod: &Pod) -> bool {
    !matches!(pod.phase(), PodPhase::Succeeded | PodPhase::Failed) && !pod.ips().is_empty()
}

/// A headless Service that does not say serves both families.
fn families(service: &Service) -> Vec<AddressType> {
    match service.families() {
        families if families.is_empty() => vec![AddressType::Ipv4, AddressType::Ipv6],
        families => families,
    }
}

fn endpoint(
    service: &Service,
    pod: &Pod,
    family: AddressType,
    node: impl Fn(&str) -> Option<Arc<Node>>,
) -> Option<Endpoint> {
    let address = *pod.ips().iter().find(|address| AddressType::of(**address) == family)?;
    let published = service.publish_not_ready_addresses();
    Some(Endpoint {
        addresses: vec![address],
        ready: published || (pod.ready() && !pod.terminating()),
        serving: pod.ready(),
        terminating: pod.terminating(),
        hostname: pod
            .hostname()
            .filter(|_| pod.subdomain() == Some(service.name().name()))
            .map(str::to_owned),
        node_name: pod.node_name().map(str::to_owned),
        zone: pod.node_name().and_then(node).and_then(|node| node.zone().map(str::to_owned)),
        target: Some(TargetRef::pod(pod.name().clone(), pod.meta().uid())),
        zone_hints: Vec::new(),
        node_hints: Vec::new(),
    })
}

/// The numbers under which this pod serves the Service's ports; a named targetPort that it does not have is left out.
fn endpoint_ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let mut ports: Vec<_> = service
        .ports()
        .iter()
        .filter_map(|port| {
            Some(EndpointPort {
                app_protocol: port.app_protocol().map(str::to_owned),
                ..EndpointPort::new(port.name(), port.protocol(), target(port, pod)?)
            })
        })
        .collect();
    ports.sort();
    ports
}

fn target(port: &ServicePort, pod: &Pod) -> Option<u16> {
    match port.target_port() {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => {
            let mut named = pod.ports().iter().filter(|candidate| candidate.name() == name);
            named.find(|candidate| candidate.protocol() == port.protocol()).map(|found| found.port())
        }
    }
}

fn pack(
    service: &Service,
    (family, ports): (AddressType, Arc<[EndpointPort]>),
    endpoints: Vec<Endpoint>,
) -> Vec<EndpointSlice> {
    let chunks = match endpoints.is_empty() {
        true => vec![&[][..]],
        false => endpoints.chunks(MAX_ENDPOINTS).collect(),
    };
    let slice = |(index, endpoints): (usize, &[Endpoint])| EndpointSlice {
        meta: Meta {
            name: slice_name(service.name(), family, &ports, index),
            labels: labels(service),
            ..Meta::default()
        },
        service: Some(service.name().clone()),
        address_type: family,
        ports: ports.to_vec(),
        endpoints: endpoints.to_vec(),
    };
    chunks.into_iter().enumerate().map(slice).collect()
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.meta().labels().clone();
    labels.remove(HEADLESS_LABEL);
    labels.insert(SERVICE_NAME_LABEL.to_owned(), service.name().name().to_owned());
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGER.to_owned());
    if service.is_headless() {
        labels.insert(HEADLESS_LABEL.to_owned(), String::new());
    }
    labels
}

/// `web-ipv4-5c1f90aa-0`: the hash is that of the ports.
fn slice_name(service: &ObjectName, family: AddressType, ports: &[EndpointPort], index: usize) -> ObjectName {
    let family = match family {
        AddressType::Ipv4 => "ipv4",
        AddressType::Ipv6 => "ipv6",
    };
    let name = format!("{}-{family}-{:08x}-{index}", service.name(), ports_hash(ports));
    ObjectName::new(service.namespace(), name)
}

/// FNV-1a: the same on every machine and in every release of the standard library.
fn ports_hash(ports: &[EndpointPort]) -> u32 {
    let text: String = ports
        .iter()
        .map(|port| format!("{}/{}/{};", port.name(), port.protocol(), port.port().unwrap_or(0)))
        .collect();
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
