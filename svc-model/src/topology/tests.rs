//! The rows of the rules.

use super::*;
use crate::{Object, yaml};

const HERE: &str = "here";

/// One endpoint: the last part of its address, state, node, hints.
#[derive(Clone, Copy)]
struct Row(u8, State, &'static str, &'static [&'static str], &'static [&'static str]);

#[derive(Clone, Copy)]
enum State {
    Ready,
    Starting,
    Draining,
    Gone,
}
use State::{Draining, Gone, Ready, Starting};

fn endpoint(Row(host, state, node, zones, nodes): Row) -> Endpoint {
    let (ready, serving, terminating) = match state {
        Ready => (true, true, false),
        Starting => (false, false, false),
        Draining => (false, true, true),
        Gone => (false, false, true),
    };
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Endpoint {
        ready,
        serving,
        terminating,
        zone_hints: owned(zones),
        node_hints: owned(nodes),
        ..Endpoint::ready_at([10, 0, 0, host].into()).on_node(node)
    }
}

fn backends_of(rows: &[Row]) -> Vec<Backend> {
    rows.iter().map(|row| Backend::of(&endpoint(*row), 80)).collect()
}

fn service(spec: &str) -> Service {
    let text = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web}}, \
         spec: {{clusterIP: 10.96.0.1, ports: [{{port: 80, nodePort: 30080}}], {spec}}}}}"
    );
    match yaml::read(&text).stored().0.remove(0) {
        Object::Service(service) => Service::clone(&service),
        other => panic!("{other:?}"),
    }
}

fn hosts(addresses: &[SocketAddr]) -> Vec<u8> {
    addresses
        .iter()
        .map(|address| match address.ip() {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => 0,
        })
        .collect()
}

/// cluster list, local list, any
fn chosen(spec: &str, rows: &[Row]) -> (Vec<u8>, Vec<u8>, bool) {
    let service = service(spec);
    let place = Place::new(HERE, Some("east"));
    let selection = select(&service, &service.ports()[0], &backends_of(rows), place);
    (hosts(&selection.cluster), hosts(&selection.local), selection.any)
}

const CLUSTER: &str = "type: ClusterIP";
const INTERNAL_LOCAL: &str = "type: ClusterIP, internalTrafficPolicy: Local";
const EXTERNAL_LOCAL: &str = "type: NodePort, externalTrafficPolicy: Local";

#[test]
fn ready_ones_or_else_draining_ones() {
    let there = |host, state| Row(host, state, "there", &[], &[]);
    for (rows, expected) in [
        (vec![], vec![]),
        (vec![there(1, Ready), there(2, Ready)], vec![1, 2]),
        (vec![there(1, Ready), there(2, Starting), there(3, Draining), there(4, Gone)], vec![1]),
        (vec![there(2, Starting), there(3, Draining), there(4, Gone)], vec![3]),
        (vec![there(2, Starting), there(4, Gone)], vec![]),
    ] {
        let any = !expected.is_empty();
        assert_eq!(chosen(CLUSTER, &rows), (expected, vec![], any));
    }
}

#[test]
fn local_policies() {
    let here = |host, state| Row(host, state, HERE, &[], &[]);
    let there = |host, state| Row(host, state, "there", &[], &[]);
    for (spec, rows, expected) in [
        (INTERNAL_LOCAL, vec![here(1, Ready), there(2, Ready)], (vec![], vec![1], true)),
        (INTERNAL_LOCAL, vec![here(1, Draining), there(2, Ready)], (vec![], vec![1], true)),
        (INTERNAL_LOCAL, vec![there(2, Ready)], (vec![], vec![], true)),
        (INTERNAL_LOCAL, vec![here(1, Starting)], (vec![], vec![], false)),
        (EXTERNAL_LOCAL, vec![here(1, Ready), there(2, Ready)], (vec![1, 2], vec![1], true)),
        (EXTERNAL_LOCAL, vec![here(1, Draining), there(2, Ready)], (vec![2], vec![1], true)),
        (EXTERNAL_LOCAL, vec![there(2, Draining)], (vec![2], vec![], true)),
        (EXTERNAL_LOCAL, vec![], (vec![], vec![], false)),
    ] {
        assert_eq!(chosen(spec, &rows), expected, "{spec}");
    }
}

#[test]
fn hints() {
    let hinted = |host, zone: &'static [&'static str]| Row(host, Ready, "there", zone, &[]);
    let noded = |host, node: &'static [&'static str]| Row(host, Ready, "there", &["west"], node);
    let draining = Row(9, Draining, "there", &["east"], &[]);
    for (rows, expected) in [
        (vec![hinted(1, &["east"]), hinted(2, &["west"])], vec![1]),
        (vec![hinted(1, &["east"]), hinted(2, &[])], vec![1, 2]),
        (vec![hinted(1, &["west"]), hinted(2, &["west"])], vec![1, 2]),
        (vec![hinted(1, &["east", "west"]), hinted(2, &["west"]), draining], vec![1]),
        (vec![noded(1, &[HERE]), noded(2, &["there"])], vec![1]),
        (vec![noded(1, &["there"]), noded(2, &["there"])], vec![1, 2]),
        (vec![noded(1, &[HERE]), Row(2, Ready, "there", &["east"], &[])], vec![2]),
    ] {
        assert_eq!(chosen(CLUSTER, &rows).0, expected);
    }
    let unknown_zone = select(
        &service(CLUSTER),
        &service(CLUSTER).ports()[0],
        &backends_of(&[hinted(1, &["east"]), hinted(2, &["west"])]),
        Place::new(HERE, None),
    );
    assert_eq!(hosts(&unknown_zone.cluster), [1, 2]);
}

#[test]
fn an_address_in_several_slices_counts_once() {
    let web = service(CLUSTER);
    let slice = |name: &str, port: u16, rows: &[Row]| {
        let ports = vec![crate::EndpointPort::new("", crate::Protocol::Tcp, port)];
        let endpoints = rows.iter().map(|row| endpoint(*row)).collect();
        EndpointSlice::of_service(web.name(), name, AddressType::Ipv4, ports, endpoints)
    };
    let other_name = EndpointSlice::of_service(
        web.name(),
        "other",
        AddressType::Ipv4,
        vec![crate::EndpointPort::new("https", crate::Protocol::Tcp, 443)],
        vec![endpoint(Row(7, Ready, HERE, &[], &[]))],
    );
    let slices = [
        slice("a", 80, &[Row(1, Draining, HERE, &[], &[]), Row(2, Ready, HERE, &[], &[])]),
        slice("b", 80, &[Row(1, Ready, HERE, &[], &[]), Row(2, Draining, HERE, &[], &[])]),
        slice("c", 81, &[Row(1, Ready, HERE, &[], &[])]),
        other_name,
    ];
    let snapshot: Snapshot = slices.into_iter().map(Object::from).chain([web.clone().into()]).collect();
    let found = backends(&snapshot, web.name(), &web.ports()[0], AddressType::Ipv4);
    let shown: Vec<_> = found.iter().map(|it| (it.address().to_string(), it.is_ready())).collect();
    assert_eq!(
        shown,
        [("10.0.0.1:80", true), ("10.0.0.1:81", true), ("10.0.0.2:80", true)]
            .map(|(address, ready)| (address.to_owned(), ready))
    );
    assert_eq!(serving(&snapshot, web.name(), &web.ports()[0]).len(), 3);
    assert!(backends(&snapshot, web.name(), &web.ports()[0], AddressType::Ipv6).is_empty());
}

#[test]
fn external_access() {
    for (spec, expected) in [
        ("type: ClusterIP", false),
        ("type: NodePort", true),
        ("externalIPs: [203.0.113.7]", true),
        ("type: LoadBalancer, allocateLoadBalancerNodePorts: false", true),
    ] {
        let service = service(spec);
        assert_eq!(is_externally_accessible(&service, &service.ports()[0]), expected, "{spec}");
    }
}
