use svc_model::{Snapshot, yaml};

use super::*;
use crate::{Compat, Node, NodeBuilder, NodePortAddresses};

const WEB: &str = "
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default},
 spec: {type: LoadBalancer, clusterIP: 10.96.0.80, healthCheckNodePort: 32000, externalTrafficPolicy: Local,
        sessionAffinity: AFFINITY, loadBalancerSourceRanges: [198.51.100.0/24], ports: [{port: 80, nodePort: 30080}]},
 status: {loadBalancer: {ingress: [{ip: 192.0.2.70}]}}}
";

const SLICE: &str = "---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}},
 ports: [{port: 8080}], endpoints: [{addresses: [10.244.2.65], nodeName: here}]}
";

fn rules(manifests: &str, builder: NodeBuilder) -> String {
    let (objects, problems) = yaml::read(manifests).stored();
    assert!(problems.is_empty(), "{problems:?}");
    let snapshot: Snapshot = objects.into_iter().collect();
    Plan::new(&snapshot, &builder.build().unwrap()).compile(&Backend::default()).to_string()
}

fn node() -> NodeBuilder {
    Node::builder("here").address("172.20.10.2").cluster_cidr("10.244.0.0/16").service_cidr("10.96.0.0/12")
}

fn compat(set: impl Fn(&mut Compat)) -> NodeBuilder {
    let mut compat = Compat::default();
    set(&mut compat);
    node().compat(compat)
}

/// With endpoints and affinity, a setting, a line of the rules, and whether it stands there without and with the setting.
#[test]
fn settings_are_in_the_rules() {
    let rows = [
        (true, compat(|it| it.pass_wrong_ports = true), "ip daddr @cluster-ips goto reject-chain", true),
        (true, compat(|it| it.pass_unallocated = true), "ip daddr 10.96.0.0/12 drop", true),
        (
            false,
            compat(|it| it.reject_blocked_without_endpoints = true),
            "goto firewall-default/web/tcp",
            true,
        ),
        (
            false,
            compat(|it| it.reject_node_ports_on_all_addresses = true),
            "fib daddr type local meta l4proto . th dport vmap @no-endpoint-nodeports",
            false,
        ),
        (
            true,
            compat(|it| it.node_ports_on_all_addresses = true),
            "fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @service-nodeports",
            false,
        ),
        (true, compat(|it| it.accept_health_checks = true), "tcp dport @health-checks accept", false),
        (true, compat(|it| it.accept_health_checks = true), "elements = { 32000 }", false),
        (true, compat(|it| it.drop_invalid = true), "ct state invalid drop", false),
        (true, compat(|it| it.accept_forwarded = true), "ct state established,related accept", false),
        (true, compat(|it| it.reject_by_icmp = true), "reject with tcp reset", true),
        (true, compat(|it| it.affinity_of_100_clients = true), "size 100\n", false),
        (true, compat(|it| it.local_without_short_circuit = true), "fib saddr type local", true),
        (
            true,
            node().localhost_node_ports(true),
            "ip daddr 127.0.0.0/8 meta l4proto . th dport vmap @service-nodeports",
            false,
        ),
        (true, node().localhost_node_ports(true), "ip saddr != 127.0.0.0/8 ip daddr 127.0.0.0/8 drop", false),
        (true, node().masquerade_all(true), "ip daddr @cluster-ips meta mark set", false),
        (true, node().masquerade_bit(3), "meta mark set meta mark | 0x00000008", false),
        (
            true,
            node().node_port_addresses(NodePortAddresses::Cidrs(vec!["172.20.0.0/16".parse().unwrap()])),
            "ip daddr 172.20.0.0/16 fib daddr type local",
            false,
        ),
    ];
    for (served, builder, line, usual) in rows {
        let slice = if served { SLICE } else { "" };
        for affinity in ["None", "ClientIP"].into_iter().skip(usize::from(line.contains("size"))) {
            let manifests = format!("{}{slice}", WEB.replace("AFFINITY", affinity));
            assert_eq!(rules(&manifests, node()).contains(line), usual, "{line}");
            assert_eq!(rules(&manifests, builder.clone()).contains(line), !usual, "{line}");
        }
    }
}

#[test]
fn whom_a_list_of_ranges_does_not_name_is_kept_out() {
    let other_family = WEB.replace("AFFINITY", "None").replace("198.51.100.0/24", "\"fd00::/8\"");
    let text = rules(&other_family, node());
    assert!(text.contains("chain firewall-default/web/tcp {\n\t\tdrop\n\t}"), "{text}");
    assert!(
        !rules(&other_family, compat(|it| it.open_source_ranges = true)).contains("chain firewall-default")
    );
}
