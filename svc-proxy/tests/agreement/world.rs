//! Clusters in which something is served.

use std::sync::Arc;

use proptest::prelude::*;
use svc_model::testing::{self, Step};
use svc_model::{EndpointPort, EndpointSlice, Object, Protocol, Snapshot, yaml};

use crate::settings::{ADDRESSES, ip};

/// A cluster of the small world. Its slices name ports at random, so most Services would have no endpoints: most slices
/// are given the ports of their Service here.
pub(crate) fn cluster() -> impl Strategy<Value = Snapshot> {
    (testing::cluster(), any::<u64>(), some_in_the_way()).prop_map(|(objects, dice, in_the_way)| {
        let snapshot: Snapshot = objects.into_iter().collect();
        let slices = snapshot.slices().enumerate().filter(|(index, _)| dice >> (2 * (index % 32)) & 3 != 0);
        let matching: Vec<_> = slices.filter_map(|(_, slice)| matching(&snapshot, slice)).collect();
        let snapshot = snapshot.with(matching, []).0;
        let in_the_way = objects_in_the_way(&snapshot, &in_the_way);
        snapshot.with(in_the_way, []).0
    })
}

/// A history of the small world, once it came up with some that are in the way.
pub(crate) fn history() -> impl Strategy<Value = Vec<Step>> {
    (testing::history(), some_in_the_way()).prop_map(|(mut history, in_the_way)| {
        let snapshot = history.first().map(|first| first.apply(&Snapshot::default()).0).unwrap_or_default();
        history.insert(1, Step::setting(objects_in_the_way(&snapshot, &in_the_way)));
        history
    })
}

/// A Service with one of the node's own addresses, at a port that is another Service's node port.
#[derive(Clone, Debug)]
struct InTheWay {
    /// Which of the node ports there are.
    port: prop::sample::Index,
    address: &'static str,
    is_balancer: bool,
    policy: &'static str,
    ranges: &'static str,
    /// Where its one endpoint is.
    endpoint: Option<&'static str>,
}

fn some_in_the_way() -> impl Strategy<Value = Vec<InTheWay>> {
    let policy = prop::sample::select(vec!["Cluster", "Local"]);
    let ranges = vec!["", "'172.20.10.0/24', '2001:db8:77::/64'", "'10.244.0.0/16', 'fd00:10:244::/48'"];
    let endpoint = prop::sample::select(vec![None, Some("server2"), Some("server3")]);
    let address = prop::sample::select(ADDRESSES.to_vec());
    let one = (
        any::<prop::sample::Index>(),
        address,
        any::<bool>(),
        policy,
        prop::sample::select(ranges),
        endpoint,
    );
    let one = one.prop_map(|(port, address, is_balancer, policy, ranges, endpoint)| InTheWay {
        port,
        address,
        is_balancer,
        policy,
        ranges,
        endpoint,
    });
    prop::collection::vec(one, 0..4)
}

fn objects_in_the_way(snapshot: &Snapshot, all: &[InTheWay]) -> Vec<Object> {
    let ports = snapshot.services().flat_map(|service| service.ports());
    let node_ports: Vec<_> = ports.filter_map(|port| Some((port.protocol(), port.node_port()?))).collect();
    if node_ports.is_empty() {
        return Vec::new();
    }
    let manifests = (0..).zip(all).map(|(number, own)| own.manifests(number, own.port.get(&node_ports)));
    let (objects, problems) = yaml::read(&manifests.collect::<String>()).stored();
    assert!(problems.is_empty(), "{problems:?}");
    objects
}

impl InTheWay {
    fn manifests(&self, number: u8, (protocol, port): &(Protocol, u16)) -> String {
        let Self { address, policy, ranges, .. } = self;
        let v6 = ip(address).is_ipv6();
        let (family, prefix) = if v6 { ("IPv6", "fd00:10:96::f") } else { ("IPv4", "10.96.0.20") };
        let outside = match self.is_balancer {
            false => format!("externalIPs: ['{address}'], ports: [{{port: {port}, protocol: {protocol}}}]}}"),
            true => format!(
                "type: LoadBalancer, loadBalancerSourceRanges: [{ranges}], allocateLoadBalancerNodePorts: false,
                 ports: [{{port: {port}, protocol: {protocol}}}]}},
                 status: {{loadBalancer: {{ingress: [{{ip: '{address}'}}]}}}}"
            ),
        };
        let service = format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: own-{number}, namespace: default}},
               spec: {{clusterIP: '{prefix}{number}', externalTrafficPolicy: {policy}, {outside}}}\n---\n"
        );
        let endpoint = |node| {
            let to = if v6 { "fd00:10:244:2::2" } else { "10.244.2.2" };
            format!(
                "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: {family},
                   metadata: {{name: own-{number}-1, namespace: default, labels: {{kubernetes.io/service-name: own-{number}}}}},
                   ports: [{{name: '', port: 80, protocol: {protocol}}}],
                   endpoints: [{{addresses: ['{to}{number}'], nodeName: {node}}}]}}\n---\n"
            )
        };
        service + &self.endpoint.map(endpoint).unwrap_or_default()
    }
}

fn matching(snapshot: &Snapshot, slice: &Arc<EndpointSlice>) -> Option<Object> {
    let service = snapshot.service(slice.service()?)?;
    let port = |(index, port): (u16, &svc_model::ServicePort)| {
        EndpointPort::new(port.name(), port.protocol(), 8080 + index)
    };
    let ports = (0..).zip(service.ports()).map(port).collect();
    let name = slice.name().name().to_owned();
    let endpoints = slice.endpoints().to_vec();
    Some(EndpointSlice::of_service(service.name(), name, slice.address_type(), ports, endpoints).into())
}
