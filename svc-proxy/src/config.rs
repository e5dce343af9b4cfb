//! What the embedder sets: the node that the proxy works for.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use svc_model::AddressType;

#[cfg(test)]
mod tests;

/// The node whose packets are forwarded: who it is, which sources are pods, where node ports are served.
///
/// ```
/// use svc_proxy::Node;
///
/// let node = Node::builder("server2")
///     .address("172.20.10.2")
///     .pod_cidr("10.244.2.0/24")
///     .cluster_cidr("10.244.0.0/16")
///     .build()?;
/// assert_eq!(node.name(), "server2");
/// # Ok::<(), svc_proxy::NodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    name: String,
    addresses: Vec<IpAddr>,
    pod_cidrs: Vec<IpNet>,
    cluster_cidrs: Vec<IpNet>,
    service_cidrs: Vec<IpNet>,
    zone: Option<String>,
    detector: Detector,
    node_port_addresses: NodePortAddresses,
    masquerade_all: bool,
    masquerade_bit: u8,
}

impl Node {
    /// A node called `name`, as EndpointSlices call it (`endpoints[].nodeName`).
    pub fn builder(name: impl Into<String>) -> NodeBuilder {
        NodeBuilder::new(name.into())
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The addresses; the first of each family is its primary one.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The zone, where it was set; without it the Node object's label `topology.kubernetes.io/zone` counts.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// Where node ports are served.
    #[must_use]
    pub fn node_port_addresses(&self) -> &NodePortAddresses {
        &self.node_port_addresses
    }

    /// Traffic to ClusterIPs is masqueraded whatever its source.
    #[must_use]
    pub fn masquerade_all(&self) -> bool {
        self.masquerade_all
    }

    /// The packet mark that asks for masquerading: one bit.
    #[must_use]
    pub fn masquerade_mark(&self) -> u32 {
        1 << self.masquerade_bit
    }

    /// The families that this node has an address of: others are not served.
    #[must_use]
    pub fn families(&self) -> Vec<AddressType> {
        [AddressType::Ipv4, AddressType::Ipv6]
            .into_iter()
            .filter(|&family| self.primary_address(family).is_some())
            .collect()
    }

    /// The first address of a family.
    #[must_use]
    pub fn primary_address(&self, family: AddressType) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|&address| AddressType::of(address) == family)
    }

    /// How packets that pods of the cluster send are told from others; `None`: not at all.
    #[must_use]
    pub fn pod_source(&self, family: AddressType) -> Option<PodSource> {
        match &self.detector {
            Detector::None => None,
            Detector::ClusterCidr => first_of(&self.cluster_cidrs, family).map(PodSource::Cidr),
            Detector::NodeCidr => first_of(&self.pod_cidrs, family).map(PodSource::Cidr),
            Detector::Interface(name) => Some(PodSource::Interface(name.clone())),
            Detector::InterfacePrefix(prefix) => Some(PodSource::InterfacePrefix(prefix.clone())),
        }
    }

    /// The ranges that ClusterIPs come from: unallocated addresses in them are dropped.
    pub fn service_cidrs(&self, family: AddressType) -> impl Iterator<Item = IpNet> {
        self.service_cidrs.iter().copied().filter(move |cidr| AddressType::of(cidr.addr()) == family)
    }
}

fn first_of(cidrs: &[IpNet], family: AddressType) -> Option<IpNet> {
    cidrs.iter().copied().find(|cidr| AddressType::of(cidr.addr()) == family)
}

/// `detectLocalMode`: how a pod's packet is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detector {
    /// The source lies in the cluster's pod range (the default where one is given).
    ClusterCidr,
    /// The source lies in this node's pod range (the default where only that is given).
    NodeCidr,
    /// The packet comes in by this interface (`BridgeInterface`).
    Interface(String),
    /// The packet comes in by an interface whose name begins so (`InterfaceNamePrefix`).
    InterfacePrefix(String),
    /// Pods are not recognised (the default without any range).
    None,
}

/// What the [`Detector`] comes to in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PodSource {
    /// Source addresses in a range.
    Cidr(IpNet),
    /// An input interface.
    Interface(String),
    /// Input interfaces by the beginning of their name.
    InterfacePrefix(String),
}

/// `nodePortAddresses`: on which of the node's addresses node ports are served. Loopback addresses never serve them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodePortAddresses {
    /// The node's primary address of each family.
    #[default]
    Primary,
    /// Every local address.
    All,
    /// Local addresses in these ranges.
    Cidrs(Vec<IpNet>),
}

/// Collects a [`Node`]. Addresses and ranges may be given as text or as their types.
#[derive(Clone, Debug)]
#[must_use]
pub struct NodeBuilder {
    name: String,
    addresses: Vec<String>,
    pod_cidrs: Vec<String>,
    cluster_cidrs: Vec<String>,
    service_cidrs: Vec<String>,
    zone: Option<String>,
    detector: Option<Detector>,
    node_port_addresses: NodePortAddresses,
    masquerade_all: bool,
    masquerade_bit: u8,
}

impl NodeBuilder {
    fn new(name: String) -> Self {
        Self {
            name,
            addresses: Vec::new(),
            pod_cidrs: Vec::new(),
            cluster_cidrs: Vec::new(),
            service_cidrs: Vec::new(),
            zone: None,
            detector: None,
            node_port_addresses: NodePortAddresses::Primary,
            masquerade_all: false,
            masquerade_bit: 14,
        }
    }

    /// Adds an address of the node; the first of each family is its primary one. At least one is needed.
    pub fn address(mut self, address: impl fmt::Display) -> Self {
        self.addresses.push(address.to_string());
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

    /// Where node ports are served.
    pub fn node_port_addresses(mut self, addresses: NodePortAddresses) -> Self {
        self.node_port_addresses = addresses;
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
            pod_cidrs: parse_all("pod_cidr", &self.pod_cidrs)?,
            cluster_cidrs: parse_all("cluster_cidr", &self.cluster_cidrs)?,
            service_cidrs: parse_all("service_cidr", &self.service_cidrs)?,
            name: self.name,
            zone: self.zone,
            node_port_addresses: self.node_port_addresses,
            masquerade_all: self.masquerade_all,
            masquerade_bit: self.masquerade_bit,
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
    if node.addresses.is_empty() {
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

/// A [`Node`] that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// No name.
    #[error("the node has no name: give the one that EndpointSlices use as nodeName")]
    Unnamed,
    /// No address.
    #[error("node {node} has no address: add its primary one with `.address(..)`")]
    NoAddress {
        /// The node.
        node: String,
    },
    /// Text that is not what its field needs.
    #[error("{field}: `{value}` cannot be read: write an address as 172.20.10.2, a range as 10.244.0.0/16")]
    Unreadable {
        /// The setting.
        field: &'static str,
        /// What was given.
        value: String,
    },
    /// An address that no node has.
    #[error("address: {address} cannot be a node's address: give one that its network knows")]
    NotAnAddressOfANode {
        /// What was given.
        address: IpAddr,
    },
    /// A bit that the 32-bit packet mark does not have.
    #[error("masquerade_bit: {bit} is not in 0-31")]
    MasqueradeBit {
        /// What was given.
        bit: u8,
    },
    /// A detector that lacks its range.
    #[error("detector {detector} needs a range: add one with `.{field}(..)` or choose another detector")]
    DetectorWithoutRange {
        /// The detector.
        detector: &'static str,
        /// The setting to add.
        field: &'static str,
    },
    /// A name that no interface can have.
    #[error("detector: `{name}` cannot be an interface's name: 1 to 15 bytes")]
    InterfaceName {
        /// What was given.
        name: String,
    },
}
