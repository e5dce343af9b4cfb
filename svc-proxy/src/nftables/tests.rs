use svc_model::{Snapshot, yaml};

use super::*;
use crate::trace::Outcome;
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
            "fib daddr type local ip daddr != 127.0.0.0/8 goto nodeports",
            false,
        ),
        (true, compat(|it| it.accept_health_checks = true), "tcp dport @health-checks accept", false),
        (true, compat(|it| it.accept_health_checks = true), "elements = { 32000 }", false),
        (true, compat(|it| it.drop_invalid = true), "ct state invalid drop", false),
        (true, compat(|it| it.accept_forwarded = true), "ct state established,related accept", false),
        (true, compat(|it| it.reject_by_icmp = true), "reject with tcp reset", true),
        (true, compat(|it| it.affinity_of_100_clients = true), "size 100\n", false),
        (true, compat(|it| it.local_without_short_circuit = true), "fib saddr type local", true),
        (true, node().localhost_node_ports(true), "ip daddr 127.0.0.0/8 goto nodeports", false),
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

/// A namespace and a port of 63 characters, a Service of 253: longer than any comment, and with its port than any name
/// in the kernel.
#[test]
fn the_longest_names_are_told_in_full() {
    let [namespace, port] = ["n".repeat(63), "p".repeat(63)];
    let services = ["x", "y"].map(|end| format!("{}{end}", "s".repeat(252)));
    let mut snapshot = Snapshot::default();
    for (at, name) in services.iter().enumerate() {
        let text =
            format!("{}---\n{}", WEB.replace("AFFINITY", "ClientIP"), SLICE.trim_start_matches("---\n"));
        let text = text.replace("port: 80,", &format!("name: {port}, port: 80,"));
        let text = text.replace("port: 8080", &format!("name: {port}, port: 8080"));
        let text = text.replace("namespace: default", &format!("namespace: {namespace}"));
        let text = text
            .replace("name: web,", &format!("name: {name},"))
            .replace("service-name: web", &format!("service-name: {name}"));
        let text = text
            .replace("name: web-1", &format!("name: web-{at}"))
            .replace("10.96.0.80", &format!("10.96.0.{}", 80 + at));
        let text = text
            .replace("192.0.2.70", &format!("192.0.2.{}", 70 + at))
            .replace("30080", &format!("3008{at}"));
        let (objects, problems) = yaml::read(&text).stored();
        assert!(problems.is_empty(), "{problems:?}");
        snapshot = snapshot.with(objects, []).0;
    }
    let rules = Plan::new(&snapshot, &node().build().unwrap()).compile(&Backend::default());
    for table in rules.tables() {
        assert!(table.chains().iter().all(|chain| chain.name().len() <= 255));
        assert!(table.sets().iter().all(|set| set.name().len() <= 255));
    }
    for (at, name) in services.iter().enumerate() {
        let whole = format!("{namespace}/{name}:{port}");
        for (flow, outcome) in [
            (format!("TCP 10.244.1.9 10.96.0.{}:80", 80 + at), Outcome::Forward),
            (format!("TCP 198.51.100.9 192.0.2.{}:80", 70 + at), Outcome::Forward),
            (format!("TCP 203.0.113.9 192.0.2.{}:80", 70 + at), Outcome::Drop),
            (format!("TCP 10.244.1.9 10.96.0.{}:81", 80 + at), Outcome::Reject),
        ] {
            let trace = rules.trace(&flow.parse().unwrap()).unwrap();
            assert_eq!(trace.outcome(), outcome, "{trace}");
            let named = if outcome == Outcome::Reject { whole.split(':').next() } else { Some(&*whole) };
            assert_eq!(trace.object(), named);
            assert!(trace.path().iter().all(|step| step.object() == named), "{trace}");
        }
    }
    let nothing = Plan::new(&Snapshot::default(), &node().build().unwrap()).compile(&Backend::default());
    for caused in rules.caused_diff(&nothing) {
        assert!(!caused.services().is_empty(), "{caused}");
    }
}
