//! How a node may be set up: what the reference and the compiler are both told.

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;
use svc_model::AddressType;
use svc_proxy::packet::Host;
use svc_proxy::{Compat, Detector, Node, NodePortAddresses, ProxyMode};

/// The node that everything is seen from: `testing` has it, with an address in each family added here.
pub(crate) const NODE: &str = "server2";
pub(crate) const ADDRESSES: [&str; 4] = ["172.20.10.3", "172.20.11.3", "2001:db8:20::3", "2001:db8:21::3"];
pub(crate) const POD_RANGES: [&str; 2] = ["10.244.0.0/16", "fd00:10:244::/48"];
pub(crate) const SERVICE_RANGES: [&str; 2] = ["10.96.0.0/16", "fd00:10:96::/112"];
pub(crate) const POD_INTERFACE: &str = "cni0";

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// How pods are told from others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pods {
    Unknown,
    ByRange,
    ByInterface,
    ByInterfacePrefix,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) mode: ProxyMode,
    pub(crate) pods: Pods,
    pub(crate) masquerade_all: bool,
    pub(crate) service_ranges: bool,
    pub(crate) node_ports: Option<NodePortAddresses>,
    pub(crate) localhost_node_ports: bool,
    pub(crate) compat: Compat,
}

impl Settings {
    /// The settings that a mode of kube-proxy's would be held to.
    pub(crate) fn any(mode: ProxyMode) -> impl Strategy<Value = Settings> {
        let pods = prop_oneof![
            4 => Just(Pods::ByRange), 2 => Just(Pods::Unknown), 1 => Just(Pods::ByInterface), 1 => Just(Pods::ByInterfacePrefix)
        ];
        let compat = prop_oneof![2 => Just(Compat::default()), 1 => Just(Compat::upstream(mode))];
        (pods, prop::bool::weighted(0.25), any::<bool>(), node_ports(), any::<bool>(), compat).prop_map(
            move |(pods, masquerade_all, service_ranges, node_ports, localhost_node_ports, compat)| {
                Settings {
                    mode,
                    pods,
                    masquerade_all,
                    service_ranges,
                    node_ports,
                    localhost_node_ports,
                    compat,
                }
            },
        )
    }

    pub(crate) fn node(&self) -> Node {
        let node = Node::builder(NODE).compat(self.compat.clone()).masquerade_all(self.masquerade_all);
        let mut node = ADDRESSES.iter().fold(node, |node, address| node.address(address));
        node = match self.pods {
            Pods::Unknown => node.detector(Detector::None),
            Pods::ByRange => POD_RANGES.iter().fold(node, |node, range| node.cluster_cidr(range)),
            Pods::ByInterface => node.detector(Detector::Interface(POD_INTERFACE.to_owned())),
            Pods::ByInterfacePrefix => node.detector(Detector::InterfacePrefix("cni".to_owned())),
        };
        if self.service_ranges {
            node = SERVICE_RANGES.iter().fold(node, |node, range| node.service_cidr(range));
        }
        if let Some(addresses) = &self.node_ports {
            node = node.node_port_addresses(addresses.clone());
        }
        node.localhost_node_ports(self.localhost_node_ports).build().unwrap()
    }
}

pub(crate) fn host() -> Host {
    Host::new(ADDRESSES.iter().map(|address| ip(address)))
}

pub(crate) fn primary(family: AddressType) -> IpAddr {
    let mut all = ADDRESSES.iter().map(|address| ip(address));
    all.find(|address| AddressType::of(*address) == family).unwrap()
}

fn node_ports() -> impl Strategy<Value = Option<NodePortAddresses>> {
    let ranges = ["172.20.10.0/24", "172.20.11.3/32", "2001:db8:21::/64", "127.0.0.0/8", "0.0.0.0/0", "::/0"];
    let ranges = prop::sample::subsequence(ranges.to_vec(), 1..=3);
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(NodePortAddresses::Primary)),
        2 => Just(Some(NodePortAddresses::All)),
        2 => ranges.prop_map(|ranges| Some(NodePortAddresses::Cidrs(ranges.into_iter().map(net).collect()))),
    ]
}
