//! Every setting that decides about packets, one or two at a time.

use svc_proxy::{Compat, Detector, Node, NodeBuilder, NodePortAddresses, ProxyMode};

use super::lab::Net;

pub fn usual() -> NodeBuilder {
    plain().cluster_cidr("10.244.0.0/16").cluster_cidr("fd00:244::/32")
}

/// Pods are not told from others.
fn plain() -> NodeBuilder {
    let node = Node::builder("server2").address(Net::ALL[0].node).address(Net::ALL[1].node);
    node.service_cidr("10.96.0.0/12").service_cidr("fd00:96::/112")
}

pub fn all() -> Vec<(&'static str, Node)> {
    let ranges = ["10.244.2.0/24", "172.20.10.3/32", "fd00:244:2::/64"];
    let ranges = NodePortAddresses::Cidrs(ranges.map(|range| range.parse().unwrap()).to_vec());
    let this_node = || plain().pod_cidr("10.244.2.0/24").pod_cidr("fd00:244:2::/64");
    let upstream = |mode| usual().compat(Compat::upstream(mode));
    let all = [
        ("with_the_ranges_of_this_node", this_node().detector(Detector::NodeCidr)),
        ("with_pods_behind_a_bridge", plain().detector(Detector::Interface("cni0".into()))),
        ("with_pods_behind_interfaces_by_prefix", plain().detector(Detector::InterfacePrefix("cni".into()))),
        ("with_unknown_pods", plain()),
        ("with_everything_masqueraded", usual().masquerade_all(true).masquerade_bit(3)),
        ("with_node_ports_everywhere", usual().node_port_addresses(NodePortAddresses::All)),
        ("with_node_ports_in_ranges", usual().node_port_addresses(ranges)),
        ("with_compat_iptables", upstream(ProxyMode::Iptables)),
        ("with_compat_ipvs", upstream(ProxyMode::Ipvs)),
        ("with_compat_nftables", upstream(ProxyMode::Nftables)),
    ];
    all.into_iter().map(|(name, builder)| (name, builder.build().unwrap())).collect()
}
