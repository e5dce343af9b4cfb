use std::net::SocketAddr;

use svc_model::{Snapshot, yaml};
use svc_nft::conntrack::Tuple;

use super::*;
use crate::NodeBuilder;

const OWN: &str = "172.20.10.2";
/// An address of the node that is not its primary one.
const SECOND: &str = "192.168.7.2";
const CLIENT: &str = "10.244.1.1:40000";

/// A Service `dns` with UDP port 53, whose endpoints are on port 5353.
fn service(spec: &str, endpoints: &[&str]) -> String {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|endpoint| {
            let (address, conditions) = endpoint.split_once(' ').unwrap_or((endpoint, "ready: true"));
            format!("{{addresses: [{address}], nodeName: server2, conditions: {{{conditions}}}}}")
        })
        .collect();
    format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: dns, namespace: default}},
           spec: {{clusterIP: 10.96.0.10, ports: [{{port: 53, protocol: UDP, nodePort: 30053}}], {spec}}}}}
---
{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
  metadata: {{name: dns-1, namespace: default, labels: {{kubernetes.io/service-name: dns}}}},
  ports: [{{port: 5353, protocol: UDP}}], endpoints: [{}]}}
",
        endpoints.join(", ")
    )
}

fn node() -> NodeBuilder {
    Node::builder("server2").address(OWN)
}

fn plan_on(node: NodeBuilder, manifests: &str) -> Plan {
    let (objects, problems) = yaml::read(manifests).stored();
    assert!(problems.is_empty(), "{problems:?}");
    Plan::new(&objects.into_iter().collect::<Snapshot>(), &node.build().unwrap())
}

fn plan(manifests: &str) -> Plan {
    plan_on(node(), manifests)
}

/// A flow of the client to an address, answered by another or by none.
fn flow(to: &str, answered_by: &str) -> Flow {
    let udp = |source: SocketAddr, destination| Tuple::new(L4Proto::UDP, source, destination);
    let original = udp(CLIENT.parse().unwrap(), to.parse().unwrap());
    if answered_by.is_empty() {
        return Flow::new(original, original.reversed());
    }
    Flow::new(original, udp(answered_by.parse().unwrap(), original.source()))
}

fn names() -> [ObjectName; 2] {
    ["dns", "other"].map(|name| ObjectName::new("default", name))
}

fn assert_stale(before: Option<&Plan>, now: &Plan, rows: &[(&str, &str, bool)]) {
    let sweep = Sweep::new(before, now, &names())
        .with_local_addresses([OWN, SECOND, "127.0.0.1"].map(|address| address.parse().unwrap()));
    for (to, answered_by, expected) in rows {
        let flow = flow(to, answered_by);
        assert_eq!(sweep.is_stale(&flow), *expected, "{flow}\n{now}");
        let passes = sweep.filters().any(|filter| filter.admits(&flow));
        assert!(passes || !expected, "{flow} is stale and passes no filter");
    }
}

const A: &str = "10.244.2.7:5353";
const B: &str = "10.244.2.9:5353";

#[test]
fn flows_to_vanished_endpoints_are_stale() {
    let before = plan(&service("type: NodePort, externalIPs: [192.0.2.1]", &["10.244.2.7", "10.244.2.9"]));
    let now = plan(&service("type: NodePort, externalIPs: [192.0.2.1]", &["10.244.2.9"]));
    for before in [Some(&before), None] {
        assert_stale(
            before,
            &now,
            &[
                ("10.96.0.10:53", A, true),
                ("10.96.0.10:53", B, false),
                ("192.0.2.1:53", A, true),
                ("172.20.10.2:30053", A, true),
                ("172.20.10.2:30053", B, false),
                // Another port of the same address is another frontend, or none.
                ("10.96.0.10:54", A, false),
                // The same endpoint on another port is another one.
                ("10.96.0.10:53", "10.244.2.9:53", true),
                // Straight to the endpoint, without the Service.
                (A, "", false),
            ],
        );
    }
}

#[test]
fn flows_that_began_before_the_service_could_serve_are_stale() {
    let now = plan(&service("type: NodePort", &["10.244.2.7"]));
    for before in [None, Some(&plan("")), Some(&plan(&service("type: NodePort", &[])))] {
        assert_stale(before, &now, &[("10.96.0.10:53", "", true), ("172.20.10.2:30053", "", true)]);
    }
}

#[test]
fn without_endpoints_every_flow_is_stale() {
    let before = plan(&service("type: NodePort", &["10.244.2.7"]));
    let now = plan(&service("type: NodePort", &[]));
    assert_stale(Some(&before), &now, &[("10.96.0.10:53", A, true), ("172.20.10.2:30053", A, true)]);
    assert_stale(None, &now, &[("10.96.0.10:53", A, true)]);
}

#[test]
fn endpoints_that_answer_keep_their_clients_whatever_policies_say() {
    let draining = "10.244.2.7 ready: false, serving: true, terminating: true";
    let unready = "10.244.2.7 ready: false, serving: false";
    let both = plan(&service("type: NodePort", &["10.244.2.7", "10.244.2.9"]));
    let local = plan(&service("type: NodePort, externalTrafficPolicy: Local", &[draining, "10.244.2.9"]));
    assert_stale(Some(&both), &local, &[("10.96.0.10:53", A, false), ("172.20.10.2:30053", A, false)]);
    let gone = plan(&service("type: NodePort", &[unready, "10.244.2.9"]));
    assert_stale(Some(&both), &gone, &[("10.96.0.10:53", A, true)]);
}

#[test]
fn a_service_alone_that_changes_makes_flows_stale() {
    let before = plan(&service("type: NodePort", &["10.244.2.7"]));
    let more = plan(&service("type: NodePort, externalIPs: [192.0.2.1]", &["10.244.2.7"]));
    assert_stale(Some(&before), &more, &[("192.0.2.1:53", "", true), ("10.96.0.10:53", A, false)]);
    assert_stale(Some(&more), &before, &[("192.0.2.1:53", "", false), ("192.0.2.1:53", A, true)]);
    let moved = plan(&service("type: NodePort", &["10.244.2.7"]).replace("30053", "30054"));
    assert_stale(
        Some(&before),
        &moved,
        &[
            ("172.20.10.2:30053", A, true),
            ("172.20.10.2:30053", "", false),
            ("172.20.10.2:30054", "", true),
            ("172.20.10.2:30054", A, false),
        ],
    );
    let gone = plan("");
    assert_stale(
        Some(&before),
        &gone,
        &[("10.96.0.10:53", A, true), ("10.96.0.10:53", "", false), ("10.96.0.10:53", B, false)],
    );
}

#[test]
fn what_is_not_ours_is_never_stale() {
    let now = plan(&service("type: NodePort", &["10.244.2.7"]));
    assert_stale(
        None,
        &now,
        &[
            // To the number of the node port, at addresses that are not the node's, or do not serve node ports.
            ("192.0.2.77:30053", "", false),
            ("192.168.7.2:30053", "", false),
            ("127.0.0.1:30053", "", false),
            // From a Service's port.
            ("10.244.3.3:40001", "10.96.0.10:53", false),
        ],
    );
    let tcp = Tuple::new(L4Proto::TCP, CLIENT.parse().unwrap(), "10.96.0.10:53".parse().unwrap());
    assert!(!Sweep::new(None, &now, &names()).is_stale(&Flow::new(tcp, tcp.reversed())));
}

#[test]
fn node_ports_are_where_the_node_serves_them() {
    let manifests = service("type: NodePort", &["10.244.2.7"]);
    let rows = |second, loopback| {
        [
            ("172.20.10.2:30053", "", true),
            ("192.168.7.2:30053", "", second),
            ("127.0.0.1:30053", "", loopback),
            ("192.0.2.77:30053", "", false),
        ]
    };
    let all = node().node_port_addresses(NodePortAddresses::All);
    assert_stale(None, &plan_on(all.clone(), &manifests), &rows(true, false));
    assert_stale(None, &plan_on(all.localhost_node_ports(true), &manifests), &rows(true, true));
    let cidrs = ["172.20.0.0/16", "192.0.2.0/24"].map(|cidr| cidr.parse().unwrap());
    let some = node().node_port_addresses(NodePortAddresses::Cidrs(cidrs.to_vec()));
    assert_stale(None, &plan_on(some, &manifests), &rows(false, false));
}

#[test]
fn an_address_with_a_port_is_asked_before_the_port_alone() {
    let other = "---
{apiVersion: v1, kind: Service, metadata: {name: unchanged, namespace: default},
 spec: {clusterIP: 10.96.0.11, externalIPs: [172.20.10.2], ports: [{port: 30053, protocol: UDP}]}}
";
    let manifests = service("type: NodePort", &["10.244.2.7"]) + other;
    assert_stale(None, &plan(&manifests), &[("172.20.10.2:30053", "", false)]);
}

#[test]
fn a_frontend_that_another_service_takes_over_is_judged_by_that_one() {
    let before = plan(&service("externalIPs: [192.0.2.1]", &["10.244.2.7"]));
    let other = "---
{apiVersion: v1, kind: Service, metadata: {name: other, namespace: default},
 spec: {clusterIP: 10.96.0.11, externalIPs: [192.0.2.1], ports: [{port: 53, protocol: UDP}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: other-1, namespace: default, labels: {kubernetes.io/service-name: other}},
 ports: [{port: 5353, protocol: UDP}], endpoints: [{addresses: [10.244.2.9]}]}
";
    let now = plan(&(service("", &["10.244.2.7"]) + other));
    assert_stale(Some(&before), &now, &[("192.0.2.1:53", A, true), ("192.0.2.1:53", B, false)]);
}

#[test]
fn few_frontends_are_asked_for_one_by_one_and_many_by_family() {
    let now = plan(&service("type: NodePort", &["10.244.2.7"]));
    let filters = |now: &Plan| -> Vec<_> {
        Sweep::new(None, now, &names()).filters().map(|filter| filter.to_string()).collect()
    };
    assert_eq!(filters(&now), ["flows of ip udp to 10.96.0.10 port 53", "flows of ip udp port 30053"]);
    let many = "externalIPs: [192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5]";
    assert_eq!(filters(&plan(&service(many, &["10.244.2.7"]))), ["flows of ip udp"]);
    let tcp = service("", &["10.244.2.7"]).replace("UDP", "TCP");
    assert_eq!(filters(&plan(&tcp)), [""; 0]);
}
