//! Collecting a node's settings.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use svc_model::AddressType;

use super::{Compat, Detector, Node, NodeError, NodePortAddresses};

/// Collects a [`Node`]. Addresses and ranges may be given as text or as their types.
#[derive(Clone, Debug)]
#[must_use]
pub struct NodeBuilder {
    name: String,
    addresses: Vec<String>,
    families: Vec<AddressType>,
    pod_cidrs: Vec<String>,
    cluster_cidrs: Vec<String>,
    service_cidrs: Vec<String>,
    zone: Option<String>,
    detector: Option<Detector>,
    node_port_addresses: Option<NodePortAddresses>,
    localhost_node_ports: bool,
    masquerade_all: bool,
    masquerade_bit: u8,
    compat: Compat,
    conntrack_at_least: Vec<(&'static str, u64)>,
}

impl NodeBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            addresses: Vec::new(),
            families: Vec::new(),
            pod_cidrs: Vec::new(),
            cluster_cidrs: Vec::new(),
            service_cidrs: Vec::new(),
            zone: None,
            detector: None,
            node_port_addresses: None,
            localhost_node_ports: false,
            masquerade_all: false,
            masquerade_bit: 14,
            compat: Compat::default(),
            conntrack_at_least: Vec::new(),
        }
    }

    /// Adds an address of the node; the first of each family is its primary one. At least one is needed, unless
    /// [`families`](Self::families) are chosen.
    pub fn address(mut self, address: impl fmt::Display) -> Self {
        self.addresses.push(address.to_string());
        self
    }

    /// Makes this the primary address of its family, whatever else was added.
    pub fn primary_address(mut self, address: IpAddr) -> Self {
        self.addresses.insert(0, address.to_string());
        self
    }

    /// Serves these families, whether or not the node has an address of them, rather than those it has one of. Without an
    /// address of a family nothing is served at the node's primary one.
    pub fn families(mut self, families: impl IntoIterator<Item = AddressType>) -> Self {
        self.families = families.into_iter().collect();
        self
    }

    /// Adds the range of this node's pods.
    pub fn pod_cidr(mut self, cidr: impl fmt::Display) -> Self {
        self.pod_cidrs.push(cidr.to_string());
        self
    }

    /// Adds the range of all pods of the cluster.
    pub fn cluster_cidr(mut self, cidr: impl fmt::Display) -> Self {
        self.cluster_cidrs.push(cidr.to_string());
        self
    }

    /// The ranges of all pods of the cluster, in place of those that were added.
    pub fn cluster_cidrs(mut self, cidrs: &[IpNet]) -> Self {
        self.cluster_cidrs = cidrs.iter().map(ToString::to_string).collect();
        self
    }

    /// Adds a range that ClusterIPs come from: packets to addresses in it that no Service has are dropped, rather than
    /// sent along the default route, where a connection would be remembered as one that is not translated.
    pub fn service_cidr(mut self, cidr: impl fmt::Display) -> Self {
        self.service_cidrs.push(cidr.to_string());
        self
    }

    /// The zone; without it the Node object's label counts.
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// How pods' packets are recognised; without it, by whichever range was given.
    pub fn detector(mut self, detector: Detector) -> Self {
        self.detector = Some(detector);
        self
    }

    /// Where node ports are served: at the node's primary addresses unless set.
    pub fn node_port_addresses(mut self, addresses: NodePortAddresses) -> Self {
        self.node_port_addresses = Some(addresses);
        self
    }

    /// Serves node ports at 127.0.0.0/8 too: for the node itself, not for its neighbours. Off unless set. IPv4 only, for
    /// IPv6 packets cannot leave `::1`. Needs `net.ipv4.conf.all.route_localnet` = 1, which is checked as other settings
    /// of the kernel are.
    pub fn localhost_node_ports(mut self, yes: bool) -> Self {
        self.localhost_node_ports = yes;
        self
    }

    /// Takes kube-proxy's way in some questions rather than ours.
    pub fn compat(mut self, compat: Compat) -> Self {
        self.compat = compat;
        self
    }

    /// Connection tracking has at least these values in these settings (paths below `/proc/sys`): looked at, or set, as other
    /// settings of the kernel are, and never lowered. What kube-proxy's configuration says is
    /// `kube_proxy::Conntrack::at_least`. None unless set.
    pub fn conntrack_at_least(mut self, settings: impl IntoIterator<Item = (&'static str, u64)>) -> Self {
        self.conntrack_at_least = settings.into_iter().collect();
        self
    }

    /// Masquerade all traffic to ClusterIPs.
    pub fn masquerade_all(mut self, yes: bool) -> Self {
        self.masquerade_all = yes;
        self
    }

    /// The bit (0 to 31) of the packet mark that asks for masquerading; 14 unless set.
    pub fn masquerade_bit(mut self, bit: u8) -> Self {
        self.masquerade_bit = bit;
        self
    }

    /// The node.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be meant.
    pub fn build(self) -> Result<Node, NodeError> {
        let node = Node {
            detector: self.chosen_detector(),
            addresses: parse_all("address", &self.addresses)?,
            families: self.families,
            pod_cidrs: parse_all("pod_cidr", &self.pod_cidrs)?,
            cluster_cidrs: parse_all("cluster_cidr", &self.cluster_cidrs)?,
            service_cidrs: parse_all("service_cidr", &self.service_cidrs)?,
            name: self.name,
            zone: self.zone,
            node_port_addresses: self.node_port_addresses,
            localhost_node_ports: self.localhost_node_ports,
            masquerade_all: self.masquerade_all,
            masquerade_bit: self.masquerade_bit,
            compat: self.compat,
            conntrack_at_least: self.conntrack_at_least,
        };
        check(&node)?;
        Ok(node)
    }

    fn chosen_detector(&self) -> Detector {
        match &self.detector {
            Some(detector) => detector.clone(),
            None if !self.cluster_cidrs.is_empty() => Detector::ClusterCidr,
            None if !self.pod_cidrs.is_empty() => Detector::NodeCidr,
            None => Detector::None,
        }
    }
}

fn parse_all<T: std::str::FromStr>(field: &'static str, values: &[String]) -> Result<Vec<T>, NodeError> {
    values
        .iter()
        .map(|value| value.parse().map_err(|_| NodeError::Unreadable { field, value: value.clone() }))
        .collect()
}

fn check(node: &Node) -> Result<(), NodeError> {
    if node.name.is_empty() {
        return Err(NodeError::Unnamed);
    }
    if node.addresses.is_empty() && node.families.is_empty() {
        return Err(NodeError::NoAddress { node: node.name.clone() });
    }
    if let Some(&address) =
        node.addresses.iter().find(|address| address.is_unspecified() || address.is_multicast())
    {
        return Err(NodeError::NotAnAddressOfANode { address });
    }
    if node.masquerade_bit > 31 {
        return Err(NodeError::MasqueradeBit { bit: node.masquerade_bit });
    }
    check_detector(node)
}

fn check_detector(node: &Node) -> Result<(), NodeError> {
    match &node.detector {
        Detector::ClusterCidr if node.cluster_cidrs.is_empty() => {
            Err(NodeError::DetectorWithoutRange { detector: "ClusterCidr", field: "cluster_cidr" })
        }
        Detector::NodeCidr if node.pod_cidrs.is_empty() => {
            Err(NodeError::DetectorWithoutRange { detector: "NodeCidr", field: "pod_cidr" })
        }
        // The kernel's IFNAMSIZ is 16 with its closing NUL.
        Detector::Interface(name) | Detector::InterfacePrefix(name) if name.is_empty() || name.len() > 15 => {
            Err(NodeError::InterfaceName { name: name.clone() })
        }
        _ => Ok(()),
    }
}
