//! Clusters of any size, built without text.

use std::net::{IpAddr, Ipv4Addr};

use svc_model::{
    AddressType, Endpoint, EndpointPort, EndpointSlice, Object, ObjectName, Protocol, Snapshot, yaml,
};
use svc_proxy::Node;

/// The ClusterIP of a Service.
pub(crate) fn cluster_ip(number: usize) -> Ipv4Addr {
    host([10, 96], number)
}

/// Where its endpoints are; the second of a changed Service is another one.
pub(crate) fn endpoints(number: usize, changed: bool) -> [Ipv4Addr; 2] {
    [host([10, 129], number), host([10, if changed { 131 } else { 130 }], number)]
}

fn host([first, second]: [u8; 2], number: usize) -> Ipv4Addr {
    let number = u16::try_from(number + 1).expect("a small cluster");
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(first, second, high, low)
}

pub(crate) fn snapshot(services: usize) -> Snapshot {
    (0..services).flat_map(objects).collect()
}

/// A Service and its EndpointSlice.
pub(crate) fn objects(number: usize) -> [Object; 2] {
    [service(number), slice(number, false)]
}

fn service(number: usize) -> Object {
    let manifest = format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {{\"name\": \"svc-{number}\", \"namespace\": \
         \"ns-{}\"}}, \"spec\": {{\"clusterIP\": \"{}\", \"ports\": [{{\"port\": 80, \"targetPort\": 8080}}]}}}}",
        number % 20,
        cluster_ip(number)
    );
    yaml::read(&manifest).stored().0.remove(0)
}

/// The EndpointSlice of a Service, as it was or with one endpoint moved.
pub(crate) fn slice(number: usize, changed: bool) -> Object {
    let name = ObjectName::new(format!("ns-{}", number % 20), format!("svc-{number}"));
    let port = EndpointPort::new("", Protocol::Tcp, 8080);
    let endpoints = endpoints(number, changed).map(|ip| Endpoint::ready_at(IpAddr::V4(ip)).on_node("node2"));
    let slice_name = format!("svc-{number}-1");
    EndpointSlice::of_service(&name, slice_name, AddressType::Ipv4, vec![port], endpoints.to_vec()).into()
}

pub(crate) fn node() -> Node {
    let node = Node::builder("node1").address("172.20.10.2").cluster_cidr("10.128.0.0/14");
    node.service_cidr("10.96.0.0/16").build().expect("a valid node")
}
