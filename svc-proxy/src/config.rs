//! What the embedder sets: the node that the proxy works for.

use std::net::IpAddr;

use ipnet::IpNet;
use svc_model::AddressType;

mod builder;
mod compat;
mod error;

#[cfg(test)]
mod tests;

pub use builder::NodeBuilder;
pub use compat::{Compat, ProxyMode};
pub use error::NodeError;

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
    families: Vec<AddressType>,
    pod_cidrs: Vec<IpNet>,
    cluster_cidrs: Vec<IpNet>,
    service_cidrs: Vec<IpNet>,
    zone: Option<String>,
    detector: Detector,
    node_port_addresses: Option<NodePortAddresses>,
    localhost_node_ports: bool,
    masquerade_all: bool,
    masquerade_bit: u8,
    compat: Compat,
    conntrack_at_least: Vec<(&'static str, u64)>,
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

    /// Where node ports are served. Unless set: at the node's primary addresses, or at all of them where
    /// [`Compat::node_ports_on_all_addresses`] says so.
    #[must_use]
    pub fn node_port_addresses(&self) -> &NodePortAddresses {
        match &self.node_port_addresses {
            Some(addresses) => addresses,
            None if self.compat.node_ports_on_all_addresses => &NodePortAddresses::All,
            None => &NodePortAddresses::Primary,
        }
    }

    /// Node ports are served at 127.0.0.0/8 too, for the node itself.
    #[must_use]
    pub fn localhost_node_ports(&self) -> bool {
        self.localhost_node_ports && !self.compat.no_localhost_node_ports
    }

    /// Where kube-proxy's way is taken rather than ours.
    #[must_use]
    pub fn compat(&self) -> &Compat {
        &self.compat
    }

    /// The kernel settings of connection tracking that have to have at least these values.
    #[must_use]
    pub fn conntrack_at_least(&self) -> &[(&'static str, u64)] {
        &self.conntrack_at_least
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

    /// The families that are served: those that were chosen, or else those that the node has an address of.
    #[must_use]
    pub fn families(&self) -> Vec<AddressType> {
        let is_served = |family: &AddressType| match &self.families[..] {
            [] => self.primary_address(*family).is_some(),
            chosen => chosen.contains(family),
        };
        [AddressType::Ipv4, AddressType::Ipv6].into_iter().filter(is_served).collect()
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

/// `nodePortAddresses`: on which of the node's addresses node ports are served. Loopback addresses serve them only with
/// [`NodeBuilder::localhost_node_ports`].
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
