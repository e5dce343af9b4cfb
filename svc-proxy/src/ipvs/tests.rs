use svc_model::{Snapshot, yaml};

use super::*;
use crate::trace::{Outcome, Reason};
use crate::{Node, NodeBuilder, NodePortAddresses};

const WEB: &str = "
{apiVersion: v1, kind: Service, metadata: {name: web},
 spec: {type: LoadBalancer, clusterIP: 10.96.0.80, externalIPs: [172.20.10.2, 198.51.100.9],
        ports: [{port: 80, nodePort: 30080}]},
 status: {loadBalancer: {ingress: [{ip: 192.0.2.70}]}}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: web-1, labels: {kubernetes.io/service-name: web}},
 ports: [{port: 8080}], endpoints: [{addresses: [10.244.2.65], nodeName: here}, {addresses: [10.244.5.4], nodeName: there}]}
";

fn snapshot(manifests: &str) -> Snapshot {
    let (objects, problems) = yaml::read(manifests).stored();
    assert!(problems.is_empty(), "{problems:?}");
    objects.into_iter().collect()
}

fn node() -> NodeBuilder {
    Node::builder("here").address("172.20.10.2").cluster_cidr("10.244.0.0/16").service_cidr("10.96.0.0/12")
}

fn backend() -> Backend {
    Backend::new(["127.0.0.1", "172.20.10.2", "172.20.11.2"].map(|address| address.parse().unwrap()))
}

fn rules_on(manifests: &str, node: NodeBuilder, backend: &Backend) -> Rules {
    Plan::new(&snapshot(manifests), &node.build().unwrap()).compile(backend)
}

fn rules(manifests: &str) -> Rules {
    rules_on(manifests, node(), &backend())
}

fn ids(rules: &Rules) -> Vec<String> {
    rules.servers().iter().map(|server| server.service().id().to_string()).collect()
}

#[test]
fn every_frontend_is_a_virtual_server_and_what_is_not_the_nodes_own_is_put_on_the_device() {
    let rules = rules(WEB);
    let servers = [
        "-t 10.96.0.80:80",
        "-t 172.20.10.2:80",
        "-t 172.20.10.2:30080",
        "-t 192.0.2.70:80",
        "-t 198.51.100.9:80",
    ];
    assert_eq!(ids(&rules), servers);
    let addresses: Vec<_> = rules.addresses().map(|address| address.to_string()).collect();
    assert_eq!(addresses, ["10.96.0.80", "192.0.2.70", "198.51.100.9"]);
}

#[test]
fn node_ports_are_served_where_the_node_says() {
    let at = |addresses| {
        let rules = rules_on(WEB, node().node_port_addresses(addresses), &backend());
        ids(&rules).into_iter().filter(|id| id.ends_with(":30080")).collect::<Vec<_>>()
    };
    assert_eq!(at(NodePortAddresses::Primary), ["-t 172.20.10.2:30080"]);
    assert_eq!(at(NodePortAddresses::All), ["-t 172.20.10.2:30080", "-t 172.20.11.2:30080"]);
    let range = vec!["172.20.11.0/24".parse().unwrap(), "127.0.0.0/8".parse().unwrap()];
    assert_eq!(at(NodePortAddresses::Cidrs(range)), ["-t 172.20.11.2:30080"]);
}

#[test]
fn no_node_port_is_at_the_loopback_or_a_link_local_address() {
    let six = "{apiVersion: v1, kind: Service, metadata: {name: six},
 spec: {type: NodePort, clusterIP: 'fd00:96::80', ports: [{protocol: UDP, port: 80, nodePort: 30080}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv6,
 metadata: {name: six-1, labels: {kubernetes.io/service-name: six}},
 ports: [{protocol: UDP, port: 8080}], endpoints: [{addresses: ['fd00:244::65']}]}";
    let addresses = ["::1", "fe80::1", "fd00:20::2"].map(|address| address.parse().unwrap());
    let node = node().address("fd00:20::2").node_port_addresses(NodePortAddresses::All);
    let rules = rules_on(six, node, &Backend::new(addresses));
    assert_eq!(ids(&rules), ["-u [fd00:20::2]:30080", "-u [fd00:96::80]:80"]);
}

#[test]
fn a_service_at_a_node_address_goes_before_a_node_port_of_another_and_after_it_the_node_port_is_back() {
    let other = "---
{apiVersion: v1, kind: Service, metadata: {name: rival}, spec: {clusterIP: 10.96.0.81, externalIPs: [172.20.10.2], ports: [{port: 30080}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: rival-1, labels: {kubernetes.io/service-name: rival}},
 ports: [{port: 9090}], endpoints: [{addresses: [10.244.7.7]}]}
";
    let (alone, both) = (rules(WEB), rules(&(WEB.to_owned() + other)));
    let served =
        |rules: &Rules| rules.to_string().matches("-a -t 172.20.10.2:30080 -r 10.244.7.7:9090").count();
    assert_eq!((served(&alone), served(&both)), (0, 1));
    let forth: Vec<_> = both.diff(&alone).to_string().lines().map(str::to_owned).collect();
    assert!(forth.contains(&"-a -t 172.20.10.2:30080 -r 10.244.7.7:9090 -m -w 1".to_owned()), "{forth:?}");
    let back: Vec<_> = alone.diff(&both).to_string().lines().map(str::to_owned).collect();
    assert!(back.contains(&"-a -t 172.20.10.2:30080 -r 10.244.2.65:8080 -m -w 1".to_owned()), "{back:?}");
    assert!(!back.contains(&"-D -t 172.20.10.2:30080".to_owned()), "{back:?}");
}

#[test]
fn a_node_port_that_goes_leaves_the_service_that_it_gave_way_to() {
    let rival = "{apiVersion: v1, kind: Service, metadata: {name: rival}, spec: {clusterIP: 10.96.0.81, externalIPs: [172.20.10.2], ports: [{port: 30080}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: rival-1, labels: {kubernetes.io/service-name: rival}},
 ports: [{port: 9090}], endpoints: [{addresses: [10.244.7.7]}]}
";
    let both = snapshot(&format!("{WEB}---\n{rival}"));
    let mut plan = Plan::new(&both, &node().build().unwrap());
    let mut rules = plan.compile(&backend());
    let web = svc_model::ObjectName::new("default", "web");
    let (alone, delta) = both.with([], [svc_model::ObjectRef::new(svc_model::Kind::Service, web)]);
    let changed = plan.update(&alone, &delta);
    let before = rules.clone();
    rules.update(&plan, &changed);
    assert_eq!(rules.servers(), self::rules(rival).servers());
    assert!(!rules.diff_of(&before, &changed).to_string().contains("-t 172.20.10.2:30080"));
}

#[test]
fn who_comes_is_there_before_it_is_led_to_and_who_goes_is_led_to_no_more() {
    let (nothing, web) = (rules(""), rules(WEB));
    let parts = |change: &Change| {
        let commands = (change.coming().len(), change.going().len());
        (commands, change.glue().is_empty(), change.bound().len(), change.unbound().len())
    };
    assert_eq!(parts(&web.diff(&nothing)), ((15, 0), false, 3, 0));
    assert_eq!(parts(&nothing.diff(&web)), ((0, 5), false, 0, 3));
    assert!(web.diff(&web).is_empty());
}

#[test]
fn affinity_and_scheduler_are_the_virtual_servers() {
    let sticky = WEB.replacen("spec: {", "spec: {sessionAffinity: ClientIP, ", 1);
    let text = rules_on(&sticky, node(), &backend().scheduler(Scheduler::MH)).to_string();
    assert!(text.contains("-A -t 10.96.0.80:80 -s mh -p 10800 -b mh-port\n"), "{text}");
}

#[test]
fn what_listens_on_the_node_does_not_answer_for_a_service() {
    let rules = rules(WEB);
    for to in ["10.96.0.80:22", "192.0.2.70:22", "198.51.100.9:22"] {
        let trace = rules.trace(&format!("TCP 203.0.113.7 {to}").parse().unwrap()).unwrap();
        assert_eq!((trace.outcome(), trace.reason()), (Outcome::Reject, Some(Reason::NoSuchPort)), "{trace}");
    }
    let own = rules.trace(&"TCP 203.0.113.7 172.20.10.2:22".parse().unwrap()).unwrap();
    assert_eq!(own.outcome(), Outcome::Untouched);
}

#[test]
fn a_policy_for_outside_clients_is_for_no_other() {
    let local =
        WEB.replacen("spec: {", "spec: {externalTrafficPolicy: Local, healthCheckNodePort: 32000, ", 1);
    let rules = rules(&local);
    let count = |source: &str| {
        let trace = rules.trace(&format!("TCP {source} 192.0.2.70:80").parse().unwrap()).unwrap();
        trace
            .endpoints()
            .map(|way| (way.destination().unwrap().to_string(), way.is_masqueraded()))
            .collect::<Vec<_>>()
    };
    assert_eq!(count("203.0.113.7"), [("10.244.2.65:8080".to_owned(), false)]);
    let all =
        |masqueraded| ["10.244.2.65:8080", "10.244.5.4:8080"].map(|to| (to.to_owned(), masqueraded)).to_vec();
    assert_eq!(count("10.244.9.9"), all(false));
}
