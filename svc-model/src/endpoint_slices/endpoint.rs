//! From a pod to its endpoints.

use super::{Cluster, Group, hints};
use crate::endpoint_slice::EndpointRest;
use crate::{
    AddressType, Endpoint, EndpointPort, Kind, Node, ObjectRef, Pod, PodPhase, Problem, Service, ServicePort,
    TargetPort, TargetRef,
};

/// The pod's endpoint in each family, with the ports under which it serves. A pod that has ended, or has no address, has
/// none. One on a node that the cluster does not know is a problem, unless the Service publishes whatever there is; where
/// the cluster knows no node at all nothing is missed.
pub(super) fn endpoints(
    service: &Service,
    pod: &Pod,
    families: &[AddressType],
    cluster: &impl Cluster,
) -> Result<Vec<(Group, Endpoint)>, Problem> {
    if !counts(pod) {
        return Ok(Vec::new());
    }
    let node = pod.node_name().and_then(|name| cluster.node(name));
    if let Some(name) = pod.node_name()
        && node.is_none()
        && !service.publish_not_ready_addresses()
        && !cluster.nodes().is_empty()
    {
        let pod = ObjectRef::new(Kind::Pod, pod.name().clone());
        let message = format!("there is no Node `{name}`: the pod is left out of Service {}", service.name());
        return Err(Problem::new(&pod, "spec.nodeName", message));
    }
    let ports = endpoint_ports(service, pod);
    let in_family = |family: &AddressType| {
        let endpoint = endpoint(service, pod, *family, node.map(AsRef::as_ref))?;
        Some(((*family, ports.clone()), endpoint))
    };
    Ok(families.iter().filter_map(in_family).collect())
}

/// A pod is an endpoint until it has ended, also while it is being deleted.
fn counts(pod: &Pod) -> bool {
    !matches!(pod.phase(), PodPhase::Succeeded | PodPhase::Failed) && !pod.ips().is_empty()
}

fn endpoint(service: &Service, pod: &Pod, family: AddressType, node: Option<&Node>) -> Option<Endpoint> {
    let address = *pod.ips().iter().find(|address| AddressType::of(**address) == family)?;
    let published = service.publish_not_ready_addresses();
    let mut endpoint = Endpoint {
        addresses: address.into(),
        ready: published || (pod.ready() && !pod.terminating()),
        serving: pod.ready(),
        terminating: pod.terminating(),
        node_name: pod.node_name().map(Into::into),
        zone: node.and_then(Node::zone).map(Into::into),
        target: Some(Box::new(TargetRef::pod(pod.name().clone(), pod.meta().uid()))),
        zone_hints: Box::default(),
        node_hints: Box::default(),
        rest: EndpointRest::named(pod.hostname().filter(|_| pod.subdomain() == Some(service.name().name()))),
    };
    hints::distribute(service, &mut endpoint);
    Some(endpoint)
}

/// The numbers under which this pod serves the Service's ports; a named targetPort that it does not have is left out.
fn endpoint_ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let port = |port: &ServicePort| {
        Some(EndpointPort {
            app_protocol: port.app_protocol().map(str::to_owned),
            ..EndpointPort::new(port.name(), port.protocol(), target(port, pod)?)
        })
    };
    let mut ports: Vec<_> = service.ports().iter().filter_map(port).collect();
    ports.sort();
    ports
}

/// A name is looked up in the order of [`Pod::ports`]: containers, then restartable init containers.
fn target(port: &ServicePort, pod: &Pod) -> Option<u16> {
    match port.target_port() {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => {
            let mut named = pod.ports().iter().filter(|candidate| candidate.name() == name);
            named.find(|candidate| candidate.protocol() == port.protocol()).map(|found| found.port())
        }
    }
}
