//! The rows of the rules.

mod frontends;
mod slices;
mod verdicts;

use super::*;
use crate::{Endpoint, EndpointSlice, Object, Service, yaml};

const HERE: &str = "here";

/// One endpoint: the last part of its address, state, node, hints.
#[derive(Clone, Copy)]
struct Row(u8, State, &'static str, &'static [&'static str], &'static [&'static str]);

#[derive(Clone, Copy, Debug)]
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

fn hosts(backends: &[&Backend]) -> Vec<u8> {
    backends
        .iter()
        .map(|backend| match backend.address().ip() {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => 0,
        })
        .collect()
}

/// cluster list, local list, any
fn chosen(spec: &str, rows: &[Row]) -> (Vec<u8>, Vec<u8>, bool) {
    let service = service(spec);
    let place = Place::new(HERE, Some("east"));
    let backends = backends_of(rows);
    let selection = select(&service, &service.ports()[0], &backends, place);
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
    let backends = backends_of(&[hinted(1, &["east"]), hinted(2, &["west"])]);
    let service = service(CLUSTER);
    let unknown_zone = select(&service, &service.ports()[0], &backends, Place::new(HERE, None));
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

/// A list of policies, the endpoints, and: cluster list, local list, reachable ones, any.
type Choice<'a> = (&'a str, &'a [Row], &'a [u8], &'a [u8], &'a [u8], bool);

const BOTH_LOCAL: &str = "type: NodePort, internalTrafficPolicy: Local, externalTrafficPolicy: Local";
const INTERNAL_ONLY: &str = "type: NodePort, internalTrafficPolicy: Local";

fn here(host: u8, state: State) -> Row {
    Row(host, state, HERE, &[], &[])
}

fn there(host: u8, state: State) -> Row {
    Row(host, state, "there", &[], &[])
}

fn zoned(host: u8, state: State, node: &'static str, zones: &'static [&'static str]) -> Row {
    Row(host, state, node, zones, &[])
}

fn noded(host: u8, state: State, node: &'static str, nodes: &'static [&'static str]) -> Row {
    Row(host, state, node, &["east"], nodes)
}

const EAST: &[&str] = &["east"];
const WEST: &[&str] = &["west"];

fn hold(rows: &[Choice<'_>]) {
    for (spec, endpoints, cluster, local, reachable, any) in rows {
        let service = service(spec);
        let backends = backends_of(endpoints);
        let selection = select(&service, &service.ports()[0], &backends, Place::new(HERE, Some("east")));
        let found = (
            hosts(&selection.cluster),
            hosts(&selection.local),
            hosts(&selection.reachable()),
            selection.any,
        );
        let shown: Vec<_> = backends.iter().map(|backend| backend.address().to_string()).collect();
        assert_eq!(found, (cluster.to_vec(), local.to_vec(), reachable.to_vec(), *any), "{spec} {shown:?}");
    }
}

#[test]
fn policies_decide_which_lists_there_are() {
    let rows = [here(1, Ready), there(2, Ready)];
    hold(&[
        (CLUSTER, &rows, &[1, 2], &[], &[1, 2], true),
        (INTERNAL_LOCAL, &rows, &[], &[1], &[1], true),
        ("type: NodePort", &rows, &[1, 2], &[], &[1, 2], true),
        (EXTERNAL_LOCAL, &rows, &[1, 2], &[1], &[1, 2], true),
        // a node port needs the cluster list, whatever holds inside
        (INTERNAL_ONLY, &rows, &[1, 2], &[1], &[1, 2], true),
        (BOTH_LOCAL, &rows, &[1, 2], &[1], &[1, 2], true),
        // the external policy means nothing where nothing comes from outside
        ("type: ClusterIP, externalTrafficPolicy: Local", &rows, &[1, 2], &[], &[1, 2], true),
    ]);
}

#[test]
fn local_lists_fall_back_to_draining_endpoints_of_the_node_only() {
    hold(&[
        (INTERNAL_LOCAL, &[], &[], &[], &[], false),
        (INTERNAL_LOCAL, &[there(1, Ready)], &[], &[], &[], true),
        (INTERNAL_LOCAL, &[there(1, Draining)], &[], &[], &[], true),
        (INTERNAL_LOCAL, &[there(1, Starting)], &[], &[], &[], false),
        (INTERNAL_LOCAL, &[here(1, Gone)], &[], &[], &[], false),
        (INTERNAL_LOCAL, &[here(1, Draining), there(2, Ready)], &[], &[1], &[1], true),
        (INTERNAL_LOCAL, &[here(1, Draining), here(2, Ready)], &[], &[2], &[2], true),
        (INTERNAL_LOCAL, &[here(1, Starting), here(2, Draining)], &[], &[2], &[2], true),
        (EXTERNAL_LOCAL, &[here(1, Draining), there(2, Ready)], &[2], &[1], &[2, 1], true),
        (EXTERNAL_LOCAL, &[here(1, Draining), there(2, Draining)], &[1, 2], &[1], &[1, 2], true),
        (EXTERNAL_LOCAL, &[here(1, Gone), there(2, Gone)], &[], &[], &[], false),
        (EXTERNAL_LOCAL, &[there(1, Draining)], &[1], &[], &[1], true),
    ]);
}

#[test]
fn draining_endpoints_serve_the_cluster_only_when_none_is_ready() {
    hold(&[
        (CLUSTER, &[here(1, Draining), there(2, Draining)], &[1, 2], &[], &[1, 2], true),
        (CLUSTER, &[here(1, Draining), there(2, Ready)], &[2], &[], &[2], true),
        (CLUSTER, &[here(1, Starting), there(2, Starting)], &[], &[], &[], false),
        (CLUSTER, &[here(1, Gone), there(2, Draining)], &[2], &[], &[2], true),
        // wherever they are, and whatever they are hinted to
        (
            CLUSTER,
            &[zoned(1, Draining, "there", WEST), zoned(2, Draining, HERE, EAST)],
            &[1, 2],
            &[],
            &[1, 2],
            true,
        ),
    ]);
}

#[test]
fn zone_hints_count_when_every_ready_endpoint_has_some_and_one_means_us() {
    hold(&[
        (CLUSTER, &[zoned(1, Ready, "there", EAST), zoned(2, Ready, "there", WEST)], &[1], &[], &[1], true),
        (
            CLUSTER,
            &[zoned(1, Ready, "there", WEST), zoned(2, Ready, "there", WEST)],
            &[1, 2],
            &[],
            &[1, 2],
            true,
        ),
        (CLUSTER, &[zoned(1, Ready, "there", EAST), there(2, Ready)], &[1, 2], &[], &[1, 2], true),
        // those that are not ready need no hints, and their hints decide nothing
        (
            CLUSTER,
            &[zoned(1, Ready, "there", EAST), zoned(2, Ready, "there", WEST), there(3, Starting)],
            &[1],
            &[],
            &[1],
            true,
        ),
        (
            CLUSTER,
            &[zoned(1, Starting, "there", EAST), zoned(2, Ready, "there", WEST)],
            &[2],
            &[],
            &[2],
            true,
        ),
        (CLUSTER, &[zoned(1, Ready, "there", EAST), there(2, Draining)], &[1], &[], &[1], true),
        (
            CLUSTER,
            &[zoned(1, Ready, "there", &["west", "east"]), zoned(2, Ready, "there", WEST)],
            &[1],
            &[],
            &[1],
            true,
        ),
        // local lists know no topology
        (
            EXTERNAL_LOCAL,
            &[zoned(1, Ready, HERE, WEST), zoned(2, Ready, "there", EAST)],
            &[2],
            &[1],
            &[2, 1],
            true,
        ),
        (
            INTERNAL_LOCAL,
            &[zoned(1, Ready, HERE, WEST), zoned(2, Ready, "there", EAST)],
            &[],
            &[1],
            &[1],
            true,
        ),
    ]);
}

#[test]
fn node_hints_come_before_zone_hints() {
    hold(&[
        (
            CLUSTER,
            &[noded(1, Ready, HERE, &[HERE]), noded(2, Ready, "there", &["there"])],
            &[1],
            &[],
            &[1],
            true,
        ),
        // none means this node: its zone decides
        (
            CLUSTER,
            &[noded(1, Ready, "there", &["there"]), noded(2, Ready, "far", &["far"])],
            &[1, 2],
            &[],
            &[1, 2],
            true,
        ),
        (
            CLUSTER,
            &[noded(1, Ready, "there", &["there"]), zoned(2, Ready, "far", WEST)],
            &[1],
            &[],
            &[1],
            true,
        ),
        // one has none: all fall back to zones
        (
            CLUSTER,
            &[noded(1, Ready, HERE, &[HERE]), zoned(2, Ready, "there", EAST)],
            &[1, 2],
            &[],
            &[1, 2],
            true,
        ),
        // the one that is hinted here is not ready
        (
            CLUSTER,
            &[noded(1, Starting, HERE, &[HERE]), noded(2, Ready, "there", &["there"])],
            &[2],
            &[],
            &[2],
            true,
        ),
        (
            EXTERNAL_LOCAL,
            &[noded(1, Ready, HERE, &["there"]), noded(2, Ready, "there", &[HERE])],
            &[2],
            &[1],
            &[2, 1],
            true,
        ),
    ]);
}
