//! Pods, nodes and EndpointSlices.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::service::PORTS;
use super::world::{NAMESPACES, NODES, World, labels, meta, slot_name};
use crate::endpoint_slice::EndpointRest;
use crate::endpoint_slices::HEADLESS_LABEL;
use crate::endpoints::{LEADER_ANNOTATION, SKIP_LABEL};
use crate::{
    AddressType, Condition, ContainerPort, Endpoint, EndpointAddress, EndpointPort, EndpointSlice,
    EndpointSubset, Endpoints, IMPORTED_SERVICE_LABEL, Meta, Node, NodeAddress, Object, ObjectName, Pod,
    PodPhase, Protocol, SERVICE_NAME_LABEL, SOURCE_CLUSTER_LABEL, Taint, TargetRef, ZONE_LABEL,
};

const ZONES: [&str; 2] = ["east", "west"];

pub(super) fn slice(world: World) -> impl Strategy<Value = EndpointSlice> {
    let family = prop_oneof![3 => Just(AddressType::Ipv4), 1 => Just(AddressType::Ipv6)];
    (world.slot(), 0..3_u8, family).prop_flat_map(|(slot, index, family)| {
        let endpoints = vec(endpoint(slot, family), 0..6);
        let labels = (labels(), prop::bool::weighted(0.1), prop::bool::weighted(0.05), imported());
        (endpoints, endpoint_ports(), labels).prop_map(
            move |(endpoints, ports, (labels, headless, lost, import))| {
                let service = slot_name(slot);
                let name = format!("{}-{index}", service.name());
                let mut slice = EndpointSlice::of_service(&service, name, family, ports, endpoints);
                slice.meta.labels.extend(labels);
                slice.meta.labels.extend(headless.then(|| (HEADLESS_LABEL.to_owned(), String::new())));
                if let Some(cluster) = import {
                    slice.meta.labels.insert(IMPORTED_SERVICE_LABEL.to_owned(), service.name().to_owned());
                    let cluster =
                        cluster.map(|cluster| (SOURCE_CLUSTER_LABEL.to_owned(), cluster.to_owned()));
                    slice.meta.labels.extend(cluster);
                }
                if lost {
                    slice.meta.labels.remove(SERVICE_NAME_LABEL);
                    slice.service = None;
                }
                slice
            },
        )
    })
}

/// Whether a slice is one of a ServiceImport, and then which cluster it comes from, if it says that.
fn imported() -> impl Strategy<Value = Option<Option<&'static str>>> {
    let cluster = prop::option::weighted(0.9, prop::sample::select(&["east", "west"][..]));
    prop::option::weighted(0.3, cluster)
}

/// Endpoints of a Service of this world, as people and old controllers write them: subsets of ready and unready addresses,
/// with names of ports or without; now and then they are a lock, or are not to be mirrored.
pub(super) fn endpoints(world: World) -> impl Strategy<Value = Endpoints> {
    let marks = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    world.slot().prop_flat_map(move |slot| {
        (vec(subset(slot), 0..3), labels(), marks).prop_map(move |(subsets, mut labels, (skipped, lock))| {
            labels.extend(skipped.then(|| (SKIP_LABEL.to_owned(), "true".to_owned())));
            let annotations =
                lock.then(|| (LEADER_ANNOTATION.to_owned(), "{}".to_owned())).into_iter().collect();
            Endpoints { meta: Meta { labels, annotations, ..meta(slot_name(slot)) }, subsets }
        })
    })
}

fn subset(slot: u8) -> impl Strategy<Value = EndpointSubset> {
    (vec(endpoint_address(slot), 1..5), endpoint_ports()).prop_map(|(addresses, ports)| {
        let (ready, not_ready): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|(ready, _)| *ready);
        let all = |list: Vec<(bool, EndpointAddress)>| list.into_iter().map(|(_, address)| address).collect();
        // Here a port has a number.
        let numbered = |port: EndpointPort| EndpointPort { port: port.port.or(Some(8080)), ..port };
        EndpointSubset {
            ready: all(ready),
            not_ready: all(not_ready),
            ports: ports.into_iter().map(numbered).collect(),
        }
    })
}

/// An address, and whether it is ready.
fn endpoint_address(slot: u8) -> impl Strategy<Value = (bool, EndpointAddress)> {
    let node = prop::option::of(prop::sample::select(&NODES[..]).prop_map(str::to_owned));
    let family = prop_oneof![3 => Just(AddressType::Ipv4), 1 => Just(AddressType::Ipv6)];
    (prop::bool::weighted(0.7), 0..8_u8, family, node, any::<bool>()).prop_map(
        move |(ready, host, family, node_name, named)| {
            let address = EndpointAddress {
                ip: pod_address(family, slot % 3, 65 + host),
                hostname: named.then(|| format!("host-{host}")),
                node_name,
                target: named.then(|| TargetRef::pod(pod_name(slot, host), "")),
            };
            (ready, address)
        },
    )
}

fn endpoint_ports() -> impl Strategy<Value = Vec<EndpointPort>> {
    let number = prop::option::weighted(0.95, prop::sample::select(&[8080_u16, 9376, 53][..]));
    let named = (prop::sample::subsequence(&PORTS[..], 0..=4), vec(number.clone(), 4)).prop_map(
        |(ports, numbers)| {
            let port = |((name, protocol, _), port): (&(&str, Protocol, u16), Option<u16>)| EndpointPort {
                port,
                ..EndpointPort::new(*name, *protocol, 1)
            };
            ports.iter().zip(numbers).map(port).collect()
        },
    );
    let unnamed = (number, prop::sample::select(&[Protocol::Tcp, Protocol::Udp][..]))
        .prop_map(|(port, protocol)| vec![EndpointPort { port, ..EndpointPort::new("", protocol, 1) }]);
    prop_oneof![2 => named, 1 => unnamed]
}

fn endpoint(slot: u8, family: AddressType) -> impl Strategy<Value = Endpoint> {
    // ready, serving, terminating: mostly as the controller writes them; anybody may write a slice.
    let state = prop_oneof![
        5 => Just((true, true, false)),
        2 => Just((false, false, false)),
        2 => Just((false, true, true)),
        1 => Just((false, false, true)),
        2 => any::<(bool, bool, bool)>(),
    ];
    let more =
        prop::option::weighted(0.1, (0..8_u8).prop_map(move |host| pod_address(family, slot % 3, 65 + host)));
    let node = prop::option::weighted(0.9, prop::sample::select(&NODES[..]));
    let hints = || prop_oneof![2 => Just(Vec::new()), 1 => prop::sample::subsequence(&ZONES[..], 0..=2)];
    let node_hints = prop_oneof![3 => Just(Vec::new()), 1 => prop::sample::subsequence(&NODES[..], 0..=1)];
    (0..8_u8, more, state, node, hints(), node_hints, any::<bool>()).prop_map(
        move |(host, more, (ready, serving, terminating), node, zone_hints, node_hints, named)| Endpoint {
            addresses: std::iter::once(pod_address(family, slot % 3, 65 + host))
                .chain(more)
                .collect::<Vec<_>>()
                .into(),
            ready,
            serving,
            terminating,
            node_name: node.map(Into::into),
            zone: node.and_then(zone_of).map(Into::into),
            target: named.then(|| Box::new(TargetRef::pod(pod_name(slot, host), ""))),
            zone_hints: zone_hints.into_iter().map(str::to_owned).collect(),
            node_hints: node_hints.into_iter().map(str::to_owned).collect(),
            rest: EndpointRest::named(named.then(|| format!("host-{host}")).as_deref()),
        },
    )
}

fn pod_name(slot: u8, host: u8) -> ObjectName {
    ObjectName::new(slot_name(slot).namespace(), format!("pod-{}", host % 6))
}

pub(super) fn zone_of(node: &str) -> Option<&'static str> {
    NODES.iter().position(|known| *known == node).map(|index| ZONES[index % ZONES.len()])
}

pub(super) fn pod_address(family: AddressType, net: u8, host: u8) -> IpAddr {
    match family {
        AddressType::Ipv4 => IpAddr::V4(Ipv4Addr::new(10, 244, net, host)),
        AddressType::Ipv6 => IpAddr::V6(Ipv6Addr::new(0xfd00, 0x10, 0x244, net.into(), 0, 0, 0, host.into())),
    }
}

pub(super) fn pod(world: World) -> impl Strategy<Value = Pod> {
    let phase = prop_oneof![
        6 => Just(PodPhase::Running),
        1 => Just(PodPhase::Pending),
        1 => Just(PodPhase::Succeeded),
        1 => Just(PodPhase::Failed),
    ];
    let node = prop::option::weighted(0.9, 0..NODES.len());
    let hostname = prop::option::of(Just("host-0".to_owned()));
    let subdomain = prop::option::of(prop::sample::select(&super::SERVICES[..]).prop_map(str::to_owned));
    (
        (0..NAMESPACES.len(), world.pod_number()),
        node,
        labels(),
        phase,
        hostname,
        subdomain,
        container_ports(),
        any::<(bool, bool)>(),
    )
        .prop_flat_map(
            |((namespace, number), node, labels, phase, hostname, subdomain, ports, (ready, terminating))| {
                let name = ObjectName::new(NAMESPACES[namespace], format!("pod-{number}"));
                pod_ips(namespace, number, node).prop_map(move |ips| Pod {
                    meta: Meta {
                        labels: labels.clone(),
                        deletion: terminating.then(|| "2026-01-01T00:00:00Z".to_owned()),
                        ..meta(name.clone())
                    },
                    node_name: node.map(|node| NODES[node].to_owned()),
                    hostname: hostname.clone(),
                    subdomain: subdomain.clone(),
                    ports: ports.clone(),
                    phase,
                    conditions: vec![Condition::ready(ready)],
                    ips,
                    host_network: false,
                    host_ips: Vec::new(),
                })
            },
        )
}

/// A pod's own addresses on its node: no other pod has them.
fn pod_ips(namespace: usize, number: u8, node: Option<usize>) -> impl Strategy<Value = Vec<IpAddr>> {
    let host = if namespace == 0 { 100 + number } else { 170 + number };
    let net = u8::try_from(node.unwrap_or(9)).unwrap_or(9);
    let all = [AddressType::Ipv4, AddressType::Ipv6].map(|family| pod_address(family, net, host));
    prop::sample::subsequence(all.to_vec(), 0..=2)
}

fn container_ports() -> impl Strategy<Value = Vec<ContainerPort>> {
    let port =
        |number: u16| ContainerPort { name: "serve".to_owned(), port: number, ..ContainerPort::default() };
    prop::option::of(prop::sample::select(&[8080_u16, 9376][..]))
        .prop_map(move |number| number.into_iter().map(port).collect())
}

pub(super) fn node(index: usize) -> impl Strategy<Value = Object> {
    let name = NODES[index % NODES.len()];
    let net = u8::try_from(index % NODES.len()).unwrap_or(0);
    let v4 = ipnet::Ipv4Net::new_assert(Ipv4Addr::new(10, 244, net, 0), 24);
    let v6 = ipnet::Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x10, 0x244, net.into(), 0, 0, 0, 0), 64);
    prop_oneof![5 => Just(zone_of(name)), 1 => Just(None)].prop_map(move |zone| {
        // Where nobody knows the zone, the node is on its way out.
        let leaving = Taint {
            key: "ToBeDeletedByClusterAutoscaler".to_owned(),
            value: String::new(),
            effect: "NoSchedule".to_owned(),
            time_added: None,
        };
        let taints = if zone.is_none() { vec![leaving] } else { Vec::new() };
        let zone = zone.map(|zone| (ZONE_LABEL.to_owned(), zone.to_owned()));
        let node = Node {
            meta: Meta { labels: zone.into_iter().collect(), ..meta(ObjectName::cluster(name)) },
            pod_cidrs: vec![v4.into(), v6.into()],
            taints,
            addresses: vec![
                NodeAddress::InternalIp(IpAddr::V4(Ipv4Addr::new(172, 20, 10, 2 + net))),
                NodeAddress::Hostname(name.to_owned()),
            ],
            conditions: vec![Condition::ready(true)],
            allocatable_cpu: Some(4000),
        };
        node.into()
    })
}
